import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type JsonMerge, mergeJson } from '../../../src/core/merge/merge-json.ts';

/** Node → parent, or null. */
type Tree = Readonly<Record<string, string | null>>;

const scene = (tree: Tree, more: object = {}): string =>
  JSON.stringify({ nodes: Object.fromEntries(Object.entries(tree).map(([id, parent]) => [id, { parent, ...more }])) });

function merge(base: string, ours: string, theirs: string): JsonMerge {
  const merged = mergeJson(base, ours, theirs, { isScene: true });
  if (!merged) throw new Error('cannot be merged by field');
  return merged;
}

const trees = (base: Tree, ours: Tree, theirs: Tree): JsonMerge => merge(scene(base), scene(ours), scene(theirs));

const treeIn = (text: string): Tree =>
  Object.fromEntries(
    Object.entries<{ parent: string | null }>(JSON.parse(text).nodes).map(([id, { parent }]) => [id, parent]),
  );

/** Whether every node hangs on one that is there, and none below itself. */
function isForest(tree: Tree): boolean {
  return Object.keys(tree).every((start) => {
    const seen = new Set<string>();
    for (let id: string | null = start; id !== null; id = tree[id] ?? null) {
      if (!Object.hasOwn(tree, id) || seen.has(id)) return false;
      seen.add(id);
    }
    return true;
  });
}

describe('A merge of scenes', () => {
  it('takes new parents that fit to each other', () => {
    const merged = trees(
      { r: null, a: 'r', b: 'r', c: 'r' },
      { r: null, a: 'b', b: 'r', c: 'r' },
      { r: null, a: 'r', b: 'r', c: 'b', d: 'c' },
    );
    expect(merged.fields).toEqual([]);
    expect(treeIn(merged.text)).toEqual({ r: null, a: 'b', b: 'r', c: 'b', d: 'c' });
  });

  it('is in conflict about two nodes that were hung on each other, and keeps those of ours', () => {
    const merged = trees({ r: null, a: 'r', b: 'r' }, { r: null, a: 'b', b: 'r' }, { r: null, a: 'r', b: 'a' });
    expect(merged.fields).toEqual([
      { pointer: '/nodes/a/parent', base: 'r', ours: 'b', theirs: 'r' },
      { pointer: '/nodes/b/parent', base: 'r', ours: 'r', theirs: 'a' },
    ]);
    expect(treeIn(merged.text)).toEqual({ r: null, a: 'b', b: 'r' });
  });

  it('finds a circle of many steps, and merges what is not in it', () => {
    const base = { r: null, a: 'r', b: 'a', c: 'r', d: 'c', e: 'r' };
    const merged = trees(base, { ...base, a: 'd' }, { ...base, c: 'b', e: 'd' });
    expect(merged.fields.map(({ pointer }) => pointer)).toEqual(['/nodes/a/parent', '/nodes/c/parent']);
    expect(treeIn(merged.text)).toEqual({ ...base, a: 'd', e: 'd' });
  });

  it('finds a node that was hung on itself by two moves', () => {
    const merged = trees({ a: null, b: null, c: null }, { a: 'b', b: 'c', c: null }, { a: null, b: null, c: 'a' });
    expect(treeIn(merged.text)).toEqual({ a: 'b', b: 'c', c: null });
    expect(merged.fields).toHaveLength(3);
  });

  it('is in conflict about a new child of a node that ours deleted, and leaves it out', () => {
    const merged = trees({ r: null, a: 'r' }, { r: null }, { r: null, a: 'r', 'b/c': 'a', d: 'b/c' });
    expect(merged.fields).toEqual([
      { pointer: '/nodes/b~1c', theirs: { parent: 'a' } },
      { pointer: '/nodes/d', theirs: { parent: 'b/c' } },
    ]);
    expect(treeIn(merged.text)).toEqual({ r: null });
  });

  it('is in conflict about a node that theirs deleted and ours hung something on, and keeps it', () => {
    const merged = trees({ r: null, a: 'r', b: 'r' }, { r: null, a: 'r', b: 'a' }, { r: null, b: 'r' });
    expect(merged.fields).toEqual([{ pointer: '/nodes/a', base: { parent: 'r' }, ours: { parent: 'r' } }]);
    expect(treeIn(merged.text)).toEqual({ r: null, a: 'r', b: 'a' });
  });

  it('keeps also what a kept node hangs on', () => {
    const merged = trees({ r: null, a: 'r', b: 'a' }, { r: null, a: 'r', b: 'a', c: 'b' }, { r: null });
    expect(merged.fields.map(({ pointer }) => pointer)).toEqual(['/nodes/b', '/nodes/a']);
    expect(treeIn(merged.text)).toEqual({ r: null, a: 'r', b: 'a', c: 'b' });
  });

  it('puts a node that theirs hung on a node that ours deleted back where ours has it', () => {
    const merged = trees({ r: null, a: 'r', b: 'r' }, { r: null, b: 'r' }, { r: null, a: 'r', b: 'a' });
    expect(merged.fields).toEqual([{ pointer: '/nodes/b/parent', base: 'r', ours: 'r', theirs: 'a' }]);
    expect(treeIn(merged.text)).toEqual({ r: null, b: 'r' });
  });

  it('merges the other fields of a node whose parent is in conflict', () => {
    const base = '{"nodes":{"a":{"parent":null,"x":1},"b":{"parent":null}}}';
    const merged = merge(
      base,
      base.replace('"a":{"parent":null', '"a":{"parent":"b"'),
      '{"nodes":{"a":{"parent":null,"x":2},"b":{"parent":"a","y":3}}}',
    );
    expect(merged.text).toBe('{"nodes":{"a":{"parent":"b","x":2},"b":{"parent":null,"y":3}}}');
  });

  it('does not judge what one side had wrong before', () => {
    const base = { a: 'gone', b: 'c', c: 'b', d: null };
    const merged = trees(base, { ...base, d: 'a' }, { ...base, e: 'd' });
    expect(merged.fields).toEqual([]);
    expect(treeIn(merged.text)).toEqual({ ...base, d: 'a', e: 'd' });
  });

  it('asks only scenes: elsewhere "nodes" may mean anything', () => {
    const [base, ours, theirs] = [scene({ a: null, b: null }), scene({ a: 'b', b: null }), scene({ a: null, b: 'a' })];
    expect(mergeJson(base, ours, theirs, { isScene: false })?.fields).toEqual([]);
  });

  it.each([
    ['nodes in a list', '{"nodes":[]}', '{"nodes":[{"id":1,"parent":2}]}', '{"nodes":[]}'],
    ['nodes that are no objects', '{"nodes":{"a":1}}', '{"nodes":{"a":2}}', '{"nodes":{"a":1,"b":[]}}'],
    ['parents that are no texts', '{"nodes":{}}', '{"nodes":{"a":{"parent":{"x":1}}}}', '{"nodes":{"b":{"parent":7}}}'],
    ['no nodes', '{}', '{"a":1}', '{"b":1}'],
    ['no object at all', '1', '1', '[]'],
    [
      'names with a meaning in JavaScript',
      '{"nodes":{}}',
      '{"nodes":{"__proto__":{"parent":null}}}',
      '{"nodes":{"constructor":{"parent":null}}}',
    ],
  ])('bears %s', (_name, base, ours, theirs) => {
    expect(merge(base, ours, theirs).fields).toEqual([]);
  });

  it('ends for a long chain that is turned round on both sides', () => {
    const chain = (step: number): Tree =>
      Object.fromEntries(
        Array.from({ length: 3000 }, (_, index) => [
          `n${index}`,
          index + step < 0 || index + step >= 3000 ? null : `n${index + step}`,
        ]),
      );
    const flat = Object.fromEntries(Array.from({ length: 3000 }, (_, index) => [`n${index}`, null]));
    const merged = trees(flat, chain(1), chain(-1));
    expect(merged.fields).not.toEqual([]);
    expect(isForest(treeIn(merged.text))).toBe(true);
  }, 60_000);

  it('of two forests is a forest, with ours where they disagree, and no conflict that only one side made', () => {
    const ids = ['a', 'b', 'c', 'd', 'e', 'f'];
    /** A parent is always an earlier one of a random order, so there is no circle. */
    const forest = fc
      .tuple(fc.shuffledSubarray(ids, { minLength: 1 }), fc.array(fc.nat(), { minLength: 6, maxLength: 6 }))
      .map(
        ([order, picks]): Tree =>
          Object.fromEntries(order.map((id, index) => [id, order[((picks[index] ?? 0) % (index + 1)) - 1] ?? null])),
      );
    fc.assert(
      fc.property(forest, forest, forest, (base, ours, theirs) => {
        const merged = trees(base, ours, theirs);
        expect(isForest(treeIn(merged.text))).toBe(true);
        expect(trees(base, theirs, ours).fields.length > 0).toBe(merged.fields.length > 0);
        expect(treeIn(trees(base, base, theirs).text)).toEqual(theirs);
        expect(trees(base, ours, base)).toEqual({ text: scene(ours), fields: [] });
        expect(new Set(merged.fields.map(({ pointer }) => pointer)).size).toBe(merged.fields.length);
      }),
      { numRuns: 2000 },
    );
  });
});
