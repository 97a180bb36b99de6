import { afterEach, beforeEach, vi } from 'vitest';
import { limits } from '../../../src/contract/limits.ts';
import { ids, World } from './room-world.ts';

/** The world of the running test, where its file or block called `worldPerTest`. */
export let world: World;

/** An untouched world in place of the one that the test had. */
export function newWorld(): void {
  world = new World();
}

/** Each test begins at the same moment, and its time stands still but for what it lets pass. */
export function stillTime(): void {
  beforeEach(() => {
    vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) });
  });
  afterEach(() => {
    vi.useRealTimers();
  });
}

/** Each test has a world of its own, where time stands still, with these texts by their paths. */
export function worldPerTest(texts: Readonly<Record<string, string>> = {}): void {
  stillTime();
  beforeEach(async () => {
    newWorld();
    for (const [path, text] of Object.entries(texts)) await write(path, text);
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });
}

/** Writes a text over REST, as the owner. */
export const write = (path: string, text: string, options = {}, at = world) =>
  at.room.write(path, { text }, ids.owner, options);

/** By then an edit is in the log and with everybody. Milliseconds. */
export const commitWindow = limits.room.commitWindow.max;
/** How many rows the logs of all documents have. */
export const logRows = (): number => world.sql.all('SELECT * FROM document_log').length;
