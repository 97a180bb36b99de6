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
let grace: KilnClient;
let graceId: string;
let id: string;

beforeAll(async () => {
  [ada, grace] = [await signUp(origin, 'ada'), await signUp(origin, 'grace')];
  graceId = (await grace.call('getMe')).user.id;
  id = (await ada.call('createProject', { body: { name: 'Offline' } })).project.id;
  await ada.call('addCollaborator', { params: { id }, body: { userId: graceId, role: 'editor' } });
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

  it('[R2] is not said to be saved before the room has what was deleted away, and is not called unsaved for what others wrote', async () => {
    await ada.call('putFile', { params: { id, path }, body: { content: 'one two three' } });
    const laptop = device();
    const join = () => joinProject(ada, id, { WebSocket: laptop.Socket, offline: indexedDbStore('ada') });
    const first = join();
    const document = first.openDocument(path);
    await document.synced;
    await ada.call('putFile', { params: { id, path }, body: { content: 'one two three four' } });
    await until(() => document.text.toString() === 'one two three four');
    await until(() => document.state === 'saved');
    first.leave();
    await new Promise((resolve) => setTimeout(resolve, 100));

    laptop.down();
    const second = join();
    const away = second.openDocument(path);
    await away.ready;
    expect([away.text.toString(), away.dirty]).toEqual(['one two three four', false]);
    away.text.delete(0, 4);
    await new Promise((resolve) => setTimeout(resolve, 100));
    second.leave();

    const third = join();
    const again = third.openDocument(path);
    const states: string[] = [];
    again.on('state', (state) => states.push(state));
    await again.ready;
    expect([again.text.toString(), again.dirty]).toEqual(['two three four', true]);
    laptop.up();
    await until(() => again.state === 'saved');
    // Said once, at the end, and not on the way.
    expect(states.indexOf('saved')).toBe(states.length - 1);
    expect(await stored()).toBe('two three four');
    third.leave();
  });

  const makeGrace = (role: 'editor' | 'viewer') =>
    ada.call('updateCollaborator', { params: { id, userId: graceId }, body: { role } });

  it('[R2] [R6] is not said to be saved by who may only read when they come back, and what they typed stays', async () => {
    await ada.call('putFile', { params: { id, path }, body: { content: 'here. ' } });
    const laptop = device();
    const room = joinProject(grace, id, { WebSocket: laptop.Socket, offline: indexedDbStore('grace') });
    const states: string[] = [];
    const ended: KilnApiError[] = [];
    const visit = () => {
      const document = room.openDocument(path);
      document.on('state', (state) => states.push(state));
      document.on('ended', (error) => ended.push(error));
      return document;
    };
    const document = visit();
    await document.synced;
    document.text.insert(0, 'Saved ');
    await until(() => document.state === 'saved');
    laptop.down();
    await until(() => document.state === 'offline');
    document.text.insert(0, 'Unsaved. ');
    await makeGrace('viewer');
    states.length = 0;
    laptop.up();
    await until(() => ended.length === 1);
    expect([ended[0]?.code, document.dirty, document.content]).toEqual(['forbidden', true, 'Unsaved. Saved here. ']);
    expect(states).not.toContain('saved');
    expect(await stored()).toBe('Saved here. ');

    // So it is at every visit, until they may write again: then it is merged like everything else.
    const later = visit();
    await until(() => ended.length === 2);
    expect([later.dirty, later.content]).toEqual([true, 'Unsaved. Saved here. ']);
    expect(states).not.toContain('saved');
    await makeGrace('editor');
    await ada.call('putFile', { params: { id, path }, body: { content: 'Saved here. By REST.' } });
    const again = visit();
    await until(() => again.state === 'saved');
    expect([again.text.toString(), await stored()]).toEqual(Array(2).fill('Unsaved. Saved here. By REST.'));
    expect(ended).toHaveLength(2);
    room.leave();
  });

  it('[R2] [R6] says saved of what was stored before its author became a viewer, and ends with what they typed after it', async () => {
    await ada.call('putFile', { params: { id, path }, body: { content: '' } });
    const room = joinProject(grace, id, { offline: indexedDbStore('grace') });
    const document = room.openDocument(path);
    await document.synced;
    document.text.insert(0, 'before ');
    await makeGrace('viewer');
    await until(() => document.state === 'saved');
    expect(await stored()).toBe('before ');
    const ended: KilnApiError[] = [];
    document.on('ended', (error) => ended.push(error));
    const states: string[] = [];
    document.on('state', (state) => states.push(state));
    document.text.insert(7, 'after');
    await until(() => ended.length > 0);
    expect([ended[0]?.code, document.dirty, document.content]).toEqual(['forbidden', true, 'before after']);
    expect([states, await stored()]).toEqual([['saving', 'closed'], 'before ']);
    // Let go of, it is the room's again, to be read.
    await document.forget();
    const reader = room.openDocument(path);
    await reader.synced;
    expect([reader.text.toString(), reader.dirty]).toEqual(['before ', false]);
    await ada.call('putFile', { params: { id, path }, body: { content: 'Ada goes on' } });
    await until(() => reader.text.toString() === 'Ada goes on');
    // Who only reads answers what the room asks, with all that was deleted, and comes back: nobody ends for that.
    reader.verify();
    room.leave();
    const second = joinProject(grace, id, { offline: indexedDbStore('grace') });
    const back = second.openDocument(path);
    await until(() => back.state === 'saved');
    expect([back.text.toString(), back.dirty]).toEqual(['Ada goes on', false]);
    await makeGrace('editor');
    second.leave();
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
