import { Buffer } from 'node:buffer';
import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import * as sync from 'y-protocols/sync';
import * as Y from 'yjs';
import { FrameSocket } from './frame-socket.ts';

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

const mark = { open: 0x3c, colon: 0x3a, close: 0x3e, zero: 0x30, nine: 0x39, a: 0x61, z: 0x7a } as const;

/** For the closing handshake. Milliseconds. */
const closePatience = 2000;

/**
 * Edits that a client has in the document at most, and how many it leaves when it deletes its older ones: what is typed at any rate fits
 * into one file, and no edit goes before it is long everywhere.
 */
const kept = { most: 600, least: 400 } as const;

/** Numbers of an edit are written in this base: short edits, so that many fit. */
const radix = 36;

/** Every edit that a text holds, as `sender:number` in decimal. */
export const markersIn = (text: string): Set<string> =>
  new Set([...text.matchAll(marker)].map(([, sender = '', number = '']) => nameOf(sender, number)));

const marker = /<([0-9a-z]+):([0-9a-z]+):[0-9a-z]+>/g;
const nameOf = (sender: string, number: string): string =>
  `${Number.parseInt(sender, radix)}:${Number.parseInt(number, radix)}`;

/** An edit as it is typed: `<sender:number:sent>`. */
interface Marker {
  readonly sender: number;
  readonly number: number;
  /** Microseconds of `performance.now()`. */
  readonly sentAt: number;
}

/** Frames of which it is remembered what is in them, by their length. */
const framesRemembered = 256;

/** What the clients of one document sent and got. */
export class Tally {
  readonly clients: number;
  /** Edits by sender. */
  readonly sent: number[];
  /** Of each sender, the first of its edits that it has not deleted. */
  readonly oldest: number[];
  /** By receiver and sender: the numbers that arrived. A bit each would do; a byte is faster. */
  readonly #seen: Uint8Array[][];
  /** Everybody gets the same frames: each is read once. */
  readonly #read = new Map<number, { frame: Buffer; markers: Marker[] }>();
  readonly #origin = performance.now() * 1000;
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
    this.oldest = new Array<number>(clients).fill(0);
    this.#seen = Array.from({ length: clients }, () => Array.from({ length: clients }, () => new Uint8Array(256)));
  }

  get edits(): number {
    return this.sent.reduce((sum, count) => sum + count, 0);
  }

  get expected(): number {
    return this.edits * (this.clients - 1);
  }

  /** The next edit of a client, sent now. */
  next(sender: number): string {
    const number = this.sent[sender] ?? 0;
    this.sent[sender] = number + 1;
    const sentAt = Math.round(performance.now() * 1000 - this.#origin);
    return `<${[sender, number, sentAt].map((part) => part.toString(radix)).join(':')}>`;
  }

  /** A frame of updates that somebody got. */
  arrived(receiver: number, frame: Buffer): void {
    const now = performance.now() * 1000;
    for (const { sender, number, sentAt } of this.#markersOf(frame)) this.#take(receiver, sender, number, sentAt, now);
  }

  #markersOf(frame: Buffer): readonly Marker[] {
    const known = this.#read.get(frame.length);
    if (known?.frame.equals(frame)) return known.markers;
    const markers: Marker[] = [];
    for (let at = frame.indexOf(mark.open); at !== -1; at = frame.indexOf(mark.open, at + 1)) {
      const sender = numberAt(frame, at + 1);
      const number = sender && frame[sender.end] === mark.colon ? numberAt(frame, sender.end + 1) : null;
      const sentAt = number && frame[number.end] === mark.colon ? numberAt(frame, number.end + 1) : null;
      if (sender && number && sentAt && frame[sentAt.end] === mark.close)
        markers.push({ sender: sender.value, number: number.value, sentAt: this.#origin + sentAt.value });
    }
    if (this.#read.size >= framesRemembered) this.#read.clear();
    this.#read.set(frame.length, { frame, markers });
    return markers;
  }

  #take(receiver: number, sender: number, number: number, sentAt: number, now: number): void {
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

function numberAt(frame: Buffer, start: number): { value: number; end: number } | null {
  let value = 0;
  let end = start;
  for (let digit = digitOf(frame[end]); digit >= 0; digit = digitOf(frame[end])) {
    value = value * radix + digit;
    end += 1;
  }
  return end === start ? null : { value, end };
}

const digitOf = (byte = 0): number => {
  if (byte >= mark.zero && byte <= mark.nine) return byte - mark.zero;
  return byte >= mark.a && byte <= mark.z ? byte - mark.a + 10 : -1;
};

/**
 * A y-protocols client, light enough that fifty of them are not what is measured. It types through a
 * real Y.Doc, appending to its own run as a person does, but reads what others typed off the raw bytes of
 * the update: text is plain UTF-8 in there, and an insert is never split. A `witness` applies what it gets.
 * What it typed long ago it deletes, so that the document stays of one size whatever the rate.
 */
export class RoomClient {
  readonly #socket: FrameSocket;
  readonly #dialect: Dialect;
  readonly #doc: Y.Doc;
  readonly #text: Y.Text;
  readonly #index: number;
  readonly #tally: Tally;
  readonly #witness: boolean;
  readonly ready: Promise<void>;
  #settle: { resolve: () => void; reject: (error: Error) => void } | null = null;
  #closing = false;
  #whenGone: (() => void) | null = null;
  #cursorClock = 0;
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
    this.#socket = new FrameSocket(url, {
      opened: () => {
        this.times.opened = performance.now();
        if (dialect.hello) this.#send(dialect.hello);
        this.#send(
          encoding.encode((encoder) => {
            encoding.writeVarUint(encoder, type.sync);
            sync.writeSyncStep1(encoder, this.#doc);
          }),
        );
      },
      arrived: (frame) => this.#receive(frame),
      ended: (why) => this.#end(why),
    });
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

  /** What it holds of one that made edits: the clock of the newest. */
  clockOf(other: RoomClient): number {
    return Y.getState(this.#doc.store, other.#doc.clientID);
  }

  /** How far it is with its own edits: what anybody must hold of it. */
  get clock(): number {
    return this.clockOf(this);
  }

  /** One edit more; when they are many, the same edit deletes the older ones of this client. */
  type(): void {
    const { sent, oldest } = this.#tally;
    this.#doc.transact(() => {
      this.#text.insert(this.#text.length, this.#tally.next(this.#index));
      const number = sent[this.#index] ?? 0;
      if (number - (oldest[this.#index] ?? 0) >= kept.most) this.#deleteBefore(number - kept.least);
    });
  }

  #deleteBefore(first: number): void {
    this.#tally.oldest[this.#index] = first;
    const ranges: { at: number; length: number }[] = [];
    for (const { 0: whole, 1: sender = '', 2: number = '', index } of this.content.matchAll(marker)) {
      if (Number.parseInt(sender, radix) !== this.#index || Number.parseInt(number, radix) >= first) continue;
      const last = ranges.at(-1);
      if (last && last.at + last.length === index) last.length += whole.length;
      else ranges.push({ at: index, length: whole.length });
    }
    for (const { at, length } of ranges.reverse()) this.#text.delete(at, length);
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
    this.#cursorClock += 1;
    const state = { cursor: { anchor: this.#cursorClock, head: this.#cursorClock } };
    this.#send(
      encoding.encode((encoder) => {
        encoding.writeVarUint(encoder, type.awareness);
        encoding.writeVarUint8Array(
          encoder,
          encoding.encode((inner) => {
            encoding.writeVarUint(inner, 1);
            encoding.writeVarUint(inner, this.#doc.clientID);
            encoding.writeVarUint(inner, this.#cursorClock);
            encoding.writeVarString(inner, JSON.stringify(state));
          }),
        );
      }),
    );
  }

  close(): Promise<void> {
    this.#closing = true;
    if (this.#socket.isGone) return Promise.resolve();
    return new Promise((resolve) => {
      const impatience = setTimeout(() => this.#socket.terminate(), closePatience);
      this.#whenGone = () => {
        clearTimeout(impatience);
        resolve();
      };
      this.#socket.close(1000);
    });
  }

  #end(why: string): void {
    this.#whenGone?.();
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
    if (step === update && !this.#witness) this.#tally.arrived(this.#index, frame);
    else {
      const decoder = decoding.createDecoder(frame.subarray(at + 1));
      const reply = encoding.createEncoder();
      encoding.writeVarUint(reply, type.sync);
      const arrived = performance.now();
      sync.readSyncMessage(decoder, reply, this.#doc, this);
      if (step === step2) Object.assign(this.times, { arrived, applied: performance.now() });
      if (step === step1) this.#send(encoding.toUint8Array(reply));
      if (step === update) this.#tally.arrived(this.#index, frame);
    }
    if (step !== step2) return;
    this.#settle?.resolve();
    this.#settle = null;
  }
}
