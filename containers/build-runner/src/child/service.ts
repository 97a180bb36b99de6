import type { ChildProcess } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { transform } from 'esbuild';

/** esbuild's own process, which serves this one until both end. */
export interface Service {
  /** Whether it is gone, or as good as gone. What its client says of a build from then on is not about the project. */
  readonly gone: boolean;
  /** Resolves when it has ended, which nobody here ever asks it to. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>;
}

/**
 * Starts esbuild's process now rather than within somebody's build. Its client knows the process and tells nobody of it: of an end it
 * says no more than that "the service was stopped", in the place where a mistake of the project would stand.
 */
export const startService = async (): Promise<Service> => {
  const started: ChildProcess[] = [];
  const note = (message: unknown): void => void started.push((message as { process: ChildProcess }).process);
  subscribe('child_process', note);
  const answered = transform('');
  unsubscribe('child_process', note);
  const [process_] = started;
  if (process_ === undefined) throw new Error('esbuild has started no process');

  let gone = false;
  const leave = (): void => {
    gone = true;
  };
  // Its client learns of the end by whichever comes first, and answers what it was asked: nobody may believe that.
  process_.stdin?.prependListener('error', leave);
  process_.stdout?.prependListener('end', leave);
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    process_.once('exit', (code, signal) => {
      leave();
      resolve({ code, signal });
    });
  });
  await answered;
  return {
    get gone() {
      return gone;
    },
    ended,
  };
};
