import { eq } from 'drizzle-orm';
import { expect, it } from 'vitest';
import { AssetQuery } from '../../src/contract/assets.ts';
import { newId } from '../../src/contract/ids.ts';
import { limits } from '../../src/contract/limits.ts';
import { assetQuota } from '../../src/data/asset-quota.ts';
import {
  type AssetContent,
  addAssetVersion,
  addAssetVersions,
  adoptAssets,
  allAssets,
  assetById,
  eraseAsset,
  expiredAssets,
  listAssets,
  projectsWithStale,
  removeStale,
  renameAsset,
  setTrashed,
  staleVersions,
  versionOf,
  versionsOf,
} from '../../src/data/assets.ts';
import type { Database } from '../../src/data/database.ts';
import { claimKey, finishKey, type Step } from '../../src/data/idempotency.ts';
import { eraseProjectRows, trashProject } from '../../src/data/projects.ts';
import { assets, assetVersions, idempotencyKeys, projects } from '../../src/data/schema/sqlite.ts';
import { usageOf } from '../../src/data/usage.ts';
import { by, now, someProject, someUser } from './support/rows.ts';
import { onBothEngines } from './support/stores.ts';

const content = (size: number, hash = 'a'.repeat(64)): AssetContent => ({
  type: 'image',
  mimeType: 'image/png',
  objectKey: `blob/${hash}`,
  hash,
  size,
  metadata: { width: 1, note: 'ä' },
});
const query = (fields: Record<string, unknown> = {}) => AssetQuery.parse(fields);

const bytesOf = async (db: Database, id: string): Promise<number | undefined> =>
  (await db.query('test', (orm) => orm.select({ n: projects.assetBytes }).from(projects).where(eq(projects.id, id))))[0]
    ?.n;

onBothEngines('Assets', (store) => {
  it('have versions under one name, however it is written, and their bytes are counted', async () => {
    const db = store().open();
    const owner = await someUser(db);
    const project = await someProject(db, owner);
    const first = await addAssetVersion(db, project, 'Ä.png', content(10), by(owner));
    expect(first).toMatchObject({
      asset: { version: 1, name: 'Ä.png' },
      version: { size: 10, metadata: { note: 'ä' } },
    });
    const second = await addAssetVersion(db, project, 'ä.png', content(20, 'b'.repeat(64)), by(owner));
    expect(second).toMatchObject({ asset: { id: first.asset.id, version: 2, name: 'ä.png' } });
    expect(await bytesOf(db, project)).toBe(30);
    expect((await versionsOf(db, first.asset.id)).map(({ version }) => version)).toEqual([2, 1]);
    expect((await versionOf(db, second.asset, 1))?.version.size).toBe(10);
    expect((await usageOf(db, owner, 0, { used: 0, limit: 250, resetsAt: null })).assetBytes).toMatchObject({
      used: 30,
    });
    await eraseAsset(db, first.asset, by(owner));
    expect(await bytesOf(db, project)).toBe(0);
    expect(await versionsOf(db, first.asset.id)).toEqual([]);
  });

  it('lose old versions that are not among the newest: by a report first, then for good, and with an upload', async () => {
    const db = store().open();
    const owner = await someUser(db);
    const project = await someProject(db, owner);
    const other = await someProject(db, owner);
    const upload = async (name: string, times: number, at: number, into = project) => {
      for (let n = 0; n < times; n += 1)
        await addAssetVersion(db, into, name, content(10 + n), { ...by(owner), now: at });
      return (await allAssets(db, into)).find(({ asset }) => asset.name === name)?.asset.id ?? '';
    };
    const old = now - limits.asset.versionTtl - 1;
    const a = await upload('a.png', 5, old);
    const b = await upload('b.png', 3, now);
    const c = await upload('c.png', 4, old, other);
    const stale = await staleVersions(db, project, 2, now - limits.asset.versionTtl);
    expect(stale.versions.map(({ name, version }) => [name, version.version])).toEqual([
      ['a.png', 3],
      ['a.png', 2],
      ['a.png', 1],
    ]);
    expect(stale).toMatchObject({ count: 3, bytes: 33 });
    // Projects that have such versions, by id, some at a time.
    const both = [project, other].sort();
    const withStale = async (keep: number, after: string, limit: number) =>
      (await projectsWithStale(db, keep, now - limits.asset.versionTtl, after, limit)).filter((id) =>
        both.includes(id),
      );
    expect(await withStale(2, '', 1000)).toEqual(both);
    expect(await withStale(2, both[0] ?? '', 1)).toEqual([both[1]]);
    expect(await withStale(4, '', 1000)).toEqual([project]);
    expect(await withStale(5, '', 1000)).toEqual([]);
    const before = await bytesOf(db, project);
    for (const _time of [1, 2]) await removeStale(db, project, 2, now - limits.asset.versionTtl, by(owner));
    const kept = async (id: string) => (await versionsOf(db, id)).map(({ version }) => version);
    expect([await kept(a), await kept(b), await kept(c)]).toEqual([
      [5, 4],
      [3, 2, 1],
      [4, 3, 2, 1],
    ]);
    expect(await bytesOf(db, project)).toBe((before ?? 0) - 33);
    // The newest stays, however old.
    await removeStale(db, project, 1, now + 1, by(owner));
    expect([await kept(a), await kept(b)]).toEqual([[5], [3]]);

    const many = await upload('many.png', limits.asset.versionsSpared + 3, old);
    expect(await kept(many)).toHaveLength(limits.asset.versionsSpared + 3);
    await upload('many.png', 1, now);
    expect((await kept(many)).at(-1)).toBe(5);
    expect(await kept(many)).toHaveLength(limits.asset.versionsSpared);
  });

  it('are stored once for each step of a request, with what came of it, and not by one whose key was taken over', async () => {
    const db = store().open();
    const owner = await someUser(db);
    const project = await someProject(db, owner);
    const request = { userId: owner, key: newId(), requestHash: 'h', now };
    const claim = async (at: number, requestHash = 'h') => {
      const held = { ...request, requestHash, holder: newId(), now: at };
      return { held, claim: await claimKey(db, held) };
    };
    const steps = (held: typeof request & { holder: string }, name: string): Step => ({ keys: [held], name });
    const two = [
      { name: 'Ä.png', content: content(10) },
      { name: 'a.json', content: { ...content(20), type: 'data', mimeType: 'application/json' } },
    ] as const;
    await addAssetVersion(db, project, 'ä.png', content(7), { ...by(owner), now: now - 5 });
    const first = await claim(now);
    const made = await addAssetVersions(db, project, two, by(owner), { step: steps(first.held, 'two') });
    expect(made.map(({ asset }) => [asset.name, asset.version])).toEqual([
      ['Ä.png', 2],
      ['a.json', 1],
    ]);
    // The one that dies here comes back, when nobody has heard of it for long, with other bytes and at another time.
    const late = now + limits.http.idempotencyLease + 1;
    const again = await claim(late);
    expect(again.claim).toEqual({ outcome: 'first' });
    const others = [two[0], { ...two[1], content: content(99) }] as const;
    const actor = { ...by(owner), now: late };
    expect(await addAssetVersions(db, project, others, actor, { step: steps(again.held, 'two') })).toEqual(made);
    const third = await addAssetVersion(db, project, 'Ä.png', content(3), actor, {
      step: steps(again.held, 'one more'),
    });
    expect(third.asset.version).toBe(3);
    expect(await bytesOf(db, project)).toBe(7 + 10 + 20 + 3);

    const tooLate = addAssetVersion(db, project, 'late.png', content(1), actor, { step: steps(first.held, 'late') });
    await expect(tooLate).rejects.toMatchObject({ code: 'conflict' });
    const another = await claim(late + limits.http.idempotencyLease + 1, 'other');
    const reused = addAssetVersions(db, project, two, actor, { step: steps(another.held, 'two') });
    await expect(reused).rejects.toMatchObject({ code: 'idempotency_key_reused' });
    expect(await listAssets(db, project, query())).toMatchObject({ rows: { length: 2 } });

    // Answered is answered, and after a day the key is as good as new.
    const rows = async () =>
      (
        await db.query('test', (orm) =>
          orm.select({ key: idempotencyKeys.key }).from(idempotencyKeys).where(eq(idempotencyKeys.userId, owner)),
        )
      ).length;
    expect(await rows()).toBe(3);
    await finishKey(db, another.held, { status: 201, body: 'x' });
    expect(await rows()).toBe(1);
    const day = late + 2 * limits.http.idempotencyLease + limits.http.idempotencyTtl;
    const next = await claim(day);
    await addAssetVersions(db, project, two, actor, { step: steps(next.held, 'two') });
    expect(await bytesOf(db, project)).toBe(7 + 10 + 20 + 3 + 30);
    const last = await claim(day + limits.http.idempotencyTtl + 1);
    expect(await rows()).toBe(1);
    await addAssetVersions(db, project, two, actor, { step: steps(last.held, 'two') });
    expect(await bytesOf(db, project)).toBe(7 + 10 + 20 + 3 + 60);
  });

  it('are stored together, or none of them where one has no place', async () => {
    const db = store().open();
    const owner = await someUser(db);
    const project = await someProject(db, owner);
    const half = limits.asset.projectBytes / 2;
    const two = [
      { name: 'one.png', content: content(half) },
      { name: 'two.png', content: content(half + 1) },
    ] as const;
    await expect(addAssetVersions(db, project, two, by(owner))).rejects.toMatchObject({ code: 'quota_exceeded' });
    expect(await bytesOf(db, project)).toBe(0);
    expect(await listAssets(db, project, query())).toMatchObject({ rows: [] });
  });

  it('is made of another as it was: takes its name, or nothing', async () => {
    const db = store().open();
    const owner = await someUser(db);
    const project = await someProject(db, owner);
    const { asset } = await addAssetVersion(db, project, 'old.png', content(10), by(owner));
    const made = await addAssetVersion(db, project, 'new.webp', content(5), by(owner), { replaces: asset });
    expect(made.asset).toMatchObject({ id: asset.id, name: 'new.webp', version: 2 });
    const again = addAssetVersion(db, project, 'newer.webp', content(5), by(owner), { replaces: asset });
    await expect(again).rejects.toMatchObject({ code: 'conflict' });
    await addAssetVersion(db, project, 'other.webp', content(5), by(owner));
    const taken = addAssetVersion(db, project, 'other.webp', content(5), by(owner), { replaces: made.asset });
    await expect(taken).rejects.toMatchObject({ code: 'path_conflict' });
    expect(await assetById(db, asset.id)).toMatchObject({ name: 'new.webp', version: 2 });
    expect(await versionsOf(db, asset.id)).toHaveLength(2);
  });

  it('come by name in pages, by type and part of a name', async () => {
    const db = store().open();
    const owner = await someUser(db);
    const project = await someProject(db, owner);
    for (const name of ['c.png', 'B.png', 'a.png', '%.png'])
      await addAssetVersion(db, project, name, content(1), by(owner));
    await addAssetVersion(db, project, 'd.wav', { ...content(1), type: 'audio' }, by(owner));
    const names: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await listAssets(db, project, query({ limit: 2, cursor }));
      names.push(...page.rows.map(({ asset }) => asset.name));
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    expect(names).toEqual(['%.png', 'a.png', 'B.png', 'c.png', 'd.wav']);
    const named = async (fields: Record<string, unknown>) =>
      (await listAssets(db, project, query(fields))).rows.map(({ asset }) => asset.name);
    expect(await named({ q: '%' })).toEqual(['%.png']);
    expect(await named({ q: 'b.P' })).toEqual(['B.png']);
    expect(await named({ type: 'audio' })).toEqual(['d.wav']);
  });

  it('go to the trash and back, hold their names there, and end after their time', async () => {
    const db = store().open();
    const owner = await someUser(db);
    const project = await someProject(db, owner);
    const [one, two] = [
      await addAssetVersion(db, project, 'one.png', content(1), by(owner)),
      await addAssetVersion(db, project, 'two.png', content(1), by(owner)),
    ];
    await setTrashed(db, one.asset, true, by(owner));
    await setTrashed(db, one.asset, true, { ...by(owner), now: now + 5 });
    expect((await allAssets(db, project)).map(({ asset }) => asset.name)).toEqual(['two.png']);
    await expect(renameAsset(db, two.asset, 'ONE.png', by(owner))).rejects.toMatchObject({ code: 'path_conflict' });
    expect(await renameAsset(db, two.asset, 'Two.png', by(owner))).toBe(true);
    expect((await expiredAssets(db, now + 1, 100)).map(({ id }) => id)).toContain(one.asset.id);
    await setTrashed(db, one.asset, false, by(owner));
    // Somebody took it back while the sweep was on its way.
    await eraseAsset(db, one.asset, by(null), 'trashed');
    expect(await allAssets(db, project)).toHaveLength(2);
  });

  it('#49 never pass the quota of a project or of its owner, whoever races for the last bytes', async () => {
    const db = store().open();
    const owner = await someUser(db);
    const [one, two, three] = [
      await someProject(db, owner),
      await someProject(db, owner),
      await someProject(db, owner),
    ];
    const { projectBytes, userBytes } = limits.asset;
    await addAssetVersion(db, one, 'big.png', content(projectBytes - 100), by(owner));
    await expect(addAssetVersion(db, one, 'more.png', content(101), by(owner))).rejects.toMatchObject({
      code: 'quota_exceeded',
      message: expect.stringContaining('100 are left'),
      quota: { used: projectBytes - 100, limit: projectBytes, left: 100 },
    });
    await addAssetVersion(db, two, 'big.png', content(userBytes - projectBytes - 900), by(owner));
    const race = await Promise.allSettled(
      Array.from({ length: 8 }, (_, n) => {
        const mine = store().open();
        return addAssetVersion(mine, n % 2 ? three : one, `race${n}.png`, content(n % 2 ? 400 : 60), by(owner));
      }),
    );
    expect(race.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(1);
    for (const outcome of race)
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'quota_exceeded' });
    const quota = await assetQuota(db, one);
    expect(quota?.project.used).toBe(projectBytes - 40);
    expect(quota?.owner.used).toBeLessThanOrEqual(userBytes);
    expect(quota?.owner.used).toBeGreaterThan(userBytes - 400);
  });

  it('are given to a new project all at once, within the quota', async () => {
    const db = store().open();
    const owner = await someUser(db);
    const project = await someProject(db, owner);
    const many = Array.from({ length: 1100 }, (_, n) => ({ ...content(3), name: `n${n}.png` }));
    await adoptAssets(db, project, many, by(owner));
    expect(await allAssets(db, project)).toHaveLength(1100);
    expect(await bytesOf(db, project)).toBe(3300);
    expect((await allAssets(db, project))[0]).toMatchObject({
      asset: { name: 'n0.png', version: 1, metadata: { note: 'ä' } },
      version: { version: 1, objectKey: content(3).objectKey, createdBy: owner },
    });
    const other = await someProject(db, owner);
    const large = [{ ...content(limits.asset.projectBytes + 1), name: 'large.png' }];
    await expect(adoptAssets(db, other, large, by(owner))).rejects.toMatchObject({ code: 'quota_exceeded' });
    expect(await allAssets(db, other)).toEqual([]);
  });

  it('are not taken by a project in the trash, and go with a project that is erased', async () => {
    const db = store().open();
    const owner = await someUser(db);
    const project = await someProject(db, owner);
    const { asset } = await addAssetVersion(db, project, 'one.png', content(1), by(owner));
    await trashProject(db, project, by(owner));
    await expect(addAssetVersion(db, project, 'two.png', content(1), by(owner))).rejects.toMatchObject({
      code: 'conflict',
    });
    await eraseProjectRows(db, project);
    expect(await db.query('test', (orm) => orm.select().from(assets).where(eq(assets.id, asset.id)))).toEqual([]);
    expect(
      await db.query('test', (orm) => orm.select().from(assetVersions).where(eq(assetVersions.assetId, asset.id))),
    ).toEqual([]);
  });
});
