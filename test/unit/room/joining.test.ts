import fc from 'fast-check';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import * as Y from 'yjs';
import { limits } from '../../../src/contract/limits.ts';
import { StoredHistory } from '../../../src/durable-objects/room/stored-history.ts';
import { world, worldPerTest, write } from '../support/room-setup.ts';
import { awarenessOf, awarenessPayload, ids, step1, type TestClient } from '../support/room-world.ts';

/** What people do: who, where (of 1,000), and characters to add, or as a negative number to delete. */
const edits = fc.array(fc.tuple(fc.nat(2), fc.nat(999), fc.integer({ min: -6, max: 6 })), { maxLength: 40 });

/** A history of these edits, made by three people who have everything that came before, as one update each. */
function historyOf(list: readonly (readonly [number, number, number])[]): Uint8Array[] {
  const server = new Y.Doc();
  const updates: Uint8Array[] = [];
  server.on('update', (update: Uint8Array) => updates.push(update));
  const people = [11, 22, 33].map((clientID) => Object.assign(new Y.Doc(), { clientID }));
  server.getText('content').insert(0, 'begin');
  for (const [who, place, size] of list) {
    const doc = people[who] as Y.Doc;
    Y.applyUpdate(doc, Y.encodeStateAsUpdate(server));
    const text = doc.getText('content');
    const at = Math.floor((place / 1000) * (text.length + 1));
    if (size > 0) text.insert(at, 'é'.repeat(size));
    else text.delete(at, Math.min(-size, text.length - at));
    Y.applyUpdate(server, Y.encodeStateAsUpdate(doc, Y.encodeStateVector(server)));
  }
  return updates;
}

const docOf = (updates: readonly Uint8Array[]): Y.Doc => {
  const doc = new Y.Doc();
  for (const update of updates) Y.applyUpdate(doc, update);
  return doc;
};

const vectorOf = (doc: Y.Doc): Map<number, number> => Y.decodeStateVector(Y.encodeStateVector(doc));

describe('[R4] A history as it is stored', () => {
  it('[R4] gives who joins what the document would, whatever of it they have and did meanwhile', () => {
    fc.assert(
      fc.property(edits, fc.nat(100), fc.nat(100), edits, (list, folded, had, offline) => {
        const updates = historyOf(list);
        const loaded = docOf(updates);
        // The first so many are folded into a snapshot, as a compaction leaves them.
        const rows = Math.round((folded / 100) * (updates.length - 1)) + 1;
        const stored = [Y.encodeStateAsUpdate(docOf(updates.slice(0, rows))), ...updates.slice(rows)];
        const history = new StoredHistory(stored, null);
        expect(Y.decodeStateVector(history.vector())).toEqual(vectorOf(loaded));

        const before = updates.slice(0, Math.round((had / 100) * updates.length));
        const own = historyOf(offline).slice(1);
        const [one, other] = [docOf([...before, ...own]), docOf([...before, ...own])];
        const vector = Y.encodeStateVector(one);
        Y.applyUpdate(one, history.difference(vector));
        Y.applyUpdate(other, Y.encodeStateAsUpdate(loaded, vector));
        expect(one.getText('content').toString()).toBe(other.getText('content').toString());
        expect(Y.encodeStateAsUpdate(one)).toEqual(Y.encodeStateAsUpdate(other));

        const fresh = docOf([history.state()]);
        expect(Y.encodeStateAsUpdate(fresh)).toEqual(Y.encodeStateAsUpdate(docOf([Y.encodeStateAsUpdate(loaded)])));
        const made = new Y.Doc();
        history.apply(made, null);
        expect(Y.encodeStateAsUpdate(made)).toEqual(Y.encodeStateAsUpdate(loaded));
      }),
    );
  });

  it('[R4] says which types it may have, also where all of one is deleted', () => {
    const doc = new Y.Doc();
    doc.getText('content').insert(0, 'about a kiln');
    const plain = new StoredHistory([Y.encodeStateAsUpdate(doc)], null);
    expect([plain.mayHave('content'), plain.mayHave('kiln')]).toEqual([true, false]);
    const row = [doc.getMap('kiln').set('form', 'scene'), Y.encodeStateAsUpdate(doc)][1] as Uint8Array;
    doc.getMap('kiln').delete('form');
    expect(new StoredHistory([Y.encodeStateAsUpdate(doc)], null).mayHave('kiln')).toBe(true);
    expect(new StoredHistory([plain.state(), row], null).mayHave('kiln')).toBe(true);
  });
});

describe('[R4] A document that is not in memory', () => {
  let made: ReturnType<typeof vi.spyOn>;

  worldPerTest();
  beforeEach(() => {
    made = vi.spyOn(StoredHistory.prototype, 'apply');
  });

  /** A text with a history that nobody has open, and that is in no memory. */
  async function stored(path = 'a'): Promise<TestClient> {
    await write(path, 'begin ');
    const client = await world.client(ids.editor, path);
    client.type(6, 'typed');
    await world.settle();
    client.drop();
    await world.leave(client.peer);
    world.crash();
    expect(world.sql.all('SELECT * FROM document_log')).toEqual([]);
    made.mockClear();
    return client;
  }

  it('[R4] is read and left as bytes; the first edit makes a document of them', async () => {
    await stored();
    const [one, two] = [await world.client(ids.owner, 'a'), await world.client(ids.viewer, 'a')];
    expect([one.content, two.content]).toEqual(['begin typed', 'begin typed']);
    await world.send(two.peer, awarenessOf(awarenessPayload([two.doc.clientID, 1, { cursor: 1 }])));
    await world.settle();
    await world.leave(two.peer);
    expect(made).not.toHaveBeenCalled();
    one.type(0, '>');
    await world.settle();
    expect(made).toHaveBeenCalledTimes(1);
    expect(one.content).toBe('>begin typed');
    expect(world.durable('a')).toBe('>begin typed');
    expect(await world.text('a')).toBe('>begin typed');
    await world.leave(one.peer);
    world.crash();
    expect((await world.client(ids.viewer, 'a')).content).toBe('>begin typed');
  });

  it('[R4] waits as bytes for who comes back', async () => {
    await stored();
    const { count, bytes } = world.idle;
    for (let visit = 0; visit < 3; visit += 1) {
      const client = await world.client(ids.owner, 'a');
      expect(client.content).toBe('begin typed');
      await world.leave(client.peer);
      world.clients.splice(0);
    }
    expect([made.mock.calls.length, world.idle.count - count]).toEqual([0, 1]);
    const [row] = world.sql.all<{ size: number }>('SELECT sum(length(data)) AS size FROM document_snapshots');
    expect(world.idle.bytes - bytes).toBe(2 * (row?.size ?? Number.NaN));
  });

  it('[R4] answers one who comes back from the bytes, and many from the document', async () => {
    const before = await stored();
    before.doc.getText('content').insert(0, 'offline ');
    const ask = async (): Promise<Uint8Array | undefined> => {
      const peer = world.socket(ids.editor, { kind: 'document', file: world.room.documentTarget('a') });
      await world.room.join(peer);
      peer.frames.length = 0;
      await world.send(peer, step1(before.doc));
      return peer.synced.find(([type]) => type === 1)?.[1];
    };
    const first = await ask();
    expect(made).not.toHaveBeenCalled();
    const second = await ask();
    expect(made).toHaveBeenCalledTimes(1);
    expect(first).toEqual(second);
  });

  it('[R1, R4] has what the log of a crash has, and what was written through HTTP meanwhile', async () => {
    await stored();
    const [one, two] = [await world.client(ids.owner, 'a'), await world.client(ids.editor, 'a')];
    one.type(0, '1');
    await vi.advanceTimersByTimeAsync(limits.room.commitWindow.max);
    two.type(0, '2');
    await vi.advanceTimersByTimeAsync(limits.room.commitWindow.max);
    expect(world.sql.all('SELECT * FROM document_log')).toHaveLength(2);
    const typed = world.durable('a');
    expect(typed).toMatch(/^(12|21)begin typed$/);
    world.crash();
    const three = await world.client(ids.viewer, 'a');
    expect(three.content).toBe(typed);
    await write('a', `${typed} and written`);
    await world.settle();
    expect(three.content).toBe(`${typed} and written`);
    expect((await world.client(ids.owner, 'a')).content).toBe(`${typed} and written`);
  });

  it('[R6] drops what a viewer writes before there is a document', async () => {
    await stored();
    const viewer = await world.client(ids.viewer, 'a');
    viewer.type(0, 'forged');
    await world.settle();
    expect(made).not.toHaveBeenCalled();
    expect(world.durable('a')).toBe('begin typed');
  });

  it('[R10] is not made for those who slept and say where they look', async () => {
    await stored();
    const [one, two] = [await world.client(ids.owner, 'a'), await world.client(ids.editor, 'a')];
    world.hibernate([one.peer, two.peer]);
    await world.send(one.peer, awarenessOf(awarenessPayload([one.doc.clientID, 1, { cursor: 1 }])));
    await world.settle();
    expect(two.awareness.getStates().get(one.doc.clientID)).toMatchObject({ cursor: 1 });
    expect(made).not.toHaveBeenCalled();
  });

  it('[R4] that cannot be read ends its sockets, and is whole for who comes again', async () => {
    await stored();
    const one = await world.client(ids.owner, 'a');
    made.mockImplementationOnce((doc: Y.Doc) => {
      doc.getText('content').insert(0, 'a part');
      throw new Error('the log is damaged');
    });
    one.type(0, 'x');
    await world.settle();
    expect(one.peer.closed).toBe('unavailable');
    expect(world.durable('a')).toBe('begin typed');
    expect((await world.client(ids.viewer, 'a')).content).toBe('begin typed');
  });

  it('[R13] is made where a comment has to find its place in it', async () => {
    await stored();
    const anchor = { kind: 'text', from: 0, to: 5 } as const;
    await world.room.talk.comment(ids.owner, { path: 'a', anchor, body: 'here', mentions: [] });
    world.crash();
    made.mockClear();
    const client = await world.client(ids.editor, 'a');
    expect(client.content).toBe('begin typed');
    expect(made).not.toHaveBeenCalled();
    world.sql.run("UPDATE comments SET anchor = json_remove(anchor, '$.start', '$.end')");
    world.crash();
    made.mockClear();
    await world.client(ids.editor, 'a');
    expect(made).toHaveBeenCalledTimes(1);
  });
});
