import 'fake-indexeddb/auto';
import { IDBObjectStore, indexedDB } from 'fake-indexeddb';
import { afterEach, describe, expect, it, vi } from 'vitest';
import * as Y from 'yjs';
import { RoomDocument } from '../../../src/client/document.ts';
import { indexedDbStore } from '../../../src/client/indexeddb.ts';
import { clearOffline, extentOf, isBeyond } from '../../../src/client/offline.ts';

afterEach(() => clearOffline());

const settle = () => new Promise((resolve) => setTimeout(resolve, 20));

describe('documents kept on the device', () => {
  it('come back with what was typed, and with what the room had of it', async () => {
    const store = indexedDbStore('ada');
    const first = new Y.Doc();
    const kept = store.open('p/a.txt', first);
    expect(await kept.load()).toBeUndefined();
    first.getText('content').insert(0, 'saved ');
    kept.setBase(extentOf(first));
    first.getText('content').insert(6, 'unsaved');
    await settle();
    kept.close();

    const second = new Y.Doc();
    const base = await store.open('p/a.txt', second).load();
    expect(second.getText('content').toString()).toBe('saved unsaved');
    expect(base && Y.decodeStateVector(base.vector).get(first.clientID)).toBe(6);
  });

  it('are known to have something that the room has not, whether it was typed or deleted, also by two at one time', () => {
    const [one, two] = [new Y.Doc(), new Y.Doc()];
    const text = one.getText('content');
    text.insert(0, 'abcdef');
    text.delete(1, 2);
    const base = extentOf(one);
    expect([isBeyond(one, base), isBeyond(one, undefined), isBeyond(new Y.Doc(), undefined)]).toEqual([
      false,
      true,
      false,
    ]);
    Y.applyUpdate(two, Y.encodeStateAsUpdate(one));
    text.delete(0, 1);
    expect(isBeyond(one, base)).toBe(true);
    // What both deleted counts once; what one deleted more is more.
    two.getText('content').delete(0, 1);
    Y.applyUpdate(two, Y.encodeStateAsUpdate(one));
    expect(isBeyond(two, extentOf(one))).toBe(false);
    two.getText('content').delete(0, 1);
    expect(isBeyond(two, extentOf(one))).toBe(true);
    text.insert(0, 'x');
    expect(isBeyond(one, extentOf(two))).toBe(true);
  });

  it('are those of one person and one file', async () => {
    const doc = new Y.Doc();
    const kept = indexedDbStore('ada').open('p/a.txt', doc);
    await kept.load();
    doc.getText('content').insert(0, 'of Ada');
    kept.setBase(extentOf(doc));
    await settle();
    for (const [user, name] of [
      ['grace', 'p/a.txt'],
      ['ada', 'p/b.txt'],
      ['ada', 'q/a.txt'],
    ] as const) {
      const other = new Y.Doc();
      expect(await indexedDbStore(user).open(name, other).load()).toBeUndefined();
      expect(other.getText('content').toString()).toBe('');
    }
  });

  it('are gone when they are cleared: of one person, or of all', async () => {
    for (const user of ['ada', 'grace']) {
      const doc = new Y.Doc();
      const kept = indexedDbStore(user).open('p/a.txt', doc);
      await kept.load();
      doc.getText('content').insert(0, user);
      kept.setBase(extentOf(doc));
      await settle();
      kept.close();
    }
    await settle();
    await clearOffline('ada');
    expect((await indexedDB.databases()).map(({ name }: { name?: string }) => name)).toEqual(['kiln:grace/p/a.txt']);
    await clearOffline();
    expect(await indexedDB.databases()).toEqual([]);
  });

  describe('say whether they are kept:', () => {
    async function opened() {
      const changes: boolean[] = [];
      const doc = new Y.Doc();
      const kept = indexedDbStore('ada').open('p/a.txt', doc, () => changes.push(kept.works));
      await kept.load();
      const type = async (text: string) => {
        doc.getText('content').insert(doc.getText('content').length, text);
        await settle();
      };
      await type('one ');
      expect([kept.works, changes]).toEqual([true, []]);
      return { kept, type, changes };
    }

    it('not where the disk is full, and all of it again once there is room', async () => {
      const { kept, type, changes } = await opened();
      const full = vi.spyOn(IDBObjectStore.prototype, 'add').mockImplementation(function (
        this: typeof IDBObjectStore.prototype,
      ) {
        this.transaction.abort();
        // Nobody waits for it: y-indexeddb does not handle that it fails.
        return {} as ReturnType<typeof this.add>;
      });
      await type('two ');
      await type('three ');
      expect([kept.works, changes]).toEqual([false, [false]]);
      full.mockRestore();
      await type('four');
      expect([kept.works, changes]).toEqual([true, [false, true]]);
      kept.close();
      const again = new Y.Doc();
      await indexedDbStore('ada').open('p/a.txt', again).load();
      expect(again.getText('content').toString()).toBe('one two three four');
    });

    it('not after another tab has removed them', async () => {
      const { kept, type, changes } = await opened();
      const other = new Y.Doc();
      const there = indexedDbStore('ada').open('p/a.txt', other);
      await there.load();
      await there.clear();
      await type('two');
      expect([kept.works, changes]).toEqual([false, [false]]);
      await settle();
      expect(await indexedDB.databases()).toEqual([]);
    });
  });

  describe('go with their files', () => {
    const store = indexedDbStore('ada');
    const moves =
      (...pairs: readonly (readonly [from: string, to: string])[]) =>
      (path: string) =>
        pairs.find(([from]) => from === path)?.[1];
    const names = async () =>
      (await indexedDB.databases()).map(({ name }: { name?: string }) => name?.replace('kiln:ada/', '')).sort();

    /** Keeps a document with something that the room has and something that it has not. */
    async function keep(name: string, text: string, isOpen = false) {
      const doc = new Y.Doc();
      const kept = store.open(name, doc);
      await kept.load();
      doc.getText('content').insert(0, text);
      kept.setBase(extentOf(doc));
      doc.getText('content').insert(text.length, ', unsaved');
      await settle();
      if (!isOpen) kept.close();
      return { doc, kept };
    }
    async function found(name: string) {
      const doc = new Y.Doc();
      const kept = store.open(name, doc);
      const base = await kept.load();
      kept.close();
      return base && [doc.getText('content').toString(), [...Y.decodeStateVector(base.vector).values()]];
    }

    it('closed ones, with what the room had of them; those of other projects stay', async () => {
      await keep('p/a.txt', 'one');
      await keep('p/dir/b.txt', 'two');
      await keep('q/a.txt', 'other');
      await store.follow('p', moves(['a.txt', 'c.txt'], ['dir/b.txt', 'deep/er/b.txt']));
      expect(await names()).toEqual(['p/c.txt', 'p/deep/er/b.txt', 'q/a.txt']);
      expect(await found('p/c.txt')).toEqual(['one, unsaved', [3]]);
      expect(await found('p/deep/er/b.txt')).toEqual(['two, unsaved', [3]]);
    });

    it('open ones: what is typed afterwards is kept under the new name alone', async () => {
      const { doc, kept } = await keep('p/a.txt', 'one', true);
      await store.follow('p', moves(['a.txt', 'b.txt']));
      doc.getText('content').insert(0, 'later ');
      kept.setBase(extentOf(doc));
      await settle();
      kept.close();
      expect(await names()).toEqual(['p/b.txt']);
      expect(await found('p/b.txt')).toEqual(['later one, unsaved', [18]]);
    });

    it('over what was kept there of a file that is gone', async () => {
      await keep('p/a.txt', 'the one that moved');
      await keep('p/b.txt', 'the one that was there');
      await store.follow('p', moves(['a.txt', 'b.txt']));
      expect(await found('p/b.txt')).toEqual(['the one that moved, unsaved', [18]]);
    });

    it('once, though two tabs have them open: neither loses what it had', async () => {
      const { doc: one, kept } = await keep('p/a.txt', 'both', true);
      const other = indexedDbStore('ada');
      const two = new Y.Doc();
      const keptThere = other.open('p/a.txt', two);
      await keptThere.load();
      one.getText('content').insert(0, 'one ');
      two.getText('content').insert(0, 'two ');
      await settle();
      await Promise.all([store, other].map((tab) => tab.follow('p', moves(['a.txt', 'b.txt']))));
      await settle();
      kept.close();
      keptThere.close();
      await settle();
      expect(await names()).toEqual(['p/b.txt']);
      const [text] = (await found('p/b.txt')) ?? [];
      for (const part of ['one ', 'two ', 'both, unsaved']) expect(text).toContain(part);
    });

    it('and the device knows up to which event it followed, until all is removed', async () => {
      const store = indexedDbStore('ada');
      expect(await store.seen('p')).toBeUndefined();
      await store.setSeen('p', 7);
      expect([await store.seen('p'), await store.seen('q')]).toEqual([7, undefined]);
      await Promise.all([store.setSeen('p', 8), clearOffline('ada')]);
      // Nor does what is still going on write anything after that.
      await store.setSeen('p', 9);
      expect(await indexedDbStore('ada').seen('p')).toBeUndefined();
    });
  });
});

/** A document on a device without a network. `asked` is told when it wants to connect. */
function openAway(asked: () => void = () => undefined): RoomDocument {
  return new RoomDocument(
    {
      wsBase: 'ws://kiln.test',
      projectId: 'p',
      WebSocket,
      offline: indexedDbStore('ada'),
      followed: async () => undefined,
      ticket: () => {
        asked();
        return new Promise(() => undefined);
      },
      onClose: () => undefined,
    },
    'a.txt',
  );
}

describe('[R2] a document that is opened again without a connection', () => {
  async function keep(): Promise<void> {
    const doc = new Y.Doc();
    const kept = indexedDbStore('ada').open('p/a.txt', doc);
    await kept.load();
    doc.getText('content').insert(0, 'the room has this');
    kept.setBase(extentOf(doc));
    await settle();
    kept.close();
    await settle();
  }
  const visit = async (change: (document: RoomDocument) => void): Promise<void> => {
    const document = openAway();
    await document.ready;
    change(document);
    await settle();
    document.close();
    await settle();
  };
  const changes: readonly (readonly [string, (document: RoomDocument) => void, boolean])[] = [
    ['nothing', () => undefined, false],
    ['what was typed', ({ text }) => text.insert(0, 'x'), true],
    ['what was deleted', ({ text }) => text.delete(0, 4), true],
  ];

  it.each(changes)('has not saved %s', async (_name, change, expected) => {
    await keep();
    await visit(change);
    const document = openAway();
    await document.ready;
    expect([document.dirty, document.state]).toEqual([expected, expected ? 'offline' : 'connecting']);
    document.close();
  });

  it('has not saved what was typed before the room had ever answered', async () => {
    const first = openAway();
    await settle();
    first.text.insert(0, 'typed');
    await settle();
    first.close();
    await settle();
    const document = openAway();
    await expect.poll(() => document.dirty).toBe(true);
    expect(document.text.toString()).toBe('typed');
    document.close();
  });
});

describe('a device whose database cannot be opened', () => {
  it('keeps nothing, and says so instead of holding up who would work', async () => {
    const failing = vi.spyOn(indexedDB, 'open').mockImplementation(() => {
      const request: { error: DOMException; onerror?: (event: unknown) => void } = {
        error: new DOMException('the disk is full', 'UnknownError'),
      };
      queueMicrotask(() => request.onerror?.({ target: request }));
      return request as ReturnType<typeof indexedDB.open>;
    });
    // y-indexeddb leaves one of its own promises to nobody.
    const listeners = process.rawListeners('unhandledRejection') as NodeJS.UnhandledRejectionListener[];
    process.removeAllListeners('unhandledRejection');
    process.on('unhandledRejection', () => undefined);
    const doc = new Y.Doc();
    const kept = indexedDbStore('ada').open('p/a.txt', doc);
    await expect(kept.load()).rejects.toThrow();
    doc.getText('content').insert(0, 'typed');
    kept.setBase(extentOf(doc));
    kept.close();
    // Nor does it hold up a document, which connects.
    const asked = Promise.withResolvers<void>();
    const document = openAway(asked.resolve);
    await asked.promise;
    document.close();
    await document.forget();
    await settle();
    process.removeAllListeners('unhandledRejection');
    for (const listener of listeners) process.on('unhandledRejection', listener);
    failing.mockRestore();
    expect(doc.getText('content').toString()).toBe('typed');
  });
});
