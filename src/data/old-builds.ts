import { and, asc, eq, exists, gt, inArray, lt, not, notExists, sql } from 'drizzle-orm';
import { KilnError } from '../contract/errors.ts';
import { limits } from '../contract/limits.ts';
import { type Actor, decide, decided } from './audit.ts';
import { bytesOf, outputBytesOf, outputOf } from './build-sizes.ts';
import { type BuildRow, buildEntry, isThere } from './builds.ts';
import { has } from './conditional.ts';
import type { Database, Orm } from './database.ts';
import { takeProject } from './projects.ts';
import { builds, publications } from './schema/sqlite.ts';

/** Every build of a project, for its removal. */
export async function allBuilds(db: Database, projectId: string): Promise<{ id: string }[]> {
  return await db.query('builds.all', (orm) =>
    orm.select({ id: builds.id }).from(builds).where(eq(builds.projectId, projectId)),
  );
}

/** Somebody removes a build that has ended. Idempotent. Throws `build_published` while its project shows it to the world. */
export async function removeBuild(db: Database, build: BuildRow, actor: Actor): Promise<void> {
  const entry = buildEntry(build, 'build.deleted', actor);
  const isPublished = (orm: Orm) => has(orm, publications, eq(publications.buildId, build.id));
  const [, , , published] = await db.batch('builds.remove', (orm) => [
    takeProject(orm, build.projectId),
    decide(orm, entry, and(isThere(orm, build.id), not(isPublished(orm)))),
    orm.delete(builds).where(and(eq(builds.id, build.id), decided(orm, entry))),
    orm.select({ slug: publications.slug }).from(publications).where(eq(publications.buildId, build.id)),
  ]);
  if (published.length > 0) throw new KilnError('build_published');
}

interface OldBuilds {
  /** Milliseconds since the epoch. */
  readonly before: number;
  readonly newest: number;
  readonly isPublished: boolean;
  /** Of any where none is named. */
  readonly projectId?: string;
}

/**
 * Builds that have ended before `before`, without the `newest` of their project and target, of which successes and others are
 * counted apart; oldest first.
 */
const oldBuilds = (orm: Orm, { before, newest, isPublished, projectId }: OldBuilds, limit: number) => {
  const place = sql<number>`row_number() OVER (PARTITION BY ${builds.projectId}, ${builds.target}, CASE WHEN ${builds.status} = 'success' THEN 1 ELSE 0 END ORDER BY ${builds.id} DESC)`;
  const ofProject = projectId === undefined ? undefined : eq(builds.projectId, projectId);
  const ended = orm
    .select({ id: builds.id, place: place.as('place') })
    .from(builds)
    .where(and(inArray(builds.status, ['success', 'failed', 'cancelled']), ofProject))
    .as('ended');
  const shown = orm.select({ slug: publications.slug }).from(publications).where(eq(publications.buildId, builds.id));
  return orm
    .select({ build: builds })
    .from(builds)
    .innerJoin(ended, eq(ended.id, builds.id))
    .where(and(gt(ended.place, newest), lt(builds.completedAt, before), isPublished ? exists(shown) : notExists(shown)))
    .orderBy(asc(builds.id))
    .limit(limit);
};

/** Builds that go, for nobody goes back to them: old ones that are not published, oldest first. */
export async function expiredBuilds(db: Database, before: number, newest: number, limit: number): Promise<BuildRow[]> {
  const rows = await db.query('builds.expired', (orm) => oldBuilds(orm, { before, newest, isPublished: false }, limit));
  return rows.map(({ build }) => build);
}

/** The next projects after `after`, by id, that have ended builds from before `before`. */
export async function projectsWithOldBuilds(
  db: Database,
  before: number,
  after: string,
  limit: number,
): Promise<string[]> {
  const rows = await db.query('builds.projectsWithOld', (orm) =>
    orm
      .selectDistinct({ id: builds.projectId })
      .from(builds)
      .where(and(gt(builds.projectId, after), lt(builds.completedAt, before)))
      .orderBy(asc(builds.projectId))
      .limit(limit),
  );
  return rows.map(({ id }) => id);
}

export interface StaleBuilds {
  /** The largest of them. */
  readonly builds: readonly BuildRow[];
  readonly count: number;
  /** That are free when they are gone: what other builds show as well is not. */
  readonly bytes: number;
  /** What would go as well, were it not published. */
  readonly kept: { readonly count: number; readonly bytes: number };
}

/** What of a project's builds is old: from before `before`, and not among the `newest` of their target. */
export async function staleBuilds(
  db: Database,
  projectId: string,
  newest: number,
  before: number,
): Promise<StaleBuilds> {
  const { reportRows, reported } = limits.build.retention;
  const of = { before, newest, projectId };
  const [found, published, shared] = await Promise.all([
    db.query('builds.stale', (orm) => oldBuilds(orm, { ...of, isPublished: false }, reportRows)),
    db.query('builds.staleKept', (orm) => oldBuilds(orm, { ...of, isPublished: true }, reportRows)),
    db.query('builds.shared', (orm) =>
      orm
        .select({ id: builds.id, outputOf: builds.outputOf })
        .from(builds)
        .where(and(eq(builds.projectId, projectId), eq(builds.status, 'success'))),
    ),
  ]);
  const rows = found.map(({ build }) => build);
  const kept = published.map(({ build }) => build);
  const going = new Set(rows.map(({ id }) => id));
  const staying = new Set(shared.flatMap(({ id, outputOf: of }) => (going.has(id) ? [] : [of ?? id])));
  return {
    builds: [...rows].sort((a, b) => outputBytesOf(b) - outputBytesOf(a)).slice(0, reported),
    count: rows.length,
    bytes: bytesOf(rows.filter((row) => !staying.has(outputOf(row)))),
    kept: { count: kept.length, bytes: bytesOf(kept) },
  };
}

/** The row of a build that has no object and never will. */
export async function deleteBuildRow(db: Database, id: string): Promise<void> {
  await db.query('builds.delete', (orm) => orm.delete(builds).where(eq(builds.id, id)));
}

/** Whether another build of the project still shows the output of this one. */
export async function outputIsShared(db: Database, build: BuildRow): Promise<boolean> {
  const rows = await db.query('builds.sharers', (orm) =>
    orm
      .select({ id: builds.id })
      .from(builds)
      .where(and(eq(builds.projectId, build.projectId), eq(builds.outputOf, build.outputOf ?? build.id)))
      .limit(2),
  );
  return rows.some((row) => row.id !== build.id);
}
