import { and, asc, eq, isNull, type SQL, sql } from 'drizzle-orm';
import { KilnError } from '../contract/errors.ts';
import { limits } from '../contract/limits.ts';
import { type AssetNow, type AssetPlan, type AssetThen, planAssets } from '../core/asset-restore.ts';
import { foldName } from '../core/asset-types.ts';
import { assetQuota, leftOf, overQuota, recount } from './asset-quota.ts';
import { type Actor, auditRow, decide } from './audit.ts';
import { has } from './conditional.ts';
import type { Database, Orm } from './database.ts';
import { takeProject } from './projects.ts';
import { assetMarks, assetSpans, assets, assetVersions, auditLog } from './schema/sqlite.ts';

/*
 * What checkpoints name of the assets of a project. A checkpoint is a mark on the states that the assets had; what an
 * asset was in all states from one to another is one row. So a checkpoint costs what changed since the one before it.
 */

/** That some checkpoint names a version; `of` is the table or alias of versions. */
export const isMarked = (of: string): SQL =>
  sql`EXISTS (SELECT 1 FROM asset_spans AS s WHERE s.asset_id = ${sql.raw(of)}.asset_id AND s.version = ${sql.raw(of)}.version)`;

/** The assets as a checkpoint has them. */
export interface MarkedAssets {
  /** Two checkpoints of a project with the same number name the same. */
  readonly state: number;
  readonly count: number;
  /** Bytes. */
  readonly size: number;
  /** False: the assets are those of the state that was asked about, and nothing was marked. */
  readonly isNew: boolean;
}

/**
 * Keeps the assets of this moment for a checkpoint that is being made, as state `state` or a later one. Nothing is kept where
 * they are those of the state `unless`. Throws `unavailable`.
 */
export async function markAssets(
  db: Database,
  projectId: string,
  order: { readonly checkpointId: string; readonly state: number; readonly unless: number | null },
): Promise<MarkedAssets> {
  const { checkpointId, unless } = order;
  let { state } = order;
  const ofProject = eq(assetSpans.projectId, projectId);
  for (let attempt = 0; attempt < limits.asset.markAttempts; attempt += 1) {
    const isMine = (orm: Orm): SQL =>
      has(orm, assetMarks, and(eq(assetMarks.checkpointId, checkpointId), eq(assetMarks.state, state)));
    const since = (orm: Orm, other: number): SQL =>
      has(
        orm,
        assetSpans,
        and(ofProject, sql`(${assetSpans.firstState} > ${other} OR ${assetSpans.endState} > ${other})`),
      );
    const [, , , , , [kept], [counted], [newest], [marked]] = await db.batch('assetMarks.add', (orm) => [
      takeProject(orm, projectId),
      // A call that comes late would put its state between those that are there.
      orm.run(sql`INSERT INTO asset_marks (checkpoint_id, project_id, state)
        SELECT CAST(${checkpointId} AS text), CAST(${projectId} AS text), CAST(${state} AS bigint)
        WHERE EXISTS (SELECT 1 FROM projects WHERE id = ${projectId}) AND NOT ${since(orm, state - 1)}
          AND NOT EXISTS (SELECT 1 FROM asset_marks WHERE project_id = ${projectId} AND state >= ${state})
        ON CONFLICT (checkpoint_id) DO NOTHING`),
      orm.run(sql`UPDATE asset_spans SET end_state = ${state} WHERE project_id = ${projectId} AND end_state IS NULL
        AND NOT EXISTS (SELECT 1 FROM assets AS a WHERE a.id = asset_spans.asset_id AND a.version = asset_spans.version
          AND a.name = asset_spans.name AND a.deleted_at IS NULL)
        AND ${isMine(orm)}`),
      orm.run(sql`INSERT INTO asset_spans (project_id, asset_id, version, name, first_state)
        SELECT a.project_id, a.id, a.version, a.name, CAST(${state} AS bigint) FROM assets AS a
        WHERE a.project_id = ${projectId} AND a.deleted_at IS NULL
        AND NOT EXISTS (SELECT 1 FROM asset_spans AS s WHERE s.asset_id = a.id AND s.end_state IS NULL)
        AND ${isMine(orm)}`),
      orm
        .delete(assetMarks)
        .where(
          and(eq(assetMarks.checkpointId, checkpointId), unless === null ? sql`1 = 0` : sql`NOT ${since(orm, unless)}`),
        ),
      orm.select({ state: assetMarks.state }).from(assetMarks).where(eq(assetMarks.checkpointId, checkpointId)),
      orm
        .select({
          count: sql<number>`COUNT(*)`,
          size: sql<number>`CAST(COALESCE(SUM(${assetVersions.size}), 0) AS bigint)`,
        })
        .from(assetSpans)
        .innerJoin(
          assetVersions,
          and(eq(assetVersions.assetId, assetSpans.assetId), eq(assetVersions.version, assetSpans.version)),
        )
        .where(and(ofProject, isNull(assetSpans.endState))),
      orm
        .select({
          state: sql<
            number | null
          >`MAX(CASE WHEN COALESCE(${assetSpans.endState}, 0) > ${assetSpans.firstState} THEN ${assetSpans.endState} ELSE ${assetSpans.firstState} END)`,
        })
        .from(assetSpans)
        .where(ofProject),
      orm
        .select({ state: sql<number | null>`MAX(${assetMarks.state})` })
        .from(assetMarks)
        .where(eq(assetMarks.projectId, projectId)),
    ]);
    const changed = Number(newest?.state ?? 0);
    const [count, size] = [Number(counted?.count ?? 0), Number(counted?.size ?? 0)];
    if (kept) return { state: kept.state, count, size, isNew: true };
    if (unless !== null && changed <= unless) return { state: unless, count, size, isNew: false };
    state = Math.max(state, changed, Number(marked?.state ?? 0)) + 1;
  }
  throw new KilnError('unavailable', { detail: 'The assets of this moment could not be kept.' });
}

/** Forgets what every other checkpoint of a project names; versions that none names any more age as the others do. Idempotent. */
export async function keepMarks(db: Database, projectId: string, checkpointIds: readonly string[]): Promise<void> {
  const given = db.dialect.rows(JSON.stringify(checkpointIds.map((id) => ({ id }))), { id: 'text' });
  await db.batch('assetMarks.keep', (orm) => [
    takeProject(orm, projectId),
    orm.run(sql`DELETE FROM asset_marks WHERE project_id = ${projectId}
      AND checkpoint_id NOT IN (SELECT id FROM ${given} AS given)`),
    orm.run(sql`DELETE FROM asset_spans WHERE project_id = ${projectId} AND NOT EXISTS (
      SELECT 1 FROM asset_marks AS m WHERE m.project_id = asset_spans.project_id AND m.state >= asset_spans.first_state
        AND (asset_spans.end_state IS NULL OR m.state < asset_spans.end_state))`),
  ]);
}

export interface MarkedAsset {
  readonly assetId: string;
  readonly name: string;
  readonly version: number;
  /** Null where somebody erased the asset for good. */
  readonly content: typeof assetVersions.$inferSelect | null;
}

const named = (orm: Orm, projectId: string, checkpointId: string) =>
  orm
    .select({ assetId: assetSpans.assetId, name: assetSpans.name, version: assetSpans.version, content: assetVersions })
    .from(assetMarks)
    .innerJoin(
      assetSpans,
      and(
        eq(assetSpans.projectId, assetMarks.projectId),
        sql`${assetSpans.firstState} <= ${assetMarks.state}`,
        sql`(${assetSpans.endState} IS NULL OR ${assetSpans.endState} > ${assetMarks.state})`,
      ),
    )
    .leftJoin(
      assetVersions,
      and(eq(assetVersions.assetId, assetSpans.assetId), eq(assetVersions.version, assetSpans.version)),
    )
    .where(and(eq(assetMarks.checkpointId, checkpointId), eq(assetMarks.projectId, projectId)))
    .orderBy(asc(assetSpans.name), asc(assetSpans.assetId));

/** What a checkpoint names, by name; null for one that names nothing, because it is from before there were marks. */
export async function markedAssets(
  db: Database,
  projectId: string,
  checkpointId: string,
): Promise<MarkedAsset[] | null> {
  const rows = await db.query('assetMarks.named', (orm) => named(orm, projectId, checkpointId));
  if (rows.length > 0) return rows;
  const [mark] = await db.query('assetMarks.byId', (orm) =>
    orm
      .select({ state: assetMarks.state })
      .from(assetMarks)
      .where(and(eq(assetMarks.checkpointId, checkpointId), eq(assetMarks.projectId, projectId))),
  );
  return mark ? [] : null;
}

interface Planned {
  readonly now: readonly AssetNow[];
  readonly plan: AssetPlan;
}

async function planned(db: Database, projectId: string, checkpointId: string): Promise<Planned | null> {
  const then = await markedAssets(db, projectId, checkpointId);
  if (then === null) return null;
  const rows = await db.query('assetMarks.now', (orm) =>
    orm
      .select({ asset: assets, version: assetVersions })
      .from(assets)
      .innerJoin(assetVersions, and(eq(assetVersions.assetId, assets.id), eq(assetVersions.version, assets.version)))
      .where(eq(assets.projectId, projectId)),
  );
  const now = rows.map(
    ({ asset: { id, name, type, version, deletedAt }, version: { hash, mimeType } }): AssetNow => ({
      id,
      name,
      type,
      version,
      hash,
      mimeType,
      isTrashed: deletedAt !== null,
    }),
  );
  return { now, plan: planAssets(now, then satisfies readonly AssetThen[]) };
}

/** Throws `quota_exceeded` where the assets of a checkpoint cannot be brought back for want of place. */
export async function checkRevert(db: Database, projectId: string, checkpointId: string): Promise<void> {
  const found = await planned(db, projectId, checkpointId);
  if (!found || found.plan.bytes === 0) return;
  const quota = await assetQuota(db, projectId);
  if (quota && leftOf(quota) < found.plan.bytes) throw overQuota(quota);
}

export interface RevertedAssets {
  readonly restored: number;
  readonly trashed: number;
  readonly missing: readonly { readonly assetId: string; readonly name: string; readonly version: number }[];
}

/**
 * Makes the assets those of a checkpoint, all of them or none. Idempotent by `id`. Place is not looked at: whoever asks has
 * (`checkRevert`), and the bytes of the new versions are stored already. Null for a checkpoint that names nothing.
 */
export async function revertAssets(
  db: Database,
  projectId: string,
  { id, checkpointId }: { readonly id: string; readonly checkpointId: string },
  actor: Actor & { actorId: string },
): Promise<RevertedAssets | null> {
  const { now: at, actorId } = actor;
  for (let attempt = 0; attempt < limits.checkpoint.landAttempts; attempt += 1) {
    const found = await planned(db, projectId, checkpointId);
    if (found === null) return null;
    const { plan, now } = found;
    const { restored, trashed, missing } = plan;
    if (plan.steps.length === 0) return { restored, trashed, missing };
    // By its id it is once there, by its time it is that of this call.
    const entry = {
      ...auditRow({
        ...actor,
        projectId,
        action: 'asset.reverted',
        subject: `checkpoint:${checkpointId}`,
        data: { restored, trashed, missing: missing.length },
      }),
      id,
    };
    const steps = db.dialect.rows(
      JSON.stringify(
        plan.steps.map(({ isTrashed, ...step }) => ({
          ...step,
          fold: foldName(step.name),
          trashed: Number(isTrashed),
        })),
      ),
      { id: 'text', name: 'text', fold: 'text', type: 'text', source: 'integer', trashed: 'integer' },
    );
    const seen = db.dialect.rows(
      JSON.stringify(
        now.map(({ id, name, version, isTrashed }) => ({ id, name, version, trashed: Number(isTrashed) })),
      ),
      { id: 'text', name: 'text', version: 'integer', trashed: 'integer' },
    );
    const isMine = (orm: Orm): SQL => has(orm, auditLog, and(eq(auditLog.id, id), eq(auditLog.at, at)));
    const [, made, , , , , [before]] = await db.batch('assetMarks.revert', (orm) => [
      takeProject(orm, projectId),
      decide(
        orm,
        entry,
        sql`NOT ${has(orm, auditLog, eq(auditLog.id, id))}
          AND (SELECT COUNT(*) FROM assets WHERE project_id = ${projectId}) = ${now.length}
          AND (SELECT COUNT(*) FROM ${seen} AS seen JOIN assets AS a ON a.id = seen.id WHERE a.project_id = ${projectId}
            AND a.name = seen.name AND a.version = seen.version
            AND CASE WHEN a.deleted_at IS NULL THEN 0 ELSE 1 END = seen.trashed) = ${now.length}`,
      ),
      // Names change hands: while they do, nobody has one that anybody can have.
      orm.run(sql`UPDATE assets SET name_fold = '/' || id WHERE id IN (SELECT id FROM ${steps} AS steps)
        AND project_id = ${projectId} AND ${isMine(orm)}`),
      orm.run(sql`INSERT INTO asset_versions (asset_id, version, object_key, hash, size, mime_type, metadata, created_by, created_at)
        SELECT a.id, a.version + 1, v.object_key, v.hash, v.size, v.mime_type, v.metadata, CAST(${actorId} AS text), CAST(${at} AS bigint)
        FROM ${steps} AS steps JOIN assets AS a ON a.id = steps.id
        JOIN asset_versions AS v ON v.asset_id = steps.id AND v.version = steps.source
        WHERE a.project_id = ${projectId} AND ${isMine(orm)}`),
      orm.run(sql`UPDATE assets SET name = steps.name, name_fold = steps.fold, type = steps.type,
          version = assets.version + CASE WHEN v.version IS NULL THEN 0 ELSE 1 END, metadata = COALESCE(v.metadata, assets.metadata),
          deleted_at = CASE WHEN steps.trashed = 0 THEN NULL ELSE COALESCE(assets.deleted_at, ${at}) END, updated_at = ${at}
        FROM ${steps} AS steps LEFT JOIN asset_versions AS v ON v.asset_id = steps.id AND v.version = steps.source
        WHERE assets.id = steps.id AND assets.project_id = ${projectId} AND ${isMine(orm)}`),
      recount(orm, projectId),
      orm.select({ data: auditLog.data }).from(auditLog).where(eq(auditLog.id, id)),
    ]);
    if (made.length > 0) return { restored, trashed, missing };
    // Done before, by a call whose answer was lost.
    if (before) return { restored: Number(before.data.restored), trashed: Number(before.data.trashed), missing };
  }
  throw new KilnError('unavailable', { detail: 'The assets change too often.' });
}
