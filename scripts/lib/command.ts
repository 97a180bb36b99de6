import { type ParseArgsConfig, parseArgs } from 'node:util';

/** Ends the process with what went wrong. */
export function fail(text: string): never {
  process.stderr.write(`${text}\n`);
  process.exit(1);
}

/** What an error says, for the person at the terminal. */
export const said = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/**
 * The arguments of a command. `--help` prints its usage and ends; what it does not know ends it too.
 */
export function readArguments<const T extends Omit<ParseArgsConfig, 'args'>>(
  usage: string,
  config: T,
): ReturnType<typeof parseArgs<T>> {
  try {
    if (process.argv.slice(2).includes('--help')) {
      process.stdout.write(usage);
      process.exit(0);
    }
    return parseArgs(config);
  } catch (error) {
    return fail(`${said(error)}\n${usage}`);
  }
}
