/** Values of a log event. Bodies, tokens, passwords and file contents never go in. */
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** One canonical JSON line per request, queue message, alarm or socket: what happened, to what, how long, how it ended. */
export function logEvent(event: string, fields: LogFields, level: 'info' | 'warn' | 'error' = 'info'): void {
  const line = JSON.stringify({ level, event, ...fields });
  // biome-ignore lint/suspicious/noConsole: the runtime collects standard output; this is the only place that writes to it
  console[level](line);
}

/** What a log may say of something that was thrown. */
export function describeError(error: unknown): LogFields {
  if (error instanceof Error)
    return { error: error.name, message: error.message, stack: error.stack?.split('\n').slice(0, 6).join(' | ') };
  return { error: 'thrown', message: String(error) };
}
