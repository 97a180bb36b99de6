import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { eq, sql } from 'drizzle-orm';
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';
import { beforeEach, describe, expect, it } from 'vitest';
import { Database, QueryStats } from '../../src/data/database.ts';
import { sqliteDialect } from '../../src/data/dialects/sqlite.ts';
import { type Engine, type Statement, UniqueViolation } from '../../src/data/engines/engine.ts';

const things = sqliteTable('things', { id: text('id').primaryKey(), n: integer('n').notNull() });

/** The engine port over `node:sqlite`. */
class NodeEngine implements Engine {
  readonly #database = new DatabaseSync(':memory:');
  readonly seen: Statement[] = [];

  constructor() {
    this.#database.exec('CREATE TABLE things (id TEXT PRIMARY KEY, n INTEGER NOT NULL)');
  }

  readonly dialect = sqliteDialect;

  moment(statements: readonly Statement[]): Promise<unknown[][][]> {
    return this.batch(statements);
  }

  async explain(statement: Statement): Promise<string[]> {
    return [`plan of ${statement.sql.length} characters`];
  }

  async migrations(): Promise<string[]> {
    return [];
  }

  bookmark(): null {
    return null;
  }

  async close(): Promise<void> {}

  #execute(statement: Statement): unknown[][] {
    this.seen.push(statement);
    const prepared = this.#database.prepare(statement.sql);
    prepared.setReturnArrays(true);
    try {
      return prepared.all(...(statement.params as SQLInputValue[])) as unknown as unknown[][];
    } catch (cause) {
      const columns = /UNIQUE constraint failed: (.*)/.exec(String(cause))?.[1];
      throw columns ? new UniqueViolation(columns.split(', '), cause) : cause;
    }
  }

  async run(statement: Statement): Promise<unknown[][]> {
    await Promise.resolve();
    return this.#execute(statement);
  }

  async batch(statements: readonly Statement[]): Promise<unknown[][][]> {
    await Promise.resolve();
    this.#database.exec('BEGIN');
    try {
      const results = statements.map((statement) => this.#execute(statement));
      this.#database.exec('COMMIT');
      return results;
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }
}

let engine: NodeEngine;
let db: Database;
beforeEach(async () => {
  engine = new NodeEngine();
  db = new Database(engine);
  await db.query('seed', (orm) =>
    orm.insert(things).values([
      { id: 'a', n: 1 },
      { id: 'b', n: 2 },
    ]),
  );
});

describe('Database', () => {
  it('answers rows in the shape of the selection, none as an empty list or undefined', async () => {
    expect(await db.query('all', (orm) => orm.select().from(things).orderBy(things.id))).toEqual([
      { id: 'a', n: 1 },
      { id: 'b', n: 2 },
    ]);
    expect(
      await db.query('one', (orm) =>
        orm.select({ twice: sql<number>`n * 2` }).from(things).where(eq(things.id, 'b')).get(),
      ),
    ).toEqual({ twice: 4 });
    expect(await db.query('none', (orm) => orm.select().from(things).where(eq(things.id, 'x')))).toEqual([]);
    expect(await db.query('none', (orm) => orm.select().from(things).where(eq(things.id, 'x')).get())).toBeUndefined();
  });

  it('binds values, never writes them into the statement [hostile 75]', async () => {
    const hostile = "x'; DROP TABLE things; --";
    await db.query('insert', (orm) => orm.insert(things).values({ id: hostile, n: 3 }));
    expect(engine.seen.every((statement) => !statement.sql.includes('DROP'))).toBe(true);
    expect(await db.query('find', (orm) => orm.select().from(things).where(eq(things.id, hostile)))).toEqual([
      { id: hostile, n: 3 },
    ]);
  });

  it('runs a batch as one: all of it or nothing', async () => {
    const [inserted, rows] = await db.batch('both', (orm) => [
      orm.insert(things).values({ id: 'c', n: 3 }).returning(),
      orm.select().from(things).orderBy(things.id),
    ]);
    expect(inserted).toEqual([{ id: 'c', n: 3 }]);
    expect(rows.map(({ id }) => id)).toEqual(['a', 'b', 'c']);
    await expect(
      db.batch('broken', (orm) => [
        orm.insert(things).values({ id: 'd', n: 4 }),
        orm.insert(things).values({ id: 'a', n: 9 }),
      ]),
    ).rejects.toBeInstanceOf(UniqueViolation);
    expect(await db.query('all', (orm) => orm.select().from(things))).toHaveLength(3);
  });

  it('throws what the engine threw, with the columns of a unique index and no values', async () => {
    const error = await db
      .query('twin', (orm) => orm.insert(things).values({ id: 'a', n: 77_777 }))
      .then(
        () => null,
        (thrown: unknown) => thrown,
      );
    expect(error).toBeInstanceOf(UniqueViolation);
    expect((error as UniqueViolation).columns).toEqual(['things.id']);
    expect((error as UniqueViolation).message).not.toContain('77777');
  });

  it('counts what a request cost, a batch as one, failures too', async () => {
    const counted = new Database(engine);
    const { stats } = counted;
    await counted.query('one', (orm) => orm.select().from(things));
    await counted.batch('two', (orm) => [orm.select().from(things), orm.select().from(things)]);
    await counted.query('bad', (orm) => orm.insert(things).values({ id: 'a', n: 1 })).catch(() => undefined);
    expect(stats.count).toBe(3);
    expect(stats.total).toBeGreaterThanOrEqual(stats.slowest);
    expect(['one', 'two', 'bad']).toContain(stats.slowestName);
  });

  it('remembers the slowest query by name', () => {
    const stats = new QueryStats();
    stats.add('quick', 1);
    stats.add('slow', 9);
    stats.add('quick again', 2);
    expect([stats.count, stats.total, stats.slowest, stats.slowestName]).toEqual([3, 12, 9, 'slow']);
  });
});
