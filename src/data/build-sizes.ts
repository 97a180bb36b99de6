import { and, asc, eq, isNull, or } from 'drizzle-orm';
import type { OutputFile } from '../contract/jobs.ts';
import type { BuildRow } from './builds.ts';
import type { Database } from './database.ts';
import { builds } from './schema/sqlite.ts';

/** Bytes of what a build made: each content once. */
export const bytesOfOutputs = (outputs: readonly OutputFile[]): number =>
  [...new Map(outputs.map(({ sha256, size }) => [sha256, size])).values()].reduce((sum, size) => sum + size, 0);

/**
 * Successes of a release that did not count what builds make, oldest first. Looks at every success, where there are none: migration
 * 0010 came without an index for what is done once.
 */
export const uncountedBuilds = (db: Database, limit: number): Promise<BuildRow[]> =>
  db.query('builds.uncounted', (orm) =>
    orm
      .select()
      .from(builds)
      .where(and(eq(builds.status, 'success'), isNull(builds.outputBytes)))
      .orderBy(asc(builds.id))
      .limit(limit),
  );

/**
 * Notes how many bytes the output of a build has, with it and all that repeat it. `outputs` null: there are none any more, and it counts
 * as its downloads do. Idempotent; a build that was counted stays as it is. Answers the bytes.
 */
export async function countOutput(
  db: Database,
  build: BuildRow,
  outputs: readonly OutputFile[] | null,
): Promise<number> {
  const bytes = outputs ? bytesOfOutputs(outputs) : outputBytesOf(build);
  const source = outputOf(build);
  await db.query('builds.count', (orm) =>
    orm
      .update(builds)
      .set({ outputBytes: bytes })
      .where(
        and(
          eq(builds.projectId, build.projectId),
          eq(builds.status, 'success'),
          isNull(builds.outputBytes),
          or(eq(builds.id, source), eq(builds.outputOf, source)),
        ),
      ),
  );
  return bytes;
}

/** Bytes of what a build made. Builds of a release that did not count the site have those of their downloads. */
export const outputBytesOf = ({ outputBytes, artifacts }: BuildRow): number =>
  outputBytes ?? artifacts.reduce((sum, { size }) => sum + size, 0);

export const outputOf = ({ outputOf: of, id }: BuildRow): string => of ?? id;

/** Bytes of the outputs of some builds, each once. */
export const bytesOf = (rows: readonly BuildRow[]): number =>
  [...new Map(rows.map((row) => [outputOf(row), outputBytesOf(row)])).values()].reduce((sum, size) => sum + size, 0);
