import 'fake-indexeddb/auto';
import { afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import {
  clearOffline,
  indexedDbStore,
  joinProject,
  type KilnApiError,
  type KilnClient,
} from '../../src/client/index.ts';
import { signUp, until } from '../support/people.ts';

const origin = inject('origin');
const path = 'notes.txt';
let ada: KilnClient;
let id: string;

beforeAll(async () => {
  ada = await signUp(origin, 'ada');
  id = (await ada.call('createProject', { body: { name: 'Offline' } })).project.id;
});
afterEach(() => clearOffline());

/** Sockets of a device that has a network, or has none. */
function device() {
  const open = new Set<WebSocket>();
  let isUp = true;
  class Socket extends WebSocket {
    constructor(url: string) {
      // Nothing listens on the discard port.
      super(isUp ? url : 'ws://127.0.0.1:9');
      open.add(this);
    }
  }
  return {
    Socket,
    up: () => {
      isUp = true;
    },
    down: () => {
      isUp = false;
      for (const socket of open) socket.close();
    },
  };
}

const stored = async () => (await ada.call('getFile', { params: { id, path } })).file.content;

describe('a document that is kept on the device', () => {
  it('[R14] opens without a connection, is edited, and merges on return, also after the page was left', async () => {
    await ada.call('putFile', { params: { id, path }, body: { content: 'here.' } });
    const laptop = device();
    const join = () => joinProject(ada, id, { WebSocket: laptop.Socket, offline: indexedDbStore('ada') });
    const first = join();
    const document = first.openDocument(path);
    await document.synced;
    document.text.insert(0, 'Saved ');
    await until(() => document.state === 'saved');
    laptop.down();
    await until(() => document.state === 'offline');
    document.text.insert(0, 'Unsaved. ');
    expect(document.dirty).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 100));
    first.leave();

    await ada.call('putFile', { params: { id, path }, body: { content: 'Saved here. By REST.' } });
    const second = join();
    const again = second.openDocument(path);
    await again.ready;
    expect(again.text.toString()).toBe('Unsaved. Saved here.');
    expect(again.dirty).toBe(true);
    expect(again.state).toBe('offline');
    laptop.up();
    await again.synced;
    await until(() => again.state === 'saved');
    expect(again.text.toString()).toBe('Unsaved. Saved here. By REST.');
    expect(await stored()).toBe('Unsaved. Saved here. By REST.');
    second.leave();
  });

  it('is not merged into another file that has its path by now', async () => {
    await ada.call('putFile', { params: { id, path }, body: { content: 'the old one' } });
    const laptop = device();
    const room = joinProject(ada, id, { WebSocket: laptop.Socket, offline: indexedDbStore('ada') });
    const document = room.openDocument(path);
    await document.synced;
    await until(() => document.state === 'saved');
    laptop.down();
    await until(() => document.state === 'offline');
    document.text.insert(0, 'typed into ');
    const ended: KilnApiError[] = [];
    document.on('ended', (error) => ended.push(error));
    await ada.call('deleteFile', { params: { id, path } });
    await ada.call('putFile', { params: { id, path }, body: { content: 'the new one' } });
    laptop.up();
    await until(() => ended.length > 0);
    expect(ended[0]?.code).toBe('conflict');
    // What was typed is still there to be copied, and the new file is as it was.
    expect(document.dirty).toBe(true);
    expect(document.content).toBe('typed into the old one');
    expect(await stored()).toBe('the new one');
    // So it is at the next visit, until it is let go.
    const later = room.openDocument(path);
    later.on('ended', (error) => ended.push(error));
    await until(() => ended.length > 1);
    expect(later.content).toBe('typed into the old one');
    await later.forget();
    const fresh = room.openDocument(path);
    await fresh.synced;
    expect(fresh.text.toString()).toBe('the new one');
    room.leave();
  });

  describe('goes with its file', () => {
    const move = (from: string, to: string) =>
      ada.call('batchFiles', { params: { id }, body: { operations: [{ op: 'move', from, to }] } });
    const contentOf = async (at: string) => (await ada.call('getFile', { params: { id, path: at } })).file.content;

    it('that was moved while the page had no network, past another that has its path by now', async () => {
      await ada.call('putFile', { params: { id, path: 'was.txt' }, body: { content: 'here.' } });
      const laptop = device();
      const room = joinProject(ada, id, { WebSocket: laptop.Socket, offline: indexedDbStore('ada') });
      const document = room.openDocument('was.txt');
      await document.synced;
      await until(() => document.state === 'saved');
      laptop.down();
      await until(() => document.state === 'offline');
      document.text.insert(0, 'Unsaved. ');
      await move('was.txt', 'is/there.txt');
      await ada.call('putFile', { params: { id, path: 'was.txt' }, body: { content: 'another' } });
      laptop.up();
      await until(() => document.state === 'saved' && document.path === 'is/there.txt');
      expect(document.text.toString()).toBe('Unsaved. here.');
      await until(async () => (await contentOf('is/there.txt')) === 'Unsaved. here.');
      expect(await contentOf('was.txt')).toBe('another');
      room.leave();
    });

    it('that was moved while nobody was there: the next visit opens it by its new name, with what was typed', async () => {
      await ada.call('putFile', { params: { id, path: 'first/a.txt' }, body: { content: 'here.' } });
      const laptop = device();
      const join = () => joinProject(ada, id, { WebSocket: laptop.Socket, offline: indexedDbStore('ada') });
      const first = join();
      const document = first.openDocument('first/a.txt');
      await document.synced;
      await until(() => document.state === 'saved');
      laptop.down();
      await until(() => document.state === 'offline');
      document.text.insert(0, 'Unsaved. ');
      await new Promise((resolve) => setTimeout(resolve, 100));
      first.leave();
      await move('first', 'second');
      await move('second/a.txt', 'third.txt');
      await ada.call('putFile', { params: { id, path: 'first/a.txt' }, body: { content: 'another' } });

      laptop.up();
      const second = join();
      const [moved, other] = [second.openDocument('third.txt'), second.openDocument('first/a.txt')];
      await until(() => moved.state === 'saved' && other.state === 'saved');
      expect([moved.text.toString(), other.text.toString()]).toEqual(['Unsaved. here.', 'another']);
      await until(async () => (await contentOf('third.txt')) === 'Unsaved. here.');
      second.leave();
    });
  });
});
