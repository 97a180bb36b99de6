import stripAnsi from 'strip-ansi';
import type { BuildLogLine } from '../../contract/builds.ts';
import type { RunnerEvent } from '../../contract/jobs.ts';
import { limits } from '../../contract/limits.ts';
import { cutBytes } from '../../core/bytes.ts';
import { maskSecrets } from '../../core/mask.ts';
import type { Sql } from '../sql.ts';

/** What the state of a build says of its log. */
export interface LogCount {
  logLines: number;
  /** Bytes of their messages; absent in builds of a release that did not count them. */
  logBytes?: number;
  /** The cap was reached, and said so. */
  logFull?: boolean;
}

/** What is left of control characters without the escape sequences; tabs and line ends may stay. */
const controlCharacters = /[^\P{Cc}\t\n]/gu;

const encoder = new TextEncoder();
const bytesOf = (text: string): number => encoder.encode(text).byteLength;

/** What a tool or a game said, as it may be shown: no escape sequences, no secrets. */
export const plainText = (text: string): string => maskSecrets(stripAnsi(text).replace(controlCharacters, ''));

/**
 * The log of a build, as rows of its object. How long it is stands in the state of the build, not here: both change in one transaction, and
 * the state is saved once for all lines of a batch. So whoever adds a line gives the count, and is given what changes of it.
 */
export class BuildLog {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
    sql.run('CREATE TABLE IF NOT EXISTS log (seq INTEGER PRIMARY KEY, json TEXT NOT NULL)');
  }

  /** A line of the platform's own. */
  append(count: LogCount, line: Omit<BuildLogLine, 'seq'>): Pick<LogCount, 'logLines' | 'logBytes'> {
    const seq = count.logLines + 1;
    this.#sql.run('INSERT INTO log (seq, json) VALUES (?, ?)', seq, JSON.stringify({ seq, ...line }));
    return { logLines: seq, logBytes: (count.logBytes ?? 0) + bytesOf(line.message) + bytesOf(line.source ?? '') };
  }

  /** A line that a runner sent: cleaned, cut, and dropped once the log is full, which the log says itself. */
  take(count: LogCount, event: Extract<RunnerEvent, { type: 'log' }>): Partial<LogCount> {
    if (count.logFull) return {};
    const message = cutBytes(plainText(event.message), limits.build.logLineBytes);
    const source =
      event.source === undefined ? undefined : cutBytes(plainText(event.source), limits.build.sourceLineBytes);
    const bytes = bytesOf(message) + bytesOf(source ?? '');
    const isFull = count.logLines >= limits.build.logLines || (count.logBytes ?? 0) + bytes > limits.build.logBytes;
    const at = new Date(event.at).toISOString();
    if (isFull) {
      const full = 'The log is full; further lines are not kept.';
      return { ...this.append(count, { at, level: 'warn', step: event.step, message: full }), logFull: true };
    }
    return this.append(count, {
      at,
      level: event.level,
      step: event.step,
      message,
      ...(event.file !== undefined && { file: event.file }),
      ...(event.line !== undefined && { line: event.line }),
      ...(event.column !== undefined && { column: event.column }),
      ...(source !== undefined && { source }),
    });
  }

  /** Lines after `since`, oldest first. */
  lines(since: number, limit: number): BuildLogLine[] {
    return this.#sql
      .all<{ json: string }>('SELECT json FROM log WHERE seq > ? ORDER BY seq LIMIT ?', since, limit)
      .map((row) => JSON.parse(row.json) as BuildLogLine);
  }

  /** All of it, as lines of JSON. */
  text(): string {
    return this.#sql
      .all<{ json: string }>('SELECT json FROM log ORDER BY seq')
      .map(({ json }) => `${json}\n`)
      .join('');
  }
}
