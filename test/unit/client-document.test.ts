import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RoomDocument } from '../../src/client/document.ts';
import type { KilnApiError } from '../../src/client/errors.ts';
import { pathAfterMove } from '../../src/client/room.ts';
import { errors } from '../../src/contract/errors.ts';
import { limits } from '../../src/contract/limits.ts';

/** A socket that the test opens and closes. */
class FakeSocket extends EventTarget {
  static made: FakeSocket[] = [];
  readonly url: string;
  readyState = 0;
  readonly sent: Uint8Array[] = [];

  constructor(url: string) {
    super();
    this.url = url;
    FakeSocket.made.push(this);
  }

  get path(): string {
    return new URL(this.url).pathname.replace(/^.*\/docs\//, '');
  }

  send(frame: Uint8Array): void {
    this.sent.push(frame);
  }

  open(): void {
    this.readyState = 1;
    this.dispatchEvent(new Event('open'));
  }

  #hear(...frame: number[]): void {
    this.dispatchEvent(Object.assign(new Event('message'), { data: new Uint8Array(frame).buffer }));
  }

  /** As the room answers a question: with a sync step 2 that adds nothing. */
  answer(): void {
    this.#hear(0, 1, 2, 0, 0);
  }

  /** As the room says that it did not take what was sent. */
  deny(): void {
    this.#hear(2, 0, 2, 0x6e, 0x6f);
  }

  /** As the room ends a socket. */
  end(code: number): void {
    this.readyState = 3;
    this.dispatchEvent(Object.assign(new Event('close'), { code, reason: '' }));
  }

  close(): void {
    this.readyState = 3;
  }
}

const newest = (): FakeSocket => {
  const socket = FakeSocket.made.at(-1);
  if (socket === undefined) throw new Error('no socket was made');
  return socket;
};
/** Lets the time pass that the next attempt waits. */
const connections = async (count: number): Promise<void> => {
  for (let step = 0; step < 100 && FakeSocket.made.length < count; step += 1) await vi.advanceTimersByTimeAsync(250);
  expect(FakeSocket.made).toHaveLength(count);
};

function openDocument(path: string) {
  const ended: KilnApiError[] = [];
  const link = {
    wsBase: 'ws://kiln.test',
    projectId: 'p',
    WebSocket: FakeSocket as unknown as typeof WebSocket,
    ticket: () => Promise.resolve('t'),
    offline: undefined,
    followed: async () => undefined,
    onClose: () => undefined,
  };
  const document = new RoomDocument(link, path);
  document.on('ended', (error) => ended.push(error));
  return { document, ended };
}

beforeEach(() => {
  vi.useFakeTimers();
  FakeSocket.made = [];
});
afterEach(() => {
  vi.useRealTimers();
});

describe('where a move takes a file', () => {
  it.each([
    ['a.ts', { from: 'a.ts', path: 'b.ts' }, 'b.ts'],
    ['a.ts/x', { from: 'a.ts', path: 'b.ts' }, undefined],
    ['src/a.ts', { from: 'src', path: 'game', files: 2 }, 'game/a.ts'],
    ['src2/a.ts', { from: 'src', path: 'game', files: 2 }, undefined],
    ['src', { from: 'src', path: 'game', files: 2 }, undefined],
    ['a.ts', { path: 'b.ts' }, undefined],
  ])('%s with %j: %s', (path, move, expected) => {
    expect(pathAfterMove(path, move)).toBe(expected);
  });
});

describe('a document whose file is moved', () => {
  it('keeps its socket, and connects to the new path when that is lost', async () => {
    const { document, ended } = openDocument('src/a b.ts');
    await connections(1);
    expect(newest().path).toBe('src/a%20b.ts');
    newest().open();
    const heard: string[] = [];
    document.on('moved', (path) => heard.push(path));
    document.moved('game/c#.ts');
    expect([document.path, heard, FakeSocket.made.length]).toEqual(['game/c#.ts', ['game/c#.ts'], 1]);
    newest().end(1006);
    await connections(2);
    expect(newest().path).toBe('game/c%23.ts');
    expect(ended).toEqual([]);
    document.close();
  });

  it('waits for the event that says where to, and goes on with what was typed', async () => {
    const { document, ended } = openDocument('a.ts');
    await connections(1);
    document.text.insert(0, 'typed');
    newest().open();
    newest().end(errors.moved.close);
    document.moved('b.ts');
    await connections(2);
    expect([newest().path, ended, document.text.toString()]).toEqual(['b.ts', [], 'typed']);
    document.close();
  });

  it('ends when nothing says where to', async () => {
    const { ended } = openDocument('a.ts');
    for (let count = 1; count <= limits.client.movedTries + 1; count += 1) {
      await connections(count);
      expect(ended).toEqual([]);
      newest().open();
      newest().end(errors.moved.close);
    }
    expect(ended.map(({ code }) => code)).toEqual(['moved']);
  });
});

describe('[R2] what is saved', () => {
  it('is what the room answers on this document’s own socket: an acknowledgement may be another device’s of the same person', async () => {
    const { document } = openDocument('a.ts');
    await connections(1);
    newest().open();
    newest().answer();
    expect(document.state).toBe('saved');
    document.text.insert(0, 'on its way');
    await vi.advanceTimersByTimeAsync(limits.client.answer / 2);
    const before = newest().sent.length;
    document.acknowledge();
    await vi.advanceTimersByTimeAsync(limits.client.typingPause);
    expect([document.state, document.dirty, newest().sent.length]).toEqual(['saving', true, before + 1]);
    newest().answer();
    expect([document.state, document.dirty]).toEqual(['saved', false]);
    document.close();
  });

  it('[R6] is nothing of what the room did not take: the document ends, and what was typed stays to be read', async () => {
    const { document, ended } = openDocument('a.ts');
    await connections(1);
    newest().open();
    newest().answer();
    document.text.insert(0, 'taken, ');
    document.verify();
    document.text.insert(7, 'and dropped');
    document.verify();
    newest().answer();
    expect(document.state).toBe('saving');
    newest().deny();
    newest().answer();
    expect(ended.map(({ code, message }) => [code, message])).toEqual([['forbidden', 'no']]);
    expect([document.state, document.dirty, document.content]).toEqual(['closed', true, 'taken, and dropped']);
    // Nor does it come back.
    await vi.advanceTimersByTimeAsync(60_000);
    expect(FakeSocket.made).toHaveLength(1);
  });

  it('[R6] is not what the room does not take, though it was taken for saved', async () => {
    const { document, ended } = openDocument('a.ts');
    await connections(1);
    newest().open();
    newest().answer();
    document.text.insert(0, 'was there');
    document.verify();
    newest().answer();
    expect([document.state, document.dirty]).toEqual(['saved', false]);
    newest().deny();
    expect([ended.map(({ code }) => code), document.dirty, document.content]).toEqual([
      ['forbidden'],
      true,
      'was there',
    ]);
  });

  it('is as it was for other documents', async () => {
    const [one, other] = [openDocument('a.ts'), openDocument('b.ts')];
    await connections(2);
    for (const socket of FakeSocket.made) {
      socket.open();
      socket.answer();
    }
    FakeSocket.made[0]?.deny();
    expect([one.document.state, other.document.state]).toEqual(['closed', 'saved']);
    other.document.close();
  });
});
