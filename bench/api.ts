import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type LoadResult, type Route, runLoad } from './lib/load.ts';
import { describeMachine } from './lib/machine.ts';
import { startMiniflare } from './lib/miniflare.ts';
import { calmest, figure, percent, print, ratio, table } from './lib/print.ts';
import { startProfile } from './lib/profile.ts';
import { type BenchUser, kilnShape, makeUsers, mix, peerShape, type Shape } from './lib/shapes.ts';

export const apiUsage = `api — a mix of API requests (list projects 30, project 20, tree 15, read file 25, write file 10)
  --users 50        each with an account, a connection and projects of its own
  --mode closed     closed: as fast as answers come; paced: one request each --interval ms and user; both
  --interval 1000   milliseconds
  --duration 10     seconds measured, after --warmup 2
  --rounds 1        repeat; shown is the least disturbed round, ratios are medians over all
  --routes …        only these of the mix, by name, separated by commas
  --projects 2 --files 20 --bytes 2048
  --against FILE    another revision's bundle (wrangler deploy --dry-run --outdir): the same mix on it, as "before"
  --peer URL        a conventional server (the shapes are in lib/shapes.ts) runs there: the same mix on it
  --peer-pid PID    its process, for its CPU
  --profile DIR     CPU profile of Kiln's isolate into DIR (slows it a little)
  --verbose         the Worker's log on standard error`;

interface Target<User> {
  readonly name: string;
  readonly origin: string;
  readonly pid: number | null;
  readonly users: readonly User[];
  readonly routes: readonly Route<User>[];
}

const floorRoute = (name: string, path: (user: number) => string): Route<number>[] => [
  { name, weight: 1, call: (user) => ({ method: 'GET', path: path(user) }) },
];

/** Runs the API mix against Kiln, the floors below it and perhaps the peer. False when any request failed. */
export async function runApi(args: readonly string[]): Promise<boolean> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      users: { type: 'string', default: '50' },
      mode: { type: 'string', default: 'closed' },
      interval: { type: 'string', default: '1000' },
      duration: { type: 'string', default: '10' },
      warmup: { type: 'string', default: '2' },
      rounds: { type: 'string', default: '1' },
      routes: { type: 'string' },
      projects: { type: 'string', default: '2' },
      files: { type: 'string', default: '20' },
      bytes: { type: 'string', default: '2048' },
      against: { type: 'string' },
      peer: { type: 'string' },
      'peer-pid': { type: 'string' },
      profile: { type: 'string' },
      verbose: { type: 'boolean', default: false },
    },
  });
  const count = Number(values.users);
  const bytes = Number(values.bytes);
  const intervals = { closed: [null], paced: [Number(values.interval)], both: [null, Number(values.interval)] }[
    values.mode
  ];
  if (!intervals) throw new Error(`no mode ${values.mode}`);

  const wanted = values.routes?.split(',').map((name) => name.trim());
  const routes = mix(bytes).filter(({ name }) => !wanted || wanted.includes(name));
  if (routes.length === 0) throw new Error(`no routes ${values.routes}`);

  print(describeMachine());
  const floor = await startMiniflare('floor');
  const kiln = await startMiniflare('kiln', { inspect: values.profile !== undefined, verbose: values.verbose });
  const makeThem = async (origin: string, shape: Shape): Promise<BenchUser[]> => {
    const start = performance.now();
    const users = await makeUsers(origin, shape, {
      users: count,
      projects: Number(values.projects),
      files: Number(values.files),
      bytes,
      parallel: 4,
    });
    print(`${shape.name}: ${count} users set up in ${figure((performance.now() - start) / 1000)} s`);
    return users;
  };
  const kilnTarget: Target<BenchUser> = {
    name: 'kiln',
    origin: kiln.origin,
    pid: kiln.pid,
    users: await makeThem(kiln.origin, kilnShape),
    routes,
  };
  const targets = [kilnTarget];
  if (values.against !== undefined) {
    const before = await startMiniflare('kiln', { bundle: resolve(values.against) });
    const users = await makeThem(before.origin, kilnShape);
    targets.push({ ...kilnTarget, name: 'before', origin: before.origin, pid: before.pid, users });
  }
  if (values.peer !== undefined) {
    const origin = values.peer.replace(/\/$/, '');
    const pid = values['peer-pid'] === undefined ? null : Number(values['peer-pid']);
    targets.push({ name: 'peer', origin, pid, users: await makeThem(origin, peerShape), routes });
  }
  const numbers = Array.from({ length: count }, (_, index) => index);
  const floors: Target<number>[] = [
    { name: 'trivial route', routes: floorRoute('nothing', () => '/') },
    { name: 'one object call', routes: floorRoute('object', (user) => `/object/${user}`) },
    { name: 'one D1 query', routes: floorRoute('database', () => '/database') },
  ].map((part) => ({ ...part, origin: floor.origin, pid: floor.pid, users: numbers }));

  let good = true;
  for (const interval of intervals) {
    const results = new Map<string, LoadResult[]>();
    const run = async <User>(target: Target<User>, share: number): Promise<void> => {
      const profile =
        target.name === 'kiln' && values.profile !== undefined && kiln.inspector
          ? await startProfile(kiln.inspector)
          : null;
      const result = await runLoad(target.origin, target.users, target.routes, {
        duration: Number(values.duration) * share,
        warmup: Number(values.warmup) * share,
        interval,
        serverPid: target.pid,
      });
      if (profile) print(await profile(join(values.profile ?? '.', 'api.cpuprofile')));
      if (result.failed > 0) {
        good = false;
        for (const [what, times] of result.errors) print(`FAILED ${target.name}, ${what}: ${times}`);
      }
      const rounds = results.get(target.name);
      if (rounds) rounds.push(result);
      else results.set(target.name, [result]);
    };
    // Around each other within one round, so that what disturbs one disturbs all.
    for (let round = 0; round < Number(values.rounds); round += 1) {
      for (const target of floors) await run(target, 0.5);
      for (const target of targets) await run(target, 1);
    }
    print();
    print(`${interval === null ? 'closed loop' : `one request each ${interval} ms and user`}, ${count} users`);
    report(results);
  }
  return good;
}

function report(rounds: ReadonlyMap<string, readonly LoadResult[]>): void {
  const results = [...rounds].flatMap(([name, list]) => {
    const shown = calmest(list);
    return shown ? [[name, shown] as const] : [];
  });
  print(
    table(
      ['', 'req/s', 'p50 ms', 'p95 ms', 'p99 ms', 'CPU ms/req', 'errors', 'MiB', 'generator', 'others', 'steal'],
      results.map(([name, { perSecond, all, cpuPerRequest, failed, usage }]) => [
        name,
        figure(perSecond),
        figure(all.p50),
        figure(all.p95),
        figure(all.p99),
        figure(cpuPerRequest),
        String(failed),
        usage.serverMemory === null ? '–' : figure(usage.serverMemory / 2 ** 20),
        figure(usage.generatorCores),
        figure(usage.foreignCores),
        percent(usage.stealShare),
      ]),
    ),
  );
  for (const [name, { routes }] of results)
    if (routes.size > 1) {
      print();
      print(
        table(
          [name, 'requests', 'p50 ms', 'p95 ms', 'p99 ms', 'max ms'],
          [...routes].map(([route, { count, p50, p95, p99, max }]) => [
            route,
            String(count),
            ...[p50, p95, p99, max].map(figure),
          ]),
        ),
      );
    }
  const kiln = rounds.get('kiln');
  if (!kiln) return;
  print();
  print(
    table(
      ['kiln against', 'req/s', 'p50', 'p95', 'CPU/req'],
      [...rounds]
        .filter(([name]) => name !== 'kiln')
        .map(([name, other]) => [
          name,
          ratio(kiln, other, ({ perSecond }) => perSecond),
          ratio(kiln, other, ({ all }) => all.p50),
          ratio(kiln, other, ({ all }) => all.p95),
          ratio(kiln, other, ({ cpuPerRequest }) => cpuPerRequest),
        ]),
    ),
  );
}
