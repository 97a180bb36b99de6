import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import type { Asset } from '../../src/contract/assets.ts';
import type { Build } from '../../src/contract/builds.ts';
import { sha256 } from '../../src/core/tree.ts';
import { getTree } from '../../src/data/objects.ts';
import { batch, history, keep, newProject, peopleOfHistory, put, restore, world } from './history-setup.ts';
import { call, database, expectJson, roomStub, uploadAsset } from './support.ts';

peopleOfHistory();

describe('Assets of a checkpoint', () => {
  const upload = (id: string, name: string, text: string): Promise<Asset> => uploadAsset(world.editor, id, name, text);
  const assetsOf = async (id: string, trashed = false): Promise<[string, number, string][]> => {
    const answer = await call('GET', `/api/projects/${id}/assets?trashed=${trashed}`, { as: world.viewer });
    const { assets } = await expectJson<{ assets: Asset[] }>(answer, 200);
    return assets.map(({ name, version, hash }) => [name, version, hash]);
  };
  const remove = async ({ id }: Asset, query = ''): Promise<void> =>
    expect((await call('DELETE', `/api/assets/${id}${query}`, { as: world.owner })).status).toBe(204);

  it('are named, compared, built, and come back with its files; the answer says what does not', async () => {
    const id = await newProject({ 'a.txt': 'then', 'index.html': '<script src="main.js"></script>', 'main.js': '1' });
    const hero = await upload(id, 'hero.txt', 'hero then');
    const gone = await upload(id, 'gone.txt', 'gone');
    const erased = await upload(id, 'erased.txt', 'erased');
    const then = await keep(id, { name: 'Then' });
    expect(then).toMatchObject({ assetCount: 3, assetSize: 19 });
    await batch(id, [put('a.txt', 'now')]);
    await upload(id, 'hero.txt', 'hero now');
    await remove(gone);
    await remove(erased, '?permanent=true');
    const since = await upload(id, 'since.txt', 'since');
    const { checkpoint } = await expectJson<{ checkpoint: { assets: object[] } }>(
      await call('GET', history(id, `/${then.id}`), { as: world.viewer }),
      200,
    );
    const named = ({ id: assetId, name, version, size, hash, mimeType }: Asset) => ({
      assetId,
      name,
      version,
      size,
      hash,
      mimeType,
    });
    const lost = { ...named(erased), size: null, hash: null, mimeType: null };
    expect(checkpoint.assets).toEqual([lost, named(gone), named(hero)]);
    const { assets: diff } = await expectJson<{ assets: object }>(
      await call('GET', history(id, `/${then.id}/diff`), { as: world.viewer }),
      200,
    );
    expect(diff).toEqual({
      added: [named(since)],
      removed: [lost, named(gone)],
      modified: [{ before: named(hero), after: { ...named(hero), version: 2, size: 8, hash: sha256('hero now') } }],
    });
    const answer = await call('POST', '/api/builds', {
      as: world.editor,
      json: { projectId: id, checkpointId: then.id },
    });
    const { build } = await expectJson<{ build: Build }>(answer, 202);
    const manifest = await getTree(env.ASSETS, build.treeHash);
    expect(manifest?.filter(({ path }) => path.startsWith('assets/')).map(({ path, hash }) => [path, hash])).toEqual([
      ['assets/gone.txt', sha256('gone')],
      ['assets/hero.txt', sha256('hero then')],
    ]);

    const before = await assetsOf(id);
    const restored = await restore(id, then.id);
    expect(restored.changed).toBe(1);
    expect(restored.assets).toEqual({
      isPending: false,
      restored: 2,
      trashed: 1,
      missing: [{ assetId: erased.id, name: 'erased.txt', version: 1 }],
    });
    expect(await assetsOf(id)).toEqual([
      ['gone.txt', 1, sha256('gone')],
      ['hero.txt', 3, sha256('hero then')],
    ]);
    expect((await assetsOf(id, true)).map(([name]) => name)).toEqual(['since.txt']);
    // The state before is one to go back to, with its assets.
    expect(restored.checkpoint).toMatchObject({ kind: 'restore', assetCount: 2 });
    await restore(id, restored.checkpoint.id);
    expect((await assetsOf(id)).map(([name, , hash]) => [name, hash])).toEqual(
      before.map(([name, , hash]) => [name, hash]),
    );
    const { activity } = await expectJson<{ activity: { action: string; data: object }[] }>(
      await call('GET', `/api/projects/${id}/activity?action=asset.reverted`, { as: world.owner }),
      200,
    );
    expect(activity.map(({ data }) => data)).toEqual([
      { restored: 2, trashed: 1, missing: 0 },
      { restored: 2, trashed: 1, missing: 1 },
    ]);
    const { events } = await expectJson<{ events: { type: string }[] }>(
      await call('GET', `/api/projects/${id}/events?since=0&type=asset.reverted`, { as: world.viewer }),
      200,
    );
    expect(events).toHaveLength(2);
  });

  it('stay while it names them, and go when it is forgotten; the report says which', async () => {
    const id = await newProject({ a: '1' });
    const first = await upload(id, 'hero.txt', 'one');
    const then = await keep(id);
    for (const text of ['two', 'three', 'four']) await upload(id, 'hero.txt', text);
    const clean = async (dryRun: boolean) =>
      await expectJson<{ versions: { version: number }[] }>(
        await call('POST', `/api/projects/${id}/assets/cleanup`, {
          as: world.owner,
          json: { keep: 1, olderThanDays: 0, dryRun },
        }),
        200,
      );
    const report = await clean(true);
    expect(report).toMatchObject({ count: 2, bytes: 8, kept: { count: 1, bytes: 3 } });
    expect(report.versions.map(({ version }) => version).sort()).toEqual([2, 3]);
    await clean(false);
    const versions = async () => {
      const answer = await call('GET', `/api/assets/${first.id}/versions`, { as: world.viewer });
      return (await expectJson<{ versions: { version: number }[] }>(answer, 200)).versions.map(
        ({ version }) => version,
      );
    };
    expect(await versions()).toEqual([4, 1]);
    expect((await call('DELETE', history(id, `/${then.id}`), { as: world.editor })).status).toBe(204);
    await runInDurableObject(roomStub(id), (_room, state) => {
      state.storage.sql.exec('UPDATE asset_marks_pending SET at = 0');
    });
    await runDurableObjectAlarm(roomStub(id));
    expect(await clean(false)).toMatchObject({ count: 1, bytes: 3, kept: { count: 0, bytes: 0 } });
    expect(await versions()).toEqual([4]);
  });

  it('of a checkpoint from before there were any are left as they are', async () => {
    const id = await newProject({ a: '1' });
    await upload(id, 'hero.txt', 'one');
    const then = await keep(id);
    await runInDurableObject(roomStub(id), (_room, state) => {
      state.storage.sql.exec('UPDATE checkpoints SET asset_state = NULL, asset_count = NULL, asset_size = NULL');
    });
    await database.prepare('DELETE FROM asset_marks WHERE checkpoint_id = ?').bind(then.id).run();
    await upload(id, 'hero.txt', 'two');
    const { checkpoint } = await expectJson<{ checkpoint: object }>(
      await call('GET', history(id, `/${then.id}`), { as: world.viewer }),
      200,
    );
    expect(checkpoint).toMatchObject({ assetCount: null, assetSize: null, assets: null });
    expect((await restore(id, then.id)).assets).toBeNull();
    expect(await assetsOf(id)).toEqual([['hero.txt', 2, sha256('two')]]);
  });
});
