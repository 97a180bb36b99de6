import { and, asc, eq, gt, or, sql } from 'drizzle-orm';
import type { Template } from '../contract/templates.ts';
import { decodeCursor, page } from './cursor.ts';
import type { Database } from './database.ts';
import { foldCase } from './dialects/dialect.ts';
import { templates } from './schema/sqlite.ts';

export type TemplateRow = typeof templates.$inferSelect;

export const toTemplate = (row: TemplateRow): Template => ({
  id: row.id,
  slug: row.slug,
  name: row.name,
  description: row.description,
  tags: row.tags,
  author: row.author,
  thumbnailUrl: row.thumbnailHash ? `/api/templates/${row.slug}/thumbnail` : null,
  fileCount: row.fileCount,
  version: row.version,
});

/** By id or slug. */
export async function templateByRef(db: Database, ref: string): Promise<TemplateRow | undefined> {
  return (
    await db.query('templates.byRef', (orm) =>
      orm
        .select()
        .from(templates)
        .where(or(eq(templates.id, ref), eq(templates.slug, ref))),
    )
  )[0];
}

export async function listTemplates(
  db: Database,
  query: { limit: number; cursor?: string | undefined; q?: string | undefined; tag?: string | undefined },
): Promise<{ rows: TemplateRow[]; nextCursor: string | null }> {
  const after = query.cursor ? decodeCursor(query.cursor, 'string') : undefined;
  const words = query.q === undefined ? undefined : foldCase(query.q);
  const rows = await db.query('templates.list', (orm) =>
    orm
      .select()
      .from(templates)
      .where(
        and(
          after
            ? or(gt(templates.name, after.value), and(eq(templates.name, after.value), gt(templates.id, after.id)))
            : undefined,
          words
            ? db.dialect.contains(
                sql`lower(${templates.name} || ' ' || ${templates.description} || ' ' || ${templates.tags})`,
                words,
              )
            : undefined,
          query.tag ? db.dialect.hasElement(templates.tags, query.tag) : undefined,
        ),
      )
      .orderBy(asc(templates.name), asc(templates.id))
      .limit(query.limit + 1),
  );
  return page(rows, query.limit, (row) => ({ value: row.name, id: row.id }));
}

/** Adds a template or brings it up to date; the id and slug stay. */
export async function upsertTemplate(db: Database, row: TemplateRow): Promise<void> {
  const { id: _id, slug: _slug, createdAt: _createdAt, ...change } = row;
  await db.query('templates.upsert', (orm) =>
    orm.insert(templates).values(row).onConflictDoUpdate({ target: templates.slug, set: change }),
  );
}
