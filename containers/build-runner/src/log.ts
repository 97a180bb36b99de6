import { runnerLimits } from './runner-limits.ts';

type Fields = Readonly<Record<string, string | number | boolean | null | undefined | object>>;

/** One JSON line on standard output for the operator. Never give it a token, a whole environment or text of a project. */
export const log = (level: 'info' | 'warn' | 'error', event: string, fields: Fields = {}): void => {
  process.stdout.write(`${JSON.stringify({ at: new Date().toISOString(), level, event, ...fields })}\n`);
};

/** Name and message of anything thrown and of its causes, for a log line; never a stack. */
export const describeError = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error).slice(0, runnerLimits.thrownText);
  const own = `${error.name}: ${error.message}`;
  return (error.cause === undefined ? own : `${own} (${describeError(error.cause)})`).slice(0, runnerLimits.errorText);
};
