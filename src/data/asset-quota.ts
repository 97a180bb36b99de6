import { type SQL, sql } from 'drizzle-orm';
import { KilnError } from '../contract/errors.ts';
import { limits } from '../contract/limits.ts';
import type { Database, Orm } from './database.ts';

/*
 * What assets take: every version of every asset counts, and so does what an open upload will bring. The
 * bytes of a project stand in its row and are counted anew by every change, in the change's own batch.
 */

const { projectBytes, userBytes, perProject } = limits.asset;

/** Of uploads that are not done, but for one. */
const reserved = (where: SQL, except: string): SQL =>
  sql`(SELECT CAST(COALESCE(SUM(u.size), 0) AS bigint) FROM uploads AS u JOIN projects AS q ON q.id = u.project_id
    WHERE ${where} AND u.status IN ('open', 'pending') AND u.id <> ${except})`;

const ofProject = (except: string): SQL => sql`(p.asset_bytes + ${reserved(sql`q.id = p.id`, except)})`;

const ofOwner = (except: string): SQL =>
  sql`((SELECT CAST(COALESCE(SUM(o.asset_bytes), 0) AS bigint) FROM projects AS o
    WHERE o.owner_id = p.owner_id AND o.state <> 'deleting') + ${reserved(sql`q.owner_id = p.owner_id`, except)})`;

/**
 * That a project may take so many bytes more, for `decide`; `upload` is not counted, for it is what brings
 * them. Whoever asks holds the project and its owner first (`takeOwner`), so that of two who race for
 * the last bytes one loses.
 */
export const fits = (projectId: string, bytes: number, upload = ''): SQL =>
  sql`EXISTS (SELECT 1 FROM projects AS p WHERE p.id = ${projectId}
    AND ${ofProject(upload)} <= ${projectBytes - bytes} AND ${ofOwner(upload)} <= ${userBytes - bytes})`;

/** That a project may have so many assets more. */
export const hasPlace = (projectId: string, count = 1): SQL =>
  sql`(SELECT COUNT(*) FROM assets WHERE assets.project_id = ${projectId}) <= ${perProject - count}`;

/** The same, for assets of these names: those that there are need none. `folds`: as `foldName` writes them. */
export const hasPlaceFor = (projectId: string, folds: readonly string[]): SQL =>
  sql`(SELECT COUNT(*) FROM assets WHERE assets.project_id = ${projectId}
    AND assets.name_fold NOT IN (${sql.join(
      folds.map((fold) => sql`${fold}`),
      sql`, `,
    )})) <= ${perProject - folds.length}`;

/** Holds the owner of a project until the batch ends. */
export const takeOwner = (orm: Orm, projectId: string) =>
  orm.run(sql`UPDATE users SET id = id WHERE id = (SELECT owner_id FROM projects WHERE id = ${projectId})`);

/** Counts the bytes of a project anew. */
export const recount = (orm: Orm, projectId: string) =>
  orm.run(sql`UPDATE projects SET asset_bytes = (SELECT CAST(COALESCE(SUM(v.size), 0) AS bigint) FROM asset_versions AS v
    JOIN assets AS a ON a.id = v.asset_id WHERE a.project_id = projects.id) WHERE id = ${projectId}`);

export interface AssetQuota {
  readonly project: { readonly used: number; readonly limit: number };
  readonly owner: { readonly used: number; readonly limit: number };
}

/** What a project and its owner have used, but for one upload; undefined where there is no such project. */
export async function assetQuota(db: Database, projectId: string, upload = ''): Promise<AssetQuota | undefined> {
  const [row] = await db.query('assets.quota', (orm) =>
    orm.values<[number, number]>(
      sql`SELECT ${ofProject(upload)}, ${ofOwner(upload)} FROM projects AS p WHERE p.id = ${projectId}`,
    ),
  );
  return (
    row && {
      project: { used: Number(row[0]), limit: projectBytes },
      owner: { used: Number(row[1]), limit: userBytes },
    }
  );
}

/** Bytes that may still come. */
export const leftOf = ({ project, owner }: AssetQuota): number =>
  Math.max(0, Math.min(project.limit - project.used, owner.limit - owner.used));

const fuller = ({ project, owner }: AssetQuota) =>
  project.limit - project.used <= owner.limit - owner.used ? project : owner;

export const overQuota = ({ project, owner }: AssetQuota): KilnError =>
  new KilnError('quota_exceeded', {
    quota: { ...fuller({ project, owner }), left: leftOf({ project, owner }) },
    detail: `The assets of this project take ${project.used} of ${project.limit} bytes, those of all projects of its owner ${owner.used} of ${owner.limit}; ${leftOf({ project, owner })} are left.`,
  });

export const tooManyAssets = (): KilnError =>
  new KilnError('quota_exceeded', {
    detail: `A project has at most ${perProject} assets, those in the trash included.`,
  });
