import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import type { Job } from '../../contract/maintenance.ts';
import { kept } from '../../core/retention.ts';
import { nextChanges, readChanges, startCapture, stopCapture } from '../../data/capture.ts';
import type { Database } from '../../data/database.ts';
import { type Key, keyOf, type Row, readRows, type TableShape, tables } from '../../data/dump.ts';
import { backupKeys, copyObject, getObject, isManifest, listObjects, namedBy, refs } from '../../data/objects.ts';
import { referencesOf } from '../../data/references.ts';
import {
  deleteSet,
  exportsVault,
  getPart,
  listBackups,
  listSets,
  type Part,
  putManifest,
  putPart,
  type RoomLine,
} from '../../data/vault.ts';
import { type RoomBackup, readState } from '../room/backup.ts';
import { unwrap } from '../rpc.ts';
import type { JobState, Work } from './job.ts';
import { each, readRef, type Stores, written } from './stores.ts';

/**
 * Everything into EXPORTS: first the tables, as of one moment; then the rooms of the projects in them,
 * each as of a moment after; then every object that a row or a room names; last the manifest. In this
 * order a project in the tables has at least the room that it had then.
 *
 * Lists: `parts` of tables, `change:<table>` rows changed while the tables were read, `project` ids,
 * `room` lines, `todo` objects to copy, `object` keys in EXPORTS that this backup needs, `missing`, and
 * `secured`, the objects of finished backups: a cache over jobs that saves asking the bucket.
 */
interface State extends JobState {
  readonly stage:
    | 'begin'
    | 'tables'
    | 'changes'
    | 'release'
    | 'rooms'
    | 'objects'
    | 'write'
    | 'retain'
    | 'pins'
    | 'prune'
    | 'done';
  readonly name: string;
  readonly engine: 'sqlite' | 'postgres';
  readonly migrations: readonly string[];
  /** Index of the table that is read, its newest key, number of its next part, rows of its next chunk. */
  readonly table: number;
  readonly after: Key | null;
  readonly part: number;
  readonly chunk: number;
  /** Number of the newest change that was caught up with. */
  readonly change: number;
  readonly snapshotAt: number;
  readonly rows: Readonly<Record<string, number>>;
  /** Where a stage that goes through a list is. */
  readonly cursor: string;
}

/** Tables whose references the rooms know better: a file's text may be in its room alone until the room is asked. */
const left = 'project_files';

export const backupName = (now: number, random: string): string =>
  `${new Date(now).toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z-${random}`;

export const firstState = (name: string): State => ({
  stage: 'begin',
  report: { name },
  name,
  engine: 'sqlite',
  migrations: [],
  table: 0,
  after: null,
  part: 0,
  chunk: limits.backup.chunkRows,
  change: 0,
  snapshotAt: 0,
  rows: {},
  cursor: '',
});

export class BackupWork implements Work {
  readonly #stores: Stores;

  constructor(stores: Stores) {
    this.#stores = stores;
  }

  step(state: JobState): Promise<State> {
    const now = state as State;
    switch (now.stage) {
      case 'begin':
        return this.#begin(now);
      case 'tables':
        return this.#stores.withDatabase((db) => this.#part(db, now));
      case 'changes':
        return this.#changes(now);
      case 'release':
        return this.#release(now);
      case 'rooms':
        return this.#rooms(now);
      case 'objects':
        return this.#objects(now);
      case 'write':
        return this.#write(now);
      case 'retain':
        return this.#retain(now);
      case 'pins':
        return this.#pins(now);
      case 'prune':
        return this.#prune(now);
      case 'done':
        throw new Error('a job that is done has no step');
    }
  }

  async abandon(state: JobState): Promise<void> {
    await this.#stores.withDatabase(stopCapture);
    await deleteSet(this.#stores.exports, (state as State).name);
  }

  async #begin(state: State): Promise<State> {
    this.#stores.scratch.clear('secured');
    return await this.#stores.withDatabase(async (db) => {
      const migrations = await db.migrations();
      await startCapture(db);
      return { ...state, stage: 'tables', engine: db.dialect.name, migrations };
    });
  }

  /** One part of one table. */
  async #part(db: Database, state: State): Promise<State> {
    const table = tables[state.table];
    if (!table) return { ...state, stage: 'changes' };
    const lines: string[] = [];
    let { after, chunk } = state;
    let bytes = 0;
    let ended = false;
    while (!ended && bytes < limits.backup.partBytes) {
      const rows = await readRows(db, table, after, chunk);
      ended = rows.length < chunk;
      let size = 0;
      for (const row of rows) {
        const line = JSON.stringify(row);
        size += line.length;
        lines.push(line);
        this.#note(table, row);
      }
      const last = rows.at(-1);
      if (last) {
        after = keyOf(table, last);
        bytes += size;
        // The next chunk follows from how large these rows were.
        const fitting = Math.floor(limits.backup.chunkBytes / (size / rows.length));
        chunk = Math.max(1, Math.min(fitting, limits.backup.chunkRowsMax));
      }
    }
    if (lines.length) {
      const part = await putPart(
        this.#stores.exports,
        backupKeys.part(state.name, `${table.name}.${state.part}`),
        lines,
      );
      this.#keepPart(`table:${table.name}`, state.part, part);
    }
    return ended
      ? { ...state, table: state.table + 1, after: null, part: 0, chunk: limits.backup.chunkRows }
      : { ...state, after, chunk, part: state.part + 1 };
  }

  /** Catches up with rows that changed since they were read; when few are left, with all of them in one moment. */
  async #changes(state: State): Promise<State> {
    return await this.#stores.withDatabase(async (db) => {
      const { closingChanges: closing, roundChanges: round } = limits.backup;
      const to = await nextChanges(db, state.change, { closing, round });
      const snapshotAt = this.#stores.now();
      const { rows, counts, whole } = await readChanges(db, state.change, to);
      if (!whole)
        throw new KilnError('conflict', {
          detail: 'The tables changed their shape during the backup, as by a migration.',
        });
      for (const table of tables)
        for (const { key, row } of rows.get(table.name) ?? []) {
          this.#stores.scratch.put(`change:${table.name}`, JSON.stringify(key), JSON.stringify({ key, row }));
          if (row) this.#note(table, row);
          else if (table.name === 'projects') this.#stores.scratch.remove('project', [String(key[0])]);
        }
      return to === null
        ? { ...state, stage: 'release', snapshotAt, rows: Object.fromEntries(counts) }
        : { ...state, change: to };
    });
  }

  /** The moment is held; writers need not note anything any more. */
  async #release(state: State): Promise<State> {
    const { scratch, exports } = this.#stores;
    await this.#stores.withDatabase(stopCapture);
    for (const { name } of tables) {
      let after = '';
      for (let number = 0; ; number += 1) {
        const lines: string[] = [];
        for (let bytes = 0; bytes < limits.backup.partBytes; ) {
          const [item] = scratch.page(`change:${name}`, after, 1);
          if (!item) break;
          lines.push(item.data);
          bytes += item.data.length;
          after = item.key;
        }
        if (lines.length === 0) break;
        const key = backupKeys.part(state.name, `${name}.changes.${number}`);
        this.#keepPart(`changes:${name}`, number, await putPart(exports, key, lines));
      }
    }
    return { ...state, stage: 'rooms' };
  }

  async #rooms(state: State): Promise<State> {
    const { scratch, exports } = this.#stores;
    const projects = scratch.page('project', state.cursor, limits.backup.stepItems);
    await each(projects, async ({ key: projectId }) => {
      let saved: RoomBackup | null;
      try {
        saved = await this.#saveRoom(projectId);
      } catch (error) {
        scratch.put('failed', projectId);
        // One room that cannot be saved must not cost everybody the backup. Its last state is in the one before.
        scratch.put('missing', `room ${projectId}: ${error instanceof Error ? error.message : error}`);
        return;
      }
      const line: RoomLine = {
        projectId,
        hash: saved?.hash ?? null,
        seq: saved?.seq ?? 0,
        treeHash: saved?.treeHash ?? null,
      };
      scratch.put('room', projectId, JSON.stringify(line));
      if (!saved) return;
      const room = await readState(exportsVault(exports), saved.hash);
      scratch.add('object', [
        backupKeys.room(saved.hash),
        ...room.documents.map(({ hash }) => backupKeys.document(hash)),
      ]);
      const { files = [], kept_blobs = [], kept_trees = [] } = room.tables;
      scratch.add('todo', [
        ...[...files, ...kept_blobs].map(({ hash }) => written(refs.blob(String(hash)))),
        ...kept_trees.map(({ hash }) => written(refs.tree(String(hash)))),
      ]);
    });
    const last = projects.at(-1);
    return last ? { ...state, cursor: last.key } : { ...state, stage: 'objects', cursor: '' };
  }

  /** A room's own work; tried once more, since an object may be moving. */
  #saveRoom(projectId: string): Promise<RoomBackup | null> {
    const ask = (): Promise<RoomBackup | null> =>
      unwrap(this.#stores.room(projectId).backup(), limits.patience.roomBackup);
    return ask().catch(ask);
  }

  async #objects(state: State): Promise<State> {
    const { scratch, buckets, exports } = this.#stores;
    const items = scratch.page('todo', '', limits.backup.stepItems);
    await each(items, async ({ key: text }) => {
      const ref = readRef(text);
      const key = backupKeys.object(ref);
      const secured = scratch.has('secured', key);
      if (!scratch.has('object', key)) {
        if (!secured && !(await exports.head(key))) {
          const object = await getObject(buckets[ref.store], ref.key);
          if (!object) {
            scratch.put('missing', text);
            return;
          }
          await copyObject(object, exports, key);
        }
        if (isManifest(ref)) {
          const manifest = await exports.get(key);
          if (!manifest) {
            // Somebody else removed it from EXPORTS: the next try copies it again.
            scratch.remove('secured', [key]);
            throw new Error(`${key} is not where it was`);
          }
          scratch.add('todo', namedBy(ref, await manifest.text()).map(written));
        }
        scratch.put('object', key);
      }
    });
    scratch.remove(
      'todo',
      items.map(({ key }) => key),
    );
    return items.length ? state : { ...state, stage: 'write' };
  }

  async #write(state: State): Promise<State> {
    const { scratch, exports } = this.#stores;
    const list = async (name: string, line: (item: { key: string; data: string }) => string): Promise<Part[]> => {
      const parts: Part[] = [];
      let after = '';
      for (;;) {
        const items = scratch.page(name, after, limits.backup.listItems);
        const last = items.at(-1);
        if (!last) return parts;
        parts.push(await putPart(exports, backupKeys.part(state.name, `${name}s.${parts.length}`), items.map(line)));
        after = last.key;
      }
    };
    const rooms = await list('room', ({ data }) => data);
    const objects = await list('object', ({ key }) => key);
    const missing = scratch.page('missing', '', limits.backup.listItems).map(({ key }) => key);
    await putManifest(exports, {
      v: 1,
      name: state.name,
      createdAt: this.#stores.now(),
      snapshotAt: state.snapshotAt,
      engine: state.engine,
      migrations: [...state.migrations],
      tables: tables.map((table) => ({
        name: table.name,
        columns: Object.keys(table.columns),
        rows: state.rows[table.name] ?? 0,
        parts: this.#partsOf(`table:${table.name}`),
        changes: this.#partsOf(`changes:${table.name}`),
      })),
      rooms,
      objects,
      missing,
    });
    scratch.copy('object', 'secured');
    const report: Job['report'] = {
      name: state.name,
      snapshotAt: new Date(state.snapshotAt).toISOString(),
      rows: Object.values(state.rows).reduce((sum, count) => sum + count, 0),
      changedMeanwhile: tables.reduce((sum, { name }) => sum + scratch.count(`change:${name}`), 0),
      rooms: scratch.count('room'),
      objects: scratch.count('object'),
      missing: missing.slice(0, limits.backup.reportItems),
      missingCount: missing.length,
    };
    return { ...state, stage: 'retain', cursor: '', report };
  }

  /** Removes backups that nobody needs any more, and what is left of those that never ended. */
  async #retain(state: State): Promise<State> {
    const { exports, scratch } = this.#stores;
    // An older backup may be the only one that has a room which could not be saved today.
    if (scratch.count('failed')) return { ...state, stage: 'done' };
    const backups = await listBackups(exports);
    const keep = kept(
      backups.map(({ name, snapshotAt }) => ({ name, at: snapshotAt })),
      limits.backup.dailyKept,
      limits.backup.weeklyKept,
    );
    const unneeded = (await listSets(exports)).filter((name) => !keep.has(name));
    for (const name of unneeded) await deleteSet(exports, name);
    const report = { ...state.report, removed: unneeded };
    return { ...state, report, stage: unneeded.length ? 'pins' : 'done' };
  }

  /** What the backups that stay need. */
  async #pins(state: State): Promise<State> {
    const { scratch, exports } = this.#stores;
    const next = (await listBackups(exports)).find(({ name }) => name > state.cursor);
    if (!next) return { ...state, stage: 'prune', cursor: '' };
    for (const part of next.objects) scratch.add('pinned', await getPart(exports, part));
    return { ...state, cursor: next.name };
  }

  async #prune(state: State): Promise<State> {
    const { scratch, exports } = this.#stores;
    // `cursor`: the prefix, a space, and where its listing is.
    const cursor = state.cursor || `${backupKeys.shared[0]} `;
    const prefix = cursor.slice(0, cursor.indexOf(' '));
    const page = await listObjects(exports, prefix, cursor.slice(prefix.length + 1) || null, limits.gc.listPage);
    const unneeded = page.objects.map(({ key }) => key).filter((key) => !scratch.has('pinned', key));
    if (unneeded.length) {
      scratch.remove('secured', unneeded);
      await exports.delete(unneeded);
    }
    if (page.cursor !== null) return { ...state, cursor: `${prefix} ${page.cursor}` };
    const following = backupKeys.shared[backupKeys.shared.indexOf(prefix) + 1];
    return following === undefined ? { ...state, stage: 'done' } : { ...state, cursor: `${following} ` };
  }

  /** What a row of the dump says about other stores. More than the final state says is harmless. */
  #note(table: TableShape, row: Row): void {
    const { scratch } = this.#stores;
    if (table.name === 'projects') scratch.add('project', [String(row.id)]);
    if (table.name !== left) scratch.add('todo', referencesOf(table.name, row).map(written));
  }

  #keepPart(list: string, number: number, part: Part): void {
    this.#stores.scratch.put(list, String(number).padStart(8, '0'), JSON.stringify(part));
  }

  #partsOf(list: string): Part[] {
    return this.#stores.scratch.page(list, '', limits.backup.manifestParts).map(({ data }) => JSON.parse(data) as Part);
  }
}
