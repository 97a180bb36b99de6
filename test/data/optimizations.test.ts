import pMap from 'p-map';
import { expect, it } from 'vitest';
import { limits } from '../../src/contract/limits.ts';
import { type AssetAt, type AssetContent, addAssetVersion, eraseAsset, versionsOf } from '../../src/data/assets.ts';
import type { Database } from '../../src/data/database.ts';
import {
  beginOptimization,
  createOptimization,
  dueOptimizations,
  endOptimization,
  forgetOptimization,
  latestOptimization,
  newOptimization,
  type OptimizationRow,
  offerOptimization,
  optimizationById,
  optimizedAsset,
  requeueOptimization,
} from '../../src/data/optimizations.ts';
import { eraseProjectRows } from '../../src/data/projects.ts';
import { by, now, someProject, someUser } from './support/rows.ts';
import { onBothEngines } from './support/stores.ts';

const content = (size: number, hash: string): AssetContent => ({
  type: 'image',
  mimeType: 'image/svg+xml',
  objectKey: `blob/${hash}`,
  hash,
  size,
  metadata: {},
});

const { lease, attempts, openPerUser, kept, offered } = limits.optimize;

const rowFor = ({ asset }: AssetAt, userId: string): OptimizationRow =>
  newOptimization(
    {
      projectId: asset.projectId,
      assetId: asset.id,
      version: asset.version,
      userId,
      compressMeshes: true,
      picture: { format: 'webp', quality: 80, maxWidth: 64, maxHeight: null },
    },
    now,
  );

onBothEngines('Optimizations', (store) => {
  let names = 0;
  const someAsset = async (db: Database, project: string, owner: string): Promise<AssetAt> => {
    names += 1;
    return await addAssetVersion(db, project, `drawing-${names}.svg`, content(100, 'a'.repeat(64)), by(owner));
  };

  /** One that is asked for, of an asset of its own. */
  const someOptimization = async () => {
    const db = store().open();
    const owner = await someUser(db);
    const project = await someProject(db, owner);
    const at = await someAsset(db, project, owner);
    const row = rowFor(at, owner);
    await createOptimization(db, row);
    return { db, owner, project, at, row };
  };

  it('are asked for once by those who race, of which each user has so many', async () => {
    const db = store().open();
    const owner = await someUser(db);
    const other = await someUser(db);
    const project = await someProject(db, owner);
    const at = await someAsset(db, project, owner);
    const users = [owner, other, owner, other];
    const asked = await Promise.all(users.map((user) => createOptimization(db, rowFor(at, user))));
    expect(asked.filter((made) => made)).toHaveLength(1);
    expect(await latestOptimization(db, at.asset.id)).toMatchObject({ status: 'queued', compressMeshes: true });
    // A few at a time: each has its own seconds to be answered in, whatever the machine.
    const concurrency = 10;
    const others = Array.from({ length: openPerUser - 1 });
    const rest = await pMap(others, () => someAsset(db, project, owner), { concurrency });
    await pMap(rest, (one) => createOptimization(db, rowFor(one, owner)), { concurrency });
    const more = [await someAsset(db, project, owner), await someAsset(db, project, owner)];
    const over = await Promise.allSettled(more.map((one) => createOptimization(db, rowFor(one, owner))));
    expect(over.at(-1)).toMatchObject({ status: 'rejected', reason: { code: 'quota_exceeded' } });
  });

  it('go on by the attempt that was offered last, and are one version however often they end', async () => {
    const { db, owner, project, at, row } = await someOptimization();
    expect(await beginOptimization(db, row.id, 1, 'a', now)).toBeUndefined();
    for (const attempt of [1, 2])
      expect(await offerOptimization(db, row.id, now, offered)).toMatchObject({ attempt, status: 'queued' });
    expect(await beginOptimization(db, row.id, 1, 'a', now)).toBeUndefined();
    const racing = await Promise.all(
      ['a', 'b', 'c'].map((execution) => beginOptimization(db, row.id, 2, execution, now)),
    );
    const [won] = racing.filter((one) => one !== undefined);
    expect(racing.filter((one) => one !== undefined)).toHaveLength(1);
    expect(won).toMatchObject({ status: 'running', starts: 1, dueAt: now + lease, picture: row.picture });
    expect(await beginOptimization(db, row.id, 2, won?.execution ?? '', now)).toMatchObject({ starts: 1 });
    expect(await optimizedAsset(db, row)).toMatchObject({ asset: { id: at.asset.id } });

    const add = (attempt: number, hash: string) =>
      addAssetVersion(db, project, at.asset.name, content(40, hash.repeat(64)), by(owner), {
        replaces: at.asset,
        optimization: { id: row.id, attempt, savedBytes: 60 },
      });
    await expect(add(1, 'b')).rejects.toMatchObject({ code: 'conflict' });
    const ends = await Promise.allSettled([add(2, 'c'), add(2, 'd')]);
    expect(ends.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(await versionsOf(db, at.asset.id)).toHaveLength(2);
    expect(await optimizationById(db, row.id)).toMatchObject({ status: 'done', savedBytes: 60, errorCode: null });
    expect(await endOptimization(db, { ...row, attempt: 2, status: 'running' }, 'runner_lost', now)).toBe(false);
    expect(await optimizedAsset(db, row)).toBeUndefined();
  });

  it('are tried so often, end, are due, and go with their asset and project', async () => {
    const { db, owner, project, at, row } = await someOptimization();
    for (let start = 1; start <= attempts; start += 1) {
      const offer = await offerOptimization(db, row.id, now, offered);
      const running = await beginOptimization(db, row.id, offer?.attempt ?? 0, 'a', now);
      if (!running) throw new Error('it was offered');
      expect(await requeueOptimization(db, running, now)).toBe(start < attempts);
    }
    const last = await optimizationById(db, row.id);
    if (!last) throw new Error('it is there');
    await forgetOptimization(db, row.id);
    expect(await endOptimization(db, last, 'runner_lost', now)).toBe(true);
    expect(await endOptimization(db, last, null, now)).toBe(false);
    const ended = { id: row.id, status: 'failed', errorCode: 'runner_lost', endedAt: now, dueAt: now + kept };
    expect(await optimizationById(db, row.id)).toMatchObject(ended);
    const mine = async (at: number) => (await dueOptimizations(db, at, 1000)).filter(({ id }) => id === row.id);
    expect(await mine(now + kept - 1)).toEqual([]);
    expect(await mine(now + kept)).toHaveLength(1);
    await forgetOptimization(db, row.id);
    expect(await optimizationById(db, row.id)).toBeUndefined();

    const again = rowFor(at, owner);
    await createOptimization(db, again);
    await eraseAsset(db, at.asset, by(owner));
    expect(await optimizationById(db, again.id)).toBeUndefined();
    const other = await someAsset(db, project, owner);
    const third = rowFor(other, owner);
    await createOptimization(db, third);
    await eraseProjectRows(db, project);
    expect(await optimizationById(db, third.id)).toBeUndefined();
  });
});
