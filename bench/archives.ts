import { parseArgs } from 'node:util';
import { createClient, type KilnClient } from '../src/client/index.ts';
import { newId } from '../src/contract/ids.ts';
import { watchHeap } from '../test/support/heap.ts';
import { zipOf } from '../test/support/zip.ts';
import { describeMachine, read, usage } from './lib/machine.ts';
import { startMiniflare } from './lib/miniflare.ts';
import { figure, print, table } from './lib/print.ts';
import { source } from './lib/shapes.ts';

export const archivesUsage = `archives — projects as zip: time, CPU, and the memory that the Worker's isolate cannot do without
  --files 5000      text files of --bytes 2048: imported and exported
  --media 40        files of 25 MiB that do not compress: exported
  --without-heap    no inspector, which costs time: true speeds in place of memory`;

const MiB = 1024 * 1024;

/** Bytes that no compressor makes smaller. */
const noise = (length: number, seed: number): Uint8Array<ArrayBuffer> => {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = (seed + 1) * 0x9e3779b9;
  for (let index = 0; index < words.length; index += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
  return new Uint8Array(words.buffer, 0, length);
};

/** Imports and exports of large projects, one after the other. False when one failed. */
export async function runArchives(args: readonly string[]): Promise<boolean> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      files: { type: 'string', default: '5000' },
      bytes: { type: 'string', default: '2048' },
      media: { type: 'string', default: '40' },
      'without-heap': { type: 'boolean', default: false },
    },
  });
  print(describeMachine());
  const kiln = await startMiniflare('kiln', { inspect: !values['without-heap'] });
  const client = createClient({ baseUrl: kiln.origin });
  const name = `bench-${newId().slice(-12)}`;
  await client.register({ email: `${name}@kiln.test`, username: name, password: 'correct horse battery' });

  const rows: string[][] = [];
  const measure = async (what: string, work: () => Promise<{ bytes: number; project: string }>): Promise<string> => {
    const watch = kiln.inspector ? await watchHeap(kiln.inspector) : null;
    const before = read(kiln.pid);
    const { bytes, project } = await work();
    const { seconds, serverCpu } = usage(before, read(kiln.pid));
    const heap = await watch?.stop();
    rows.push([
      what,
      figure(bytes / MiB),
      figure(seconds),
      figure(bytes / MiB / seconds),
      figure(serverCpu),
      heap ? `${figure(heap.peak / MiB)} (${heap.samples})` : '–',
    ]);
    return project;
  };
  const importing = (archive: Uint8Array<ArrayBuffer>) => async () => {
    const { project } = await client.call('importProject', { body: archive });
    return { bytes: archive.length, project: project.id };
  };
  const exporting = (project: string) => async () => {
    const answer = await client.raw('exportProject', { params: { id: project } });
    let bytes = 0;
    for await (const chunk of answer.body ?? []) bytes += chunk.length;
    return { bytes, project };
  };

  const files = Number(values.files);
  const texts = zipOf(
    Array.from({ length: files }, (_, index) => ({
      name: `src/part-${index % 50}/module-${index}.ts`,
      content: source(index, Number(values.bytes)),
    })),
  );
  const many = await measure(`import of ${files} texts`, importing(texts));
  await measure('its export', exporting(many));
  const stored = zipOf(
    Array.from({ length: 4 }, (_, index) => ({ name: `${index}.ogg`, content: noise(24 * MiB, index), method: 0 })),
  );
  const large = await measure('import of 4 × 24 MiB, stored', importing(stored));
  await measure('its export', exporting(large));
  await measure(
    'import of 2 × 25 MiB of zeros, deflated',
    importing(zipOf([1, 2].map((n) => ({ name: `${n}.bin`, content: new Uint8Array(25 * MiB).fill(n) })))),
  );
  const media = Number(values.media);
  if (media > 0) await measure(`export of ${media} × 25 MiB`, exporting(await projectOf(client, media)));
  print(table(['', 'archive MiB', 's', 'MiB/s', 'CPU s', 'heap MiB, peak (samples)'], rows));
  return true;
}

async function projectOf(client: KilnClient, count: number): Promise<string> {
  const { project } = await client.call('createProject', { body: { name: 'Media' } });
  for (let index = 0; index < count; index += 1)
    await client.call('putFile', {
      params: { id: project.id, path: `music/${index}.ogg` },
      body: noise(25 * MiB, index),
    });
  return project.id;
}
