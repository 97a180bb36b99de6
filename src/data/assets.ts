import { and, asc, count, desc, eq, gt, inArray, isNotNull, isNull, lt, ne, or, type SQL, sql } from 'drizzle-orm';
import type { AssetQuery, AssetType } from '../contract/assets.ts';
import { KilnError } from '../contract/errors.ts';
import { newId } from '../contract/ids.ts';
import { limits } from '../contract/limits.ts';
import { foldName } from '../core/asset-types.ts';
import { isMarked } from './asset-marks.ts';
import {
  assetQuota,
  fits,
  hasPlace,
  hasPlaceFor,
  leftOf,
  overQuota,
  recount,
  takeOwner,
  tooManyAssets,
} from './asset-quota.ts';
import { type Actor, auditRow, decide, decided } from './audit.ts';
import { has } from './conditional.ts';
import { decodeCursor, page } from './cursor.ts';
import type { Database, Orm } from './database.ts';
import { isToDo, noteStep, type Step, stepDone, takeKeys } from './idempotency.ts';
import { doneWith, isRunning, runningOptimization } from './optimizations.ts';
import { takeProject } from './projects.ts';
import { assets, assetVersions, optimizations, projects, uploads } from './schema/sqlite.ts';

export type AssetRow = typeof assets.$inferSelect;
export type AssetVersionRow = typeof assetVersions.$inferSelect;

/** An asset as of one of its versions. */
export interface AssetAt {
  readonly asset: AssetRow;
  readonly version: AssetVersionRow;
}

/** Bytes that are stored, and what they are. */
export interface AssetContent {
  readonly type: AssetType;
  readonly mimeType: string;
  readonly objectKey: string;
  readonly hash: string;
  readonly size: number;
  readonly metadata: Record<string, unknown>;
}

/** What else is decided together with a version. */
interface AddedBy {
  /** The upload that brought the bytes. */
  readonly upload?: string;
  /** What it is made of, as that was. */
  readonly replaces?: AssetRow;
  /** The attempt of a runner that made it, which must still be running and ends by it. */
  readonly optimization?: { readonly id: string; readonly attempt: number; readonly savedBytes: number };
  /** The part of its request that this is. */
  readonly step?: Step;
}

const named = (projectId: string, name: string): SQL | undefined =>
  and(eq(assets.projectId, projectId), eq(assets.nameFold, foldName(name)));

const asItWas = ({ id, version }: AssetRow): SQL | undefined =>
  and(eq(assets.id, id), eq(assets.version, version), isNull(assets.deletedAt));

const takenBy = ({ id, projectId }: AssetRow, name: string): SQL | undefined =>
  and(named(projectId, name), ne(assets.id, id));

/** Why nothing could be made of an asset as it was; undefined: that is not why. */
async function overtaken(db: Database, asset: AssetRow, name: string): Promise<KilnError | undefined> {
  const [others, same] = await db.batch('assets.overtaken', (orm) => [
    orm.select({ id: assets.id }).from(assets).where(takenBy(asset, name)),
    orm.select({ id: assets.id }).from(assets).where(asItWas(asset)),
  ]);
  if (others.length > 0) return nameIsTaken();
  return same.length > 0 ? undefined : new KilnError('conflict', { detail: 'The asset has changed meanwhile.' });
}

/** That nothing can be made of the result of an attempt, because it is over. */
async function lapsed(db: Database, { id, attempt }: { id: string; attempt: number }): Promise<KilnError | undefined> {
  const running = await runningOptimization(db, id, attempt);
  return running ? undefined : new KilnError('conflict', { detail: 'This attempt is over.' });
}

const nameIsTaken = (): KilnError =>
  new KilnError('path_conflict', { detail: 'Another asset has this name, or one in the trash.' });

const isUnfinished = (orm: Orm, uploadId: string): SQL =>
  has(orm, uploads, and(eq(uploads.id, uploadId), inArray(uploads.status, ['open', 'pending'])));

const isOpen = (orm: Orm, projectId: string): SQL =>
  has(orm, projects, and(eq(projects.id, projectId), eq(projects.state, 'ready'), isNull(projects.deletedAt)));

/** A version that is to be stored, under the name of its asset. */
export interface NewVersion {
  readonly name: string;
  readonly content: AssetContent;
}

/**
 * Stores a version: the first of a new asset, or the next of the one that has the name, which comes out of
 * the trash by it. Throws `quota_exceeded`, also for requests that race. `upload` is what brought the bytes.
 * `replaces` is made of the asset as it was: it takes the name, and nothing is stored where another has that (`path_conflict`) or
 * there is a newer version by now (`conflict`); `optimization` is the attempt that made it, and must still run (`conflict`).
 * A `step` that is done already answers what was stored then, and throws as `stepDone` does.
 */
export async function addAssetVersion(
  db: Database,
  projectId: string,
  name: string,
  content: AssetContent,
  actor: Actor & { actorId: string },
  added: AddedBy = {},
): Promise<AssetAt> {
  const [at] = await addAssetVersions(db, projectId, [{ name, content }], actor, added);
  if (!at) throw new Error('one version gives one');
  return at;
}

/** The same for several assets: all of them, or none. What else is decided by it is decided with the first. */
export async function addAssetVersions(
  db: Database,
  projectId: string,
  versions: readonly [NewVersion, ...NewVersion[]],
  actor: Actor & { actorId: string },
  { upload = '', replaces, optimization, step = { keys: [], name: '' } }: AddedBy = {},
): Promise<AssetAt[]> {
  const { now } = actor;
  const [{ name, content }] = versions;
  const size = versions.reduce((sum, one) => sum + one.content.size, 0);
  const audited = versions.map((one) => ({
    ...one,
    entry: auditRow({
      ...actor,
      projectId,
      action: 'asset.uploaded',
      data: { name: one.name, type: one.content.type, size: one.content.size },
    }),
  }));
  const [{ entry }, ...others] = audited as [(typeof audited)[0], ...typeof audited];
  const folds = versions.map((one) => foldName(one.name));
  const [, , , made] = await db.batch('assets.addVersion', (orm) => {
    const stored = decided(orm, entry);
    return [
      takeProject(orm, projectId),
      takeOwner(orm, projectId),
      takeKeys(orm, step.keys),
      decide(
        orm,
        entry,
        and(
          isToDo(orm, step),
          isOpen(orm, projectId),
          fits(projectId, size, upload),
          upload === '' ? undefined : isUnfinished(orm, upload),
          optimization && isRunning(orm, optimization.id, optimization.attempt),
          or(hasPlaceFor(projectId, folds), replaces && sql`1 = 1`),
          replaces && and(has(orm, assets, asItWas(replaces)), sql`NOT ${has(orm, assets, takenBy(replaces, name))}`),
        ),
      ),
      orm
        .update(assets)
        .set({ nameFold: foldName(name) })
        .where(and(eq(assets.id, replaces?.id ?? ''), stored)),
      ...others.map((other) => decide(orm, other.entry, stored)),
      ...versions.flatMap((version) => storing(orm, projectId, version, actor, stored)),
      recount(orm, projectId),
      // With the version: an upload brings one, however often it is completed.
      orm
        .update(uploads)
        .set({
          status: 'done',
          hash: content.hash,
          assetId: sql`(SELECT id FROM assets WHERE ${here(projectId, name)})`,
        })
        .where(and(eq(uploads.id, upload), stored)),
      orm
        .update(optimizations)
        .set(doneWith(optimization?.savedBytes ?? 0, now))
        .where(and(eq(optimizations.id, optimization?.id ?? ''), stored)),
      noteStep(orm, step, outcome(projectId, versions, actor), stored),
    ];
  });
  if (made.length === 0) {
    const done = await stepDone(db, step);
    if (done !== undefined) return ofOutcome(projectId, done);
    throw (
      (replaces && (await overtaken(db, replaces, name))) ??
      (optimization && (await lapsed(db, optimization))) ??
      (await refusal(db, projectId, size, upload))
    );
  }
  return await Promise.all(
    versions.map(async (version) => {
      const found = await assetByName(db, projectId, version.name);
      if (!found) throw new KilnError('conflict', { detail: 'The asset was removed at this very moment.' });
      return found;
    }),
  );
}

const here = (projectId: string, name: string): SQL => sql`project_id = ${projectId} AND name_fold = ${foldName(name)}`;

/** The statements of a batch that store a version where `stored` holds. */
function storing(
  orm: Orm,
  projectId: string,
  { name, content }: NewVersion,
  { now, actorId }: Actor & { actorId: string },
  stored: SQL,
) {
  const metadata = JSON.stringify(content.metadata);
  const it = here(projectId, name);
  const current = sql`SELECT version FROM assets WHERE ${it}`;
  return [
    orm.run(sql`INSERT INTO assets (id, project_id, name, name_fold, type, version, metadata, created_by, created_at, updated_at)
      SELECT CAST(${newId()} AS text), CAST(${projectId} AS text), CAST(${name} AS text), CAST(${foldName(name)} AS text),
        CAST(${content.type} AS text), 1, CAST(${metadata} AS text), CAST(${actorId} AS text), CAST(${now} AS bigint), CAST(${now} AS bigint)
      WHERE ${stored}
      ON CONFLICT (project_id, name_fold) DO UPDATE SET name = excluded.name, type = excluded.type,
        version = assets.version + 1, metadata = excluded.metadata, updated_at = excluded.updated_at, deleted_at = NULL`),
    orm.run(sql`INSERT INTO asset_versions (asset_id, version, object_key, hash, size, mime_type, metadata, created_by, created_at)
      SELECT id, version, CAST(${content.objectKey} AS text), CAST(${content.hash} AS text), CAST(${content.size} AS bigint),
        CAST(${content.mimeType} AS text), CAST(${metadata} AS text), CAST(${actorId} AS text), CAST(${now} AS bigint)
      FROM assets WHERE ${it} AND ${stored}`),
    orm.run(sql`DELETE FROM asset_versions WHERE asset_id = (SELECT id FROM assets WHERE ${it})
      AND (version <= (${current}) - ${limits.asset.versionsKept} OR
        (version <= (${current}) - ${limits.asset.versionsSpared} AND created_at < ${now - limits.asset.versionTtl}))
      AND NOT ${isMarked('asset_versions')} AND ${stored}`),
  ];
}

/** What a step stored, by names that are short: it is kept once for each file of a form. */
interface Outcome {
  readonly at: number;
  readonly by: string;
  readonly versions: readonly NewVersion[];
  /** Of each asset the id, its version, when it was made and by whom. */
  readonly made: readonly string[];
}

/** The same as an expression, in the batch that stores them: only there their ids and versions are known. */
function outcome(
  projectId: string,
  versions: readonly NewVersion[],
  { actorId, now }: Actor & { actorId: string },
): SQL {
  const known: Omit<Outcome, 'made'> = { at: now, by: actorId, versions };
  const made = versions.map(
    ({ name }) =>
      sql`(SELECT id || ' ' || version || ' ' || created_at || ' ' || created_by FROM assets WHERE ${here(projectId, name)})`,
  );
  return sql`CAST(${`${JSON.stringify(known).slice(0, -1)},"made":["`} AS text) || ${sql.join(made, sql` || '","' || `)} || '"]}'`;
}

function ofOutcome(projectId: string, text: string): AssetAt[] {
  const { at, by, versions, made } = JSON.parse(text) as Outcome;
  return versions.map(({ name, content }, index) => {
    const [id = '', version = '', createdAt = '', createdBy = ''] = (made[index] ?? '').split(' ');
    const { type, metadata, ...bytes } = content;
    const same = { version: Number(version), metadata };
    return {
      asset: {
        ...same,
        id,
        projectId,
        name,
        nameFold: foldName(name),
        type,
        createdBy,
        createdAt: Number(createdAt),
        updatedAt: at,
        deletedAt: null,
      },
      version: { ...same, ...bytes, assetId: id, createdBy: by, createdAt: at },
    };
  });
}

const unfinished = async (db: Database, uploadId: string): Promise<boolean> =>
  (
    await db.query('assets.uploadIsOpen', (orm) =>
      orm
        .select({ id: uploads.id })
        .from(uploads)
        .where(and(eq(uploads.id, uploadId), isUnfinished(orm, uploadId))),
    )
  ).length > 0;

/** Why a project did not take so many bytes. */
async function refusal(db: Database, projectId: string, bytes: number, upload = ''): Promise<KilnError> {
  const quota = await assetQuota(db, projectId, upload);
  if (!quota) return new KilnError('not_found');
  if (leftOf(quota) < bytes) return overQuota(quota);
  const [row] = await db.query('assets.isOpen', (orm) =>
    orm
      .select({ id: projects.id })
      .from(projects)
      .where(and(eq(projects.id, projectId), isOpen(orm, projectId))),
  );
  if (row && upload !== '' && !(await unfinished(db, upload)))
    return new KilnError('conflict', { detail: 'The upload has ended.' });
  return row ? tooManyAssets() : new KilnError('conflict', { detail: 'The project is in the trash.' });
}

const newest = and(eq(assetVersions.assetId, assets.id), eq(assetVersions.version, assets.version));

async function assetByName(db: Database, projectId: string, name: string): Promise<AssetAt | undefined> {
  return (
    await db.query('assets.byName', (orm) =>
      orm
        .select({ asset: assets, version: assetVersions })
        .from(assets)
        .innerJoin(assetVersions, newest)
        .where(named(projectId, name)),
    )
  )[0];
}

export async function assetById(db: Database, id: string): Promise<AssetRow | undefined> {
  return (await db.query('assets.byId', (orm) => orm.select().from(assets).where(eq(assets.id, id))))[0];
}

/** One version; the newest where none is asked for. */
export async function versionOf(db: Database, asset: AssetRow, version = asset.version): Promise<AssetAt | undefined> {
  const [row] = await db.query('assets.version', (orm) =>
    orm
      .select()
      .from(assetVersions)
      .where(and(eq(assetVersions.assetId, asset.id), eq(assetVersions.version, version))),
  );
  return row && { asset, version: row };
}

/** Assets of a project by their ids, as of their newest versions, by name; what is not there, or in the trash, is left out. */
export async function assetsByIds(db: Database, projectId: string, ids: readonly string[]): Promise<AssetAt[]> {
  const given = db.dialect.rows(JSON.stringify(ids.map((id) => ({ id }))), { id: 'text' });
  return await db.query('assets.byIds', (orm) =>
    orm
      .select({ asset: assets, version: assetVersions })
      .from(assets)
      .innerJoin(assetVersions, newest)
      .where(
        and(
          eq(assets.projectId, projectId),
          isNull(assets.deletedAt),
          sql`${assets.id} IN (SELECT id FROM ${given} AS given)`,
        ),
      )
      .orderBy(asc(assets.nameFold)),
  );
}

/** The newest version of a project's assets with some bytes. */
export async function versionWith(db: Database, projectId: string, hash: string): Promise<AssetAt | undefined> {
  return (
    await db.query('assets.withHash', (orm) =>
      orm
        .select({ asset: assets, version: assetVersions })
        .from(assetVersions)
        .innerJoin(assets, eq(assets.id, assetVersions.assetId))
        .where(and(eq(assetVersions.hash, hash), eq(assets.projectId, projectId)))
        .orderBy(desc(assetVersions.createdAt), desc(assetVersions.version))
        .limit(1),
    )
  )[0];
}

/** All that are kept, newest first. */
export async function versionsOf(db: Database, assetId: string): Promise<AssetVersionRow[]> {
  return await db.query('assets.versions', (orm) =>
    orm.select().from(assetVersions).where(eq(assetVersions.assetId, assetId)).orderBy(desc(assetVersions.version)),
  );
}

/** Versions that are not among the newest `keep` of their asset, and from before `before`. */
const isOld = (orm: Orm, projectId: string, keep: number, before: number): SQL | undefined =>
  and(
    lt(assetVersions.createdAt, before),
    inArray(assetVersions.assetId, orm.select({ id: assets.id }).from(assets).where(eq(assets.projectId, projectId))),
    sql`${assetVersions.version} <= (SELECT a.version FROM assets AS a WHERE a.id = asset_versions.asset_id) - ${keep}`,
  );

/** Of those, what nobody is likely to go back to: no checkpoint names it. */
const isStale = (orm: Orm, projectId: string, keep: number, before: number): SQL | undefined =>
  and(isOld(orm, projectId, keep, before), sql`NOT ${isMarked('asset_versions')}`);

/** The next projects after `after`, by id, that have such old versions, named by a checkpoint or not. */
export async function projectsWithStale(
  db: Database,
  keep: number,
  before: number,
  after: string,
  limit: number,
): Promise<string[]> {
  const rows = await db.query('assets.projectsWithStale', (orm) =>
    orm
      .selectDistinct({ id: assets.projectId })
      .from(assets)
      .innerJoin(assetVersions, eq(assetVersions.assetId, assets.id))
      .where(
        and(
          gt(assets.projectId, after),
          lt(assetVersions.createdAt, before),
          sql`${assetVersions.version} <= ${assets.version} - ${keep}`,
        ),
      )
      .orderBy(asc(assets.projectId))
      .limit(limit),
  );
  return rows.map(({ id }) => id);
}

export interface StaleVersions {
  /** The largest of them. */
  readonly versions: readonly { readonly name: string; readonly version: AssetVersionRow }[];
  readonly count: number;
  readonly bytes: number;
  /** What would be removed as well, were it not for checkpoints. */
  readonly kept: { readonly count: number; readonly bytes: number };
}

/** What `removeStale` would remove. */
export async function staleVersions(
  db: Database,
  projectId: string,
  keep: number,
  before: number,
): Promise<StaleVersions> {
  const bytes = sql<number>`CAST(COALESCE(SUM(${assetVersions.size}), 0) AS bigint)`;
  const [versions, [sum], [old]] = await db.batch('assets.stale', (orm) => [
    orm
      .select({ name: assets.name, version: assetVersions })
      .from(assetVersions)
      .innerJoin(assets, eq(assets.id, assetVersions.assetId))
      .where(isStale(orm, projectId, keep, before))
      .orderBy(desc(assetVersions.size), asc(assetVersions.assetId), asc(assetVersions.version))
      .limit(limits.asset.reported),
    orm
      .select({ count: count(), bytes })
      .from(assetVersions)
      .where(isStale(orm, projectId, keep, before)),
    orm
      .select({ count: count(), bytes })
      .from(assetVersions)
      .where(isOld(orm, projectId, keep, before)),
  ]);
  const found = { count: sum?.count ?? 0, bytes: Number(sum?.bytes ?? 0) };
  const kept = { count: (old?.count ?? 0) - found.count, bytes: Number(old?.bytes ?? 0) - found.bytes };
  return { versions, ...found, kept };
}

/** Removes old versions for good; their bytes are collected when nothing else names them. Idempotent. */
export async function removeStale(
  db: Database,
  projectId: string,
  keep: number,
  before: number,
  actor: Actor,
): Promise<void> {
  const entry = auditRow({ ...actor, projectId, action: 'asset.cleaned', data: { keep, before } });
  await db.batch('assets.removeStale', (orm) => [
    takeProject(orm, projectId),
    decide(orm, entry, has(orm, assetVersions, isStale(orm, projectId, keep, before))),
    orm.delete(assetVersions).where(and(isStale(orm, projectId, keep, before), decided(orm, entry))),
    recount(orm, projectId),
  ]);
}

export async function listAssets(
  db: Database,
  projectId: string,
  query: AssetQuery,
): Promise<{ rows: AssetAt[]; nextCursor: string | null }> {
  const after = query.cursor === undefined ? undefined : decodeCursor(query.cursor, 'string').value;
  const rows = await db.query('assets.list', (orm) =>
    orm
      .select({ asset: assets, version: assetVersions })
      .from(assets)
      .innerJoin(assetVersions, newest)
      .where(
        and(
          eq(assets.projectId, projectId),
          query.trashed ? isNotNull(assets.deletedAt) : isNull(assets.deletedAt),
          query.type && eq(assets.type, query.type),
          query.q ? db.dialect.contains(sql`${assets.nameFold}`, foldName(query.q)) : undefined,
          // Names are one of a kind within a project, so they alone say where a page ends.
          after === undefined ? undefined : gt(assets.nameFold, after),
        ),
      )
      .orderBy(asc(assets.nameFold))
      .limit(query.limit + 1),
  );
  return page(rows, query.limit, ({ asset }) => ({ value: asset.nameFold, id: asset.id }));
}

/** Every asset that is not in the trash, as of its newest version: what a build, a copy or an export is given. */
export async function allAssets(db: Database, projectId: string): Promise<AssetAt[]> {
  return await db.query('assets.all', (orm) =>
    orm
      .select({ asset: assets, version: assetVersions })
      .from(assets)
      .innerJoin(assetVersions, newest)
      .where(and(eq(assets.projectId, projectId), isNull(assets.deletedAt)))
      .orderBy(asc(assets.nameFold)),
  );
}

export interface NewAsset extends AssetContent {
  readonly name: string;
}

/**
 * Gives a project that is being made its assets, all of them its first versions. Throws `quota_exceeded`; what
 * was written by then goes with the project.
 */
export async function adoptAssets(
  db: Database,
  projectId: string,
  list: readonly NewAsset[],
  actor: Actor & { actorId: string },
): Promise<void> {
  const { now, actorId } = actor;
  // Rows of a statement travel in one parameter, some 600 bytes each.
  for (let at = 0; at < list.length; at += limits.database.adoptedAssets) {
    const some = list.slice(at, at + limits.database.adoptedAssets);
    const rows = some.map(({ name, metadata, ...content }) => ({
      ...content,
      id: newId(),
      name,
      nameFold: foldName(name),
      metadata: JSON.stringify(metadata),
    }));
    const given = db.dialect.rows(JSON.stringify(rows), {
      id: 'text',
      name: 'text',
      nameFold: 'text',
      type: 'text',
      mimeType: 'text',
      objectKey: 'text',
      hash: 'text',
      size: 'integer',
      metadata: 'text',
    });
    const bytes = some.reduce((sum, { size }) => sum + size, 0);
    const [, , , , , [counted]] = await db.batch('assets.adopt', (orm) => [
      takeProject(orm, projectId),
      takeOwner(orm, projectId),
      orm.run(sql`INSERT INTO assets (id, project_id, name, name_fold, type, version, metadata, created_by, created_at, updated_at)
        SELECT id, CAST(${projectId} AS text), name, "nameFold", type, 1, metadata, CAST(${actorId} AS text),
          CAST(${now} AS bigint), CAST(${now} AS bigint)
        FROM ${given} AS given WHERE ${fits(projectId, bytes)} AND ${hasPlace(projectId, some.length)}`),
      orm.run(sql`INSERT INTO asset_versions (asset_id, version, object_key, hash, size, mime_type, metadata, created_by, created_at)
        SELECT id, 1, "objectKey", hash, size, "mimeType", metadata, CAST(${actorId} AS text), CAST(${now} AS bigint)
        FROM ${given} AS given WHERE EXISTS (SELECT 1 FROM assets WHERE assets.id = given.id)`),
      recount(orm, projectId),
      orm.select({ n: count() }).from(assets).where(eq(assets.projectId, projectId)),
    ]);
    if (counted?.n !== at + some.length) throw await refusal(db, projectId, bytes);
  }
}

const entryOf = (asset: AssetRow, action: string, actor: Actor, data: Record<string, unknown> = {}) =>
  auditRow({
    ...actor,
    projectId: asset.projectId,
    action,
    subject: `asset:${asset.id}`,
    data: { name: asset.name, ...data },
  });

/** Throws `path_conflict` where another asset has the name, also one in the trash; false when the asset is gone. */
export async function renameAsset(db: Database, asset: AssetRow, name: string, actor: Actor): Promise<boolean> {
  const entry = entryOf(asset, 'asset.renamed', actor, { to: name });
  const taken = and(named(asset.projectId, name), ne(assets.id, asset.id));
  const [, , , others, rows] = await db.batch('assets.rename', (orm) => [
    takeProject(orm, asset.projectId),
    decide(
      orm,
      entry,
      and(
        has(orm, assets, and(eq(assets.id, asset.id), isNull(assets.deletedAt))),
        sql`NOT ${has(orm, assets, taken)}`,
      ),
    ),
    orm
      .update(assets)
      .set({ name, nameFold: foldName(name), updatedAt: actor.now })
      .where(and(eq(assets.id, asset.id), decided(orm, entry))),
    orm.select({ id: assets.id }).from(assets).where(taken),
    orm
      .select({ id: assets.id })
      .from(assets)
      .where(and(eq(assets.id, asset.id), isNull(assets.deletedAt))),
  ]);
  if (others.length > 0) throw nameIsTaken();
  return rows.length > 0;
}

/** Into the trash, or out of it. Idempotent: a second call keeps the first time. */
export async function setTrashed(db: Database, asset: AssetRow, trashed: boolean, actor: Actor): Promise<void> {
  const entry = entryOf(asset, trashed ? 'asset.trashed' : 'asset.restored', actor);
  const changes = and(eq(assets.id, asset.id), trashed ? isNull(assets.deletedAt) : isNotNull(assets.deletedAt));
  await db.batch('assets.setTrashed', (orm) => [
    takeProject(orm, asset.projectId),
    decide(orm, entry, has(orm, assets, changes)),
    orm
      .update(assets)
      .set({ deletedAt: trashed ? actor.now : null, updatedAt: actor.now })
      .where(and(eq(assets.id, asset.id), decided(orm, entry))),
  ]);
}

/** For good, with all versions; their bytes are collected when nothing else names them. Idempotent. */
export async function eraseAsset(db: Database, asset: AssetRow, actor: Actor, only?: 'trashed'): Promise<void> {
  const entry = entryOf(asset, 'asset.erased', actor);
  const gone = and(eq(assets.id, asset.id), only === 'trashed' ? isNotNull(assets.deletedAt) : undefined);
  await db.batch('assets.erase', (orm) => [
    takeProject(orm, asset.projectId),
    decide(orm, entry, has(orm, assets, gone)),
    orm.delete(assetVersions).where(and(eq(assetVersions.assetId, asset.id), decided(orm, entry))),
    orm.delete(assets).where(and(eq(assets.id, asset.id), decided(orm, entry))),
    orm.delete(optimizations).where(and(eq(optimizations.assetId, asset.id), decided(orm, entry))),
    recount(orm, asset.projectId),
  ]);
}

/** Assets that have been in the trash since before `before`, but for what a checkpoint may bring back. */
export async function expiredAssets(db: Database, before: number, limit: number): Promise<AssetRow[]> {
  return await db.query('assets.expired', (orm) =>
    orm
      .select()
      .from(assets)
      .where(
        and(
          lt(assets.deletedAt, before),
          sql`NOT EXISTS (SELECT 1 FROM asset_spans AS s JOIN asset_versions AS v ON v.asset_id = s.asset_id AND v.version = s.version
            WHERE s.asset_id = ${assets.id})`,
        ),
      )
      .limit(limit),
  );
}
