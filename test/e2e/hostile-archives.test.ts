import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { System } from '../../scripts/lib/system.ts';
import { importArchive, type KilnClient } from '../../src/client/index.ts';
import { limits } from '../../src/contract/limits.ts';
import { type HeapWatch, watchHeap } from '../support/heap.ts';
import { signUp } from '../support/people.ts';
import { freePort } from '../support/ports.ts';
import { newSystem } from '../support/system.ts';
import { emptyEntries, zipOf } from '../support/zip.ts';

const MiB = 1024 * 1024;
/** Of each bomb, by what it is; made before anything is connected, as that takes seconds in which no socket is heard. */
const archives = new Map<string, Uint8Array<ArrayBuffer>>();
const state = mkdtempSync(join(tmpdir(), 'kiln-bombs-'));
let system: System;
let ada: KilnClient;
let watch: HeapWatch;

beforeAll(async () => {
  for (const [what, made] of bombs) archives.set(what, made());
  const inspectorPort = await freePort();
  system = await newSystem({ state, inspectorPort });
  await system.start();
  ada = await signUp(system.origin, 'ada');
  watch = await watchHeap(`ws://127.0.0.1:${inspectorPort}`, 'kiln', 20);
});

afterAll(async () => {
  await watch.stop();
  await system.stop();
  rmSync(state, { recursive: true, force: true });
});

const sent = (bytes: Uint8Array<ArrayBuffer>): Promise<string> =>
  importArchive(ada, { file: new File([bytes], 'a.zip') }).then(
    ({ imported }) => `${imported.files} files`,
    (error: { code?: string }) => error.code ?? String(error),
  );

/** What the isolate could not do without while an archive was imported, as often as it takes to be looked at some times. */
async function peakOf(bytes: Uint8Array<ArrayBuffer>, answer: string): Promise<number> {
  watch.take();
  let highest = 0;
  for (let seen = 0; seen < 3; ) {
    expect(await sent(bytes)).toBe(answer);
    const { peak, samples } = watch.take();
    highest = Math.max(highest, peak);
    seen += samples;
  }
  return highest;
}

const deflated = (length: number): Uint8Array => new Uint8Array(deflateRawSync(new Uint8Array(length), { level: 9 }));

const bombs: readonly (readonly [what: string, made: () => Uint8Array<ArrayBuffer>, answer: string])[] = [
  [
    '1 GiB of zeros that says it is two files as large as files may be',
    () => {
      const data = deflated(1024 * MiB);
      return zipOf([1, 2].map((n) => ({ name: `${n}`, data, content: '', size: limits.file.sizeMax })));
    },
    'invalid_entry',
  ],
  [
    '50 MiB of zeros in 50 KiB, which it may be',
    () => zipOf([1, 2].map((n) => ({ name: `${n}`, content: new Uint8Array(limits.file.sizeMax).fill(n) }))),
    '2 files',
  ],
  [
    'sixty texts as large as what is held whole',
    () => zipOf(Array.from({ length: 60 }, (_, n) => ({ name: `${n}`, content: `${n % 10}`.repeat(MiB) }))),
    '60 files',
  ],
  ['a million empty files', () => emptyEntries(1_000_000), 'payload_too_large'],
  ['as many empty files as a directory may list', () => emptyEntries(limits.archive.entriesMax), 'quota_exceeded'],
  [
    'two files in the same bytes',
    () => {
      const content = new Uint8Array(20 * MiB);
      return zipOf([
        { name: 'a', content },
        { name: 'b', content, offset: 0, directoryOnly: true },
      ]);
    },
    'invalid_archive',
  ],
];

/** Over a small archive: the list of entries (8 MiB), a window of the object (4), and what is inflated ahead (4). */
const more = 16 * MiB;

it.each(bombs)('#42 %s: less than 64 MiB in the isolate, and little more than for a small archive', async (...bomb) => {
  const [what, , answer] = bomb;
  const archive = archives.get(what) ?? new Uint8Array();
  const small = zipOf([{ name: 'index.html', content: '<p>small</p>' }]);
  // What an archive cannot do without it needs at every try; a buffer that V8 has not taken back yet is there at some.
  let [usual, peak] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let tries = 0; tries < 3 && !(peak < 64 * MiB && peak - usual < more); tries += 1) {
    usual = Math.min(usual, await peakOf(small, '1 files'));
    peak = Math.min(peak, await peakOf(archive, answer));
  }
  expect(peak).toBeLessThan(64 * MiB);
  expect(peak - usual).toBeLessThan(more);
});
