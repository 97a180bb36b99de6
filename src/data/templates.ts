import { and, asc, eq, gt, or, type SQL, type SQLWrapper, sql } from 'drizzle-orm';
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

/**
 * By name; a search puts those first that have the words in their name, then in their tags, then in
 * their description.
 */
export async function listTemplates(
  db: Database,
  query: { limit: number; cursor?: string | undefined; q?: string | undefined; tag?: string | undefined },
): Promise<{ rows: TemplateRow[]; nextCursor: string | null }> {
  const after = query.cursor ? decodeCursor(query.cursor, 'string') : undefined;
  const words = query.q === undefined ? undefined : foldCase(query.q);
  const has = (text: SQLWrapper, sought: string): SQL => db.dialect.contains(sql`lower(${text})`, sought);
  const order = words
    ? sql<string>`CASE WHEN ${has(templates.name, words)} THEN '0' WHEN ${has(templates.tags, words)} THEN '1' ELSE '2' END || ${templates.name}`
    : sql<string>`${templates.name}`;
  const found = await db.query('templates.list', (orm) =>
    orm
      .select({ row: templates, order: order.as('sort_order') })
      .from(templates)
      .where(
        and(
          after ? or(gt(order, after.value), and(eq(order, after.value), gt(templates.id, after.id))) : undefined,
          words
            ? has(sql`${templates.name} || ' ' || ${templates.description} || ' ' || ${templates.tags}`, words)
            : undefined,
          query.tag ? db.dialect.hasElement(templates.tags, query.tag) : undefined,
        ),
      )
      .orderBy(asc(order), asc(templates.id))
      .limit(query.limit + 1),
  );
  const cut = page(found, query.limit, ({ row, order: value }) => ({ value, id: row.id }));
  return { rows: cut.rows.map(({ row }) => row), nextCursor: cut.nextCursor };
}

/** Adds a template or brings it up to date; the id and slug stay. */
export async function upsertTemplate(db: Database, row: TemplateRow): Promise<void> {
  const { id: _id, slug: _slug, createdAt: _createdAt, ...change } = row;
  await db.query('templates.upsert', (orm) =>
    orm.insert(templates).values(row).onConflictDoUpdate({ target: templates.slug, set: change }),
  );
}
