import { writeFileSync } from 'node:fs';
import { devtools } from '../../test/support/devtools.ts';
import { percent, table } from './print.ts';

/** V8's CPU profile, as far as we read it (Chrome DevTools Protocol, Profiler.Profile). */
interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly children?: readonly number[];
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** Microseconds between samples. */
const samplingInterval = 500;
const shown = 40;
/** Not work: nothing to do, or outside of JavaScript. */
const idle = new Set(['(idle)', '(root)']);

/** Profiles the Worker's isolate (its objects run in it too) from now until `stop`. */
export async function startProfile(inspector: string): Promise<(file: string) => Promise<string>> {
  const { call, close } = await devtools(inspector);
  await call('Profiler.enable');
  await call('Profiler.setSamplingInterval', { interval: samplingInterval });
  await call('Profiler.start');
  return async (file) => {
    const { profile } = (await call('Profiler.stop')) as { profile: CpuProfile };
    close();
    writeFileSync(file, JSON.stringify(profile));
    return `${topFunctions(profile)}\n${file} opens in the Performance panel of Chrome's developer tools`;
  };
}

/** Functions by the time spent in themselves, and in what they called, of the time in which anything ran. */
function topFunctions(profile: CpuProfile): string {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map(profile.nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.id])));
  const nameOf = (id: number | undefined): string => {
    const frame = id === undefined ? undefined : nodes.get(id)?.callFrame;
    if (!frame) return '(root)';
    if (frame.url) return `${frame.functionName || '(anonymous)'} :${frame.lineNumber + 1}`;
    // The platform's own functions say most by who calls them.
    return idle.has(frame.functionName) || frame.functionName.startsWith('(')
      ? frame.functionName
      : `${frame.functionName || '(native)'} ← ${nameOf(parents.get(id ?? 0))}`;
  };
  const own = new Map<string, number>();
  const total = new Map<string, number>();
  const add = (times: Map<string, number>, name: string, time: number): void => {
    times.set(name, (times.get(name) ?? 0) + time);
  };
  let busy = 0;
  for (const [index, id] of profile.samples.entries()) {
    const time = profile.timeDeltas[index] ?? 0;
    const name = nameOf(id);
    if (idle.has(name)) continue;
    busy += time;
    add(own, name, time);
    const stack = new Set<string>();
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) stack.add(nameOf(at));
    for (const caller of stack) if (!idle.has(caller)) add(total, caller, time);
  }
  const top = (times: ReadonlyMap<string, number>, head: string): string =>
    table(
      ['function, line in the bundle', head, 'share'],
      [...times]
        .sort((a, b) => b[1] - a[1])
        .slice(0, shown)
        .map(([name, time]) => [name, (time / 1000).toFixed(0), percent(time / busy)]),
    );
  return `${top(own, 'self ms')}\n\n${top(total, 'total ms')}`;
}
