import { afterEach, describe, expect, it } from 'vitest';
import * as Y from 'yjs';
import type { RoomDocument } from '../../../src/client/document.ts';
import { type SceneBranch, SceneDocument } from '../../../src/client/scene.ts';
import { importExample } from '../../support/examples.ts';

const opened: SceneDocument[] = [];
afterEach(() => {
  for (const scene of opened.splice(0)) scene.destroy();
});

/** Two people's copies of one scene, and what brings them to the same state. */
function pair(): [SceneDocument, SceneDocument, () => void] {
  const [left, right] = [new Y.Doc(), new Y.Doc()];
  const scenes = [new SceneDocument({ doc: left }), new SceneDocument({ doc: right })] as const;
  opened.push(...scenes);
  const meet = () => {
    const [fromLeft, fromRight] = [Y.encodeStateAsUpdate(left), Y.encodeStateAsUpdate(right)];
    Y.applyUpdate(right, fromLeft);
    Y.applyUpdate(left, fromRight);
  };
  return [...scenes, meet];
}

const names = (tree: readonly SceneBranch[]): unknown[] =>
  tree.map(({ value, children }) => (children.length === 0 ? value.name : [value.name, names(children)]));

describe('a scene of the client', () => {
  it('keeps two fields of one object that two people change at one time', () => {
    const [ada, grace, meet] = pair();
    const lamp = ada.add({ name: 'Lamp', position: { x: 0, y: 0 } });
    meet();
    ada.set(lamp, ['position', 'x'], 1);
    grace.set(lamp, ['position', 'y'], 2);
    grace.set(lamp, 'name', 'Lantern');
    meet();
    for (const scene of [ada, grace])
      expect(scene.node(lamp)).toMatchObject({ name: 'Lantern', position: { x: 1, y: 2 } });
  });

  it('loses neither the move of a node nor its edit', () => {
    const [ada, grace, meet] = pair();
    const [house, lamp] = [ada.add({ name: 'House' }), ada.add({ name: 'Lamp' })];
    meet();
    ada.move(lamp, house);
    grace.set(lamp, 'name', 'Lantern');
    meet();
    expect(names(ada.tree())).toEqual([['House', ['Lantern']]]);
    expect(ada.tree()).toEqual(grace.tree());
  });

  it('puts nodes before others, and at the end', () => {
    const [ada] = pair();
    const [a, b, c] = ['a', 'b', 'c'].map((name) => ada.add({ name })) as [string, string, string];
    ada.move(c, null, a);
    ada.move(a, null);
    expect(names(ada.tree())).toEqual(['c', 'b', 'a']);
    ada.move(b, null, c);
    expect(names(ada.tree())).toEqual(['b', 'c', 'a']);
  });

  it('does not hang a node on itself or on what hangs on it', () => {
    const [ada] = pair();
    const house = ada.add({ name: 'House' });
    const lamp = ada.add({ name: 'Lamp' }, house);
    expect(ada.move(house, lamp)).toBe(false);
    expect(ada.move(house, house)).toBe(false);
    expect(names(ada.tree())).toEqual([['House', ['Lamp']]]);
  });

  it('is one tree for both after two moves that make a circle', () => {
    const [ada, grace, meet] = pair();
    const [a, b] = [ada.add({ name: 'a' }), ada.add({ name: 'b' })];
    meet();
    ada.move(a, b);
    grace.move(b, a);
    meet();
    expect(ada.tree()).toEqual(grace.tree());
    expect(names(ada.tree())).toEqual([['a', ['b']]]);
  });

  it('removes a node with what hangs on it', () => {
    const [ada] = pair();
    const house = ada.add({ name: 'House' });
    ada.add({ name: 'Lamp' }, ada.add({ name: 'Floor' }, house));
    const tree = ada.add({ name: 'Tree' });
    ada.remove(house);
    expect(ada.ids).toEqual([tree]);
  });

  it('takes back what was done through it and nothing of others', () => {
    const [ada, grace, meet] = pair();
    const lamp = ada.add({ name: 'Lamp', x: 0 });
    meet();
    ada.set(lamp, 'x', 1);
    grace.set(lamp, 'name', 'Lantern');
    meet();
    ada.undoManager.undo();
    expect(ada.node(lamp)).toMatchObject({ x: 0, name: 'Lantern' });
    expect(grace.undoManager.canUndo()).toBe(true);
  });

  it('takes back one step at a time, however fast they came, and a drag as one', () => {
    const [ada] = pair();
    const floor = ada.add({ name: 'Floor' });
    const lamp = ada.add({ name: 'Lamp', position: { x: 0, y: 0 } });
    ada.set(lamp, 'name', 'Lantern');
    for (let at = 1; at <= 3; at += 1) {
      ada.set(lamp, ['position', 'x'], at);
      ada.set(lamp, ['position', 'y'], at);
    }
    ada.move(lamp, floor);
    const seen: unknown[] = [];
    while (ada.undoManager.undo() !== null) seen.push(ada.node(lamp));
    expect(seen).toMatchObject([
      { name: 'Lantern', position: { x: 3, y: 3 }, parent: null },
      { name: 'Lantern', position: { x: 0, y: 0 } },
      { name: 'Lamp' },
      // Added, and last of all the floor.
      undefined,
      undefined,
    ]);
    expect(seen).toHaveLength(5);
  });

  it('makes objects on the way to a field, and removes a field', () => {
    const [ada] = pair();
    const lamp = ada.add({ name: 'Lamp' });
    ada.set(lamp, ['light', 'color', 'r'], 255);
    ada.set(lamp, 'name', undefined);
    expect(ada.node(lamp)).toMatchObject({ light: { color: { r: 255 } } });
    expect(ada.node(lamp)).not.toHaveProperty('name');
  });

  it('is what the example of the guide opens', async () => {
    type Example = {
      openScene(
        document: Pick<RoomDocument, 'doc'>,
        show: (tree: readonly SceneBranch[]) => void,
      ): {
        scene: SceneDocument;
        addLamp(room: string | null): string;
        lift(node: string, y: number): void;
        undo(): void;
        close(): void;
      };
    };
    const { openScene } = await importExample<Example>('editors', 'scene');
    let shown: readonly SceneBranch[] = [];
    const opened = openScene({ doc: new Y.Doc() }, (tree) => {
      shown = tree;
    });
    const room = opened.scene.add({ name: 'Room' });
    const lamp = opened.addLamp(room);
    opened.lift(lamp, 5);
    expect(names(shown)).toEqual([['Room', ['Lamp']]]);
    expect(opened.scene.node(lamp)).toMatchObject({ position: { x: 0, y: 5 } });
    opened.close();
  });
});
