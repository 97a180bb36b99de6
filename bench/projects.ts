import { parseArgs } from 'node:util';
import { createClient } from '../src/client/index.ts';
import { describeMachine } from './lib/machine.ts';
import { startMiniflare } from './lib/miniflare.ts';
import { figure, print, summarise, table } from './lib/print.ts';
import { source } from './lib/shapes.ts';

export const projectsUsage = `projects — operations on whole trees, each against one write of a file in the same run
  --files 1000      files of the project
  --bytes 2048      size of each
  --rounds 5        of each operation, one after the other`;

/** Runs every operation on trees in turn and prints milliseconds and ratios. False when one failed. */
export async function runProjects(args: readonly string[]): Promise<boolean> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      files: { type: 'string', default: '1000' },
      bytes: { type: 'string', default: '2048' },
      rounds: { type: 'string', default: '5' },
    },
  });
  const files = Number(values.files);
  print(describeMachine());
  const kiln = await startMiniflare('kiln');
  const client = createClient({ baseUrl: kiln.origin });
  await client.register({ email: 'bench@kiln.test', username: 'bench', password: 'correct horse battery' });
  const { project } = await client.call('createProject', { body: { name: 'Bench' } });
  const params = { id: project.id };
  const write = (path: string, content: string) =>
    client.call('putFile', { params: { ...params, path }, body: { content } });
  const put = (seed: number) => (_: unknown, index: number) => ({
    op: 'put' as const,
    path: `src/${Math.floor(index / 50)}/module-${index}.ts`,
    content: source(seed + index, Number(values.bytes)),
  });
  const operations = Array.from({ length: files }, put(0));
  for (let start = 0; start < files; start += 1000)
    await client.call('batchFiles', { params, body: { operations: operations.slice(start, start + 1000) } });

  let seed = 1;
  const next = (step: number): number => {
    seed += step;
    return seed;
  };
  let moved = 'src';
  const checkpoints: string[] = [];
  const forks: string[] = [];
  const keep = async (): Promise<void> => {
    const { checkpoint } = await client.call('createCheckpoint', { params, body: {} });
    checkpoints.push(checkpoint.id);
  };
  const work: Record<string, () => Promise<unknown>> = {
    'write of one file': () => write('README.md', source(next(1), 2048)),
    'duplicate, first': () => client.call('duplicateProject', { params, body: {} }),
    'checkpoint, first': () => client.call('createCheckpoint', { params, body: {} }),
    'batch of 100 writes': () =>
      client.call('batchFiles', {
        params,
        body: {
          operations: Array.from({ length: 100 }, put(next(1000))).map((one) => ({
            ...one,
            path: `new/${one.path}`,
          })),
        },
      }),
    'move of the directory': () => {
      const from = moved;
      moved = from === 'src' ? 'lib' : 'src';
      return client.call('batchFiles', { params, body: { operations: [{ op: 'move', from, to: moved }] } });
    },
    checkpoint: keep,
    duplicate: () => client.call('duplicateProject', { params, body: {} }),
    fork: async () => {
      const { project: fork } = await client.call('duplicateProject', { params, body: { fork: true } });
      forks.push(fork.id);
      await client.call('putFile', { params: { id: fork.id, path: 'FORK.md' }, body: { content: String(seed) } });
    },
    'merge of one change': () =>
      client.call('mergeProject', { params, body: { from: forks.at(-1) ?? '', takeAll: 'theirs' } }),
    'restore of the directory': async () => {
      await client.call('restoreCheckpoint', { params: { ...params, checkpointId: checkpoints[0] ?? '' } });
      moved = 'lib';
    },
    tree: () => client.call('getTree', { params }),
  };
  const samples = new Map<string, number[]>();
  for (let round = 0; round < Number(values.rounds); round += 1)
    for (const [name, run] of Object.entries(work)) {
      if (name.endsWith(', first') && round > 0) continue;
      const start = performance.now();
      await run();
      samples.set(name, [...(samples.get(name) ?? []), performance.now() - start]);
    }
  const base = summarise(samples.get('write of one file') ?? []).p50;
  print(`${files} files of ${values.bytes} bytes`);
  print(
    table(
      ['', 'p50 ms', 'max ms', 'against a write'],
      [...samples].map(([name, times]) => {
        const { p50, max } = summarise(times);
        return [name, figure(p50), figure(max), `${figure(p50 / base)}×`];
      }),
    ),
  );
  return true;
}
