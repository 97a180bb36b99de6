import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as Y from 'yjs';
import { limits } from '../../../src/contract/limits.ts';
import { canonicalText } from '../../../src/core/canonical-json.ts';
import { begin, formOf, issuesOf, layout, mend, reform, textOf, write } from '../../../src/core/scene/document.ts';
import { readScene } from '../../../src/core/scene/read.ts';

const path = 'a.scene.json';

const open = (value: unknown, at = path): Y.Doc => {
  const doc = new Y.Doc();
  begin(doc, at, typeof value === 'string' ? value : JSON.stringify(value));
  return doc;
};
const sceneOf = (doc: Y.Doc): unknown => JSON.parse(textOf(doc, path));
const nodesOf = (doc: Y.Doc): Y.Map<Y.Map<unknown>> => doc.getMap('root').get('nodes') as Y.Map<Y.Map<unknown>>;

/** The same history on another machine. */
function fork(doc: Y.Doc): Y.Doc {
  const copy = new Y.Doc();
  Y.applyUpdate(copy, Y.encodeStateAsUpdate(doc));
  return copy;
}
function meet(a: Y.Doc, b: Y.Doc): void {
  const [fromA, fromB] = [Y.encodeStateAsUpdate(a), Y.encodeStateAsUpdate(b)];
  Y.applyUpdate(a, fromB);
  Y.applyUpdate(b, fromA);
  expect(textOf(a, path)).toBe(textOf(b, path));
}

const key = fc.constantFrom('a', 'b', 'x', '10', '9', 'ü', 'constructor', '');
const leaf = fc.oneof(
  fc.constantFrom(null, true, false, '', 'text', '😀', 0, -1.5, 1e21),
  fc.integer({ min: -1000, max: 1000 }),
);
const value: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(key, tie('value'), { maxKeys: 4 }),
  ),
})).value;
const scene = fc.record({
  nodes: fc.dictionary(fc.constantFrom('n1', 'n2', 'n3', 'n4'), fc.dictionary(key, value, { maxKeys: 4 })),
  settings: fc.dictionary(key, value, { maxKeys: 3 }),
});

describe('A scene as a live document', () => {
  it('reads back as canonical JSON, and becomes whatever is written into it', () => {
    fc.assert(
      fc.property(fc.array(scene, { minLength: 1, maxLength: 4 }), (scenes) => {
        const doc = open(scenes[0]);
        for (const next of scenes) {
          write(doc, path, JSON.stringify(next), 'somebody');
          expect(textOf(doc, path)).toBe(canonicalText(next));
          expect(issuesOf(doc, path).filter(({ message }) => message.includes('JSON'))).toEqual([]);
        }
        // Opening what was materialised makes the same document.
        expect(textOf(open(textOf(doc, path)), path)).toBe(textOf(doc, path));
      }),
    );
  });

  it('is not changed by what it says already, however that is laid out', () => {
    fc.assert(
      fc.property(scene, (given) => {
        const doc = open(given);
        let updates = 0;
        doc.on('update', () => {
          updates += 1;
        });
        write(doc, path, JSON.stringify(given, null, 7), 'somebody');
        expect(updates).toBe(0);
        expect(layout(doc, path, JSON.stringify(given))).toBe(JSON.stringify(given));
      }),
    );
  });

  it('keeps what a person does to one field while another writes the file with another field changed', () => {
    fc.assert(
      fc.property(scene, value, leaf, (given, mine, theirs) => {
        const before = { ...given, nodes: { ...given.nodes, hero: { hp: 1, transform: { x: 0, y: 0 } } } };
        const a = open(before);
        const b = fork(a);
        (nodesOf(a).get('hero')?.get('transform') as Y.Map<unknown> | undefined)?.set('x', { mine });
        const written = structuredClone(before);
        written.nodes.hero.hp = theirs as number;
        written.nodes.hero.transform.y = 5;
        write(b, path, JSON.stringify(written), 'rest');
        meet(a, b);
        expect(sceneOf(a)).toEqual({
          ...before,
          nodes: { ...before.nodes, hero: { hp: theirs, transform: { x: { mine }, y: 5 } } },
        });
      }),
    );
  });

  it('moves a node while another edits it, and loses neither', () => {
    const before = { nodes: { a: { parent: null }, b: { parent: null }, c: { parent: 'a', hp: 1 } } };
    const a = open(before);
    const b = fork(a);
    write(a, path, JSON.stringify({ nodes: { ...before.nodes, c: { parent: 'b', order: 'a1', hp: 1 } } }), 'a');
    nodesOf(b).get('c')?.set('hp', 2);
    meet(a, b);
    expect(sceneOf(a)).toEqual({ nodes: { ...before.nodes, c: { parent: 'b', order: 'a1', hp: 2 } } });
  });

  it('changes a shared list of a client by what is different in it', () => {
    const doc = open({});
    doc.getMap('root').set('list', Y.Array.from([1, 2, 3, 4]));
    const other = fork(doc);
    (other.getMap('root').get('list') as Y.Array<number>).push([5]);
    write(doc, path, '{"list":[1,9,3,4]}', 'rest');
    meet(doc, other);
    expect(sceneOf(doc)).toEqual({ list: [1, 9, 3, 4, 5] });
  });

  it('changes a shared text of a client by what is different in it', () => {
    const doc = open({});
    doc.getMap('root').set('title', new Y.Text('one two'));
    const other = fork(doc);
    (other.getMap('root').get('title') as Y.Text).insert(7, '!');
    write(doc, path, '{"title":"ONE two"}', 'rest');
    meet(doc, other);
    expect(sceneOf(doc)).toEqual({ title: 'ONE two!' });
  });

  it('takes apart, in the same way for everybody, what two moves made a circle', () => {
    const a = open({ nodes: { a: { parent: null }, b: { parent: null }, c: { parent: 'a' } } });
    const b = fork(a);
    nodesOf(a).get('a')?.set('parent', 'b');
    nodesOf(b).get('b')?.set('parent', 'a');
    meet(a, b);
    expect(mend(a, path)).toBe(true);
    expect(mend(b, path)).toBe(true);
    meet(a, b);
    expect(sceneOf(a)).toEqual({ nodes: { a: { parent: null }, b: { parent: 'a' }, c: { parent: 'a' } } });
    expect(mend(a, path)).toBe(false);
  });

  it('says what does not fit, and loses nothing of it', () => {
    const odd = { nodes: { a: { parent: 7 }, b: { parent: 'gone' }, c: 'no node' } };
    const doc = open(odd);
    expect(sceneOf(doc)).toEqual(odd);
    expect(issuesOf(doc, path).map(({ pointer }) => pointer)).toEqual([
      '/nodes/a/parent',
      '/nodes/c',
      '/nodes/b/parent',
    ]);
    doc.getMap('root').set('bytes', new Uint8Array(3));
    doc.getMap('root').set('nan', Number.NaN);
    expect(sceneOf(doc)).toEqual(odd);
    expect(issuesOf(doc, path).map(({ pointer }) => pointer)).toEqual(expect.arrayContaining(['/bytes', '/nan']));
    write(doc, path, '{"nodes":{}}', 'rest');
    expect(issuesOf(doc, path)).toEqual([]);
  });

  it('is read whatever a client nests, and no deeper than a file may be', () => {
    const doc = open({});
    let map = doc.getMap<unknown>('root');
    for (let depth = 0; depth < 3 * limits.scene.depth; depth += 1) {
      const inner = new Y.Map<unknown>();
      map.set('deeper', inner);
      map = inner;
    }
    expect(readScene(textOf(doc, path))).toMatchObject({ isScene: true });
    expect(issuesOf(doc, path)[0]?.message).toContain('nested deeper');
  });
});

describe('The form of a document', () => {
  it.each([
    ['not JSON', '{"nodes": {'],
    ['a list', '[1]'],
    ['a key twice', '{"a":1,"a":2}'],
    ['a number that no double holds', '{"a":12345678901234567890}'],
    ['a prototype', '{"a":[{"__proto__":{"x":1}}]}'],
    ['half of a character', '{"a":"\\ud800"}'],
    ['too deep', `${'{"a":'.repeat(40)}1${'}'.repeat(40)}`],
    ['a byte-order mark', '\uFEFF{}'],
    ['too large when it is laid out', JSON.stringify({ a: Array.from({ length: 300_000 }, () => 1) })],
  ])('is text for a scene file with %s, byte for byte, and says why', (_, text) => {
    const doc = open(text);
    expect(formOf(doc, path)).toBe('text');
    expect(textOf(doc, path)).toBe(text);
    expect(issuesOf(doc, path)).toHaveLength(1);
    expect(reform(doc, path)).toBe(false);
  });

  it('is scene for an empty file, and text for every other path', () => {
    expect(formOf(open(''), path)).toBe('scene');
    expect(textOf(open(' \n'), path)).toBe('{}\n');
    const plain = open('{"a":1}', 'a.json');
    expect(formOf(plain, 'a.json')).toBe('text');
    expect(textOf(plain, 'a.json')).toBe('{"a":1}');
  });

  it('follows the name once nobody has it open: from text to scene and back', () => {
    const doc = open('{ "b": 1, "a": {} }', 'level.txt');
    // Whoever has it open goes on with text.
    expect(formOf(doc, path)).toBe('text');
    expect(issuesOf(doc, path)).toHaveLength(1);
    expect(reform(doc, path)).toBe(true);
    expect(doc.getMap('root').toJSON()).toEqual({ a: {}, b: 1 });
    expect(textOf(doc, path)).toBe('{\n  "a": {},\n  "b": 1\n}\n');
    expect(reform(doc, path)).toBe(false);
    const text = textOf(doc, path);
    expect(textOf(doc, 'level.txt')).toBe(text);
    expect(reform(doc, 'level.txt')).toBe(true);
    expect(doc.getText('content').toString()).toBe(text);
    expect(doc.getMap('root').size).toBe(0);
  });

  it('becomes text at once when something else is written into it, and scene again when it is mended', () => {
    const doc = open({ nodes: { a: {} } });
    write(doc, path, '<<<<<<< merge', 'rest');
    expect(textOf(doc, path)).toBe('<<<<<<< merge');
    write(doc, path, '{"nodes":{}}', 'rest');
    expect(formOf(doc, path)).toBe('text');
    expect(reform(doc, path)).toBe(true);
    expect(textOf(doc, path)).toBe('{\n  "nodes": {}\n}\n');
  });

  it('tells of text that somebody typed into it before it was a scene', () => {
    const doc = open('{}', 'level.txt');
    const offline = fork(doc);
    offline.getText('content').insert(0, '// ');
    reform(doc, path);
    Y.applyUpdate(doc, Y.encodeStateAsUpdate(offline));
    expect(formOf(doc, path)).toBe('scene');
    expect(issuesOf(doc, path)[0]?.message).toContain('typed');
  });
});
