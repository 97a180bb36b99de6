import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../../src/contract/limits.ts';
import { judgeAside, judgeLive } from '../../src/core/gc.ts';
import { sha256 } from '../../src/core/tree.ts';
import { Database } from '../../src/data/database.ts';
import { sqliteDialect } from '../../src/data/dialects/sqlite.ts';
import type { Engine } from '../../src/data/engines/engine.ts';
import { ensureBlob, getBlob, putBlob } from '../../src/data/objects.ts';
import { firstState, GcWork } from '../../src/durable-objects/maintenance/gc.ts';
import { Scratch } from '../../src/durable-objects/maintenance/scratch.ts';
import type { Sql, SqlValue } from '../../src/durable-objects/sql.ts';

const { grace } = limits.gc;
const hour = 3_600_000;

describe('The collector judges an object', () => {
  it('by reference first, age second', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e13 }), fc.integer({ min: 0, max: 1e13 }), (then, now) => {
        expect(judgeLive({ uploaded: then }, true, now, grace)).toBe('keep');
        expect(judgeAside({ since: then }, true, now, grace)).toBe('put-back');
        const old = now - then >= grace;
        expect(judgeLive({ uploaded: then }, false, now, grace)).toBe(old ? 'set-aside' : 'keep');
        expect(judgeAside({ since: then }, false, now, grace)).toBe(old ? 'delete' : 'keep');
      }),
    );
  });
});

const sqlOf = (database: DatabaseSync): Sql => ({
  all: <Row>(query: string, ...params: SqlValue[]) =>
    database.prepare(query).all(...(params as SQLInputValue[])) as Row[],
  run: (query, ...params) => {
    database.prepare(query).run(...(params as SQLInputValue[]));
  },
  transaction: (work) => work(),
});

interface Stored {
  readonly body: Uint8Array;
  readonly uploaded: Date;
}

/** R2 in memory, whose every answer waits for `turn`: whatever else happens, happens in between. */
function bucketOf(objects: Map<string, Stored>, turn: () => Promise<void>, now: () => number): R2Bucket {
  const shown = (key: string, { body, uploaded }: Stored) => ({
    key,
    size: body.length,
    uploaded,
    checksums: {},
    body: Object.assign(body, { cancel: async () => undefined }),
    text: async () => new TextDecoder().decode(body),
    arrayBuffer: async () => body.slice().buffer,
  });
  const found = async (key: string) => {
    await turn();
    const stored = objects.get(key);
    return stored ? shown(key, stored) : null;
  };
  return {
    get: found,
    head: found,
    put: async (key: string, body: Uint8Array) => {
      await turn();
      objects.set(key, { body: new Uint8Array(body), uploaded: new Date(now()) });
      await turn();
    },
    delete: async (key: string) => {
      await turn();
      objects.delete(key);
      await turn();
    },
    list: async ({ prefix = '' }: R2ListOptions) => {
      await turn();
      const listed = [...objects].filter(([key]) => key.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1));
      return { objects: listed.map(([key, stored]) => shown(key, stored)), truncated: false, delimitedPrefixes: [] };
    },
  } as unknown as R2Bucket;
}

const contents = ['a', 'b', 'c', 'd'].map((text) => new TextEncoder().encode(text));

/** What happens beside the collector. Whatever names a blob puts it first, or makes sure that it is there. */
type Event =
  | { readonly kind: 'write'; readonly room: number; readonly blob: number }
  | { readonly kind: 'remove'; readonly room: number; readonly blob: number }
  | { readonly kind: 'copy'; readonly from: number; readonly to: number }
  | { readonly kind: 'index'; readonly room: number }
  | { readonly kind: 'wait'; readonly hours: number };

const room = fc.nat({ max: 2 });
const blob = fc.nat({ max: contents.length - 1 });
/** Turns of others before it happens: a run of the collector has about sixty. */
const pause = fc.nat({ max: 30 });
const event: fc.Arbitrary<Event & { readonly pause: number }> = fc.oneof(
  fc.record({ kind: fc.constant('write' as const), room, blob, pause }),
  fc.record({ kind: fc.constant('remove' as const), room, blob, pause }),
  fc.record({ kind: fc.constant('copy' as const), from: room, to: room, pause }),
  fc.record({ kind: fc.constant('index' as const), room, pause }),
  fc.record({ kind: fc.constant('wait' as const), hours: fc.constantFrom(1, 30, 60), pause }),
);

/** Rooms, their index and a bucket in memory, with the real collector over them. */
class World {
  clock = Date.UTC(2026, 0);
  readonly objects = new Map<string, Stored>();
  readonly rooms: readonly Set<string>[] = [new Set(), new Set(), new Set()];
  readonly index: Set<string>[] = [new Set(), new Set(), new Set()];
  readonly bucket: R2Bucket;
  readonly #turn: () => Promise<void>;
  readonly #work: GcWork;

  constructor(turn: () => Promise<void>) {
    this.#turn = turn;
    this.bucket = bucketOf(this.objects, turn, () => this.clock);
    const engine: Engine = {
      dialect: sqliteDialect,
      run: async ({ sql, params }) => {
        await turn();
        if (sql.includes('from "projects"'))
          return this.rooms.map((_, n) => [`p${n}`]).filter(([id = '']) => id > String(params[0]));
        if (!sql.includes('"project_files"')) return [];
        return this.index.flatMap((hashes, n) => [...hashes].map((hash) => [`p${n}`, hash, hash, 1, '', 1, 1]));
      },
      batch: async () => [],
      moment: async () => [],
      explain: async () => [],
      migrations: async () => [],
      bookmark: () => null,
      close: async () => undefined,
    };
    const never = () => Promise.reject(new Error('not asked by the collector'));
    this.#work = new GcWork({
      scratch: new Scratch(sqlOf(new DatabaseSync(':memory:'))),
      buckets: { assets: this.bucket, builds: bucketOf(new Map(), turn, () => this.clock) },
      exports: this.bucket,
      room: (id) => ({
        held: async (hashes) => {
          await turn();
          return { ok: true, value: hashes.filter((hash) => this.rooms[Number(id.slice(1))]?.has(hash)) };
        },
        backup: never,
        restoreState: never,
        flushIndex: never,
      }),
      restoreBuild: never,
      withDatabase: (run) => run(new Database(engine)),
      now: () => this.clock,
    });
  }

  async collect(): Promise<{ deleted: number; putBack: number; setAside: number }> {
    let state = firstState(false, this.clock);
    while (state.stage !== 'done') state = await this.#work.step(state);
    return state.report;
  }

  async happen(one: Event): Promise<void> {
    const of = (n: number): Set<string> => this.rooms[n] ?? new Set();
    if (one.kind === 'write') {
      const data = contents[one.blob] ?? new Uint8Array();
      const hash = sha256(data);
      await putBlob(this.bucket, hash, data);
      of(one.room).add(hash);
    } else if (one.kind === 'remove') of(one.room).delete(sha256(contents[one.blob] ?? ''));
    else if (one.kind === 'copy') {
      for (const hash of [...of(one.from)]) if (await ensureBlob(this.bucket, hash)) of(one.to).add(hash);
    } else if (one.kind === 'index') this.index[one.room] = new Set(of(one.room));
    await this.#turn();
  }

  /** Blobs that a room names and nobody can read. */
  async lost(): Promise<string[]> {
    const lost: string[] = [];
    for (const hashes of this.rooms)
      for (const hash of hashes) if (!(await getBlob(this.bucket, hash))) lost.push(hash);
    return lost;
  }
}

describe('The collector', () => {
  it('never makes a blob unreadable that a room names, however writes fall between its steps, and collects the rest', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(event, { maxLength: 6 }), { minLength: 1, maxLength: 6 }),
        fc.scheduler(),
        async (rounds, scheduler) => {
          const turn = (): Promise<void> => scheduler.schedule(Promise.resolve());
          const world = new World(turn);
          for (const events of rounds) {
            const others = async (): Promise<void> => {
              for (const one of events) {
                for (let turns = 0; turns < one.pause; turns += 1) await turn();
                if (one.kind !== 'wait') await world.happen(one);
              }
            };
            await scheduler.waitFor(Promise.all([world.collect(), others()]));
            expect(await scheduler.waitFor(world.lost())).toEqual([]);
            // Between two runs time passes; within one, much less than the grace period.
            world.clock += events.reduce((sum, one) => sum + (one.kind === 'wait' ? one.hours * hour : 0), 25 * hour);
          }
          // Nobody names anything any more: in the end nothing is left.
          for (const hashes of [...world.rooms, ...world.index]) hashes.clear();
          for (let run = 0; run < 3; run += 1) {
            world.clock += grace + hour;
            await scheduler.waitFor(world.collect());
          }
          expect([...world.objects.keys()]).toEqual([]);
        },
      ),
      { numRuns: 300 },
    );
    // How often a random schedule needs the copy aside is chance; the next test walks through every such turn.
  });

  it('loses nothing to a write at any single turn of its runs, not even one that R2 could not have seen coming', async () => {
    const [data = new Uint8Array()] = contents;
    const hash = sha256(data);
    let rescued = 0;
    let turnsOfRuns = 0;
    for (const runsBefore of [0, 1])
      for (let at = 0; ; at += 1) {
        let turns = -1;
        const world: World = new World(async () => {
          if (turns >= 0 && turns++ === at) {
            // Put and named within one turn: between any two words of the collector.
            world.objects.set(`blob/${hash}`, { body: data, uploaded: new Date(world.clock) });
            world.rooms[0]?.add(hash);
          }
        });
        world.objects.set(`blob/${hash}`, { body: data, uploaded: new Date(world.clock) });
        for (let run = 0; run < runsBefore; run += 1) {
          world.clock += grace + hour;
          await world.collect();
        }
        world.clock += grace + hour;
        turns = 0;
        await world.collect();
        const happened = turns > at;
        turns = -1;
        if (!happened) break;
        turnsOfRuns += 1;
        expect(await world.lost(), `at turn ${at}`).toEqual([]);
        if (!world.objects.has(`blob/${hash}`)) rescued += 1;
        // The next runs put it in its place, for good.
        for (let run = 0; run < 3; run += 1) {
          world.clock += grace + hour;
          await world.collect();
          expect(world.objects.has(`blob/${hash}`), `run ${run} after turn ${at}`).toBe(true);
        }
        expect(world.objects.has(`aside/blob/${hash}`)).toBe(false);
      }
    expect(turnsOfRuns).toBeGreaterThan(30);
    // There are turns at which only the copy aside saved it.
    expect(rescued).toBeGreaterThan(0);
  });

  it('keeps what was made of a blob for as long as a row names the blob, and no longer', async () => {
    const [data = new Uint8Array()] = contents;
    const hash = sha256(data);
    const world = new World(async () => undefined);
    const made = [`variant/${hash}/v1-64-webp`, `variant/${hash}/v1-256-webp`];
    for (const key of [`blob/${hash}`, ...made])
      world.objects.set(key, { body: data, uploaded: new Date(world.clock) });
    world.index[0]?.add(hash);
    const run = async (): Promise<void> => {
      world.clock += grace + hour;
      await world.collect();
    };
    await run();
    await run();
    expect([...world.objects.keys()].sort()).toEqual([`blob/${hash}`, ...made].sort());
    world.index[0]?.clear();
    await run();
    expect([...world.objects.keys()].every((key) => key.startsWith('aside/'))).toBe(true);
    world.index[0]?.add(hash);
    await run();
    expect([...world.objects.keys()].sort()).toEqual([`blob/${hash}`, ...made].sort());
    world.index[0]?.clear();
    await run();
    await run();
    await run();
    expect([...world.objects.keys()]).toEqual([]);
  });
});
