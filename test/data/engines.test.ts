import { createServer, type Socket } from 'node:net';
import { eq, sql } from 'drizzle-orm';
import { afterEach, describe, expect, inject, it, vi } from 'vitest';
import { limits } from '../../src/contract/limits.ts';
import { Database } from '../../src/data/database.ts';
import { postgresText } from '../../src/data/dialects/postgres.ts';
import { UniqueViolation } from '../../src/data/engines/engine.ts';
import { postgresEngine } from '../../src/data/engines/postgres.ts';
import { schemaState } from '../../src/data/migrations.ts';
import { projects, publications, users } from '../../src/data/schema/sqlite.ts';
import { userByEmail } from '../../src/data/users.ts';
import { now, someUser } from './support/rows.ts';
import { onBothEngines } from './support/stores.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

onBothEngines('The engine', (store) => {
  const publication = (slug: string, projectId: string) => ({
    slug,
    projectId,
    buildId: 'b',
    access: 'public' as const,
    crossOriginIsolated: false,
    createdBy: 'c',
    createdAt: now,
    updatedAt: now,
  });

  it('maps violations of a unique index and of a primary key to the columns, without the values', async () => {
    const db = store().open();
    await db.query('test', (orm) => orm.insert(publications).values(publication('secret-slug', 'p')));
    const failure = async (slug: string, projectId: string): Promise<unknown> =>
      await db
        .query('test', (orm) => orm.insert(publications).values(publication(slug, projectId)))
        .then(
          () => null,
          (error: unknown) => error,
        );
    const [key, index] = [await failure('secret-slug', 'q'), await failure('other', 'p')];
    for (const error of [key, index]) expect(error).toBeInstanceOf(UniqueViolation);
    expect((key as UniqueViolation).columns).toEqual(['publications.slug']);
    expect((index as UniqueViolation).columns).toEqual(['publications.project_id']);
    expect((key as UniqueViolation).message).not.toContain('secret');
  });

  it('does a batch whole or not at all, and is of use after one that failed', async () => {
    const db = store().open();
    const count = async () =>
      (await db.query('test', (orm) => orm.select({ n: sql<number>`count(*)` }).from(publications)))[0]?.n;
    const before = await count();
    await expect(
      db.batch('test', (orm) => [
        orm.insert(publications).values(publication('batch-1', 'b1')),
        orm.insert(publications).values(publication('batch-1', 'b2')),
      ]),
    ).rejects.toBeInstanceOf(UniqueViolation);
    expect(await count()).toBe(before);
  });

  it('throws a wrong statement as a bug, not as a database that is away', async () => {
    const db = store().open();
    await expect(db.query('test', (orm) => orm.all(sql`SELECT nothing FROM nowhere`))).rejects.not.toMatchObject({
      code: 'unavailable',
    });
  });

  it('reads whole numbers, booleans and JSON in the same types', async () => {
    const db = store().open();
    await db.query('test', (orm) =>
      orm.insert(projects).values({
        id: 'types',
        ownerId: 'o',
        name: 'n',
        description: '',
        isPublic: true,
        thumbnailUrl: null,
        settings: { a: [1, 'ä', null] },
        state: 'ready',
        revision: 1,
        templateId: null,
        forkedFrom: null,
        forkedCheckpoint: null,
        fileCount: 0,
        totalSize: Number.MAX_SAFE_INTEGER,
        treeHash: null,
        createdAt: now,
        updatedAt: now,
        deletedAt: null,
      }),
    );
    const [row] = await db.query('test', (orm) =>
      orm
        .select({
          isPublic: projects.isPublic,
          settings: projects.settings,
          totalSize: projects.totalSize,
          deletedAt: projects.deletedAt,
          sum: sql<number>`sum(${projects.revision})`,
        })
        .from(projects)
        .where(eq(projects.id, 'types'))
        .groupBy(projects.id),
    );
    expect(row).toEqual({
      isPublic: true,
      settings: { a: [1, 'ä', null] },
      totalSize: Number.MAX_SAFE_INTEGER,
      deletedAt: null,
      sum: 1,
    });
  });

  it('knows its migrations, and that they are those of this release', async () => {
    const db = store().open();
    expect(await schemaState(db)).toEqual({ state: 'same' });
    expect((await db.migrations())[0]).toBe('0000_initial');
  });

  it('counts a request’s statements by name', async () => {
    const db = store().open();
    await userByEmail(db, 'nobody@kiln.test');
    await userByEmail(db, 'nobody@kiln.test');
    expect(db.stats).toMatchObject({ count: 2, slowestName: 'users.byEmail' });
    expect(db.stats.total).toBeGreaterThanOrEqual(db.stats.slowest);
  });

  it('logs a slow statement by name and plan, never its values, and its plan once', async () => {
    const lines: string[] = [];
    vi.spyOn(console, 'warn').mockImplementation((line: string) => void lines.push(line));
    vi.spyOn(limits.database as { slowStatement: number }, 'slowStatement', 'get').mockReturnValue(0);
    const db = store().open();
    await someUser(db, `slow-${store().engine}`);
    lines.length = 0;
    const secret = 'secret-value@kiln.test';
    const name = `test.slow.${store().engine}`;
    const ask = () => db.query(name, (orm) => orm.select().from(users).where(eq(users.email, secret)));
    await ask();
    await ask();
    const events = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(events).toHaveLength(2);
    expect(events[0]).toMatchObject({ level: 'warn', event: 'database.slow', name });
    // D1 names its index; PostgreSQL says at least how it reads the table.
    expect(events[0]?.plan).toMatch(/users/);
    expect(events[0]?.plan).not.toBe('no plan');
    expect(events[1]?.plan).toBeUndefined();
    expect(lines.join()).not.toContain('secret-value');
  });
});

describe('fault 7: PostgreSQL that never answers', () => {
  const soon = (name: 'connectTimeout' | 'statementTimeout'): unknown =>
    vi.spyOn(limits.database as Record<typeof name, number>, name, 'get').mockReturnValue(200);

  it('to a connection is `unavailable`, and the engine can be closed', async () => {
    soon('connectTimeout');
    const sockets: Socket[] = [];
    const server = createServer((socket) => sockets.push(socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const db = new Database(postgresEngine(`postgres://kiln:secret@127.0.0.1:${port}/kiln`));
    await expect(userByEmail(db, 'a@kiln.test')).rejects.toMatchObject({
      code: 'unavailable',
      detail: expect.stringContaining('does not answer'),
    });
    await db.close();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  it('to a statement is `unavailable`, and is not asked again by the same request', async () => {
    soon('statementTimeout');
    const db = new Database(postgresEngine(inject('postgres')));
    const sleep = (seconds: number) => db.query('test', (orm) => orm.values(sql`SELECT pg_sleep(${seconds})`));
    await expect(sleep(0)).resolves.toHaveLength(1);
    await expect(sleep(20)).rejects.toMatchObject({ code: 'unavailable' });
    await expect(userByEmail(db, 'a@kiln.test')).rejects.toMatchObject({ code: 'unavailable' });
    await expect(db.batch('test', (orm) => [orm.values(sql`SELECT 1`)])).rejects.toMatchObject({ code: 'unavailable' });
    await db.close();
  });
});

it('PostgreSQL that is not there is `unavailable`', async () => {
  const db = new Database(postgresEngine('postgres://kiln:secret@127.0.0.1:1/kiln'));
  await expect(userByEmail(db, 'a@kiln.test')).rejects.toMatchObject({ code: 'unavailable' });
  await db.close();
});

it('statements for PostgreSQL have numbered placeholders outside of literals, and plain conflict targets', () => {
  expect(postgresText(`select '?''?' as "a?" where x = ? and y = ?`)).toBe(
    `select '?''?' as "a?" where x = $1 and y = $2`,
  );
  expect(postgresText('insert into "t" ("a") values (?) on conflict ("t"."a", "t"."b") do nothing')).toBe(
    'insert into "t" ("a") values ($1) on conflict ("a", "b") do nothing',
  );
});
