import 'fake-indexeddb/auto';
import { indexedDB } from 'fake-indexeddb';
import { afterEach, describe, expect, it } from 'vitest';
import * as Y from 'yjs';
import { indexedDbStore } from '../../../src/client/indexeddb.ts';
import { clearOffline } from '../../../src/client/offline.ts';

afterEach(() => clearOffline());

const settle = () => new Promise((resolve) => setTimeout(resolve, 20));

describe('documents kept on the device', () => {
  it('come back with what was typed, and with what the room had of it', async () => {
    const store = indexedDbStore('ada');
    const first = new Y.Doc();
    const kept = store.open('p/a.txt', first);
    expect(await kept.load()).toBeUndefined();
    first.getText('content').insert(0, 'saved ');
    kept.setBase(Y.encodeStateVector(first));
    first.getText('content').insert(6, 'unsaved');
    await settle();
    kept.close();

    const second = new Y.Doc();
    const base = await store.open('p/a.txt', second).load();
    expect(second.getText('content').toString()).toBe('saved unsaved');
    expect(base && Y.decodeStateVector(base).get(first.clientID)).toBe(6);
  });

  it('are those of one person and one file', async () => {
    const doc = new Y.Doc();
    const kept = indexedDbStore('ada').open('p/a.txt', doc);
    await kept.load();
    doc.getText('content').insert(0, 'of Ada');
    kept.setBase(Y.encodeStateVector(doc));
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
      kept.setBase(Y.encodeStateVector(doc));
      await settle();
      kept.close();
    }
    await settle();
    await clearOffline('ada');
    expect((await indexedDB.databases()).map(({ name }: { name?: string }) => name)).toEqual(['kiln:grace/p/a.txt']);
    await clearOffline();
    expect(await indexedDB.databases()).toEqual([]);
  });
});
