import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { startAbuse } from './lib/abuse.ts';
import { describeMachine, read, rested, type Usage, usage } from './lib/machine.ts';
import { calmest, figure, percent, print, ratio, type Summary, summarise, table } from './lib/print.ts';
import { startProfile } from './lib/profile.ts';
import { markersIn, RoomClient, Tally } from './lib/room-client.ts';
import {
  type BenchDocument,
  type RoomServer,
  type ServerName,
  serverNames,
  startRoomServer,
} from './lib/room-servers.ts';

export const roomsUsage = `rooms — clients that type in one document, and how long until everybody else has it
  --clients 50      in each of --documents 1 (a project each)
  --rate 5          edits a second and client
  --server relay,kiln   in one run, one after the other: ${serverNames.join(', ')}
  --against FILE    another revision's bundle (wrangler deploy --dry-run --outdir), for the server "before"
  --duration 10     seconds measured, after --warmup 2
  --cursors 0       cursor moves a second and client
  --witness 10      one client in so many applies what it gets to a Y.Doc
  --rounds 1        repeat; shown is the least disturbed round, ratios are medians over all
  --abuse N         each round twice, the second time beside N sockets of one more account that flood, ask, write at the limit, send too much, noise, or read nothing
  --find MS         instead: the highest rate of edits with p95 below MS and nothing lost
  --profile DIR     CPU profile of Kiln's isolate into DIR (slows it a little)
  --verbose         the Worker's log on standard error`;

interface Options {
  readonly clients: number;
  readonly documents: number;
  /** Edits, cursor moves a second and client. */
  readonly rate: number;
  readonly cursors: number;
  /** Seconds. */
  readonly duration: number;
  readonly warmup: number;
  readonly witness: number;
  /** Sockets of somebody hostile on each document. */
  readonly abuse: number;
}

interface Result {
  /** Edits sent a second, of all clients, while measured. */
  readonly perSecond: number;
  readonly wanted: number;
  readonly latency: Summary;
  /** Of all edits to all others, warm-up included. */
  readonly delivered: number;
  /** What went wrong, in words. */
  readonly faults: readonly string[];
  readonly framesPerSecond: number;
  readonly bytesPerSecond: number;
  readonly cpuPerEdit: number | null;
  readonly usage: Usage;
}

/** Clients that connect at a time. */
const connecting = 10;
/** After the last edit, what is on its way gets so long. Milliseconds. */
const patience = 8000;
/** Due edits are sent so often. Milliseconds. */
const beat = 3;
/** A generator that sends less than this part of what it should is the bottleneck itself. */
const keptUp = 0.95;
/** Steps of `--find` after the doubling ends: each halves the gap. */
const bisections = 3;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));

/** Sends what is due until `end`, each client on its own clock. */
async function typeUntil(end: number, clients: readonly RoomClient[], options: Options): Promise<void> {
  const clocks = [
    { gap: 1000 / options.rate, act: (client: RoomClient) => client.type() },
    { gap: 1000 / options.cursors, act: (client: RoomClient) => client.moveCursor() },
  ].filter(({ gap }) => Number.isFinite(gap));
  const due = clocks.map(({ gap }) => clients.map(() => performance.now() + Math.random() * gap));
  while (performance.now() < end) {
    const now = performance.now();
    for (const [kind, { gap, act }] of clocks.entries()) {
      const times = due[kind] ?? [];
      for (const [index, client] of clients.entries())
        for (let at = times[index] ?? now; at <= now; at += gap) {
          if (client.ended === null) act(client);
          times[index] = at + gap;
        }
    }
    await sleep(Math.min(beat, end - performance.now()));
  }
}

async function inBatches<T>(count: number, make: (index: number) => Promise<T>): Promise<T[]> {
  const made: T[] = [];
  while (made.length < count)
    made.push(
      ...(await Promise.all(
        Array.from({ length: Math.min(connecting, count - made.length) }, (_, index) => make(made.length + index)),
      )),
    );
  return made;
}

/** One measurement: fresh documents, all clients in, type, wait for the last delivery, compare what is stored. */
async function measure(server: RoomServer, options: Options, profile?: string): Promise<Result> {
  const rooms = await inBatches(options.documents, async (): Promise<MeasuredRoom> => {
    const document = await server.newDocument();
    const tally = new Tally(options.clients);
    const clients = await inBatches(options.clients, async (index) => {
      const client = new RoomClient(
        await document.url(index),
        document.dialect,
        index,
        tally,
        index % options.witness === options.witness - 1,
      );
      await client.ready;
      return client;
    });
    return { document, tally, clients };
  });
  const clients = rooms.flatMap((room) => room.clients);
  const abuse = options.abuse > 0 ? rooms.map(({ document }) => startAbuse(() => document.url(-1), options.abuse)) : [];
  const count = (of: 'edits' | 'frames' | 'bytes'): number => rooms.reduce((sum, { tally }) => sum + tally[of], 0);

  const start = performance.now();
  const from = start + options.warmup * 1000;
  const until = from + options.duration * 1000;
  for (const { tally } of rooms) {
    tally.from = from * 1000;
    tally.until = until * 1000;
  }
  const stopProfile = profile && server.inspector ? await startProfile(server.inspector) : null;
  const typing = typeUntil(until, clients, options);
  await sleep(from - performance.now());
  const first = { reading: read(server.pid), edits: count('edits'), frames: count('frames'), bytes: count('bytes') };
  await typing;
  const last = { reading: read(server.pid), edits: count('edits'), frames: count('frames'), bytes: count('bytes') };
  for (const { stop, closed } of abuse) {
    await stop();
    print(`  closed, by code: ${[...closed].map(([code, times]) => `${code} ${times}×`).join(', ')}`);
  }
  if (stopProfile && profile) print(await stopProfile(join(profile, 'rooms.cpuprofile')));

  const missing = (): number => rooms.reduce((sum, { tally }) => sum + tally.expected - tally.delivered, 0);
  for (const deadline = performance.now() + patience; missing() > 0 && performance.now() < deadline; ) await sleep(20);

  const faults: string[] = [];
  const ended = clients.flatMap((client) => client.ended ?? []);
  if (ended.length) faults.push(`${ended.length} clients were cut off: ${ended[0]}`);
  if (missing() > 0) faults.push(`${missing()} deliveries did not come`);
  if (server.remembers) faults.push(...(await compare(rooms)));
  await Promise.all(clients.map((client) => client.close()));

  const used = usage(first.reading, last.reading);
  const edits = last.edits - first.edits;
  const expected = rooms.reduce((sum, { tally }) => sum + tally.expected, 0);
  return {
    perSecond: edits / used.seconds,
    wanted: clients.length * options.rate,
    latency: summarise(rooms.flatMap(({ tally }) => tally.latencies)),
    delivered: expected === 0 ? 1 : 1 - missing() / expected,
    faults,
    framesPerSecond: (last.frames - first.frames) / used.seconds,
    bytesPerSecond: (last.bytes - first.bytes) / used.seconds,
    cpuPerEdit: used.serverCpu === null ? null : (used.serverCpu * 1000) / Math.max(1, edits),
    usage: used,
  };
}

interface MeasuredRoom {
  readonly document: BenchDocument;
  readonly tally: Tally;
  readonly clients: readonly RoomClient[];
}

/**
 * What a late joiner is given, and what the server says it has stored, must have every edit that its author has not deleted and none that
 * it has; the joiner must also know of as many as each author made, deleted ones included.
 */
async function compare(rooms: readonly MeasuredRoom[]): Promise<string[]> {
  const faults: string[] = [];
  for (const { document, tally, clients } of rooms) {
    const joiner = new RoomClient(await document.url(0), document.dialect, 0, new Tally(1), true);
    await joiner.ready;
    const joined = markersIn(joiner.content);
    const behind = clients.filter((client) => joiner.clockOf(client) !== client.clock).length;
    await joiner.close();
    const stored = document.stored ? markersIn(await document.stored()) : joined;
    const expected = tally.sent.flatMap((sent, sender) => {
      const oldest = tally.oldest[sender] ?? 0;
      return Array.from({ length: sent - oldest }, (_, index) => `${sender}:${oldest + index}`);
    });
    const lost = expected.filter((edit) => !joined.has(edit) || !stored.has(edit)).length;
    if (lost) faults.push(`${lost} of ${tally.edits} edits are not in the document`);
    if (joined.size > expected.length || stored.size > expected.length)
      faults.push(`of ${expected.length} edits that are left, ${joined.size} and ${stored.size} are there`);
    if (behind) faults.push(`a joiner knows less of ${behind} clients than they made`);
  }
  return faults;
}

/** The highest rate that a server keeps: doubling until it does not, then halving the gap. */
async function find(
  server: RoomServer,
  options: Options,
  slo: number,
): Promise<{ best: Result | null; tries: number }> {
  let best: Result | null = null;
  let tries = 0;
  const keeps = async (rate: number): Promise<boolean> => {
    await rested(server.pid);
    const result = await measure(server, { ...options, rate });
    tries += 1;
    const kept = result.faults.length === 0 && result.latency.p95 < slo && result.perSecond > result.wanted * keptUp;
    print(
      `  ${figure(result.wanted)} edits/s: ${figure(result.perSecond)} sent, p95 ${figure(result.latency.p95)} ms, generator ${figure(result.usage.generatorCores)} cores, others ${figure(result.usage.foreignCores)}, ${kept ? 'kept' : 'missed'} ${result.faults.join('; ')}`,
    );
    if (kept) best = result;
    return kept;
  };
  let low = 0;
  let high = options.rate;
  while (await keeps(high)) {
    low = high;
    high *= 2;
  }
  for (let step = 0; step < bisections && low > 0; step += 1) {
    const middle = (low + high) / 2;
    if (await keeps(middle)) low = middle;
    else high = middle;
  }
  return { best, tries };
}

/** Runs the room bench on each server that was asked for. False when an edit was lost or a client cut off. */
export async function runRooms(args: readonly string[]): Promise<boolean> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      clients: { type: 'string', default: '50' },
      documents: { type: 'string', default: '1' },
      rate: { type: 'string', default: '5' },
      cursors: { type: 'string', default: '0' },
      server: { type: 'string', default: 'relay,kiln' },
      against: { type: 'string' },
      duration: { type: 'string', default: '10' },
      warmup: { type: 'string', default: '2' },
      witness: { type: 'string', default: '10' },
      rounds: { type: 'string', default: '1' },
      abuse: { type: 'string', default: '0' },
      find: { type: 'string' },
      profile: { type: 'string' },
      verbose: { type: 'boolean', default: false },
    },
  });
  const options: Options = {
    clients: Number(values.clients),
    documents: Number(values.documents),
    rate: Number(values.rate),
    cursors: Number(values.cursors),
    duration: Number(values.duration),
    warmup: Number(values.warmup),
    witness: Number(values.witness),
    abuse: 0,
  };
  const abuse = Number(values.abuse);
  const names = values.server.split(',').map((name): ServerName => {
    const known = serverNames.find((server) => server === name);
    if (!known) throw new Error(`no server ${name}`);
    return known;
  });

  print(describeMachine());
  print(
    `${options.documents} × ${options.clients} clients, ${options.rate} edits/s and ${options.cursors} cursor moves/s each`,
  );
  const servers = new Map<ServerName, RoomServer>();
  for (const name of names)
    servers.set(
      name,
      await startRoomServer(name, {
        clients: options.clients,
        guests: abuse > 0 ? 1 : 0,
        inspect: values.profile !== undefined,
        verbose: values.verbose,
        against: values.against === undefined ? undefined : resolve(values.against),
      }),
    );

  const results = new Map<ServerName, Result[]>(names.map((name) => [name, []]));
  const abused = new Map<ServerName, Result[]>(names.map((name) => [name, []]));
  let good = true;
  if (values.find !== undefined) {
    for (const [name, server] of servers) {
      print(`${name}:`);
      const { best } = await find(server, options, Number(values.find));
      if (best) results.get(name)?.push(best);
      else good = false;
    }
  } else {
    for (let round = 0; round < Number(values.rounds); round += 1)
      for (const [name, server] of servers) {
        for (const [sockets, list] of abuse > 0
          ? ([
              [0, results],
              [abuse, abused],
            ] as const)
          : ([[0, results]] as const)) {
          const result = await measure(server, { ...options, abuse: sockets }, values.profile);
          for (const fault of result.faults) print(`FAILED ${name}: ${fault}`);
          if (result.faults.length) good = false;
          list.get(name)?.push(result);
        }
      }
  }
  report(results);
  if (abuse > 0) {
    print(`\nbeside ${abuse} hostile sockets on each document:`);
    report(abused);
    for (const name of names)
      print(
        `${name}: p95 of honest clients with against without them ${ratio(abused.get(name) ?? [], results.get(name) ?? [], ({ latency }) => latency.p95)}`,
      );
  }
  return good;
}

function report(rounds: ReadonlyMap<ServerName, readonly Result[]>): void {
  const results = [...rounds].flatMap(([name, list]) => {
    const shown = calmest(list);
    return shown ? [[name, shown] as const] : [];
  });
  print();
  print(
    table(
      [
        '',
        'edits/s',
        'delivered',
        'p50 ms',
        'p95 ms',
        'p99 ms',
        'CPU ms/edit',
        'frames/s',
        'KiB/s',
        'MiB',
        'generator',
        'others',
        'steal',
      ],
      [...results].map(
        ([name, { perSecond, delivered, latency, cpuPerEdit, framesPerSecond, bytesPerSecond, usage }]) => [
          name,
          figure(perSecond),
          percent(delivered),
          figure(latency.p50),
          figure(latency.p95),
          figure(latency.p99),
          figure(cpuPerEdit),
          figure(framesPerSecond),
          figure(bytesPerSecond / 1024),
          usage.serverMemory === null ? '–' : figure(usage.serverMemory / 2 ** 20),
          figure(usage.generatorCores),
          figure(usage.foreignCores),
          percent(usage.stealShare),
        ],
      ),
    ),
  );
  const kiln = rounds.get('kiln');
  if (!kiln?.length || rounds.size < 2) return;
  print();
  print(
    table(
      ['kiln against', 'edits/s', 'p50', 'p95', 'CPU/edit', 'frames'],
      [...rounds]
        .filter(([name]) => name !== 'kiln')
        .map(([name, other]) => [
          name,
          ratio(kiln, other, ({ perSecond }) => perSecond),
          ratio(kiln, other, ({ latency }) => latency.p50),
          ratio(kiln, other, ({ latency }) => latency.p95),
          ratio(kiln, other, ({ cpuPerEdit }) => cpuPerEdit),
          ratio(kiln, other, ({ framesPerSecond }) => framesPerSecond),
        ]),
    ),
  );
}
