import { describe, expect, it, vi } from 'vitest';
import { limits } from '../../../src/contract/limits.ts';
import type { SearchQuery, SearchResults } from '../../../src/contract/search.ts';
import { finderOf } from '../../../src/core/search.ts';
import { codeOf } from '../support/code-of.ts';
import { world, worldPerTest, write } from '../support/room-setup.ts';
import { ids } from '../support/room-world.ts';

worldPerTest();

const begin = (query: Partial<SearchQuery> & { q: string }, by: string = ids.viewer): Promise<SearchResults> => {
  const results = world.room.search({ regex: false, case: false, ...query }, by);
  // Whoever waits for it hears of its failure.
  results.catch(() => undefined);
  return results;
};

/** The answer, with every pause on the way to it. */
async function ended<T>(work: Promise<T>): Promise<T> {
  let running = true;
  work
    .finally(() => {
      running = false;
    })
    .catch(() => undefined);
  while (running) await vi.advanceTimersByTimeAsync(1);
  return await work;
}

const watch = (work: Promise<unknown>): (() => boolean) => {
  let done = false;
  void work.then(() => {
    done = true;
  });
  return () => done;
};

const search = (query: Partial<SearchQuery> & { q: string }) => ended(begin(query));
const places = ({ matches }: SearchResults) => matches.map(({ path, line, column }) => `${path}:${line}:${column}`);

/** Counts as much work, and is little: what it cannot do without is in no text. */
const slowPattern = { q: 'hit(?:a?){300}', regex: true };
const lineCost = 100 * finderOf({ ...slowPattern, case: false }).cost;
/** Text that takes this pattern so many pauses to get through, and one of them before its last line. */
const slow = (pauses: number, last = ''): string =>
  `${'a'.repeat(100)}\n`.repeat(Math.ceil((pauses * limits.search.steps) / lineCost)) + last;

describe('[R20] A search', () => {
  it('finds text in all files, sorted', async () => {
    await write('src/b.ts', 'const speed = 1;\nspeed;');
    await write('a.md', '# Speed');
    expect(await search({ q: 'speed' })).toEqual({
      matches: [
        { path: 'a.md', line: 1, column: 3, length: 5, preview: '# Speed', offset: 2 },
        { path: 'src/b.ts', line: 1, column: 7, length: 5, preview: 'const speed = 1;', offset: 6 },
        { path: 'src/b.ts', line: 2, column: 1, length: 5, preview: 'speed;', offset: 0 },
      ],
      truncated: false,
    });
    expect(places(await search({ q: 'speed', case: true, path: '*.md' }))).toEqual([]);
    expect(places(await search({ q: '^speed;', regex: true, path: 'src/' }))).toEqual(['src/b.ts:2:1']);
  });

  it('includes what was typed a moment ago, and not what was deleted', async () => {
    await write('live.ts', 'one');
    const client = await world.client(ids.editor, 'live.ts');
    client.type(0, 'needle ');
    await vi.advanceTimersByTimeAsync(0);
    expect(places(await search({ q: 'needle' }))).toEqual(['live.ts:1:1']);
    await world.room.delete('live.ts', ids.owner);
    expect(places(await search({ q: 'needle' }))).toEqual([]);
  });

  it('does not look into what is no text', async () => {
    const { hash, size } = world.blobs.seed('x', 'needle');
    await world.room.write('sprite.png', { hash, size }, ids.owner);
    await write('a.txt', 'needle');
    expect(places(await search({ q: 'needle' }))).toEqual(['a.txt:1:1']);
  });

  it('says of a pattern or a glob that it is none', async () => {
    expect(await codeOf(begin({ q: '(', regex: true }))).toBe('validation_failed');
    expect(await codeOf(begin({ q: 'x', path: '{*' }))).toBe('validation_failed');
  });

  it('ends at so many matches, in a file and in all, and says so', async () => {
    const { matches, matchesPerFile } = limits.search;
    await write('full', 'x'.repeat(matchesPerFile));
    expect(await search({ q: 'x' })).toMatchObject({ truncated: false, matches: { length: matchesPerFile } });
    await write('full', 'x'.repeat(matchesPerFile + 1));
    await write('more', 'x');
    const results = await search({ q: 'x' });
    expect(results.truncated).toBe(true);
    expect(results.matches).toHaveLength(matchesPerFile + 1);
    expect(results.matches.at(-1)?.path).toBe('more');
    for (let index = 0; index < matches / matchesPerFile; index += 1)
      await write(`y${index}`, 'y'.repeat(matchesPerFile));
    expect(await search({ q: 'y' })).toMatchObject({ truncated: false, matches: { length: matches } });
    await write('y-last', 'y');
    expect(await search({ q: 'y' })).toMatchObject({ truncated: true, matches: { length: matches } });
  });

  it('says when a line was too long for its pattern', async () => {
    await write('a', 'a'.repeat(limits.file.textMax - 1));
    expect(await search({ q: '(a+)+$', regex: true })).toEqual({ matches: [], truncated: true });
    expect((await search({ q: 'aaa' })).truncated).toBe(true);
    expect((await search({ q: 'b' })).truncated).toBe(false);
  });
});

describe('[R20] While a search runs', () => {
  it('the room does other work in its pauses, and the search sees what came of it', async () => {
    await write('1', slow(10));
    await write('2', 'hit');
    await write('3', 'nothing');
    const results = begin(slowPattern);
    const done = watch(results);
    await vi.advanceTimersByTimeAsync(2);
    await world.room.delete('2', ids.owner);
    await write('3', 'a hit');
    expect(done()).toBe(false);
    expect(places(await ended(results))).toEqual(['3:1:3']);
  });

  it('typing goes through the pauses: durable and seen by others before the search ends', async () => {
    await write('doc', '');
    await write('slow', slow(200));
    const [author, reader] = [await world.client(ids.owner, 'doc'), await world.client(ids.editor, 'doc')];
    const results = begin(slowPattern);
    const done = watch(results);
    author.type(0, 'hello');
    await world.settle();
    expect(reader.content).toBe('hello');
    expect(world.durable('doc')).toBe('hello');
    expect(done()).toBe(false);
    expect((await ended(results)).truncated).toBe(false);
  });

  it('it ends when its time is over, with what it has', async () => {
    await write('1', 'hit');
    await write('2', slow(10, 'hit'));
    await write('3', 'hit');
    expect(places(await search(slowPattern))).toHaveLength(3);
    const results = begin(slowPattern);
    await vi.advanceTimersByTimeAsync(2);
    vi.setSystemTime(Date.now() + limits.search.time);
    const late = await ended(results);
    expect(places(late)).toEqual(['1:1:1']);
    expect(late.truncated).toBe(true);
  });

  it('others wait for their turn; too many are refused, of one user and of all', async () => {
    await write('slow', slow(2));
    const { waiting, waitingPerUser } = limits.search;
    const mine = Array.from({ length: waitingPerUser }, () => begin(slowPattern));
    expect(await codeOf(begin(slowPattern))).toBe('rate_limited');
    const others = Array.from({ length: waiting - waitingPerUser }, (_, index) => begin(slowPattern, `user ${index}`));
    expect(await codeOf(begin(slowPattern, ids.owner))).toBe('rate_limited');
    expect(await ended(Promise.all([...mine, ...others]))).toHaveLength(waiting);
    expect(await search(slowPattern)).toEqual({ matches: [], truncated: false });
  });
});

describe('[R20] Texts that the room does not have', () => {
  const gets = () => vi.spyOn(world.blobs, 'get');
  /** A project of a template: nothing of it is in the room. */
  const adopt = (count: number, mark: string) => {
    const digits = String(count).length;
    const name = (index: number): string => `f${String(index).padStart(digits, '0')}`;
    world.room.adopt(
      Array.from({ length: count }, (_, index) => world.blobs.seed(name(index), `${mark} ${index}, needle`)),
      ids.owner,
    );
  };

  it('are read a few at a time, once, and do not fill its storage', async () => {
    adopt(30, 'storage');
    const get = world.blobs.get.bind(world.blobs);
    let [running, most] = [0, 0];
    const spy = gets().mockImplementation(async (hash) => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 0));
      running -= 1;
      return await get(hash);
    });
    expect((await search({ q: 'needle' })).matches).toHaveLength(30);
    expect(most).toBe(limits.search.parallel);
    expect(world.sql.all('SELECT hash FROM contents')).toEqual([]);
    expect((await search({ q: 'needles?$', regex: true })).matches).toHaveLength(30);
    expect(spy).toHaveBeenCalledTimes(30);
  });

  it('are left out beyond a number, which the answer says; those that it has are not', async () => {
    const { coldTexts } = limits.search;
    adopt(coldTexts + 5, 'number');
    await write('z', 'no. 3, needle');
    const spy = gets();
    const first = await search({ q: ' 3, needle' });
    expect(first.truncated).toBe(true);
    expect(places(first)).toEqual(['f003:1:7', 'z:1:4']);
    expect(spy).toHaveBeenCalledTimes(coldTexts);
    // What it remembers counts no more.
    const second = await search({ q: `${coldTexts + 4}, needle` });
    expect(second).toMatchObject({ truncated: false, matches: [{ path: `f${coldTexts + 4}` }] });
    expect(spy).toHaveBeenCalledTimes(coldTexts + 5);
  });

  it('that cannot be read make the search fail, and not the next one', async () => {
    adopt(3, 'unreadable');
    const spy = gets().mockResolvedValue(null);
    expect(await codeOf(ended(begin({ q: 'needle' })))).toBe('unavailable');
    spy.mockRestore();
    expect((await search({ q: 'needle' })).matches).toHaveLength(3);
  });
});
