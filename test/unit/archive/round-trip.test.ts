import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/contract/limits.ts';
import { Settings } from '../../../src/contract/projects.ts';
import { writeManifest } from '../../../src/core/archive.ts';
import { canonicalJson } from '../../../src/core/canonical-json.ts';
import { validPath } from '../../../src/core/paths.ts';
import { hashTree, WorkingTree } from '../../../src/core/tree.ts';
import { writeArchive } from '../../../src/worker/archive/export.ts';
import { png } from '../../support/media.ts';
import { zipOf } from '../../support/zip.ts';
import { exported, filesIn, imported, manifestFor, openIn, projectOf } from '../support/memory-archive.ts';

/** Names that mean something to an archive, beside any that a tree may have. */
const segment = fc.oneof(
  fc.constantFrom(
    'kiln.json',
    'KILN.json',
    'files',
    'assets',
    '.git',
    'node_modules',
    '__MACOSX',
    '.DS_Store',
    'Thumbs.db',
  ),
  fc.constantFrom('a', 'b', 'src', 'Grüße', '日本', 'e\u0301'.normalize('NFC'), '__proto__', 'constructor', '100%'),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }),
);
const path = fc
  .array(segment, { minLength: 1, maxLength: 4 })
  .map((segments) => segments.join('/').normalize('NFC'))
  .filter((candidate) => {
    try {
      return validPath(candidate) === candidate;
    } catch {
      return false;
    }
  });
const content = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 200 }),
  fc.uint8Array({ maxLength: 200 }),
  fc.nat({ max: 20_000 }).map((length) => 'x'.repeat(length)),
);
/** Files that can stand in one tree. */
const files = fc.array(fc.tuple(path, content), { maxLength: 12 }).map((list) => {
  const tree = new WorkingTree();
  const kept: Record<string, string | Uint8Array> = Object.create(null);
  for (const [name, bytes] of list)
    try {
      tree.put({ path: name, hash: '', size: 0, mode: 0o644 });
      kept[name] = bytes;
    } catch {
      // It cannot stand beside what is there.
    }
  return kept;
});
const about = fc.record({
  name: fc.string({ minLength: 1, maxLength: 40 }).filter((name) => name.trim() === name && name !== ''),
  description: fc.string({ unit: 'grapheme', maxLength: 100 }),
  // As a project can have them.
  settings: fc
    .dictionary(fc.string({ minLength: 1, maxLength: 10 }), fc.jsonValue({ maxDepth: 2 }))
    .map((settings) => Settings.parse(settings)),
});

describe('import(export(p))', () => {
  it('is p: tree hash, contents, name, description and settings, whatever its files are called', async () => {
    await fc.assert(
      fc.asyncProperty(files, about, async (tree, facts) => {
        const project = projectOf(tree, facts);
        const { archive, entries, stored, treeHash } = await imported(await exported(project));
        expect(treeHash).toBe(hashTree(project.entries));
        expect(new Set(entries)).toEqual(new Set(project.entries));
        expect(stored).toEqual(project.blobs);
        expect(archive.skipped).toBe(0);
        const { name, description, settings } = archive.manifest ?? {};
        expect(canonicalJson({ name, description, settings })).toBe(canonicalJson(facts));
      }),
      { numRuns: 150 },
    );
  }, 60_000);

  it('is p where files are large, empty, alike, or shrink so much that they would look like a bomb', async () => {
    const noise = new Uint8Array(3 * limits.archive.wholeBytes + 17).map((_, index) => (index * 2654435761) >>> 13);
    const project = projectOf({
      'empty.txt': '',
      'noise.bin': noise,
      'again.bin': noise,
      'zeros.bin': new Uint8Array(2 * limits.archive.wholeBytes),
      'long.txt': 'k'.repeat(limits.file.textMax),
      'not-text.json': 'k'.repeat(limits.file.textMax + 1),
      'inner.zip': await exported(projectOf({ 'a.txt': 'nested archives are files' })),
    });
    const bytes = await exported(project);
    const { treeHash, stored, archive } = await imported(bytes);
    expect(treeHash).toBe(hashTree(project.entries));
    expect(stored).toEqual(project.blobs);
    expect(archive.bytes).toBeLessThanOrEqual(bytes.length * limits.archive.ratioMax);
  }, 60_000);

  it('is p with its assets, also where its files are called like them', async () => {
    const media = { 'hero.png': png(2, 2), 'Level 1.json': '{"a":1}', blob: Uint8Array.of(0, 1, 2, 250) };
    const big = new Uint8Array(2 * limits.archive.wholeBytes).map((_, index) => (index * 2654435761) >>> 13);
    for (const files of [{}, { 'assets/hero.png': 'a file', 'a.ts': 'a' }, { assets: 'a file', 'kiln.json': '{}' }]) {
      const project = projectOf(files, {}, { ...media, 'noise.bin': big });
      const { archive, treeHash, stored } = await imported(await exported(project));
      expect(treeHash).toBe(hashTree(project.entries));
      expect(stored).toEqual(project.blobs);
      expect(archive.skipped).toBe(0);
      const read = archive.assets.map(([, { name, hash, size, type }]) => ({ name, hash, size, type }));
      const kinds: Record<string, string> = {
        'hero.png': 'image',
        'Level 1.json': 'data',
        'noise.bin': 'data',
        blob: 'other',
      };
      expect(read).toEqual(
        project.assets.map(({ path, hash, size }) => ({ name: path, hash, size, type: kinds[path] })),
      );
    }
  });

  it.each([
    ['of another type than its name says', 'x.png', '<html>'],
    ['in a folder', 'a/x.txt', 'x'],
    ['that a browser runs', 'x.html', '<html>'],
    ['that is there in two spellings', 'HERO.png', png(1, 1)],
  ] as const)('#41 refuses an asset %s', async (_what, name, content) => {
    const project = projectOf({ 'a.ts': 'a' }, {}, { 'hero.png': png(2, 2) });
    const bytes = zipOf([
      { name: 'kiln.json', content: writeManifest(manifestFor(project)) },
      { name: 'files/a.ts', content: 'a' },
      { name: 'assets/hero.png', content: png(2, 2) },
      { name: `assets/${name}`, content },
    ]);
    await expect(imported(bytes)).rejects.toMatchObject({ code: 'invalid_entry' });
  });

  it('is p also when somebody unpacked it, changed a file on a Mac and packed the folder again', async () => {
    // Which is to say: in another order, inside a folder, with what macOS adds.
    const project = projectOf({ 'kiln.json': '{}', 'src/a.ts': 'a' }, { name: 'Twice' });
    const bytes = zipOf([
      { name: 'Twice/files/src/a.ts', content: 'changed' },
      { name: '__MACOSX/Twice/files/src/._a.ts', content: 'junk' },
      { name: 'Twice/files/kiln.json', content: '{}' },
      { name: 'Twice/.DS_Store', content: 'junk' },
      { name: 'Twice/kiln.json', content: writeManifest(manifestFor(project)) },
    ]);
    expect(await filesIn(bytes)).toEqual({ 'kiln.json': '{}', 'src/a.ts': 'changed' });
    expect((await imported(bytes)).archive).toMatchObject({ skipped: 2, manifest: { name: 'Twice' } });
  });
});

describe('An export', () => {
  it('is the same bytes for the same tree, whatever day it is and whoever asks', async () => {
    const one = projectOf({ 'b.txt': 'b', 'a.txt': 'a' }, { settings: { x: 1, a: { z: 1, b: 2 } } });
    const two = projectOf({ 'a.txt': 'a', 'b.txt': 'b' }, { settings: { a: { b: 2, z: 1 }, x: 1 } });
    const bytes = await exported(one);
    expect(await exported(two)).toEqual(bytes);
    // Of today's code as of tomorrow's: a change of the format shows here.
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(
      '29753a2dcee17be31d29b7413916f5838f23f22b5ea97ede7623ea6ab14a53ae',
    );
  });

  it('fails, and is no archive, when a blob is missing or another than the tree says', async () => {
    const project = projectOf({ 'a.txt': 'a', 'b.txt': 'b', 'c.bin': new Uint8Array(2 * limits.archive.wholeBytes) });
    const hash = project.entries[2]?.hash ?? '';
    const broken: Record<string, Parameters<typeof writeArchive>[3]> = {
      missing: async (asked) => await openIn(new Map([...project.blobs].filter(([key]) => key !== hash)))(asked),
      shorter: async (asked) => {
        const blob = await openIn(project.blobs)(asked);
        return asked === hash ? { ...blob, size: blob.size - 1 } : blob;
      },
      failing: async (asked) => {
        const blob = await openIn(project.blobs)(asked);
        if (asked !== hash) return blob;
        let pieces = 0;
        const body = blob.body.pipeThrough(
          new TransformStream<Uint8Array, Uint8Array>({
            transform(chunk, controller) {
              // The first reading, for the checksum, has 32 pieces; the second fails on the way.
              pieces += 1;
              if (pieces === 20 && reads > 1) controller.error(new Error('the store went away'));
              else controller.enqueue(chunk);
            },
          }),
        );
        reads += 1;
        return { ...blob, body };
      },
    };
    let reads = 0;
    for (const [how, open] of Object.entries(broken)) {
      const parts: Uint8Array[] = [];
      let aborted: unknown;
      const sink = new WritableStream<Uint8Array>({
        write: (part) => void parts.push(part.slice()),
        abort: (reason) => {
          aborted = reason;
        },
      });
      await expect(writeArchive(sink, manifestFor(project), project.entries, open), how).rejects.toThrow();
      expect(aborted, how).toBeInstanceOf(Error);
      await expect(imported(Buffer.concat(parts)), how).rejects.toMatchObject({ code: 'invalid_archive' });
    }
  });

  it('reads no further ahead of a slow reader than some small files', async () => {
    const tree = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`${index}.txt`, `file ${index}`]));
    const project = projectOf(tree);
    let opened = 0;
    let taken = 0;
    const ahead: number[] = [];
    const sink = new WritableStream<Uint8Array>(
      {
        write: async () => {
          await new Promise((resolve) => setImmediate(resolve));
          ahead.push(opened - taken);
          taken += 1;
        },
      },
      { highWaterMark: 0 },
    );
    const open = openIn(project.blobs);
    await writeArchive(sink, manifestFor(project), project.entries, async (hash) => {
      opened += 1;
      return await open(hash);
    });
    expect(opened).toBe(40);
    expect(Math.max(...ahead)).toBeLessThanOrEqual(limits.archive.parallel + 1);
  });
});
