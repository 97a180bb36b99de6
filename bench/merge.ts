import { parseArgs } from 'node:util';
import { mergeTrees, type TreeFile } from '../src/core/merge/merge-trees.ts';
import { diffTrees } from '../src/core/patch.ts';
import { sha256 } from '../src/core/tree.ts';
import { figure, print, summarise, table } from './lib/print.ts';

export const mergeUsage = `merge — three-way merges and diffs of whole trees, in this process
  --files 5000      in the tree, half of them JSON
  --changed 50      of them on each side, every other one on both
  --lines 200       of each file
  --rounds 20       after two that are not counted`;

interface Options {
  readonly files: number;
  readonly changed: number;
  readonly lines: number;
}

type Contents = ReadonlyMap<string, string>;

/** Texts of code, and scenes with their nodes. */
function textOf(index: number, lines: number): string {
  if (index % 2 === 0)
    return Array.from({ length: lines }, (_, line) => `const value${line} = ${index * line};\n`).join('');
  const nodes = Array.from({ length: Math.ceil(lines / 10) }, (_, node) => [
    `node${node}`,
    {
      parent: node === 0 ? null : 'node0',
      order: node,
      position: { x: index, y: node },
      name: `Node ${node}`,
      visible: true,
    },
  ]);
  return `${JSON.stringify({ nodes: Object.fromEntries(nodes) }, null, 2)}\n`;
}

/** One change in a text, at `place` of four. */
function edit(text: string, place: number): string {
  const lines = text.split('\n');
  const at = Math.floor((lines.length * (2 * place + 1)) / 8);
  const end = lines.findIndex((line, index) => index >= at && /\d/.test(line));
  lines[end] = (lines[end] ?? '').replace(/\d+/, (digits) => `${digits}${place}`);
  return lines.join('\n');
}

function trees({ files, changed, lines }: Options): [Contents, Contents, Contents] {
  const base = new Map(
    Array.from({ length: files }, (_, index) => [
      `src/part${index % 50}/file${index}.${index % 2 === 0 ? 'ts' : 'scene.json'}`,
      textOf(index, lines),
    ]),
  );
  const paths = [...base.keys()];
  const side = (place: number): Contents => {
    const contents = new Map(base);
    for (let index = 0; index < changed; index += 1) {
      const path = paths[(index * 97 + (index % 2 === 0 ? 0 : place)) % paths.length] ?? '';
      contents.set(path, edit(base.get(path) ?? '', place));
    }
    return contents;
  };
  return [base, side(1), side(2)];
}

const filesOf = (contents: Contents): TreeFile[] =>
  Array.from(contents, ([path, text]) => ({ path, hash: sha256(text), size: Buffer.byteLength(text), isText: true }));

export async function runMerge(args: readonly string[]): Promise<boolean> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      files: { type: 'string', default: '5000' },
      changed: { type: 'string', default: '50' },
      lines: { type: 'string', default: '200' },
      rounds: { type: 'string', default: '20' },
    },
  });
  const all = trees({ files: Number(values.files), changed: Number(values.changed), lines: Number(values.lines) });
  const [base, ours, theirs] = all.map(filesOf) as [TreeFile[], TreeFile[], TreeFile[]];
  const texts = new Map(all.flatMap((contents) => Array.from(contents.values(), (text) => [sha256(text), text])));
  const text = async (hash: string): Promise<string> => texts.get(hash) ?? '';

  const works = {
    merge: async () => {
      const { changes, conflicts } = await mergeTrees({ base, ours, theirs, text });
      return `${changes.length} changes, ${conflicts.length} conflicts`;
    },
    diff: async () => {
      const { modified } = await diffTrees(base, ours, text);
      return `${modified.filter(({ patch }) => patch !== undefined).length} patches`;
    },
  };
  const rows: string[][] = [];
  for (const [name, work] of Object.entries(works)) {
    const [elapsed, cpu]: number[][] = [[], []];
    let outcome = '';
    for (let round = -2; round < Number(values.rounds); round += 1) {
      const [start, used] = [performance.now(), process.cpuUsage()];
      outcome = await work();
      const { user, system } = process.cpuUsage(used);
      if (round < 0) continue;
      elapsed?.push(performance.now() - start);
      cpu?.push((user + system) / 1000);
    }
    const [wall, busy] = [summarise(elapsed ?? []), summarise(cpu ?? [])];
    rows.push([name, figure(wall.p50), figure(wall.max), figure(busy.p50), outcome]);
  }
  print(`${values.files} files of ${values.lines} lines, ${values.changed} changed on each side\n`);
  print(table(['', 'ms p50', 'ms max', 'CPU ms p50', 'outcome'], rows));
  return true;
}
