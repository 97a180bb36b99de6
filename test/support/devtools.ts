import { WebSocket } from 'ws';

export interface Devtools {
  /** Calls a method of the Chrome DevTools Protocol; its result. */
  call(method: string, params?: object): Promise<unknown>;
  close(): void;
}

/** The inspector of a Worker's isolate, in which its objects run too. `worker` is its name in Miniflare. */
export async function devtools(inspector: string, worker = 'server'): Promise<Devtools> {
  const socket = new WebSocket(`${inspector.replace(/\/$/, '')}/core:user:${worker}`, { perMessageDeflate: false });
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  let next = 0;
  const waiting = new Map<number, (result: unknown) => void>();
  socket.on('message', (data) => {
    const message = JSON.parse(String(data)) as { id?: number; result?: unknown };
    if (message.id !== undefined) waiting.get(message.id)?.(message.result);
  });
  return {
    call: (method, params = {}) => {
      next += 1;
      const id = next;
      socket.send(JSON.stringify({ id, method, params }));
      return new Promise((resolve) => waiting.set(id, resolve));
    },
    close: () => socket.close(),
  };
}
