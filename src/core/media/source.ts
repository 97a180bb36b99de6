import { limits } from '../../contract/limits.ts';

/** Bytes that lie somewhere, of which a few are read. */
export interface MediaSource {
  readonly size: number;
  /** Bytes from `start` to before `end`, both within the size. */
  read(start: number, end: number): Promise<Uint8Array>;
}

const { window, bytes, reads, steps } = limits.media;

/** The file ends before what it says of itself, or asks for more than it is worth. */
export class Unreadable extends Error {}

/** Reads a source in windows, some of them kept, and no more of it than the limits say. */
export class Reader {
  readonly size: number;
  readonly #source: MediaSource;
  readonly #windows = new Map<number, Uint8Array>();
  #bytes = 0;
  #reads = 0;
  #steps = 0;

  constructor(source: MediaSource) {
    this.#source = source;
    this.size = source.size;
  }

  /** As many bytes as there are, at most `length`. */
  async some(at: number, length: number): Promise<Uint8Array> {
    const end = Math.min(this.size, at + length);
    this.#steps += 1;
    if (this.#steps > steps || !Number.isSafeInteger(at) || at < 0 || at >= end) throw new Unreadable();
    const first = await this.#window(Math.floor(at / window));
    const from = at % window;
    if (from + (end - at) <= first.length) return first.subarray(from, from + (end - at));
    return await this.#read(at, end);
  }

  async exactly(at: number, length: number): Promise<Uint8Array> {
    const found = await this.some(at, length);
    if (found.length !== length) throw new Unreadable();
    return found;
  }

  async view(at: number, length: number): Promise<DataView> {
    const { buffer, byteOffset } = await this.exactly(at, length);
    return new DataView(buffer, byteOffset, length);
  }

  async #window(index: number): Promise<Uint8Array> {
    const kept = this.#windows.get(index);
    if (kept) return kept;
    const found = await this.#read(index * window, Math.min(this.size, (index + 1) * window));
    // What is walked through is not asked for again; a few windows serve those that go back.
    if (this.#windows.size >= 4) this.#windows.delete(this.#windows.keys().next().value ?? 0);
    this.#windows.set(index, found);
    return found;
  }

  async #read(start: number, end: number): Promise<Uint8Array> {
    this.#bytes += end - start;
    this.#reads += 1;
    if (this.#bytes > bytes || this.#reads > reads) throw new Unreadable();
    return await this.#source.read(start, end);
  }
}

export const ascii = (data: Uint8Array): string => String.fromCharCode(...data);
