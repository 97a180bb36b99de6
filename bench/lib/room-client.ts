import { Buffer } from 'node:buffer';
import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { WebSocket } from 'ws';
import * as sync from 'y-protocols/sync';
import * as Y from 'yjs';

/** How a server's frames differ from plain y-protocols ones. */
export interface Dialect {
  /** In front of every frame, both ways. */
  readonly prefix: Uint8Array;
  /** Sent first, behind the prefix. */
  readonly hello?: Uint8Array;
}

export const plain: Dialect = { prefix: new Uint8Array() };

/** Hocuspocus: the document's name before each message, and a token message (2, 0) before anything else. */
export function hocuspocus(document: string): Dialect {
  const prefix = encoding.encode((encoder) => encoding.writeVarString(encoder, document));
  const hello = encoding.encode((encoder) => {
    encoding.writeVarUint(encoder, 2);
    encoding.writeVarUint(encoder, 0);
    encoding.writeVarString(encoder, 'bench');
  });
  return { prefix, hello };
}

/** Message types of y-protocols; 4 is Hocuspocus' answer to a sync step 1, a sync message else. */
const type = { sync: 0, awareness: 1, syncReply: 4 } as const;
const step1 = 0;
const step2 = 1;
const update = 2;

const mark = { open: 0x3c, colon: 0x3a, close: 0x3e, zero: 0x30, nine: 0x39 } as const;

/** For the closing handshake. Milliseconds. */
const closePatience = 2000;

/** An edit as it is typed: `<sender:number:sent>`, the last in microseconds of `performance.now()`. */
const markerOf = (sender: number, number: number): string =>
  `<${sender}:${number}:${Math.round(performance.now() * 1000)}>`;

/** Every edit that a text holds. */
export const markersIn = (text: string): Set<string> =>
  new Set([...text.matchAll(/<(\d+):(\d+):\d+>/g)].map(([, sender, number]) => `${sender}:${number}`));

/** What the clients of one document sent and got. */
export class Tally {
  readonly clients: number;
  /** Edits by sender. */
  readonly sent: number[];
  /** By receiver and sender: the numbers that arrived. A bit each would do; a byte is faster. */
  readonly #seen: Uint8Array[][];
  readonly latencies: number[] = [];
  delivered = 0;
  frames = 0;
  bytes = 0;
  /** Edits sent from then on are measured. Microseconds of `performance.now()`. */
  from = Number.POSITIVE_INFINITY;
  until = Number.POSITIVE_INFINITY;

  constructor(clients: number) {
    this.clients = clients;
    this.sent = new Array<number>(clients).fill(0);
    this.#seen = Array.from({ length: clients }, () => Array.from({ length: clients }, () => new Uint8Array(256)));
  }

  get edits(): number {
    return this.sent.reduce((sum, count) => sum + count, 0);
  }

  get expected(): number {
    return this.edits * (this.clients - 1);
  }

  take(receiver: number, sender: number, number: number, sentAt: number, now: number): void {
    if (sender === receiver) return;
    const row = this.#seen[receiver];
    let seen = row?.[sender];
    if (!row || !seen) return;
    if (number >= seen.length) {
      const longer = new Uint8Array(Math.max(seen.length * 2, number + 1));
      longer.set(seen);
      row[sender] = longer;
      seen = longer;
    }
    if (seen[number]) return;
    seen[number] = 1;
    this.delivered += 1;
    if (sentAt >= this.from && sentAt < this.until) this.latencies.push((now - sentAt) / 1000);
  }
}

/**
 * A y-protocols client, light enough that fifty of them are not what is measured. It types through a
 * real Y.Doc, appending to its own run as a person does, but reads what others typed off the raw bytes of
 * the update: text is plain UTF-8 in there, and an insert is never split. A `witness` applies what it gets.
 */
export class RoomClient {
  readonly #socket: WebSocket;
  readonly #dialect: Dialect;
  readonly #doc: Y.Doc;
  readonly #text: Y.Text;
  readonly #index: number;
  readonly #tally: Tally;
  readonly #witness: boolean;
  readonly ready: Promise<void>;
  #settle: { resolve: () => void; reject: (error: Error) => void } | null = null;
  #closing = false;
  #clock = 0;
  /** Why the server ended the connection, if it did. */
  ended: string | null = null;
  /** When the socket was open, when the document had come, and when it was decoded. `performance.now()`. */
  readonly times = { opened: 0, arrived: 0, applied: 0 };

  /** `before`: one that has gone, whose document this one goes on with. */
  constructor(url: string, dialect: Dialect, index: number, tally: Tally, witness: boolean, before?: RoomClient) {
    this.#doc = before ? before.#doc : new Y.Doc();
    this.#text = this.#doc.getText('content');
    this.#dialect = dialect;
    this.#index = index;
    this.#tally = tally;
    this.#witness = witness;
    this.ready = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.#socket = new WebSocket(url, { perMessageDeflate: false });
    this.#socket.on('open', () => {
      this.times.opened = performance.now();
      if (dialect.hello) this.#send(dialect.hello);
      this.#send(
        encoding.encode((encoder) => {
          encoding.writeVarUint(encoder, type.sync);
          sync.writeSyncStep1(encoder, this.#doc);
        }),
      );
    });
    this.#socket.on('message', (data) => this.#receive(data as Buffer));
    this.#socket.on('error', (error) => this.#end(error.message));
    this.#socket.on('close', (code, reason) => this.#end(`closed ${code} ${String(reason)}`));
    this.#doc.on('update', (bytes: Uint8Array, origin: unknown) => {
      if (origin === this || this.#closing) return;
      this.#send(
        encoding.encode((encoder) => {
          encoding.writeVarUint(encoder, type.sync);
          sync.writeUpdate(encoder, bytes);
        }),
      );
    });
  }

  get content(): string {
    return this.#text.toString();
  }

  type(): void {
    const number = this.#tally.sent[this.#index] ?? 0;
    this.#tally.sent[this.#index] = number + 1;
    this.#text.insert(this.#text.length, markerOf(this.#index, number));
  }

  /**
   * So many edits of one character, `run` of them in a row before the next place. What is typed in a row
   * becomes one item of the document. As one update.
   */
  scatter(count: number, run: number): void {
    this.#doc.transact(() => {
      let at = 0;
      for (let edit = 0; edit < count; edit += 1) {
        at = edit % run === 0 ? Math.floor(Math.random() * (this.#text.length + 1)) : at + 1;
        this.#text.insert(at, '.');
      }
    });
  }

  /** A moved cursor, as editors send with most edits (y-protocols awareness, one client). */
  moveCursor(): void {
    this.#clock += 1;
    const state = { cursor: { anchor: this.#clock, head: this.#clock } };
    this.#send(
      encoding.encode((encoder) => {
        encoding.writeVarUint(encoder, type.awareness);
        encoding.writeVarUint8Array(
          encoder,
          encoding.encode((inner) => {
            encoding.writeVarUint(inner, 1);
            encoding.writeVarUint(inner, this.#doc.clientID);
            encoding.writeVarUint(inner, this.#clock);
            encoding.writeVarString(inner, JSON.stringify(state));
          }),
        );
      }),
    );
  }

  close(): Promise<void> {
    this.#closing = true;
    if (this.#socket.readyState === WebSocket.CLOSED) return Promise.resolve();
    return new Promise((resolve) => {
      const impatience = setTimeout(() => this.#socket.terminate(), closePatience);
      this.#socket.once('close', () => {
        clearTimeout(impatience);
        resolve();
      });
      this.#socket.close(1000);
    });
  }

  #end(why: string): void {
    if (!this.#closing) this.ended ??= why;
    this.#settle?.reject(new Error(`client ${this.#index}: ${why}`));
    this.#settle = null;
  }

  #send(message: Uint8Array): void {
    const { prefix } = this.#dialect;
    this.#socket.send(prefix.length ? Buffer.concat([prefix, message]) : message);
  }

  #receive(frame: Buffer): void {
    this.#tally.frames += 1;
    this.#tally.bytes += frame.length;
    const at = this.#dialect.prefix.length;
    const kind = frame[at];
    if (kind !== type.sync && kind !== type.syncReply) return;
    const step = frame[at + 1];
    if (step === update && !this.#witness) this.#scan(frame, at + 2);
    else {
      const decoder = decoding.createDecoder(frame.subarray(at + 1));
      const reply = encoding.createEncoder();
      encoding.writeVarUint(reply, type.sync);
      const arrived = performance.now();
      sync.readSyncMessage(decoder, reply, this.#doc, this);
      if (step === step2) Object.assign(this.times, { arrived, applied: performance.now() });
      if (step === step1) this.#send(encoding.toUint8Array(reply));
      if (step === update) this.#scan(frame, at + 2);
    }
    if (step !== step2) return;
    this.#settle?.resolve();
    this.#settle = null;
  }

  #scan(frame: Buffer, start: number): void {
    const now = performance.now() * 1000;
    let at = frame.indexOf(mark.open, start);
    while (at !== -1) {
      const sender = this.#number(frame, at + 1);
      const number = sender && frame[sender.end] === mark.colon ? this.#number(frame, sender.end + 1) : null;
      const sentAt = number && frame[number.end] === mark.colon ? this.#number(frame, number.end + 1) : null;
      if (sender && number && sentAt && frame[sentAt.end] === mark.close)
        this.#tally.take(this.#index, sender.value, number.value, sentAt.value, now);
      at = frame.indexOf(mark.open, at + 1);
    }
  }

  #number(frame: Buffer, start: number): { value: number; end: number } | null {
    let value = 0;
    let end = start;
    for (let byte = frame[end] ?? 0; byte >= mark.zero && byte <= mark.nine; byte = frame[end] ?? 0) {
      value = value * 10 + byte - mark.zero;
      end += 1;
    }
    return end === start ? null : { value, end };
  }
}
