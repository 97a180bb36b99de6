import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BlobCache } from '../../containers/build-runner/src/blob-cache.ts';
import { DiskLru } from '../../containers/build-runner/src/disk-lru.ts';
import { newId } from '../../src/contract/ids.ts';
import { sha256 } from './support/fake-platform.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-caches-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe('a cache on disk', () => {
  const add = async (cache: DiskLru, name: string): Promise<void> => {
    await writeFile(join(dir, name), 'x'.repeat(10));
    cache.add(name, join(dir, name), 10);
  };

  it('removes what was used longest ago when it is full, from the disk too', async () => {
    const cache = new DiskLru(30);
    for (const name of ['a', 'b', 'c']) await add(cache, name);
    expect(cache.touch('a')).toBe(true);
    await add(cache, 'd');
    await expect.poll(() => readdir(dir)).toEqual(['a', 'c', 'd']);
    expect(cache.touch('b')).toBe(false);
  });

  it('keeps what is in use until it is not, however full it is', async () => {
    const cache = new DiskLru(20);
    await add(cache, 'used');
    const release = cache.pin('used');
    for (const name of ['b', 'c', 'd']) await add(cache, name);
    await expect.poll(() => readdir(dir)).toEqual(['d', 'used']);
    cache.limit(5);
    await expect.poll(() => readdir(dir)).toEqual(['used']);
    expect(cache.touch('used')).toBe(true);
    release();
    await expect.poll(() => readdir(dir)).toEqual([]);
    expect(cache.bytes).toBe(0);
  });

  it('keeps what is larger than all that it may hold for as long as it is in use', async () => {
    const cache = new DiskLru(5);
    await writeFile(join(dir, 'large'), 'x'.repeat(10));
    const release = cache.addPinned('large', join(dir, 'large'), 10);
    expect(cache.touch('large')).toBe(true);
    release();
    await expect.poll(() => readdir(dir)).toEqual([]);
  });

  it('gives up a part when it is asked to, at once', async () => {
    const cache = new DiskLru();
    for (const name of ['a', 'b', 'c', 'd']) await add(cache, name);
    cache.touch('a');
    const release = cache.pin('b');
    await cache.evict(0.5);
    expect(await readdir(dir)).toEqual(['a', 'b']);
    await cache.evict(1);
    expect(await readdir(dir)).toEqual(['b']);
    release();
    expect(cache.bytes).toBe(10);
  });
});

describe('the cache of blobs', () => {
  const bytes = Buffer.from('content of a file');
  const blob = { hash: sha256(bytes), size: bytes.length };
  const projectId = newId();
  const fetchOf = (content: Buffer) => (consume: (body: AsyncIterable<Uint8Array>) => Promise<void>) =>
    consume(
      (async function* () {
        yield content;
      })(),
    );
  const never = (): Promise<void> => Promise.reject(new Error('it was here'));

  it('gives a build a copy: what the build does to it reaches no other', async () => {
    const cache = await BlobCache.open(join(dir, 'blobs'));
    const [first, second] = [join(dir, 'first'), join(dir, 'second')];
    expect(await cache.place(projectId, blob, first, fetchOf(bytes))).toBe(false);
    await writeFile(first, 'something else');
    expect(await cache.place(projectId, blob, second, never)).toBe(true);
    expect(await readFile(second)).toEqual(bytes);
    // Also for the next process.
    const next = await BlobCache.open(join(dir, 'blobs'));
    expect(await next.place(projectId, blob, join(dir, 'third'), never)).toBe(true);
  });

  it('keeps small contents, and believes the disk only what has the right hash', async () => {
    const cache = await BlobCache.open(join(dir, 'blobs'));
    expect(cache.read(projectId, blob.hash)).toBeUndefined();
    const answer = Buffer.concat([bytes, bytes]);
    cache.keep(projectId, blob.hash, answer.subarray(0, bytes.length));
    answer.fill(0);
    expect(cache.read(projectId, blob.hash)).toEqual(bytes);
    // The disk has it later, or when the process ends.
    expect((await BlobCache.open(join(dir, 'blobs'))).read(projectId, blob.hash)).toBeUndefined();
    await Promise.all([cache.settle(), cache.settle()]);
    expect(cache.read(projectId, blob.hash)).toEqual(bytes);
    expect((await BlobCache.open(join(dir, 'blobs'))).read(projectId, blob.hash)).toEqual(bytes);
    // Cut off as it was written, changed, or gone.
    const path = join(dir, 'blobs', projectId, blob.hash);
    await writeFile(path, bytes.subarray(1));
    const next = await BlobCache.open(join(dir, 'blobs'));
    expect(next.read(projectId, blob.hash)).toBeUndefined();
    next.keep(projectId, blob.hash, bytes);
    await next.settle();
    const last = await BlobCache.open(join(dir, 'blobs'));
    await rm(path);
    expect(last.read(projectId, blob.hash)).toBeUndefined();
  });

  it('writes small contents to disk by itself, and goes on where that cannot be done', async () => {
    const cache = await BlobCache.open(join(dir, 'blobs'));
    const others = Array.from({ length: 3 }, (_, n) => Buffer.from(`content ${n}`));
    const paths = others.map((one) => join(dir, 'blobs', projectId, sha256(one)));
    // No file can be written there.
    await mkdir(paths[0] ?? '', { recursive: true });
    for (const one of others) cache.keep(projectId, sha256(one), one);
    const written = () => Promise.all(paths.map((path) => readFile(path, 'utf8').catch(() => null)));
    await expect.poll(written).toEqual([null, 'content 1', 'content 2']);
  });

  it('never lends what one project brought to another, and forgets what an earlier release kept for all', async () => {
    const shard = join(dir, 'blobs', blob.hash.slice(0, 2));
    await mkdir(shard, { recursive: true });
    await writeFile(join(shard, blob.hash), bytes);
    const cache = await BlobCache.open(join(dir, 'blobs'));
    expect(await readdir(join(dir, 'blobs'))).toEqual(['tmp']);
    const another = newId();
    cache.keep(projectId, blob.hash, bytes);
    expect(cache.read(another, blob.hash)).toBeUndefined();
    await cache.settle();
    for (const opened of [cache, await BlobCache.open(join(dir, 'blobs'))]) {
      expect(opened.read(projectId, blob.hash)).toEqual(bytes);
      expect(opened.read(another, blob.hash)).toBeUndefined();
    }
    expect(await cache.place(projectId, blob, join(dir, 'own'), never)).toBe(true);
    expect(await cache.place(another, blob, join(dir, 'fetched'), fetchOf(bytes))).toBe(false);
    expect(await cache.place(another, blob, join(dir, 'again'), never)).toBe(true);
  });

  it('takes nothing in that has not the hash it is asked for by', async () => {
    const cache = await BlobCache.open(join(dir, 'blobs'));
    const wrong = Buffer.from('content of a lie!');
    await expect(cache.place(projectId, blob, join(dir, 'first'), fetchOf(wrong))).rejects.toThrow('does not match');
    await expect(
      cache.place(projectId, blob, join(dir, 'first'), fetchOf(Buffer.concat([bytes, bytes]))),
    ).rejects.toThrow('longer');
    expect(await cache.place(projectId, blob, join(dir, 'first'), fetchOf(bytes))).toBe(false);
    expect(await readdir(join(dir, 'blobs', 'tmp'))).toEqual([]);
  });
});
