import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bySceneOrder, circles, isScenePath, ordersBetween, rooted, Scene } from '../../../src/contract/scene.ts';

const id = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'gone');
const hierarchy = fc
  .dictionary(fc.constantFrom('a', 'b', 'c', 'd', 'e'), fc.option(id))
  .map((parents) => new Map(Object.entries(parents)));

describe('The rule of hierarchies', () => {
  it('makes a forest of anything, and changes no forest', () => {
    fc.assert(
      fc.property(hierarchy, (given) => {
        const tree = rooted(given);
        expect([...tree.keys()]).toEqual([...given.keys()]);
        expect(circles(tree)).toEqual([]);
        for (const parent of tree.values()) expect(parent === null || tree.has(parent)).toBe(true);
        expect(rooted(tree)).toEqual(tree);
      }),
    );
  });

  it('comes to the same tree whatever order the nodes are read in', () => {
    fc.assert(
      fc.property(hierarchy, (given) => {
        const sorted = (map: Map<string, string | null>) => [...map].sort();
        expect(sorted(rooted(new Map([...given].reverse())))).toEqual(sorted(rooted(given)));
      }),
    );
  });

  it('takes the node with the smallest id out of a circle, and leaves the others on it', () => {
    expect(
      rooted(
        new Map([
          ['c', 'b'],
          ['b', 'a'],
          ['a', 'c'],
          ['d', 'c'],
        ]),
      ),
    ).toEqual(
      new Map([
        ['c', 'b'],
        ['b', 'a'],
        ['a', null],
        ['d', 'c'],
      ]),
    );
  });
});

describe('The order of siblings', () => {
  it('has room between any two neighbours, again and again', () => {
    let [low, high] = ordersBetween(null, null, 2) as [string, string];
    for (let step = 0; step < 200; step += 1) {
      const [middle] = ordersBetween(low, high, 1) as [string];
      expect(low < middle && middle < high).toBe(true);
      if (step % 3 === 0) low = middle;
      else high = middle;
    }
  });

  it('goes by id where two have one place, and finds room where there is none', () => {
    const nodes = [{ id: 'b', order: 'a0' }, { id: 'a', order: 'a0' }, { id: 'c' }];
    expect(nodes.sort(bySceneOrder).map((node) => node.id)).toEqual(['c', 'a', 'b']);
    expect(ordersBetween('a0', 'a0', 1)[0]).toMatch(/^a1/);
    expect(ordersBetween('not an index!', null, 2)).toHaveLength(2);
  });
});

describe('A scene', () => {
  it('is known by its path, and may hold whatever a game puts there', () => {
    expect(['a.scene.json', 'levels/One.SCENE.json'].map(isScenePath)).toEqual([true, true]);
    expect(['scene.json', 'a.scene.json.txt', 'a.json'].map(isScenePath)).toEqual([false, false, false]);
    const scene = { gravity: 3, nodes: { hero: { parent: null, order: 'a0', hp: 5 } } };
    expect(Scene.parse(scene)).toEqual(scene);
    expect(Scene.safeParse({ nodes: { hero: { parent: 5 } } }).success).toBe(false);
    expect(Scene.safeParse({ nodes: [] }).success).toBe(false);
  });
});
