import { parseArgs } from 'node:util';
import { createClient } from '../src/client/index.ts';
import { limits } from '../src/contract/limits.ts';
import type { BundleAnswer, BundleOrder } from '../src/contract/preview.ts';
import { startRunner } from './builds.ts';
import { describeMachine } from './lib/machine.ts';
import { freePort, startMiniflare } from './lib/miniflare.ts';
import { figure, print, summarise, table } from './lib/print.ts';

export const previewUsage = `preview — from a save to what is played, at the edge and by a runner, and the memory of the compiler by the size of the project
  --modules 20      of the project that is previewed
  --rounds 9        of each step
  --sizes 20,100,150   modules of the projects whose memory is measured, 4 KiB each, one after the other in one isolate`;

const MiB = 1024 * 1024;
const moduleBytes = 4096;
/** Modules of the project that the edge does not take. */
const overCap = 600;

/** TypeScript that is all code: comments would cost the compiler nothing. */
function module(index: number, bytes: number, seed: number): string {
  const lines: string[] = [];
  for (let n = 0, size = 0; size < bytes; n += 1) {
    const line = `export const step${n} = (dt: number): number => dt * ${seed + n} + Math.sin(${index} / (dt + ${n + 1}));\n`;
    lines.push(line);
    size += line.length;
  }
  return lines.join('');
}

function sourcesOf(count: number, seed = 1): Record<string, string> {
  const names = Array.from({ length: count - 1 }, (_, index) => `m${index}`);
  const main = [
    ...names.map((name) => `import * as ${name} from './${name}.ts';`),
    `document.title = String([${names.join(', ')}].map((one) => one.step0(${seed})));`,
  ].join('\n');
  return {
    'index.html': '<!doctype html><script type="module" src="/src/main.ts"></script>',
    'src/main.ts': main,
    ...Object.fromEntries(names.map((name, index) => [`src/${name}.ts`, module(index, moduleBytes, seed)])),
  };
}

async function memory(sizes: readonly number[]): Promise<void> {
  const bundler = await startMiniflare('bundler');
  const rows: string[][] = [];
  for (const size of sizes) {
    const times: number[] = [];
    let heap = 0;
    let kib = 0;
    // Again and again: what the compiler does not give back adds up.
    for (let round = 0; round < 5; round += 1) {
      const sources = sourcesOf(size, round + 1);
      kib = Object.values(sources).reduce((sum, text) => sum + text.length, 0) / 1024;
      const order: BundleOrder = { paths: Object.keys(sources), sources, want: { kind: 'page', title: 'Bench' } };
      const answer = await fetch(bundler.origin, { method: 'POST', body: JSON.stringify(order) });
      const result = (await answer.json()) as BundleAnswer;
      if (!result.ok) throw new Error(JSON.stringify(result));
      times.push(result.ms);
      heap = result.heap;
    }
    rows.push([String(size), figure(kib), ...[times[0], summarise(times).p50].map(figure), figure(heap / MiB)]);
  }
  await bundler.stop();
  print('\nThe compiler in workerd, one isolate for all rows:\n');
  print(table(['modules', 'sources KiB', 'first ms', 'median ms', 'memory MiB after 5'], rows));
}

/** A project previewed, saved and previewed again. False when one failed. */
export async function runPreview(args: readonly string[]): Promise<boolean> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      modules: { type: 'string', default: '20' },
      rounds: { type: 'string', default: '9' },
      sizes: { type: 'string', default: '20,100,150' },
    },
  });
  print(describeMachine());
  const port = await freePort();
  const kiln = await startMiniflare('kiln', { previews: true, vars: { RUNNER_URL: `http://127.0.0.1:${port}` } });
  const runner = await startRunner(kiln.origin, port);
  const client = createClient({ baseUrl: kiln.origin });
  await client.register({ email: 'bench@kiln.test', username: 'bench', password: 'correct horse battery' });
  const make = async (seed: number, modules = Number(values.modules)): Promise<string> => {
    const { project } = await client.call('createProject', { body: { name: 'Bench' } });
    const operations = Object.entries(sourcesOf(modules, seed)).map(([path, content]) => ({
      op: 'create' as const,
      path,
      content,
    }));
    for (let at = 0; at < operations.length; at += limits.batch.operationsMax)
      await client.call('batchFiles', {
        params: { id: project.id },
        body: { operations: operations.slice(at, at + limits.batch.operationsMax) },
      });
    return project.id;
  };
  const steps = new Map<string, number[]>();
  const time = async (step: string, id: string): Promise<void> => {
    const begin = performance.now();
    const { preview } = await client.call('previewProject', { params: { id } });
    if (!preview.ready) throw new Error(JSON.stringify(preview.problems));
    steps.set(step, [...(steps.get(step) ?? []), performance.now() - begin]);
  };
  await time('first of the isolate, compiler started', await make(0));
  for (let round = 1; round <= Number(values.rounds); round += 1) {
    const id = await make(round * 100);
    await time('first of a project', id);
    await time('unchanged', id);
    const params = { id, path: 'src/m0.ts' };
    await client.call('putFile', { params, body: { content: module(0, moduleBytes, round * 100 + 7) } });
    await time('one file saved', id);
  }
  const large = await make(0, overCap);
  await time('first, over the cap, by the runner', large);
  for (let round = 1; round <= Number(values.rounds); round += 1) {
    const params = { id: large, path: 'src/m0.ts' };
    await client.call('putFile', { params, body: { content: module(0, moduleBytes, round * 100 + 7) } });
    await time('save to played, over the cap, by the runner', large);
  }
  await kiln.stop();
  await runner.stop();
  print(
    `\n${values.modules} modules of ${moduleBytes / 1024} KiB, request to answer; over the cap ${overCap} modules:\n`,
  );
  print(
    table(
      ['', 'rounds', 'p50 ms', 'max ms'],
      [...steps].map(([step, samples]) => {
        const { count, p50, max } = summarise(samples);
        return [step, String(count), figure(p50), figure(max)];
      }),
    ),
  );
  await memory(values.sizes.split(',').map(Number));
  return true;
}
