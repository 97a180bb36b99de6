import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../../src/contract/limits.ts';
import { type AssetNow, type AssetThen, planAssets } from '../../src/core/asset-restore.ts';
import { foldName } from '../../src/core/asset-types.ts';

const png = 'image/png';
const now = (id: string, name: string, hash: string, more: Partial<AssetNow> = {}): AssetNow => ({
  id,
  name,
  type: 'image',
  version: 1,
  hash,
  mimeType: png,
  isTrashed: false,
  ...more,
});
const then = (assetId: string, name: string, hash: string | null, version = 1): AssetThen => ({
  assetId,
  name,
  version,
  content: hash === null ? null : { hash, mimeType: png, size: 10 },
});

/** What a plan makes of the assets, as the relational store does. */
function apply(assets: readonly AssetNow[], past: readonly AssetThen[]): AssetNow[] {
  const { steps } = planAssets(assets, past);
  return assets.map((asset) => {
    const step = steps.find(({ id }) => id === asset.id);
    if (!step) return asset;
    const source = past.find(({ assetId }) => assetId === asset.id);
    const hash = step.source === 0 ? asset.hash : (source?.content?.hash ?? '');
    return { ...asset, name: step.name, hash, isTrashed: step.isTrashed };
  });
}

describe('A plan for the assets of a checkpoint', () => {
  it('does nothing where everything is so', () => {
    const plan = planAssets(
      [now('a', 'a.png', '1'), now('b', 'b.png', '2', { isTrashed: true })],
      [then('a', 'a.png', '1')],
    );
    expect(plan).toEqual({ steps: [], bytes: 0, restored: 0, trashed: 0, missing: [] });
  });

  it('makes a version only where the bytes differ', () => {
    const plan = planAssets([now('a', 'x.png', '1', { version: 4 })], [then('a', 'a.png', '1', 2)]);
    expect(plan).toMatchObject({ bytes: 0, restored: 1, steps: [{ id: 'a', name: 'a.png', source: 0 }] });
    expect(planAssets([now('a', 'a.png', '2')], [then('a', 'a.png', '1', 7)])).toMatchObject({
      bytes: 10,
      steps: [{ source: 7, isTrashed: false }],
    });
  });

  it('leaves what is gone for good out, and says so', () => {
    const plan = planAssets([now('b', 'b.png', '1')], [then('a', 'a.png', '1', 3), then('b', 'b.png', null, 2)]);
    expect(plan.missing).toEqual([
      { assetId: 'a', name: 'a.png', version: 3 },
      { assetId: 'b', name: 'b.png', version: 2 },
    ]);
    expect(plan).toMatchObject({ restored: 0, trashed: 1 });
  });

  it('moves what stands in the way aside, under a name of its kind that fits', () => {
    const long = `${'ä'.repeat(125)}.png`;
    const id = '0192f0c1-2a3b-7c4d-8e5f-00000000abcd';
    const { steps } = planAssets(
      [now('a', 'b.png', '1'), now(id, long, '2', { isTrashed: true })],
      [then('a', long, '1')],
    );
    const moved = steps.find((step) => step.id === id);
    expect(moved).toMatchObject({ isTrashed: true, source: 0 });
    expect(moved?.name).toMatch(/^ä+~0000abcd\.png$/);
    expect(new TextEncoder().encode(moved?.name).length).toBeLessThanOrEqual(limits.file.segmentBytes);
  });

  it('makes exactly those of then of any assets, each name once, and the same again changes nothing', () => {
    const ids = ['a', 'b', 'c', 'd', 'e'];
    const names = ['1.png', '2.png', '3.png', '4.png', '5.png', 'A.png', 'a.PNG'];
    const distinct = <T extends { readonly name: string }>(list: readonly T[]): T[] => [
      ...new Map(list.map((one) => [foldName(one.name), one])).values(),
    ];
    const some = fc
      .array(
        fc.record({
          id: fc.constantFrom(...ids),
          name: fc.constantFrom(...names),
          hash: fc.constantFrom('x', 'y'),
          isTrashed: fc.boolean(),
          isGone: fc.boolean(),
        }),
        { maxLength: 12 },
      )
      .map((list) => distinct([...new Map(list.map((one) => [one.id, one])).values()]));
    fc.assert(
      fc.property(some, some, (present, past) => {
        const assets = present.map(({ id, name, hash, isTrashed }) => now(id, name, hash, { isTrashed }));
        const marks = past.map(({ id, name, hash, isGone }) => then(id, name, isGone ? null : hash));
        const { missing } = planAssets(assets, marks);
        const after = apply(assets, marks);
        const lost = new Set(missing.map(({ assetId }) => assetId));
        expect(
          after
            .filter(({ isTrashed }) => !isTrashed)
            .map(({ id, name, hash }) => [id, name, hash])
            .sort(),
        ).toEqual(
          marks
            .filter(({ assetId }) => !lost.has(assetId))
            .map(({ assetId, name, content }) => [assetId, name, content?.hash])
            .sort(),
        );
        expect(new Set(after.map(({ name }) => foldName(name))).size).toBe(assets.length);
        expect(planAssets(after, marks)).toMatchObject({ steps: [], bytes: 0 });
      }),
    );
  });
});
