import { eq } from 'drizzle-orm';
import { expect, it } from 'vitest';
import { newId } from '../../src/contract/ids.ts';
import { limits } from '../../src/contract/limits.ts';
import { checkRevert, keepMarks, markAssets, markedAssets, revertAssets } from '../../src/data/asset-marks.ts';
import {
  type AssetContent,
  addAssetVersion,
  adoptAssets,
  allAssets,
  assetById,
  eraseAsset,
  expiredAssets,
  projectsWithStale,
  removeStale,
  renameAsset,
  setTrashed,
  staleVersions,
  versionsOf,
} from '../../src/data/assets.ts';
import type { Database } from '../../src/data/database.ts';
import { eraseProjectRows } from '../../src/data/projects.ts';
import { assetMarks, assetSpans, auditLog, projects } from '../../src/data/schema/sqlite.ts';
import { by, now, someProject, someUser } from './support/rows.ts';
import { onBothEngines } from './support/stores.ts';

const content = (text: string, size = 10): AssetContent => ({
  type: 'image',
  mimeType: 'image/png',
  objectKey: `blob/${text}`,
  hash: text.padEnd(64, '0'),
  size,
  metadata: { note: text },
});

const spans = async (db: Database, project: string): Promise<number> =>
  (await db.query('test', (orm) => orm.select().from(assetSpans).where(eq(assetSpans.projectId, project)))).length;

onBothEngines('Assets of checkpoints', (store) => {
  /** A project, and what is done to it again and again. */
  async function bench() {
    const db = store().open();
    const owner = await someUser(db);
    const project = await someProject(db, owner);
    let state = 0;
    return {
      db,
      owner,
      project,
      upload: async (name: string, text: string, at = now) =>
        (await addAssetVersion(db, project, name, content(text), { ...by(owner), now: at })).asset,
      mark: async (unless: number | null = null) => {
        const checkpointId = newId();
        state += 1;
        return { ...(await markAssets(db, project, { checkpointId, state, unless })), id: checkpointId };
      },
      named: async (id: string) =>
        (await markedAssets(db, project, id))?.map(({ name, version, content: held }) => [
          name,
          version,
          held?.objectKey ?? null,
        ]) ?? null,
      current: async () =>
        (await allAssets(db, project)).map(({ asset, version }) => [asset.name, version.objectKey, version.version]),
      revert: (checkpointId: string, id = newId(), at = now) =>
        revertAssets(db, project, { id, checkpointId }, { ...by(owner), now: at }),
      bytes: async () =>
        (await db.query('test', (orm) => orm.select().from(projects).where(eq(projects.id, project))))[0]?.assetBytes,
    };
  }

  it('are named as they were: each checkpoint costs what changed, and one without a change nothing', async () => {
    const { db, project, upload, mark, named, owner } = await bench();
    const empty = await mark();
    expect(empty).toMatchObject({ count: 0, size: 0, isNew: true });
    const a = await upload('a.png', 'a1');
    const b = await upload('b.png', 'b1');
    const first = await mark();
    expect(first).toMatchObject({ count: 2, size: 20, isNew: true });
    expect(await mark(first.state)).toMatchObject({ state: first.state, isNew: false, count: 2 });
    await upload('a.png', 'a2');
    await renameAsset(db, b, 'c.png', by(owner));
    const second = await mark(first.state);
    expect(second).toMatchObject({ count: 2, isNew: true });
    await setTrashed(db, a, true, by(owner));
    const third = await mark();
    expect(third).toMatchObject({ count: 1, size: 10 });
    expect(await named(empty.id)).toEqual([]);
    expect(await named(first.id)).toEqual([
      ['a.png', 1, 'blob/a1'],
      ['b.png', 1, 'blob/b1'],
    ]);
    expect(await named(second.id)).toEqual([
      ['a.png', 2, 'blob/a2'],
      ['c.png', 1, 'blob/b1'],
    ]);
    expect(await named(third.id)).toEqual([['c.png', 1, 'blob/b1']]);
    expect(await named(newId())).toBeNull();
    // a1, b under two names, a2: not six rows for five names.
    expect(await spans(db, project)).toBe(4);
  });

  it('have states in an order: one that comes late does not change those before it', async () => {
    const { db, project, upload, named } = await bench();
    await upload('a.png', 'a1');
    const [early, late] = [newId(), newId()];
    expect(await markAssets(db, project, { checkpointId: late, state: 50, unless: null })).toMatchObject({ state: 50 });
    await upload('a.png', 'a2');
    const made = await markAssets(db, project, { checkpointId: early, state: 20, unless: null });
    expect(made.state).toBeGreaterThan(50);
    expect(await named(late)).toEqual([['a.png', 1, 'blob/a1']]);
    expect(await named(early)).toEqual([['a.png', 2, 'blob/a2']]);
    // Of a project that is gone nothing is kept.
    await expect(markAssets(db, newId(), { checkpointId: newId(), state: 1, unless: null })).rejects.toMatchObject({
      code: 'unavailable',
    });
  });

  it('stay as long as a checkpoint names them: over uploads, the daily clean-up, and the trash', async () => {
    const { db, project, owner, upload, mark, named, bytes } = await bench();
    const old = now - limits.asset.versionTtl - 1;
    const asset = await upload('a.png', 'v1', old);
    const kept = await mark();
    for (let n = 2; n <= limits.asset.versionsKept + 5; n += 1) await upload('a.png', `v${n}`, old);
    const numbers = async () => (await versionsOf(db, asset.id)).map(({ version }) => version);
    expect(await numbers()).toContain(1);
    expect(await numbers()).not.toContain(2);
    const before = now - limits.asset.versionTtl;
    expect(await staleVersions(db, project, 2, before)).toMatchObject({ kept: { count: 1, bytes: 10 } });
    await removeStale(db, project, 2, before, by(owner));
    const newest = limits.asset.versionsKept + 5;
    expect(await numbers()).toEqual([newest, newest - 1, 1]);
    // They count as every version does.
    expect(await bytes()).toBe(30);
    expect(await staleVersions(db, project, 2, before)).toMatchObject({ count: 0, kept: { count: 1, bytes: 10 } });
    expect(await projectsWithStale(db, 2, before, '', 1000)).toContain(project);
    await setTrashed(db, asset, true, { ...by(owner), now: old });
    const expired = async () => (await expiredAssets(db, now, 1000)).some(({ id }) => id === asset.id);
    expect(await expired()).toBe(false);
    // Forgotten with the last checkpoint that names it, not before.
    const other = await mark();
    await keepMarks(db, project, [kept.id]);
    expect([await named(other.id), await expired()]).toEqual([null, false]);
    for (const _time of [1, 2]) await keepMarks(db, project, []);
    expect([await named(kept.id), await spans(db, project), await expired()]).toEqual([null, 0, true]);
    await removeStale(db, project, 2, before, by(owner));
    expect(await numbers()).toEqual([newest, newest - 1]);
  });

  it('come back as new versions, under their names, out of the trash; what came since goes there', async () => {
    const { db, owner, project, upload, mark, current, revert, bytes } = await bench();
    const hero = await upload('hero.png', 'hero1');
    const same = await upload('same.png', 'same1');
    const gone = await upload('gone.png', 'gone1');
    const erased = await upload('erased.png', 'erased1');
    const first = await mark();
    await upload('hero.png', 'hero2');
    await renameAsset(db, hero, 'old-hero.png', by(owner));
    await renameAsset(db, same, 'moved.png', by(owner));
    // Names changed hands.
    const usurper = await upload('hero.png', 'usurper');
    await setTrashed(db, gone, true, by(owner));
    await eraseAsset(db, erased, by(owner));
    const since = await upload('since.png', 'since');
    const second = await mark();
    const id = newId();
    const done = { restored: 3, trashed: 2, missing: [{ assetId: erased.id, name: 'erased.png', version: 1 }] };
    expect(await revert(first.id, id)).toEqual(done);
    const then = [
      ['gone.png', 'blob/gone1', 1],
      ['hero.png', 'blob/hero1', 3],
      ['same.png', 'blob/same1', 1],
    ];
    expect(await current()).toEqual(then);
    expect((await versionsOf(db, hero.id)).map(({ objectKey }) => objectKey)).toEqual([
      'blob/hero1',
      'blob/hero2',
      'blob/hero1',
    ]);
    expect(await assetById(db, since.id)).toMatchObject({ name: 'since.png', deletedAt: now });
    const aside = await assetById(db, usurper.id);
    expect(aside).toMatchObject({ name: `hero~${usurper.id.slice(-8)}.png`, deletedAt: now });
    // hero 3, same, gone, usurper and since 1 each.
    expect(await bytes()).toBe(70);
    // Once, however often it is asked for.
    await upload('hero.png', 'hero4');
    expect(await revert(first.id, id, now + 1)).toMatchObject({ restored: 3, trashed: 2 });
    expect(await current()).toEqual([then[0], ['hero.png', 'blob/hero4', 4], then[2]]);
    // And back again.
    expect(await revert(second.id)).toMatchObject({ restored: 4, trashed: 1, missing: [] });
    expect((await current()).map(([name, key]) => [name, key])).toEqual([
      ['hero.png', 'blob/usurper'],
      ['moved.png', 'blob/same1'],
      ['old-hero.png', 'blob/hero2'],
      ['since.png', 'blob/since'],
    ]);
    expect(await revert(second.id)).toEqual({ restored: 0, trashed: 0, missing: [] });
    expect(await revert(newId())).toBeNull();
    const entries = await db.query('test', (orm) => orm.select().from(auditLog).where(eq(auditLog.projectId, project)));
    expect(entries.filter(({ action }) => action === 'asset.reverted').map(({ data }) => data)).toEqual([
      { restored: 3, trashed: 2, missing: 1 },
      { restored: 4, trashed: 1, missing: 0 },
    ]);
  });

  it('need a place for what comes back', async () => {
    const { db, owner, project, upload, mark } = await bench();
    const large = { ...content('large'), size: limits.asset.projectBytes / 2 };
    await addAssetVersion(db, project, 'a.bin', large, by(owner));
    const first = await mark();
    await checkRevert(db, project, first.id);
    await upload('a.bin', 'small');
    await expect(checkRevert(db, project, first.id)).rejects.toMatchObject({ code: 'quota_exceeded' });
    await checkRevert(db, project, newId());
  });

  it('are as many as a project may have, all at once', async () => {
    const { db, owner, project, mark, revert, current } = await bench();
    const many = Array.from({ length: limits.asset.perProject }, (_, n) => ({ ...content(`${n}`), name: `${n}.png` }));
    await adoptAssets(db, project, many, by(owner));
    const first = await mark();
    expect(first).toMatchObject({ count: many.length });
    // Some are in the trash by now, and one is another.
    const list = await allAssets(db, project);
    await Promise.all(list.slice(0, 20).map(({ asset }) => setTrashed(db, asset, true, by(owner))));
    await addAssetVersion(db, project, list[30]?.asset.name ?? '', content('new'), by(owner));
    expect(await revert(first.id)).toEqual({ restored: 21, trashed: 0, missing: [] });
    expect(await current()).toHaveLength(many.length);
  });

  it('go with their project', async () => {
    const { db, project, upload, mark } = await bench();
    await upload('a.png', 'a');
    await mark();
    await eraseProjectRows(db, project);
    expect(await spans(db, project)).toBe(0);
    const left = await db.query('test', (orm) =>
      orm.select().from(assetMarks).where(eq(assetMarks.projectId, project)),
    );
    expect(left).toEqual([]);
  });
});
