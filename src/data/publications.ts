import { and, count, eq, inArray, isNull, lt, ne, not, or, type SQL, sql } from 'drizzle-orm';
import { KilnError } from '../contract/errors.ts';
import { limits } from '../contract/limits.ts';
import type { Publication, PublicationAccess, PublishBuild } from '../contract/publications.ts';
import type { Config } from '../core/config.ts';
import { slugUrl } from '../core/links.ts';
import { slugFrom, slugVariant } from '../core/slug.ts';
import { type Actor, auditRow, decide, decided } from './audit.ts';
import type { BuildRow } from './builds.ts';
import { has, insertWhere } from './conditional.ts';
import type { Database, Orm } from './database.ts';
import { UniqueViolation } from './engines/engine.ts';
import { isLiveProject, takeProject } from './projects.ts';
import { builds, projects, publications, slugs, users } from './schema/sqlite.ts';
import { iso } from './time.ts';

export type PublicationRow = typeof publications.$inferSelect;

/** The publication as the API shows it. */
export const toPublication = (row: PublicationRow, config: Config): Publication => ({
  slug: row.slug,
  url: slugUrl(config, row.slug),
  projectId: row.projectId,
  buildId: row.buildId,
  access: row.access,
  crossOriginIsolated: row.crossOriginIsolated,
  createdBy: row.createdBy,
  createdAt: iso(row.createdAt),
  updatedAt: iso(row.updatedAt),
});

export async function publicationOf(db: Database, projectId: string): Promise<PublicationRow | undefined> {
  return (
    await db.query('publications.of', (orm) =>
      orm.select().from(publications).where(eq(publications.projectId, projectId)),
    )
  )[0];
}

/** The slugs of all that somebody's projects show. */
export async function publishedSlugsOf(db: Database, ownerId: string): Promise<string[]> {
  const rows = await db.query('publications.ofOwner', (orm) =>
    orm
      .select({ slug: publications.slug })
      .from(publications)
      .innerJoin(projects, eq(projects.id, publications.projectId))
      .where(eq(projects.ownerId, ownerId)),
  );
  return rows.map(({ slug }) => slug);
}

/** What has to be known of a slug to serve it. */
export interface Published {
  readonly projectId: string;
  readonly buildId: string;
  readonly access: PublicationAccess;
  readonly crossOriginIsolated: boolean;
  readonly createdAt: number;
}

/**
 * What is at a slug; undefined where nothing is, or its project is in the trash or on its way out, or the account that
 * owns the project is disabled.
 */
export async function publishedAt(db: Database, slug: string): Promise<Published | undefined> {
  return (
    await db.query('publications.at', (orm) =>
      orm
        .select({
          projectId: publications.projectId,
          buildId: publications.buildId,
          access: publications.access,
          crossOriginIsolated: publications.crossOriginIsolated,
          createdAt: publications.createdAt,
        })
        .from(publications)
        .innerJoin(projects, and(eq(projects.id, publications.projectId), isLiveProject))
        .innerJoin(users, and(eq(users.id, projects.ownerId), isNull(users.disabledAt)))
        .where(eq(publications.slug, slug)),
    )
  )[0];
}

const isLive = (orm: Orm, projectId: string): SQL => has(orm, projects, and(eq(projects.id, projectId), isLiveProject));

/** That a build may be shown to the world. */
const isPublishable = (orm: Orm, build: Pick<BuildRow, 'id' | 'projectId'>): SQL =>
  has(
    orm,
    builds,
    and(
      eq(builds.id, build.id),
      eq(builds.projectId, build.projectId),
      eq(builds.status, 'success'),
      eq(builds.target, 'web'),
    ),
  );

/**
 * The other projects of whoever owns this one and publishes. What an owner gave up in one project they may use in
 * another: the players' data stays with the same owner.
 */
const ownOthers = (orm: Orm, projectId: string, actorId: string) =>
  orm
    .select({ id: projects.id })
    .from(projects)
    .where(
      and(
        eq(projects.ownerId, actorId),
        ne(projects.id, projectId),
        has(orm, projects, and(eq(projects.id, projectId), eq(projects.ownerId, actorId))),
      ),
    );

/** Nobody's, this project's, or given up by another project of the same owner. */
function isFree(orm: Orm, slug: string, projectId: string, actorId: string): SQL {
  const theirs = or(isNull(slugs.projectId), ne(slugs.projectId, projectId));
  const inherited = inArray(slugs.projectId, ownOthers(orm, projectId, actorId));
  const foreign = has(orm, slugs, and(eq(slugs.slug, slug), theirs, or(isNull(slugs.projectId), not(inherited))));
  const inUse = has(orm, publications, and(eq(publications.slug, slug), ne(publications.projectId, projectId)));
  return sql`(NOT ${foreign} AND NOT ${inUse})`;
}

/** That a project has a place for one more slug, or holds this one. */
const hasPlace = (orm: Orm, slug: string, projectId: string): SQL =>
  sql`(${has(orm, slugs, and(eq(slugs.slug, slug), eq(slugs.projectId, projectId)))} OR ${lt(
    orm.select({ n: count() }).from(slugs).where(eq(slugs.projectId, projectId)),
    limits.publication.slugsPerProject,
  )})`;

type ToPublish = Pick<BuildRow, 'id' | 'projectId'>;
type By = Actor & { readonly actorId: string };

/** One try at one slug. Undefined when something did not allow it; the caller finds out what. */
async function tryPublish(
  db: Database,
  build: ToPublish,
  slug: string,
  settings: Pick<PublishBuild, 'access' | 'crossOriginIsolated'>,
  actor: By,
): Promise<PublicationRow | undefined> {
  const { projectId } = build;
  const { actorId, now } = actor;
  const row: PublicationRow = {
    slug,
    projectId,
    buildId: build.id,
    access: settings.access ?? 'public',
    crossOriginIsolated: settings.crossOriginIsolated ?? false,
    createdBy: actorId,
    createdAt: now,
    updatedAt: now,
  };
  const entry = auditRow({
    ...actor,
    projectId,
    action: 'project.published',
    subject: `build:${build.id}`,
    data: { slug, ...settings },
  });
  const statements = (orm: Orm) =>
    [
      takeProject(orm, projectId),
      decide(
        orm,
        entry,
        and(
          isLive(orm, projectId),
          isPublishable(orm, build),
          isFree(orm, slug, projectId, actorId),
          hasPlace(orm, slug, projectId),
        ),
      ),
      insertWhere(orm, slugs, { slug, projectId, createdAt: now }, decided(orm, entry)).onConflictDoNothing(),
      orm
        .update(slugs)
        .set({ projectId })
        .where(
          and(eq(slugs.slug, slug), inArray(slugs.projectId, ownOthers(orm, projectId, actorId)), decided(orm, entry)),
        ),
      // Two projects at one slug: both may have been allowed at the same moment, and the key lets one in.
      insertWhere(orm, publications, row, decided(orm, entry))
        .onConflictDoUpdate({
          target: publications.projectId,
          set: {
            slug,
            buildId: build.id,
            updatedAt: now,
            ...(settings.access !== undefined && { access: settings.access }),
            ...(settings.crossOriginIsolated !== undefined && { crossOriginIsolated: settings.crossOriginIsolated }),
          },
        })
        .returning(),
    ] as const;
  const [, , , , rows] = await db
    .batch('publications.publish', (orm) => statements(orm))
    .catch((error: unknown) => {
      if (error instanceof UniqueViolation) return [[], [], [], [], []] as const;
      throw error;
    });
  return rows[0];
}

/** Why nothing was published. */
async function refusal(db: Database, build: ToPublish, slug: string, actorId: string): Promise<KilnError> {
  const [live, publishable, free] = await db.batch('publications.refusal', (orm) => {
    const one = (holds: SQL) => orm.select({ one: sql`1` }).from(sql`(SELECT 1) AS one`).where(holds);
    return [
      one(isLive(orm, build.projectId)),
      one(isPublishable(orm, build)),
      one(isFree(orm, slug, build.projectId, actorId)),
    ];
  });
  if (live.length === 0) return new KilnError('not_found');
  if (publishable.length === 0) return new KilnError('not_publishable');
  if (free.length === 0) return new KilnError('slug_taken');
  return new KilnError('quota_exceeded', {
    detail: `A project holds at most ${limits.publication.slugsPerProject} slugs, those that it gave up included.`,
  });
}

/**
 * Shows a build at a slug: build, slug and settings change in one transaction, and whoever asks for the slug gets the
 * old game or the new one. Throws `slug_taken`, `not_publishable`, `quota_exceeded`, and `not_found` in the trash.
 */
export async function publish(
  db: Database,
  build: ToPublish & { readonly projectName: string },
  wanted: PublishBuild,
  actor: By,
): Promise<PublicationRow> {
  const { slug: chosen, ...settings } = wanted;
  const held = chosen ?? (await publicationOf(db, build.projectId))?.slug;
  const tries = held === undefined ? limits.publication.slugTries : 1;
  for (let n = 0; ; n += 1) {
    const slug = held ?? slugVariant(slugFrom(build.projectName), n);
    const row = await tryPublish(db, build, slug, settings, actor);
    if (row) return row;
    const error = await refusal(db, build, slug, actor.actorId);
    if (error.code !== 'slug_taken' || n + 1 >= tries) throw error;
  }
}

/** Ends the publication; its slug stays the project's. Answers the slug; undefined when there was nothing. */
export async function unpublish(db: Database, projectId: string, actor: Actor): Promise<string | undefined> {
  const entry = auditRow({ ...actor, projectId, action: 'project.unpublished' });
  const [, , rows] = await db.batch('publications.end', (orm) => [
    takeProject(orm, projectId),
    decide(orm, entry, has(orm, publications, eq(publications.projectId, projectId))),
    orm
      .delete(publications)
      .where(and(eq(publications.projectId, projectId), decided(orm, entry)))
      .returning({ slug: publications.slug }),
  ]);
  return rows[0]?.slug;
}
