import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Build } from '../../src/contract/builds.ts';

interface LogLine {
  readonly event: string;
  readonly build?: string;
  readonly attempt?: number;
  readonly outcome?: string;
}

/** What the platform of a system wrote down. The tool that runs it puts its own words around it, and colours around warnings. */
const linesOf = (state: string): LogLine[] =>
  readFileSync(join(state, 'logs', 'worker.log'), 'utf8')
    .split('\n')
    .flatMap((line) => /\{"level".*\}/.exec(line)?.[0] ?? [])
    .map((json) => JSON.parse(json) as LogLine);

/**
 * No build was built twice, however slow the machine is: each ended once, no attempt was given to two runners, and every
 * attempt before the last one was lost, with a reason. `state` is the folder of the system.
 */
export async function expectBuiltOnce(state: string, builds: readonly Build[]): Promise<void> {
  const attemptsOf = (lines: readonly LogLine[], event: string, outcome?: string): number[] =>
    lines.flatMap((line) => (line.event === event && line.outcome === outcome ? (line.attempt ?? []) : []));
  // Lines come a moment after what they tell of.
  await expect
    .poll(() => {
      const ended = new Set(linesOf(state).flatMap(({ event, build }) => (event === 'build.ended' ? build : [])));
      return builds.filter(({ id }) => !ended.has(id));
    })
    .toEqual([]);
  const lines = linesOf(state);
  for (const { id, attempt: last } of builds) {
    const own = lines.filter(({ build }) => build === id);
    expect(attemptsOf(own, 'build.ended'), `ends of ${id}`).toEqual([last]);
    const taken = attemptsOf(own, 'build.dispatched', 'taken');
    expect(taken, `attempts of ${id} that runners took`).toEqual([...new Set(taken)]);
    const lost = [...attemptsOf(own, 'build.attempt_lost'), ...attemptsOf(own, 'build.dispatched', 'lost')];
    for (let attempt = 1; attempt < last; attempt += 1) expect(lost, `attempt ${attempt} of ${id}`).toContain(attempt);
  }
}
