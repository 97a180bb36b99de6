import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';

/** Opcodes of RFC 6455, section 5.2. */
const opcode = { binary: 2, close: 8, ping: 9, pong: 10 } as const;
const final = 0x80;
const masked = 0x80;
const opcodeBits = 0x0f;
const lengthBits = 0x7f;
/** Lengths that say where the length is. */
const wide = { two: 126, eight: 127 } as const;
/** Of the key that hides nothing: clients must mask, and may mask with zeros. */
const noKey = 4;
const headEnd = '\r\n\r\n';

/** What a socket tells its owner. */
export interface FrameEvents {
  opened(): void;
  /** A binary frame. Its bytes stay as they are. */
  arrived(payload: Buffer): void;
  /** Once, whoever ended it. */
  ended(why: string): void;
}

/**
 * A WebSocket client that does as little as one can: with fifty receivers in one process, reading the frames is most of the
 * generator's work, and `ws` takes ten times as long for it. Binary frames, whole ones, no extensions.
 */
export class FrameSocket {
  readonly #socket: Socket;
  readonly #events: FrameEvents;
  #waiting: Buffer[] = [];
  #length = 0;
  /** Bytes without which nothing can be read. */
  #needed = 1;
  #isOpen = false;
  #why: string | null = null;

  constructor(url: string, events: FrameEvents) {
    const { hostname, port, pathname, search, host } = new URL(url);
    this.#events = events;
    this.#socket = connect(Number(port), hostname);
    this.#socket.setNoDelay(true);
    this.#socket.on('connect', () =>
      this.#socket.write(
        [
          `GET ${pathname}${search} HTTP/1.1`,
          `Host: ${host}`,
          'Upgrade: websocket',
          'Connection: Upgrade',
          `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
          `Sec-WebSocket-Version: 13${headEnd}`,
        ].join('\r\n'),
      ),
    );
    this.#socket.on('data', (chunk) => this.#take(chunk as Buffer));
    this.#socket.on('error', (error) => {
      this.#why ??= error.message;
    });
    this.#socket.on('close', () => events.ended(this.#why ?? 'the connection broke'));
  }

  get isGone(): boolean {
    return this.#socket.destroyed;
  }

  send(payload: Uint8Array): void {
    this.#write(opcode.binary, payload);
  }

  /** Begins the closing handshake. */
  close(code: number): void {
    this.#write(opcode.close, Buffer.from([code >> 8, code & 0xff]));
  }

  terminate(): void {
    this.#socket.destroy();
  }

  #write(kind: number, payload: Uint8Array): void {
    if (this.#socket.destroyed || this.#socket.writableEnded) return;
    const { length } = payload;
    const extra = length < wide.two ? 0 : length < 2 ** 16 ? 2 : 8;
    const frame = Buffer.alloc(2 + extra + noKey + length);
    frame[0] = final | kind;
    frame[1] = masked | (extra === 0 ? length : extra === 2 ? wide.two : wide.eight);
    if (extra === 2) frame.writeUInt16BE(length, 2);
    if (extra === 8) frame.writeBigUInt64BE(BigInt(length), 2);
    frame.set(payload, 2 + extra + noKey);
    this.#socket.write(frame);
  }

  #take(chunk: Buffer): void {
    this.#waiting.push(chunk);
    this.#length += chunk.length;
    if (this.#length < this.#needed) return;
    let bytes = this.#waiting.length === 1 ? chunk : Buffer.concat(this.#waiting);
    if (!this.#isOpen) {
      const end = bytes.indexOf(headEnd);
      if (end === -1) return;
      const status = bytes.toString('latin1', 0, bytes.indexOf('\r\n'));
      if (!status.includes(' 101 ')) {
        this.#why = status;
        this.#socket.destroy();
        return;
      }
      this.#isOpen = true;
      bytes = bytes.subarray(end + headEnd.length);
      this.#events.opened();
    }
    let at = 0;
    for (;;) {
      const size = frameAt(bytes, at);
      this.#needed = size === null ? 10 : size.end - at;
      if (size === null || size.end > bytes.length) break;
      this.#read(bytes[at] ?? 0, bytes.subarray(size.start, size.end));
      at = size.end;
    }
    this.#waiting = at < bytes.length ? [bytes.subarray(at)] : [];
    this.#length = bytes.length - at;
    if (this.#length === 0) this.#needed = 2;
  }

  #read(head: number, payload: Buffer): void {
    const kind = head & opcodeBits;
    if (kind === opcode.binary && head & final) this.#events.arrived(payload);
    else if (kind === opcode.ping) this.#write(opcode.pong, payload);
    else if (kind === opcode.close) {
      this.#why ??= payload.length < 2 ? 'closed' : `closed ${payload.readUInt16BE(0)} ${payload.toString('utf8', 2)}`;
      this.#write(opcode.close, payload.subarray(0, 2));
      this.#socket.end();
    } else if (!(head & final) || kind === 0) {
      this.#why = 'frames in parts are not read';
      this.#socket.destroy();
    }
  }
}

/** Where the payload of the frame is that begins there; null when too little of it has come to know. */
function frameAt(bytes: Buffer, at: number): { start: number; end: number } | null {
  if (bytes.length < at + 2) return null;
  const length = (bytes[at + 1] ?? 0) & lengthBits;
  if (length < wide.two) return { start: at + 2, end: at + 2 + length };
  const extra = length === wide.two ? 2 : 8;
  const start = at + 2 + extra;
  if (bytes.length < start) return null;
  return { start, end: start + (extra === 2 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2))) };
}
