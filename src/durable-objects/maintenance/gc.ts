import { limits } from '../../contract/limits.ts';
import type { Job } from '../../contract/maintenance.ts';
import { judgeAside, judgeLive } from '../../core/gc.ts';
import { logEvent } from '../../core/log.ts';
import { projectsWithStale, removeStale, staleVersions } from '../../data/assets.ts';
import type { Database } from '../../data/database.ts';
import { type Key, keyOf, readRows, tables } from '../../data/dump.ts';
import {
  asidePrefix,
  deleteAside,
  getObject,
  hashOf,
  type Listed,
  listObjects,
  namedBy,
  type ObjectRef,
  putBack,
  type StoreName,
  setAside,
  sourceOf,
  swept,
} from '../../data/objects.ts';
import { projectsWithOldBuilds, staleBuilds } from '../../data/old-builds.ts';
import { projectIds } from '../../data/projects.ts';
import { referencesOf, referringTables } from '../../data/references.ts';
import { unwrap } from '../rpc.ts';
import type { JobState, Work } from './job.ts';
import { each, readRef, type Stores, written } from './stores.ts';

/**
 * Removes versions of assets that nobody is likely to go back to, then objects that nothing refers to. Marks what rows name, then what manifests name that are in
 * use or young; lists the buckets for objects that are old and not marked; asks every room about those;
 * and only then sets aside what nobody named, and deletes what was set aside a grace period ago and is
 * still not named. docs/decisions/0007-garbage-collection.md says why nothing referenced can be lost.
 *
 * Lists: `mark` objects in use; `live` and `aside`, objects that nobody named so far; `back`, objects
 * to put back.
 */
interface State extends JobState {
  readonly stage: 'versions' | 'builds' | 'rows' | 'manifests' | 'live' | 'aside' | 'rooms' | 'collect' | 'done';
  readonly dryRun: boolean;
  /** When the job began: what was put later is not judged. */
  readonly now: number;
  readonly index: number;
  readonly after: Key | null;
  readonly cursor: string | null;
  /** Newest key of the lists that rooms were asked about. */
  readonly asked: string;
  readonly report: Job['report'] & {
    scanned: number;
    setAside: number;
    deleted: number;
    putBack: number;
    bytes: number;
    /** Old versions of assets, and the bytes that their projects have again. */
    versions: number;
    versionBytes: number;
    /** As old, and kept because checkpoints name them. */
    keptVersions: number;
    keptBytes: number;
    /** Old builds that the daily removal would take, and that are published: counted in a dry run alone. */
    builds: number;
    buildBytes: number;
    keptBuilds: number;
    keptBuildBytes: number;
  };
}

interface Candidate {
  readonly uploaded: number;
  readonly size: number;
}

export const firstState = (dryRun: boolean, now: number): State => ({
  stage: 'versions',
  report: {
    dryRun,
    scanned: 0,
    setAside: 0,
    deleted: 0,
    putBack: 0,
    bytes: 0,
    versions: 0,
    versionBytes: 0,
    keptVersions: 0,
    keptBytes: 0,
    builds: 0,
    buildBytes: 0,
    keptBuilds: 0,
    keptBuildBytes: 0,
  },
  dryRun,
  now,
  index: 0,
  after: null,
  cursor: null,
  asked: '',
});

const stores: readonly StoreName[] = ['assets', 'builds'];

export class GcWork implements Work {
  readonly #stores: Stores;

  constructor(access: Stores) {
    this.#stores = access;
  }

  step(state: JobState): Promise<State> {
    const now = state as State;
    switch (now.stage) {
      case 'versions':
        return this.#versions(now);
      case 'builds':
        return this.#builds(now);
      case 'rows':
        return this.#rows(now);
      case 'manifests':
        return this.#manifests(now);
      case 'live':
        return this.#live(now);
      case 'aside':
        return this.#aside(now);
      case 'rooms':
        return this.#rooms(now);
      case 'collect':
        return this.#collect(now);
      case 'done':
        throw new Error('a job that is done has no step');
    }
  }

  /** Every step leaves a state that needs nothing undone. */
  async abandon(): Promise<void> {}

  /** Their uploads remove such versions of one asset, which may be the last upload it ever had. */
  async #versions(state: State): Promise<State> {
    const { versionsSpared: keep, versionTtl } = limits.asset;
    const before = state.now - versionTtl;
    return await this.#projects(state, state.dryRun ? 'builds' : 'rows', {
      page: (db, after, count) => projectsWithStale(db, keep, before, after, count),
      visit: async (db, id, report) => {
        const { count, bytes, kept } = await staleVersions(db, id, keep, before);
        report.versions += count;
        report.versionBytes += bytes;
        report.keptVersions += kept.count;
        report.keptBytes += kept.bytes;
        if (state.dryRun || count === 0) return;
        await removeStale(db, id, keep, before, { actorId: null, now: this.#stores.now() });
        logEvent('asset.cleaned', { project: id, versions: count, bytes });
      },
    });
  }

  /** What the daily removal of old builds would take by now: only told, for the sweep does it. */
  async #builds(state: State): Promise<State> {
    const { newest, age } = limits.build.retention;
    const before = state.now - age;
    return await this.#projects(state, 'rows', {
      page: (db, after, count) => projectsWithOldBuilds(db, before, after, count),
      visit: async (db, id, report) => {
        const { count, bytes, kept } = await staleBuilds(db, id, newest, before);
        report.builds += count;
        report.buildBytes += bytes;
        report.keptBuilds += kept.count;
        report.keptBuildBytes += kept.bytes;
      },
    });
  }

  /** Some projects at a time, by their ids; `visit` adds to the report what it finds in one. */
  async #projects(
    state: State,
    next: State['stage'],
    {
      page,
      visit,
    }: {
      readonly page: (db: Database, after: string, count: number) => Promise<string[]>;
      readonly visit: (db: Database, projectId: string, report: State['report']) => Promise<void>;
    },
  ): Promise<State> {
    const report = { ...state.report };
    const last = await this.#stores.withDatabase(async (db) => {
      const ids = await page(db, state.cursor ?? '', limits.backup.stepItems);
      for (const id of ids) await visit(db, id, report);
      return ids.at(-1);
    });
    return last === undefined ? { ...state, report, stage: next, cursor: null } : { ...state, report, cursor: last };
  }

  async #rows(state: State): Promise<State> {
    const { scratch } = this.#stores;
    if (state.index === 0 && state.after === null) scratch.clear('secured');
    const table = tables.find(({ name }) => name === referringTables[state.index]);
    if (!table) return { ...state, stage: 'manifests', index: 0 };
    const rows = await this.#stores.withDatabase((db) => readRows(db, table, state.after, limits.gc.markRows));
    scratch.add(
      'mark',
      rows.flatMap((row) => referencesOf(table.name, row).map(written)),
    );
    const last = rows.at(-1);
    return last && rows.length === limits.gc.markRows
      ? { ...state, after: keyOf(table, last) }
      : { ...state, index: state.index + 1, after: null };
  }

  /** A manifest that is in use or young names its contents. A young one may belong to a row that is being written. */
  async #manifests(state: State): Promise<State> {
    const place = swept.manifests[state.index];
    if (!place) return { ...state, stage: 'live', index: 0, cursor: null };
    const { scratch, buckets } = this.#stores;
    const bucket = buckets[place.store];
    // Also those aside: one that is put back needs its contents.
    const prefix = state.after === null ? place.prefix : asidePrefix + place.prefix;
    const page = await listObjects(bucket, prefix, state.cursor, limits.backup.stepItems);
    await each(page.objects, async (object) => {
      const ref: ObjectRef = { store: place.store, key: this.#home(object.key) };
      if (judgeLive(object, scratch.has('mark', written(ref)), state.now, limits.gc.grace) === 'set-aside') return;
      const text = await (await getObject(bucket, ref.key))?.text();
      if (text !== undefined) scratch.add('mark', namedBy(ref, text).map(written));
    });
    if (page.cursor !== null) return { ...state, cursor: page.cursor };
    return state.after === null
      ? { ...state, after: ['aside'], cursor: null }
      : { ...state, after: null, index: state.index + 1, cursor: null };
  }

  /** Objects in their places that are old and that nothing marked. */
  async #live(state: State): Promise<State> {
    const place = [...swept.manifests, ...swept.contents][state.index];
    if (!place) return { ...state, stage: 'aside', index: 0, cursor: null };
    const { scratch, buckets } = this.#stores;
    const page = await listObjects(buckets[place.store], place.prefix, state.cursor, limits.gc.listPage);
    for (const object of page.objects) {
      const ref: ObjectRef = { store: place.store, key: object.key };
      const key = written(ref);
      if (judgeLive(object, scratch.has('mark', written(sourceOf(ref))), state.now, limits.gc.grace) === 'set-aside')
        this.#candidate('live', key, object);
    }
    const report = { ...state.report, scanned: state.report.scanned + page.objects.length };
    return page.cursor !== null
      ? { ...state, report, cursor: page.cursor }
      : { ...state, report, cursor: null, index: state.index + 1 };
  }

  /** Objects that were set aside by an earlier run. */
  async #aside(state: State): Promise<State> {
    const store = stores[state.index];
    if (!store) return { ...state, stage: 'rooms', cursor: '', asked: '' };
    const { scratch, buckets } = this.#stores;
    const page = await listObjects(buckets[store], asidePrefix, state.cursor, limits.gc.listPage);
    for (const object of page.objects) {
      const ref: ObjectRef = { store, key: this.#home(object.key) };
      const key = written(ref);
      if (scratch.has('mark', written(sourceOf(ref)))) scratch.put('back', key);
      else this.#candidate('aside', key, object);
    }
    return page.cursor !== null
      ? { ...state, cursor: page.cursor }
      : { ...state, cursor: null, index: state.index + 1 };
  }

  /** Every room is asked about every hash that nobody named so far, some hashes at a time, some rooms at a time. */
  async #rooms(state: State): Promise<State> {
    const { scratch } = this.#stores;
    const batch = (list: string) => scratch.page(list, state.asked, limits.gc.confirmBatch).map(({ key }) => key);
    // Both lists in one order, cut where the shorter page ends.
    const [live, aside] = [batch('live'), batch('aside')];
    const ends = [live, aside].flatMap((page) => (page.length === limits.gc.confirmBatch ? [page.at(-1) ?? ''] : []));
    const end = ends.sort()[0];
    const keys = [...new Set([...live, ...aside])].filter((key) => end === undefined || key <= end);
    const byHash = new Map(
      keys.flatMap((key) => (hashOf(readRef(key)) ? [[hashOf(readRef(key)) ?? '', key] as const] : [])),
    );
    const last = keys.at(-1) === undefined ? undefined : (end ?? keys.sort().at(-1));
    if (last === undefined) return { ...state, stage: 'collect', cursor: null };
    if (byHash.size === 0) return { ...state, asked: last, cursor: '' };
    const ids = await this.#stores.withDatabase((db) => projectIds(db, state.cursor ?? '', limits.backup.stepItems));
    await each(ids, async (id) => {
      const held = await unwrap(this.#stores.room(id).held([...byHash.keys()]));
      for (const hash of held) {
        const key = byHash.get(hash);
        if (key === undefined) continue;
        scratch.remove('live', [key]);
        if (scratch.has('aside', key)) scratch.put('back', key);
        scratch.remove('aside', [key]);
      }
    });
    const newest = ids.at(-1);
    return newest === undefined ? { ...state, asked: last, cursor: '' } : { ...state, cursor: newest };
  }

  async #collect(state: State): Promise<State> {
    const { scratch, buckets } = this.#stores;
    const report = { ...state.report };
    const { grace } = limits.gc;
    const take = async (
      list: string,
      work: (ref: ObjectRef, candidate: Candidate) => Promise<void>,
    ): Promise<boolean> => {
      const items = scratch.page(list, '', limits.backup.stepItems);
      await each(items, async ({ key, data }) => await work(readRef(key), JSON.parse(data || '{}') as Candidate));
      scratch.remove(
        list,
        items.map(({ key }) => key),
      );
      return items.length > 0;
    };
    if (state.dryRun) {
      const named = (list: string): string[] => scratch.page(list, '', limits.backup.reportItems).map(({ key }) => key);
      return {
        ...state,
        stage: 'done',
        report: {
          ...report,
          setAside: scratch.count('live'),
          deleted: scratch.count('aside'),
          putBack: scratch.count('back'),
          wouldSetAside: named('live'),
          waitingAside: named('aside'),
        },
      };
    }
    // First what is needed: the fewer moments it has to be read from aside, the better.
    if (
      await take('back', async ({ store, key }) => {
        await putBack(buckets[store], key);
        report.putBack += 1;
      })
    )
      return { ...state, report };
    if (
      await take('aside', async ({ store, key }, { uploaded, size }) => {
        if (judgeAside({ since: uploaded }, false, state.now, grace) !== 'delete') return;
        await deleteAside(buckets[store], key);
        report.deleted += 1;
        report.bytes += size;
      })
    )
      return { ...state, report };
    if (
      await take('live', async ({ store, key }) => {
        if (await setAside(buckets[store], key, state.now - grace)) report.setAside += 1;
      })
    )
      return { ...state, report };
    return { ...state, report, stage: 'done' };
  }

  #home(key: string): string {
    return key.startsWith(asidePrefix) ? key.slice(asidePrefix.length) : key;
  }

  #candidate(list: 'live' | 'aside', key: string, { uploaded, size }: Listed): void {
    this.#stores.scratch.put(list, key, JSON.stringify({ uploaded, size } satisfies Candidate));
  }
}
