import fc from 'fast-check';
import * as encoding from 'lib0/encoding';
import { describe, expect, it, vi } from 'vitest';
import * as Y from 'yjs';
import { limits } from '../../../src/contract/limits.ts';
import { extrasIn, sizeOfUpdate, structsAddedBy, structsIn } from '../../../src/durable-objects/room/update-size.ts';
import { world, worldPerTest, write } from '../support/room-setup.ts';
import { frameOf, ids, step2, updateOf } from '../support/room-world.ts';

const { documentItems, vectorBytes } = limits.room;

const value = fc.jsonValue({ maxDepth: 3 });
/** What somebody does, where (of 1,000), with how much or what. */
const edit = fc.tuple(
  fc.nat(2),
  fc.constantFrom('type', 'delete', 'set', 'unset', 'list', 'format', 'embed', 'nest'),
  fc.nat(999),
  value,
);
const edits = fc.array(edit, { maxLength: 40 });
type Edits = readonly (readonly [number, string, number, unknown])[];

/** One byte of UTF-8, two, three, and two units of UTF-16. */
const letters = ['e', 'é', '€', '😀'] as const;

function change(doc: Y.Doc, [, kind, place, given]: Edits[number]): void {
  const text = doc.getText('content');
  const at = Math.floor((place / 1000) * (text.length + 1));
  const map = doc.getMap<unknown>('root');
  const list = doc.getArray<unknown>('list');
  if (kind === 'type') text.insert(at, (letters[place % letters.length] as string).repeat(1 + (place % 5)));
  else if (kind === 'delete') text.delete(at, Math.min(1 + (place % 5), text.length - at));
  else if (kind === 'set') map.set(`k${place % 7}`, given);
  else if (kind === 'unset') map.delete(`k${place % 7}`);
  else if (kind === 'list') list.insert(place % (list.length + 1), [given, place]);
  else if (kind === 'format') text.format(0, at, { bold: given });
  else if (kind === 'embed') text.insertEmbed(at, { given });
  else map.set(`k${place % 7}`, place % 2 ? new Y.Map([['inner', given]]) : new Y.XmlElement('x'));
}

/** Three people who hear of each other now and then, and the last of what they did. */
function made(list: Edits): Y.Doc {
  const people = [11, 22, 33].map((clientID) => Object.assign(new Y.Doc(), { clientID }));
  for (const one of list) {
    const doc = people[one[0]] as Y.Doc;
    if (one[2] % 3 === 0)
      for (const other of people)
        if (other !== doc) Y.applyUpdate(doc, Y.encodeStateAsUpdate(other, Y.encodeStateVector(doc)));
    change(doc, one);
  }
  const server = new Y.Doc();
  for (const doc of people) Y.applyUpdate(server, Y.encodeStateAsUpdate(doc));
  return server;
}

const rangesOf = (update: Uint8Array): number =>
  [...Y.decodeUpdate(update).ds.clients.values()].reduce((sum, ranges) => sum + ranges.length, 0);

const outcome = (work: () => unknown): 'read' | 'refused' => {
  try {
    work();
    return 'read';
  } catch {
    return 'refused';
  }
};

describe('[R3] What an update holds', () => {
  it('[R3] is counted as Yjs decodes it, and as a document of it has it', () => {
    fc.assert(
      fc.property(edits, (list) => {
        const doc = made(list);
        const update = Y.encodeStateAsUpdate(doc);
        const size = sizeOfUpdate(update);
        expect(size.structs).toBe(Y.decodeUpdate(update).structs.length);
        expect(size.ranges).toBe(rangesOf(update));
        expect(size.structs).toBe(structsIn(doc));
        expect(size.extras).toBeGreaterThanOrEqual(extrasIn(doc));
      }),
    );
  });

  it('[R12] #61 is refused where Yjs would stumble over it, and nowhere else', () => {
    const change = fc.tuple(fc.nat(2), fc.nat(), fc.nat(255));
    fc.assert(
      fc.property(edits, fc.array(change, { minLength: 1, maxLength: 4 }), (list, changes) => {
        let bytes = [...Y.encodeStateAsUpdate(made(list))];
        for (const [kind, place, byte] of changes) {
          const at = place % (bytes.length + 1);
          if (kind === 0) bytes = [...bytes.slice(0, at), byte, ...bytes.slice(at + 1)];
          else if (kind === 1) bytes = bytes.slice(0, at);
          else bytes = [...bytes.slice(0, at), byte, ...bytes.slice(at)];
        }
        const update = Uint8Array.from(bytes);
        expect(outcome(() => sizeOfUpdate(update, Number.POSITIVE_INFINITY))).toBe(
          outcome(() => Y.decodeUpdate(update)),
        );
      }),
      { numRuns: 1000 },
    );
  });

  /** Applies an update; returns how many structs there were more on the way: Yjs joins what it can at the end of a transaction. */
  const addedBy = (doc: Y.Doc, update: Uint8Array): number => {
    const before = structsIn(doc);
    let most = before;
    doc.transact(() => {
      Y.applyUpdate(doc, update);
      most = structsIn(doc);
    });
    return most - before;
  };

  it('[R3] adds no more structs to a document than was said, and none to one that has it already', () => {
    // Two values of a key that were joined when they were replaced, and one that hangs on the first of them.
    const joined: Edits = [
      [0, 'nest', 920, {}],
      [1, 'type', 0, ''],
      [0, 'nest', 654, {}],
      [1, 'set', 52, null],
    ];
    fc.assert(
      fc.property(edits, edits, edits, (list, here, there) => {
        const doc = made(list);
        const other = new Y.Doc();
        Y.applyUpdate(other, Y.encodeStateAsUpdate(doc));
        for (const one of here) change(doc, one);
        for (const one of there) change(other, one);
        const update = Y.encodeStateAsUpdate(other, Y.encodeStateVector(doc));
        const said = structsAddedBy(doc, update, documentItems);
        expect(addedBy(doc, update)).toBeLessThanOrEqual(said);
        const whole = Y.encodeStateAsUpdate(doc);
        const held = structsIn(doc);
        const again = structsAddedBy(doc, whole, documentItems);
        expect(addedBy(doc, whole)).toBeLessThanOrEqual(again);
        expect(structsIn(doc)).toBe(held);
      }),
      { examples: [[[...joined], [], []]] },
    );
  });
});

const varints = (encoder: encoding.Encoder, ...values: readonly number[]): void => {
  for (const one of values) encoding.writeVarUint(encoder, one);
};

/** Two bytes for each. */
const tinyStructs = (count: number): Uint8Array =>
  frameOf((encoder) => {
    varints(encoder, 1, count, 7, 0);
    for (let index = 0; index < count; index += 1) varints(encoder, 0, 1);
    varints(encoder, 0);
  });
const tinyRanges = (count: number): Uint8Array =>
  frameOf((encoder) => {
    varints(encoder, 0, 1, 7, count);
    for (let index = 0; index < count; index += 1) varints(encoder, 2 * index, 1);
  });
/** One item, of a list of empty objects. */
const tinyObjects = (count: number): Uint8Array => {
  const doc = new Y.Doc();
  doc.getMap('other').set(
    'k',
    Array.from({ length: count }, () => ({})),
  );
  return Y.encodeStateAsUpdate(doc);
};
/** A text of so many letters, an item each, as one update of one person who typed backwards. */
function backwards(count: number): Y.Doc {
  const doc = new Y.Doc();
  doc.transact(() => {
    for (let index = 0; index < count; index += 1) doc.getText('content').insert(0, 'x');
  });
  return doc;
}

describe('[R3] A document of many items', () => {
  worldPerTest({ a: 'text' });

  it.each([
    ['structs', tinyStructs(1_000_000)],
    ['ranges of deletions', tinyRanges(1_000_000)],
    ['objects in one value', tinyObjects(1_000_000)],
  ])('#61 a frame of a million %s is refused before anything is made of it; nobody else notices', async (_, update) => {
    const [honest, attacker] = [await world.client(ids.owner, 'a'), await world.client(ids.editor, 'a')];
    const rows = world.sql.all('SELECT * FROM document_log').length;
    expect(update.length).toBeLessThan(limits.room.frameBytes);
    const decoded = vi.spyOn(Y.Item.prototype, 'integrate');
    await world.send(attacker.peer, updateOf(update));
    expect(attacker.peer.closed).toBe('payload_too_large');
    expect(decoded).not.toHaveBeenCalled();
    await world.settle();
    expect(world.sql.all('SELECT * FROM document_log')).toHaveLength(rows);
    honest.type(0, 'still ');
    await world.settle();
    expect(honest.peer.closed).toBeNull();
    expect(await world.text('a')).toBe('still text');
  });

  it('#61 so is a question with a state vector that is larger than any', async () => {
    const attacker = await world.client(ids.editor, 'a');
    const vector = new Uint8Array(vectorBytes + 1);
    await world.send(
      attacker.peer,
      frameOf((encoder) => {
        varints(encoder, 0, 0);
        encoding.writeVarUint8Array(encoder, vector);
      }),
    );
    expect(attacker.peer.closed).toBe('payload_too_large');
  });

  it('[R3] takes edits up to its limit, what removes some beyond it, and nothing else, also after it was opened again', async () => {
    const [writer, other] = [await world.client(ids.owner, 'a'), await world.client(ids.editor, 'a')];
    const many = backwards(documentItems - 100);
    await world.send(writer.peer, step2(Y.encodeStateAsUpdate(many)));
    await world.settle();
    expect([writer.peer.closed, other.peer.closed]).toEqual([null, null]);
    expect(other.text.length).toBe(documentItems - 100 + 4);
    // Typed in a row: one item, however many letters.
    for (let typed = 0; typed < 300; typed += 1) other.type(other.text.length, 'y');
    await world.settle();
    expect(other.peer.closed).toBeNull();
    other.doc.transact(() => {
      for (let typed = 0; typed < 200; typed += 1) other.text.insert(0, 'z');
    });
    await world.settle();
    expect(other.peer.closed).toBe('payload_too_large');
    expect((await world.text('a'))?.includes('z')).toBe(false);
    await world.leave(other.peer);
    await world.leave(writer.peer);
    world.crash();

    const again = await world.client(ids.owner, 'a');
    expect(again.text.length).toBe(documentItems - 100 + 304);
    again.text.delete(0, again.text.length);
    await world.settle();
    expect(again.peer.closed).toBeNull();
    expect(await world.text('a')).toBe('');
    again.doc.transact(() => {
      for (let typed = 0; typed < 200; typed += 1) again.text.insert(0, 'z');
    });
    await world.settle();
    expect(again.peer.closed).toBe('payload_too_large');
  });

  it('[R3] [R8] is written as a whole through HTTP, and a text is one item however long it is', async () => {
    const writer = await world.client(ids.owner, 'a');
    await world.send(writer.peer, step2(Y.encodeStateAsUpdate(backwards(documentItems - 10))));
    await world.settle();
    await write('a', 'x'.repeat(limits.file.textMax));
    expect((await world.text('a'))?.length).toBe(limits.file.textMax);
    await write('b', 'xy'.repeat(limits.file.textMax / 2));
    const opened = await world.client(ids.editor, 'b');
    opened.type(0, '');
    opened.text.delete(0, 10);
    opened.type(5, 'new');
    await world.settle();
    expect(opened.peer.closed).toBeNull();
    expect((await world.text('b'))?.length).toBe(limits.file.textMax - 7);
  });
});
