import { afterEach, beforeEach, expect, vi } from 'vitest';

/** A socket that the test opens, speaks on and closes. */
export class FakeSocket extends EventTarget {
  static made: FakeSocket[] = [];
  readonly url: string;
  readyState = 0;
  readonly sent: (string | Uint8Array)[] = [];

  constructor(url: string) {
    super();
    this.url = url;
    FakeSocket.made.push(this);
  }

  send(frame: string | Uint8Array): void {
    this.sent.push(frame);
  }

  open(): void {
    this.readyState = 1;
    this.dispatchEvent(new Event('open'));
  }

  say(message: object): void {
    this.dispatchEvent(Object.assign(new Event('message'), { data: JSON.stringify(message) }));
  }

  /** As the room answers a question on a document's socket: with a sync step 2 that adds nothing. */
  answer(): void {
    this.dispatchEvent(Object.assign(new Event('message'), { data: new Uint8Array([0, 1, 2, 0, 0]).buffer }));
  }

  close(code = 1006): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.dispatchEvent(Object.assign(new Event('close'), { code, reason: '' }));
  }
}

/** What the sockets that were made are for, in order. */
export const paths = (): string[] =>
  FakeSocket.made.map(({ url }) => new URL(url).pathname.replace('/api/projects/p/', ''));
export const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
const hello = (seq: number) => ({ type: 'hello', seq, self: { userId: 'me' }, users: [] });

/** Opens the newest socket, which is the channel's. */
export async function channel(seq: number): Promise<FakeSocket> {
  await pass(2000);
  const socket = FakeSocket.made.at(-1);
  if (socket === undefined) throw new Error('no socket was made');
  expect(paths().at(-1)).toBe('room');
  socket.open();
  socket.say(hello(seq));
  await pass(0);
  return socket;
}

/** Each test begins without sockets, and its time stands still but for what it lets pass. */
export function socketsPerTest(): void {
  beforeEach(() => {
    vi.useFakeTimers();
    FakeSocket.made = [];
  });
  afterEach(() => {
    vi.useRealTimers();
  });
}
