import { Worker } from 'node:worker_threads';
import { inRoot } from '../../scripts/lib/paths.ts';
import { limits } from '../../src/contract/limits.ts';
import type { FromAbuser, ToAbuser } from './abuser.ts';

export interface Abuse {
  /** How often the server closed one of its sockets so far, by code. */
  readonly closed: ReadonlyMap<number, number>;
  stop(): Promise<void>;
}

/** Sockets on a document that flood, ask, write as much as they may, send too much or noise, or never read, and come again when they are closed. `newUrl` has a fresh ticket in it. In a thread of their own. */
export function startAbuse(newUrl: () => Promise<string>, sockets: number): Abuse {
  const closed = new Map<number, number>();
  const worker = new Worker(inRoot('bench', 'lib', 'abuser.ts'), {
    workerData: { sockets, tooLarge: limits.room.frameBytes + 1, perSecond: limits.room.framesPerSecond },
  });
  worker.on('message', (message: FromAbuser) => {
    if ('closed' in message) {
      closed.set(message.closed, (closed.get(message.closed) ?? 0) + 1);
      return;
    }
    const { wanted: socket } = message;
    const answer = (url: string | null): void => worker.postMessage({ socket, url } satisfies ToAbuser);
    // Tickets have a pace of their own, which is part of what holds somebody hostile off.
    newUrl().then(answer, () => answer(null));
  });
  return {
    closed,
    stop: async () => {
      await worker.terminate();
    },
  };
}
