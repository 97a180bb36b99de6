import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import type { Job } from '../../contract/maintenance.ts';
import { requeueBuild } from '../../data/build-turns.ts';
import { buildsAfter } from '../../data/builds.ts';
import { countRows, type Key, keyOf, type Row, tables, writeRows, youngerRows } from '../../data/dump.ts';
import { backupKeys, copiedFrom, copyObject, listObjects, swept } from '../../data/objects.ts';
import { eraseIndex, markDeleting } from '../../data/projects.ts';
import {
  exportsVault,
  flawOf,
  getManifest,
  getPart,
  type Manifest,
  type Part,
  type RoomLine,
} from '../../data/vault.ts';
import { verifyState } from '../room/backup.ts';
import { unwrap } from '../rpc.ts';
import type { JobState, Work } from './job.ts';
import { each, readRef, type Stores, written } from './stores.ts';

/**
 * A backup back into the system: all of it is read and checked first; then the tables are written, the
 * objects copied that are missing, the rooms given their state, the builds their objects. Every write is
 * an upsert or a copy of what has one name for ever, so each step may run twice, and a restore that was
 * killed goes on where it was. What is younger than the backup is never touched, and named in the report.
 *
 * Lists: `room` lines of the backup, `todo` objects to copy.
 */
interface State extends JobState {
  readonly stage:
    | 'verify'
    | 'verify-rooms'
    | 'queue'
    | 'look'
    | 'tables'
    | 'count'
    | 'objects'
    | 'rooms'
    | 'builds'
    | 'done';
  readonly name: string;
  /** Where a stage is: index of a table, list or place, of a part in it, and a key. */
  readonly index: number;
  readonly part: number;
  readonly cursor: string | null;
  readonly report: Job['report'] & {
    younger: Record<string, { count: number; names: string[] }>;
    rooms: { restored: number; newer: number; gone: number; different: string[] };
    copied: number;
    objectsMissing: string[];
  };
}

export const firstState = (manifest: Manifest): State => ({
  stage: 'verify',
  name: manifest.name,
  index: 0,
  part: 0,
  cursor: null,
  report: {
    name: manifest.name,
    snapshotAt: new Date(manifest.snapshotAt).toISOString(),
    from: manifest.engine,
    missingInBackup: manifest.missing,
    younger: {},
    rooms: { restored: 0, newer: 0, gone: 0, different: [] },
    copied: 0,
    objectsMissing: [],
  },
});

/** Throws `conflict` for a backup that this system's tables cannot take. */
export function refuseForeign(manifest: Manifest): void {
  for (const dump of manifest.tables) {
    const table = tables.find(({ name }) => name === dump.name);
    const unknown = dump.columns.filter((column) => !(column in (table?.columns ?? {})));
    if (dump.rows > 0 && (!table || unknown.length))
      throw new KilnError('conflict', {
        detail: `The backup is of schema ${manifest.migrations.at(-1)}: this system does not know ${table ? unknown.map((column) => `${dump.name}.${column}`).join(', ') : dump.name}. Restore with the version that made it.`,
      });
  }
}

const partsOf = (manifest: Manifest): Part[] => [
  ...manifest.tables.flatMap(({ parts, changes }) => [...parts, ...changes]),
  ...manifest.rooms,
  ...manifest.objects,
];

export class RestoreWork implements Work {
  readonly #stores: Stores;

  constructor(stores: Stores) {
    this.#stores = stores;
  }

  async step(state: JobState): Promise<State> {
    const now = state as State;
    const manifest = await getManifest(this.#stores.exports, now.name);
    if (!manifest) throw new KilnError('not_found', { detail: `The backup ${now.name} is gone.` });
    switch (now.stage) {
      case 'verify':
        return await this.#verify(now, manifest);
      case 'verify-rooms':
        return await this.#verifyRooms(now);
      case 'queue':
        return await this.#queue(now, manifest);
      case 'look':
        return await this.#look(now, manifest);
      case 'tables':
        return await this.#tables(now, manifest);
      case 'count':
        return await this.#count(now, manifest);
      case 'objects':
        return await this.#objects(now);
      case 'rooms':
        return await this.#rooms(now);
      case 'builds':
        return await this.#builds(now);
      case 'done':
        throw new Error('a job that is done has no step');
    }
  }

  /** What was written stays: the same restore goes on from there when it is started again. */
  async abandon(): Promise<void> {}

  /** Nothing is written before every byte of the backup was found to be what it was. */
  async #verify(state: State, manifest: Manifest): Promise<State> {
    const { scratch, exports } = this.#stores;
    if (state.index === 0) scratch.clear('secured');
    const parts = partsOf(manifest).slice(state.index, state.index + limits.backup.stepItems);
    await each(parts, async (part) => {
      const flaw = await flawOf(exports, part);
      if (flaw !== null)
        throw new KilnError('conflict', { detail: `The backup cannot be restored: ${flaw}. Nothing was changed.` });
    });
    if (parts.length) return { ...state, index: state.index + parts.length };
    for (const part of manifest.rooms)
      for (const line of await getPart(exports, part)) {
        const room = JSON.parse(line) as RoomLine;
        scratch.put('room', room.projectId, line);
      }
    return { ...state, stage: 'verify-rooms', index: 0, cursor: '' };
  }

  async #verifyRooms(state: State): Promise<State> {
    const { scratch, exports } = this.#stores;
    const rooms = scratch.page('room', state.cursor ?? '', limits.backup.stepItems);
    await each(rooms, async ({ data }) => {
      const { hash } = JSON.parse(data) as RoomLine;
      if (hash !== null) await verifyState(exportsVault(exports), hash);
    });
    const last = rooms.at(-1);
    return last ? { ...state, cursor: last.key } : { ...state, stage: 'queue', cursor: null };
  }

  async #queue(state: State, manifest: Manifest): Promise<State> {
    const part = manifest.objects[state.index];
    if (!part) return { ...state, stage: 'look', index: 0 };
    const keys = await getPart(this.#stores.exports, part);
    this.#stores.scratch.add(
      'todo',
      keys.flatMap((key) => {
        const ref = copiedFrom(key);
        return ref ? [written(ref)] : [];
      }),
    );
    return { ...state, index: state.index + 1 };
  }

  /** Objects that came after the backup and are not in it. What names them may be gone with the database. */
  async #look(state: State, manifest: Manifest): Promise<State> {
    const places = [...swept.manifests, ...swept.contents];
    const place = places[state.index];
    if (!place) return { ...state, stage: 'tables', index: 0, part: 0, cursor: null };
    const { scratch, buckets } = this.#stores;
    const page = await listObjects(buckets[place.store], place.prefix, state.cursor, limits.gc.listPage);
    const found = page.objects
      .filter(({ uploaded }) => uploaded > manifest.snapshotAt)
      .map(({ key }) => written({ store: place.store, key }))
      .filter((key) => !scratch.has('todo', key));
    const now = found.length ? this.#younger(state, 'objects', found.length, found) : state;
    return page.cursor !== null ? { ...now, cursor: page.cursor } : { ...now, cursor: null, index: state.index + 1 };
  }

  /** One part of one table. Rows that changed while the backup read them come from the changes, which it read last. */
  async #tables(state: State, manifest: Manifest): Promise<State> {
    const dump = manifest.tables[state.index];
    if (!dump) return { ...state, stage: 'count', index: 0, part: 0 };
    const table = tables.find(({ name }) => name === dump.name);
    const part = [...dump.parts, ...dump.changes][state.part];
    if (!table || !part) return { ...state, index: state.index + 1, part: 0 };
    const { exports } = this.#stores;
    const lines = await getPart(exports, part);
    let rows: Row[];
    if (state.part < dump.parts.length) {
      const changed = new Set<string>();
      for (const changes of dump.changes)
        for (const line of await getPart(exports, changes))
          changed.add(JSON.stringify((JSON.parse(line) as { key: Key }).key));
      rows = lines
        .map((line) => JSON.parse(line) as Row)
        .filter((row) => !changed.has(JSON.stringify(keyOf(table, row))));
    } else
      rows = lines.flatMap((line) => {
        const { row } = JSON.parse(line) as { row: Row | null };
        return row ? [row] : [];
      });
    await this.#stores.withDatabase(async (db) => {
      let chunk: Row[] = [];
      let bytes = 0;
      for (const row of rows) {
        const size = JSON.stringify(row).length;
        if (bytes + size > limits.backup.insertBytes) {
          await writeRows(db, table, dump.columns, chunk);
          chunk = [];
          bytes = 0;
        }
        chunk.push(row);
        bytes += size;
      }
      await writeRows(db, table, dump.columns, chunk);
    });
    return { ...state, part: state.part + 1 };
  }

  /** Every row is there; rows beyond those of the backup are younger, or were there before a forced restore. */
  async #count(state: State, manifest: Manifest): Promise<State> {
    return await this.#stores.withDatabase(async (db) => {
      let now: State = { ...state, stage: 'objects', cursor: null };
      let more = 0;
      for (const dump of manifest.tables) {
        const table = tables.find(({ name }) => name === dump.name);
        if (!table) continue;
        const count = await countRows(db, table);
        if (count < dump.rows) throw new Error(`${dump.name} has ${count} rows instead of ${dump.rows}`);
        more += count - dump.rows;
        const younger = await youngerRows(db, table, manifest.snapshotAt, limits.backup.reportItems);
        if (younger.count && count > dump.rows)
          now = this.#younger(
            now,
            dump.name,
            younger.count,
            younger.keys.map((key) => key.join('/')),
          );
      }
      const rows = manifest.tables.reduce((sum, dump) => sum + dump.rows, 0);
      return { ...now, report: { ...now.report, rows, rowsBesides: more } };
    });
  }

  async #objects(state: State): Promise<State> {
    const { scratch, buckets, exports } = this.#stores;
    const items = scratch.page('todo', '', limits.backup.stepItems);
    const report = { ...state.report, objectsMissing: [...state.report.objectsMissing] };
    await each(items, async ({ key }) => {
      const ref = readRef(key);
      if (await buckets[ref.store].head(ref.key)) return;
      const copy = await exports.get(backupKeys.object(ref));
      if (!copy) {
        report.objectsMissing.push(key);
        return;
      }
      await copyObject(copy, buckets[ref.store], ref.key);
      report.copied += 1;
    });
    scratch.remove(
      'todo',
      items.map(({ key }) => key),
    );
    return items.length ? { ...state, report } : { ...state, stage: 'rooms', cursor: '' };
  }

  async #rooms(state: State): Promise<State> {
    const { scratch } = this.#stores;
    const items = scratch.page('room', state.cursor ?? '', limits.backup.stepItems);
    const last = items.at(-1);
    if (!last) return { ...state, stage: 'builds', cursor: '' };
    let now: State = { ...state, cursor: last.key };
    const counts = { ...state.report.rooms, different: [...state.report.rooms.different] };
    const newer: string[] = [];
    await this.#stores.withDatabase(async (db) => {
      await each(items, async ({ data }) => {
        const line = JSON.parse(data) as RoomLine;
        if (line.hash === null) {
          // Its room was erased after the tables were read: the erasing is finished by the sweep.
          await markDeleting(db, line.projectId, 0);
          counts.gone += 1;
          return;
        }
        const room = this.#stores.room(line.projectId);
        const { outcome, seq, treeHash } = await unwrap(room.restoreState(line.hash), limits.patience.roomBackup);
        if (outcome === 'newer') {
          counts.newer += 1;
          newer.push(`${line.projectId} (${seq} instead of ${line.seq})`);
        } else {
          counts.restored += 1;
          if (treeHash !== line.treeHash) counts.different.push(line.projectId);
        }
        await eraseIndex(db, line.projectId);
        await unwrap(room.flushIndex());
      });
    });
    if (newer.length) now = this.#younger(now, 'rooms', newer.length, newer);
    return { ...now, report: { ...now.report, rooms: counts } };
  }

  /** Their logs are not in the backup; what waited or ran is built again. */
  async #builds(state: State): Promise<State> {
    return await this.#stores.withDatabase(async (db) => {
      const found = await buildsAfter(db, state.cursor ?? '', limits.backup.stepItems);
      await each(found, async ({ row, projectName }) => {
        const current = row.status === 'building' ? await requeueBuild(db, row) : row;
        await this.#stores.restoreBuild(current, projectName);
      });
      const last = found.at(-1);
      return last ? { ...state, cursor: last.row.id } : { ...state, stage: 'done' };
    });
  }

  #younger(state: State, kind: string, count: number, names: readonly string[]): State {
    const before = state.report.younger[kind] ?? { count: 0, names: [] };
    const younger = {
      ...state.report.younger,
      [kind]: {
        count: before.count + count,
        names: [...before.names, ...names].slice(0, limits.backup.reportItems),
      },
    };
    return { ...state, report: { ...state.report, younger } };
  }
}
