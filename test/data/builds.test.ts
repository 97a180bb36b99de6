import { eq } from 'drizzle-orm';
import { expect, it } from 'vitest';
import { newId } from '../../src/contract/ids.ts';
import type { OutputFile } from '../../src/contract/jobs.ts';
import { limits } from '../../src/contract/limits.ts';
import { addAssetVersion } from '../../src/data/assets.ts';
import { countOutput, uncountedBuilds } from '../../src/data/build-sizes.ts';
import {
  nextBuilds,
  projectBuild,
  projectionOf,
  queueBuild,
  stalledBuilds,
  startBuild,
} from '../../src/data/build-turns.ts';
import {
  type BuildRow,
  buildBasis,
  buildById,
  buildEntry,
  createBuild,
  createCachedBuild,
  finishedBuild,
  listBuilds,
} from '../../src/data/builds.ts';
import type { Database } from '../../src/data/database.ts';
import { claimKey, type HeldKey } from '../../src/data/idempotency.ts';
import {
  deleteBuildRow,
  expiredBuilds,
  outputIsShared,
  projectsWithOldBuilds,
  removeBuild,
  staleBuilds,
} from '../../src/data/old-builds.ts';
import { claimOutbox, type OutboxQueue, oldestOutbox, outboxRow, settleOutbox } from '../../src/data/outbox.ts';
import { publish } from '../../src/data/publications.ts';
import { auditLog, builds, outbox } from '../../src/data/schema/sqlite.ts';
import { usageOf } from '../../src/data/usage.ts';
import { by, newBuild, now, someBuild, someProject, someUser } from './support/rows.ts';
import { onBothEngines } from './support/stores.ts';

async function move(db: Database, id: string, change: Partial<BuildRow>): Promise<void> {
  const row = await buildById(db, id);
  if (!row) throw new Error('no such build');
  await projectBuild(db, id, projectionOf({ ...row, seq: row.seq + 1, ...change }));
}

const picture = {
  type: 'image',
  mimeType: 'image/png',
  objectKey: 'blob/a',
  hash: 'a'.repeat(64),
  size: 10,
  metadata: { width: 1 },
} as const;

onBothEngines('Builds', (store) => {
  it('come with their message or not at all', async () => {
    const db = store().open();
    const userId = await someUser(db);
    const projectId = await someProject(db, userId);
    const message = { id: newId(), queue: 'builds', body: { v: 1 } };
    const first = await createBuild(db, newBuild(projectId, userId), message, by(userId));
    expect(await buildById(db, first.id)).toEqual(first);
    const twin = newBuild(projectId, userId);
    await expect(createBuild(db, twin, message, by(userId))).rejects.toThrow();
    expect(await buildById(db, twin.id)).toBeUndefined();
    await deleteBuildRow(db, first.id);
  });

  it('never wait in larger number than a user may have waiting, also when asked for at once', async () => {
    const db = store().open();
    const userId = await someUser(db);
    const projectId = await someProject(db, userId);
    const free = 3;
    for (let n = 0; n < limits.build.queuedPerUser - free; n += 1) await someBuild(db, projectId, userId);
    const wanted = Array.from({ length: 10 }, () => newBuild(projectId, userId));
    const results = await Promise.allSettled(
      wanted.map((build) =>
        createBuild(store().open(), build, { id: newId(), queue: 'race', body: build.id }, by(userId)),
      ),
    );
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(free);
    for (const result of results)
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'quota_exceeded' });
    const messages = await db.query('test', (orm) => orm.select().from(outbox).where(eq(outbox.queue, 'race')));
    expect(messages).toHaveLength(free);
    for (const { body } of messages) expect(await buildById(db, String(body))).toBeDefined();
    await db.query('test', (orm) => orm.delete(builds).where(eq(builds.userId, userId)));
  });

  it('are started in turn: users with the fewest running builds first, then the oldest', async () => {
    const db = store().open();
    const [busy, idle] = [await someUser(db), await someUser(db)];
    const [theirs, other] = [await someProject(db, busy), await someProject(db, idle)];
    const running = await someBuild(db, theirs, busy);
    await move(db, running, { status: 'building', startedAt: now });
    const waiting = [
      await someBuild(db, theirs, busy),
      await someBuild(db, other, idle),
      await someBuild(db, other, idle),
    ];
    expect(await nextBuilds(db, now, 10)).toMatchObject([
      { id: waiting[1], userId: idle, running: 0 },
      { id: waiting[2], userId: idle, running: 0 },
      { id: waiting[0], userId: busy, running: 1 },
    ]);
    expect(await nextBuilds(db, now, 1)).toHaveLength(1);
    for (const id of [running, ...waiting]) await deleteBuildRow(db, id);
  });

  it('are started in turn: of users with as many running, who was served longest ago', async () => {
    const db = store().open();
    const users = [await someUser(db), await someUser(db), await someUser(db)] as const;
    const theirs = await Promise.all(users.map((user) => someProject(db, user)));
    const made: string[] = [];
    // The first two have asked for much before the third asks for one thing.
    for (const [index, amount] of [6, 6, 1].entries())
      for (let n = 0; n < amount; n += 1) made.push(await someBuild(db, theirs[index] ?? '', users[index] ?? ''));
    const order: string[] = [];
    for (let at = 1; at <= made.length; at += 1) {
      const [next] = await nextBuilds(db, now, 20);
      if (!next) break;
      order.push(next.userId);
      await move(db, next.id, { status: 'building', startedAt: now + at });
      await move(db, next.id, { status: 'success', seq: 9 });
    }
    const [a, b, c] = users;
    expect(order).toEqual([a, b, c, ...Array.from({ length: 5 }, () => [a, b]).flat()]);
    for (const id of made) await deleteBuildRow(db, id);
  });

  it('of one user fill no more of the candidates than their share', async () => {
    const db = store().open();
    const [one, other] = [await someUser(db), await someUser(db)];
    const project = await someProject(db, one);
    const made: string[] = [];
    for (let n = 0; n < 30; n += 1) made.push(await someBuild(db, project, one));
    made.push(await someBuild(db, await someProject(db, other), other));
    const next = await nextBuilds(db, now, 20);
    expect(next.map(({ userId }) => userId)).toEqual([
      ...Array.from({ length: limits.build.candidatesPerUser }, () => one),
      other,
    ]);
    for (const id of made) await deleteBuildRow(db, id);
  });

  it('run in no larger number than a user may have running, also when started at once', async () => {
    const db = store().open();
    const [userId, other] = [await someUser(db), await someUser(db)];
    const [mine, theirs] = [await someProject(db, userId), await someProject(db, other)];
    const waiting = await Promise.all(Array.from({ length: 6 }, () => someBuild(db, mine, userId)));
    const foreign = await someBuild(db, theirs, other);
    const start = async (id: string): Promise<boolean> => {
      const own = store().open();
      const row = await buildById(own, id);
      if (!row) throw new Error('no such build');
      return await startBuild(own, id, projectionOf({ ...row, seq: row.seq + 1, status: 'building', startedAt: now }));
    };
    const started = await Promise.all(waiting.map(start));
    expect(started.filter(Boolean)).toHaveLength(limits.build.runningPerUser);
    for (const [index, id] of waiting.entries())
      expect((await buildById(db, id))?.status).toBe(started[index] ? 'building' : 'queued');
    // What is running is not in its own way, nor in another user's.
    expect(await start(waiting[started.indexOf(true)] ?? '')).toBe(true);
    expect(await start(foreign)).toBe(true);
    for (const id of [...waiting, foreign]) await deleteBuildRow(db, id);
  });

  it('take a newer state and never an older one', async () => {
    const db = store().open();
    const userId = await someUser(db);
    const id = await someBuild(db, await someProject(db, userId), userId);
    const artifacts = [{ name: 'game.zip', size: 5e9, sha256: 'f'.repeat(64), mimeType: 'application/zip' }];
    await move(db, id, { status: 'success', seq: 7, artifacts, timings: { total: 1.5 }, errorMessage: 'a\0b' });
    await move(db, id, { status: 'building', seq: 6 });
    await move(db, id, { status: 'building', seq: 7 });
    expect(await buildById(db, id)).toMatchObject({
      status: 'success',
      seq: 7,
      artifacts,
      timings: { total: 1.5 },
      errorMessage: 'a\uFFFDb',
    });
  });

  it('that finished are found by key and lend their output and lock; the newest counts', async () => {
    const db = store().open();
    const userId = await someUser(db);
    const projectId = await someProject(db, userId);
    const [old, fresh] = [await someBuild(db, projectId, userId), await someBuild(db, projectId, userId)];
    await move(db, old, { status: 'success', lockHash: 'old' });
    await move(db, fresh, { status: 'success', lockHash: 'fresh' });
    const key = `key of ${projectId}`;
    const source = await finishedBuild(db, projectId, key);
    expect(source?.id).toBe(fresh);
    expect(await finishedBuild(db, projectId, 'another')).toBeUndefined();
    expect(await buildBasis(db, projectId, now - 1)).toEqual({ assets: [], lockHash: 'fresh', wasBuilt: true });
    expect(await buildBasis(db, projectId, now)).toEqual({ assets: [], lockHash: null, wasBuilt: true });
    const another = await someProject(db, userId);
    await someBuild(db, another, userId);
    expect(await buildBasis(db, another, 0)).toEqual({ assets: [], lockHash: null, wasBuilt: false });
    const { asset, version } = await addAssetVersion(db, another, 'Ä.png', picture, by(userId));
    expect(await buildBasis(db, another, 0)).toEqual({ assets: [{ asset, version }], lockHash: null, wasBuilt: false });
    if (!source) throw new Error('no source');
    expect(await outputIsShared(db, source)).toBe(false);
    const cached = await createCachedBuild(db, newBuild(projectId, userId), source, by(userId));
    if (!cached) throw new Error('not made');
    expect(await buildById(db, cached.id)).toEqual(cached);
    expect(cached).toMatchObject({ cached: true, outputOf: fresh, status: 'success', lockHash: null });
    expect(await outputIsShared(db, source)).toBe(true);
  });

  it('are not repeated once they are removed, also when both happen at once: no success without its files', async () => {
    const db = store().open();
    const userId = await someUser(db);
    const projectId = await someProject(db, userId);
    for (let n = 0; n < 8; n += 1) {
      const id = await someBuild(db, projectId, userId);
      await move(db, id, { status: 'success', outputOf: id });
      const source = await buildById(db, id);
      if (!source) throw new Error('no source');
      const remove = async (): Promise<boolean> => {
        await removeBuild(db, source, by(userId));
        return await outputIsShared(db, source);
      };
      const repeat = newBuild(projectId, userId);
      const [cached, isKept] = await Promise.all([createCachedBuild(db, repeat, source, by(userId)), remove()]);
      expect(isKept).toBe(cached !== undefined);
      expect(await buildById(db, repeat.id)).toEqual(cached);
      expect(await createCachedBuild(db, newBuild(projectId, userId), source, by(userId))).toBeUndefined();
    }
  });

  it('expire when they ended long ago, but for the newest of each project and target, and those that are published', async () => {
    const db = store().open();
    const userId = await someUser(db);
    const ended = async (projectId: string, change: Partial<BuildRow> = {}): Promise<string> => {
      const id = await someBuild(db, projectId, userId);
      await move(db, id, { status: 'success', completedAt: now, outputOf: id, ...change });
      return id;
    };
    const expired = async (keep: number, before = now + 1) =>
      (await expiredBuilds(db, before, keep, 1000)).filter(({ userId: of }) => of === userId).map(({ id }) => id);
    const projectId = await someProject(db, userId);
    const [a, b, c] = [await ended(projectId), await ended(projectId), await ended(projectId)];
    const failed = await ended(projectId, { status: 'failed' });
    const cancelled = await ended(projectId, { status: 'cancelled' });
    const other = await ended(await someProject(db, userId));
    await someBuild(db, projectId, userId);
    expect(await expired(0)).toEqual([a, b, c, failed, cancelled, other]);
    // A success is not pushed out by what came to nothing, nor by another project.
    expect(await expired(1)).toEqual([a, b, failed]);
    expect(await expired(2)).toEqual([a]);
    expect(await expired(3)).toEqual([]);
    expect(await expired(1, now)).toEqual([]);
    await publish(db, { id: a, projectId, projectName: 'Old and shown' }, {}, { ...by(userId), actorId: userId });
    expect(await expired(1)).toEqual([b, failed]);
  });

  it('are counted by what they made: each output once, of own projects, and what would go is reported', async () => {
    const db = store().open();
    const [userId, guest] = [await someUser(db), await someUser(db)];
    const [big, small] = [await someProject(db, userId, 'Big'), await someProject(db, userId, 'Small')];
    const made = async (projectId: string, change: Partial<BuildRow>, by = userId) => {
      const id = await someBuild(db, projectId, by);
      await move(db, id, { status: 'success', completedAt: now, outputOf: id, ...change });
      return id;
    };
    const old = await made(big, { outputBytes: 5_000_000_000 });
    const shown = await made(big, { outputBytes: 300 });
    const repeat = await made(big, { outputBytes: 300, outputOf: shown });
    const failed = await made(big, { status: 'failed', outputOf: null, outputBytes: null });
    await made(small, { outputBytes: 20 }, guest);
    // Of a release that did not count: in reports by its downloads.
    const artifacts = [{ name: 'game.zip', size: 7, sha256: 'a'.repeat(64), mimeType: 'application/zip' }];
    const before = await made(small, { outputBytes: null, artifacts });
    const day = { used: 0, limit: 250, resetsAt: null };
    expect((await usageOf(db, userId, 0, day)).buildBytes).toEqual({
      used: 5_000_000_320,
      projects: [
        { projectId: big, name: 'Big', used: 5_000_000_300 },
        { projectId: small, name: 'Small', used: 20 },
      ],
    });
    expect((await usageOf(db, guest, 0, day)).buildBytes).toEqual({ used: 0, projects: [] });
    const stale = async (projectId: string, newest: number, until = now + 1) => {
      const { builds: found, ...sums } = await staleBuilds(db, projectId, newest, until);
      return { ids: found.map(({ id }) => id), ...sums };
    };
    // What another one shows stays, so its bytes do.
    const kept = { count: 0, bytes: 0 };
    expect(await stale(big, 1)).toEqual({ ids: [old, shown], count: 2, bytes: 5_000_000_000, kept });
    expect(await stale(big, 2)).toEqual({ ids: [old], count: 1, bytes: 5_000_000_000, kept });
    expect(await stale(big, 1, now)).toEqual({ ids: [], count: 0, bytes: 0, kept });
    expect(await stale(small, 0)).toMatchObject({ count: 2, bytes: 27 });
    expect((await stale(small, 0)).ids).toContain(before);
    await publish(db, { id: old, projectId: big, projectName: 'Big' }, {}, { ...by(userId), actorId: userId });
    expect(await stale(big, 1)).toMatchObject({ ids: [shown], bytes: 0, kept: { count: 1, bytes: 5_000_000_000 } });
    expect(await stale(big, 0)).toMatchObject({ count: 3, bytes: 300 });
    expect((await stale(big, 0)).ids.sort()).toEqual([shown, repeat, failed].sort());
    const both = [big, small].sort();
    const withOld = async (after: string) =>
      (await projectsWithOldBuilds(db, now + 1, after, 1000)).filter((id) => both.includes(id));
    expect(await withOld('')).toEqual(both);
    expect(await withOld(both[0] ?? '')).toEqual([both[1]]);
  });

  it('of a release that did not count are counted some at a time, with what repeats them, once', async () => {
    const db = store().open();
    const userId = await someUser(db);
    const projectId = await someProject(db, userId);
    const artifacts = [{ name: 'game.zip', size: 7, sha256: 'a'.repeat(64), mimeType: 'application/zip' }];
    const made = async (change: Partial<BuildRow>) => {
      const id = await someBuild(db, projectId, userId);
      await move(db, id, { status: 'success', completedAt: now, outputOf: id, outputBytes: null, ...change });
      return id;
    };
    const first = await made({ artifacts });
    const repeat = await made({ outputOf: first });
    const gone = await made({ artifacts });
    const counted = await made({ outputBytes: 50 });
    const failed = await made({ status: 'failed', outputOf: null });
    const uncounted = async (limit = 1000) =>
      (await uncountedBuilds(db, limit)).filter(({ userId: of }) => of === userId).map(({ id }) => id);
    expect(await uncounted()).toEqual([first, repeat, gone]);
    expect(await uncountedBuilds(db, 1)).toHaveLength(1);
    const row = async (id: string) => (await buildById(db, id)) as BuildRow;
    const site = (name: string, size: number) => ({ ...artifacts[0], name, size, role: 'site' }) as OutputFile;
    const outputs = [site('index.html', 30), site('copy.html', 30), { ...site('b.js', 12), sha256: 'b'.repeat(64) }];
    // It does not matter which of those that show an output is asked for, nor how often.
    expect(await countOutput(db, await row(repeat), outputs)).toBe(42);
    await countOutput(db, await row(first), [site('other.html', 99)]);
    expect(await countOutput(db, await row(gone), null)).toBe(7);
    expect(await countOutput(db, await row(counted), null)).toBe(50);
    const bytes = async () =>
      await Promise.all([first, repeat, gone, counted, failed].map(async (id) => (await row(id)).outputBytes));
    expect(await bytes()).toEqual([42, 42, 7, 50, null]);
    expect(await uncounted()).toEqual([]);
    const day = { used: 0, limit: 250, resetsAt: null };
    expect((await usageOf(db, userId, 0, day)).buildBytes.used).toBe(42 + 7 + 50);
  });

  it('keep their answer for who asks again, and are not made by a request whose key another took over', async () => {
    const db = store().open();
    const userId = await someUser(db);
    const projectId = await someProject(db, userId);
    const request = { userId, key: newId(), requestHash: 'h', now };
    const [slow, quick] = [newId(), newId()].map((holder) => ({ userId, key: request.key, holder }));
    if (!slow || !quick) throw new Error('two holders');
    const message = () => ({ id: newId(), queue: 'builds', body: {} });
    const bodyOf = (row: BuildRow) => `{"id":"${row.id}"}`;
    expect(await claimKey(db, { ...request, ...slow })).toEqual({ outcome: 'first' });
    const late = now + limits.http.idempotencyLease + 1;
    expect(await claimKey(db, { ...request, ...quick, now: late })).toEqual({ outcome: 'first' });
    const lost = newBuild(projectId, userId);
    const order = message();
    await expect(createBuild(db, lost, order, by(userId), { keys: [slow], bodyOf })).rejects.toMatchObject({
      code: 'conflict',
    });
    expect(await buildById(db, lost.id)).toBeUndefined();
    expect(await db.query('test', (orm) => orm.select().from(outbox).where(eq(outbox.id, order.id)))).toEqual([]);
    const row = await createBuild(db, newBuild(projectId, userId), message(), by(userId), { keys: [quick], bodyOf });
    const replay = await claimKey(db, { ...request, ...slow, now: late });
    expect(replay).toEqual({ outcome: 'replay', status: 202, body: bodyOf(row) });

    await move(db, row.id, { status: 'success', outputOf: row.id });
    const source = (await buildById(db, row.id)) as BuildRow;
    const cached = (keys: HeldKey[]) =>
      createCachedBuild(db, newBuild(projectId, userId), source, by(userId), { keys, bodyOf });
    await expect(cached([slow])).rejects.toMatchObject({ code: 'conflict' });
    const second = { userId, key: newId(), holder: newId() };
    await claimKey(db, { ...request, ...second });
    const repeated = await cached([second]);
    expect(await claimKey(db, { ...request, ...second })).toEqual({
      outcome: 'replay',
      status: 200,
      body: bodyOf(repeated as BuildRow),
    });
  });

  it('that wait again count like new ones, also when asked for at once', async () => {
    const db = store().open();
    const userId = await someUser(db);
    const projectId = await someProject(db, userId);
    const free = 2;
    const ended: string[] = [];
    for (let n = 0; n < limits.build.queuedPerUser - free + 4; n += 1) {
      const id = await someBuild(db, projectId, userId);
      if (n >= 4) continue;
      await move(db, id, { status: 'failed' });
      ended.push(id);
    }
    const retry = async (id: string) => {
      const row = await buildById(db, id);
      if (!row) throw new Error('no such build');
      const entry = buildEntry(row, 'build.retried', by(userId));
      const state = projectionOf({ ...row, seq: row.seq + 1, status: 'queued' });
      return await queueBuild(store().open(), id, state, [entry]);
    };
    const results = await Promise.all(ended.map(retry));
    expect(results.filter((waits) => waits)).toHaveLength(free);
    const statuses = await Promise.all(ended.map(async (id) => (await buildById(db, id))?.status));
    expect(statuses.filter((status) => status === 'queued')).toHaveLength(free);
    const told = await db.query('test', (orm) => orm.select().from(auditLog).where(eq(auditLog.projectId, projectId)));
    expect(told.filter(({ action }) => action === 'build.retried')).toHaveLength(free);
  });

  it('list in pages, newest first, filtered, stable while others are made', async () => {
    const db = store().open();
    const userId = await someUser(db);
    const projectId = await someProject(db, userId);
    const ids: string[] = [];
    for (let n = 0; n < 7; n += 1) ids.push(await someBuild(db, projectId, userId));
    await move(db, ids[2] ?? '', { status: 'failed' });
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await listBuilds(db, projectId, { limit: 3, cursor });
      seen.push(...page.rows.map(({ id }) => id));
      cursor = page.nextCursor ?? undefined;
      await someBuild(db, projectId, userId);
    } while (cursor !== undefined);
    expect(seen).toEqual([...ids].reverse());
    const failed = await listBuilds(db, projectId, { limit: 3, status: 'failed', target: 'web' });
    expect(failed.rows.map(({ id }) => id)).toEqual([ids[2]]);
    expect(failed.nextCursor).toBeNull();
  });

  it('that should have moved are found', async () => {
    const db = store().open();
    const userId = await someUser(db);
    const projectId = await someProject(db, userId);
    const long = now - 365 * 86_400_000;
    const [waits, hangs, young] = [
      await someBuild(db, projectId, userId, long),
      await someBuild(db, projectId, userId, now),
      await someBuild(db, projectId, userId, now),
    ];
    await move(db, hangs, { status: 'building', startedAt: long });
    await move(db, young, { status: 'building', startedAt: now });
    expect((await stalledBuilds(db, now, 100)).map(({ id }) => id).sort()).toEqual([waits, hangs].sort());
  });
});

onBothEngines('The outbox', (store) => {
  it('gives each promised message to one of many workers, and again when the claim lapses', async () => {
    const db = store().open();
    expect(await oldestOutbox(db, 'builds')).toBeNull();
    const ids = Array.from({ length: 20 }, () => newId());
    const promise = (id: string, queue: OutboxQueue) =>
      db.query('test', (orm) => orm.insert(outbox).values(outboxRow(queue, { id, n: [1] }, now, id)));
    for (const id of ids) await promise(id, 'builds');
    const mail = newId();
    await promise(mail, 'mail');
    expect(await oldestOutbox(db, 'builds')).toBe(now);
    const claims = (
      await Promise.all(Array.from({ length: 5 }, () => claimOutbox(store().open(), 'builds', now)))
    ).flat();
    expect(claims.map(({ id }) => id).sort()).toEqual([...ids].sort());
    for (const claim of claims) expect(claim).toMatchObject({ body: { id: claim.id, n: [1] } });
    expect(await claimOutbox(db, 'builds', now + 1)).toEqual([]);
    for (const id of ids.slice(1)) await settleOutbox(db, id);
    const again = await claimOutbox(db, 'builds', now + limits.outbox.claim + 1);
    expect(again.map(({ id }) => id)).toEqual([ids[0]]);
    expect((await claimOutbox(db, 'mail', now)).map(({ id }) => id)).toEqual([mail]);
  });
});
