import type { AssetMetadata } from '../../contract/assets.ts';
import { limits } from '../../contract/limits.ts';
import { ascii, type Reader, Unreadable } from './source.ts';

/*
 * Length, size and codecs of sound and film. Own readers, for those of the libraries that were tried build tables of as many
 * samples as a file claims, and a few changed bytes kept them busy for ten seconds and more: docs/decisions/0014-reading-media.md.
 */

type Into = AssetMetadata;
const { chunks, window, headBytes } = limits.media;

const textAt = (view: DataView, at: number, length = 4): string =>
  ascii(new Uint8Array(view.buffer, view.byteOffset + at, length));

function lasts(into: Into, seconds: number): void {
  if (Number.isFinite(seconds) && seconds > 0) into.duration = Math.round(seconds * 1000) / 1000;
}

// ISO/IEC 14496-12, and QuickTime before it

const mp4Codecs: Readonly<Record<string, string>> = {
  avc1: 'avc',
  avc3: 'avc',
  hvc1: 'hevc',
  hev1: 'hevc',
  vp08: 'vp8',
  vp09: 'vp9',
  av01: 'av1',
  mp4v: 'mpeg4',
  mp4a: 'aac',
  Opus: 'opus',
  fLaC: 'flac',
  alac: 'alac',
  '.mp3': 'mp3',
  'ac-3': 'ac3',
  'ec-3': 'eac3',
  sowt: 'pcm-s16',
  twos: 'pcm-s16be',
};

interface Box {
  readonly type: string;
  readonly from: number;
  readonly to: number;
}

async function* boxes(reader: Reader, from: number, to: number): AsyncGenerator<Box, void> {
  let at = from;
  for (let n = 0; n < chunks && at + 8 <= to; n += 1) {
    const header = await reader.view(at, 8);
    let [size, head] = [header.getUint32(0), 8];
    if (size === 1) [size, head] = [Number((await reader.view(at + 8, 8)).getBigUint64(0)), 16];
    else if (size === 0) size = to - at;
    if (size < head) throw new Unreadable();
    yield { type: textAt(header, 4), from: at + head, to: Math.min(to, at + size) };
    at += size;
  }
}

async function within(reader: Reader, box: Box, path: readonly string[]): Promise<Box | null> {
  let found = box;
  for (const type of path) {
    let next: Box | null = null;
    for await (const inner of boxes(reader, found.from, found.to)) {
      if (inner.type !== type) continue;
      next = inner;
      break;
    }
    if (!next) return null;
    found = next;
  }
  return found;
}

/** Length in seconds, of a header that begins as those of films and tracks do. */
async function lengthIn(reader: Reader, { from }: Box): Promise<number> {
  const view = await reader.view(from, 32);
  const long = view.getUint8(0) === 1;
  const scale = view.getUint32(long ? 20 : 12);
  return (long ? Number(view.getBigUint64(24)) : view.getUint32(16)) / scale;
}

/** Channels by the configuration of the decoder (ISO/IEC 14496-1, §7.2.6): the entry itself says two of anything. */
async function aacChannels(reader: Reader, entry: number): Promise<number | undefined> {
  const bytes = await reader.some(entry + 36, 64);
  if (ascii(bytes.subarray(4, 8)) !== 'esds') return undefined;
  let at = 12;
  for (const [tag, fields] of [
    [3, 3],
    [4, 13],
    [5, 0],
  ] as const) {
    if (bytes[at++] !== tag) return undefined;
    for (let n = 0; n < 4 && (bytes[at++] ?? 0) & 0x80; n += 1);
    at += fields;
  }
  const channels = ((bytes[at + 1] ?? 0) >>> 3) & 15;
  return channels >= 1 && channels <= 6 ? channels : undefined;
}

async function mp4Track(reader: Reader, track: Box, into: Into): Promise<void> {
  const handler = await within(reader, track, ['mdia', 'hdlr']);
  const entries = await within(reader, track, ['mdia', 'minf', 'stbl', 'stsd']);
  if (!handler || !entries) return;
  const kind = textAt(await reader.view(handler.from + 8, 4), 0);
  const entry = await reader.view(entries.from + 8, 36);
  const codec = mp4Codecs[textAt(entry, 4)];
  if (kind === 'vide' && into.width === undefined) {
    const header = await within(reader, track, ['tkhd']);
    if (header) {
      const long = (await reader.view(header.from, 1)).getUint8(0) === 1;
      const size = await reader.view(header.from + (long ? 88 : 76), 8);
      Object.assign(into, { width: size.getUint32(0) >>> 16, height: size.getUint32(4) >>> 16 });
    }
    if (codec !== undefined) into.videoCodec = codec;
  } else if (kind === 'soun' && into.sampleRate === undefined) {
    into.sampleRate = entry.getUint32(32) >>> 16;
    if (codec !== undefined) into.audioCodec = codec;
    const channels = codec === 'aac' ? await aacChannels(reader, entries.from + 8) : entry.getUint16(24);
    if (channels !== undefined) into.channels = channels;
  }
}

async function mp4(reader: Reader, into: Into): Promise<void> {
  for await (const movie of boxes(reader, 0, reader.size)) {
    if (movie.type !== 'moov') continue;
    for await (const box of boxes(reader, movie.from, movie.to)) {
      if (box.type === 'mvhd') lasts(into, await lengthIn(reader, box));
      else if (box.type === 'trak') await mp4Track(reader, box, into);
      // One that comes in fragments says its length here.
      else if (box.type === 'mvex' && into.duration === undefined) {
        const [head, whole] = [await within(reader, movie, ['mvhd']), await within(reader, box, ['mehd'])];
        if (!head || !whole) continue;
        const scale = (await reader.view(head.from, 32)).getUint32(12);
        const view = await reader.view(whole.from, 8);
        if (view.getUint8(0) === 0) lasts(into, view.getUint32(4) / scale);
      }
    }
    return;
  }
}

// RFC 8794 and RFC 9559

const webmCodecs: Readonly<Record<string, string>> = {
  V_VP8: 'vp8',
  V_VP9: 'vp9',
  V_AV1: 'av1',
  'V_MPEG4/ISO/AVC': 'avc',
  A_OPUS: 'opus',
  A_VORBIS: 'vorbis',
  A_FLAC: 'flac',
  A_AAC: 'aac',
};

interface Element {
  readonly id: number;
  readonly from: number;
  readonly to: number;
}

/** A number whose first bits say its length; `whole`: with them, as in the names of elements. */
async function vint(reader: Reader, at: number, whole: boolean): Promise<{ value: number; length: number }> {
  const bytes = await reader.some(at, 8);
  const length = Math.clz32(bytes[0] ?? 0) - 23;
  if (length > 8 || length > bytes.length) throw new Unreadable();
  let value = whole ? (bytes[0] ?? 0) : (bytes[0] ?? 0) & (0xff >> length);
  let unknown = !whole && value === 0xff >> length;
  for (const byte of bytes.subarray(1, length)) {
    value = value * 256 + byte;
    unknown &&= byte === 0xff;
  }
  return { value: unknown ? Number.POSITIVE_INFINITY : value, length };
}

async function* elements(reader: Reader, from: number, to: number): AsyncGenerator<Element, void> {
  let at = from;
  for (let n = 0; n < chunks && at < to; n += 1) {
    const id = await vint(reader, at, true);
    const size = await vint(reader, at + id.length, false);
    const start = at + id.length + size.length;
    yield { id: id.value, from: start, to: Math.min(to, start + size.value) };
    at = start + size.value;
  }
}

async function numberIn(reader: Reader, { from, to }: Element): Promise<number> {
  if (to - from > 8) throw new Unreadable();
  return (await reader.exactly(from, to - from)).reduce((value, byte) => value * 256 + byte, 0);
}

async function floatIn(reader: Reader, { from, to }: Element): Promise<number> {
  const view = await reader.view(from, to - from === 4 ? 4 : 8);
  return view.byteLength === 4 ? view.getFloat32(0) : view.getFloat64(0);
}

async function webmTrack(reader: Reader, track: Element, into: Into): Promise<void> {
  const seen: {
    kind?: number;
    codec?: string | undefined;
    width?: number;
    height?: number;
    rate?: number;
    channels?: number;
  } = {};
  for await (const element of elements(reader, track.from, track.to)) {
    if (element.id === 0x83) seen.kind = await numberIn(reader, element);
    else if (element.id === 0x86)
      seen.codec = webmCodecs[ascii(await reader.exactly(element.from, Math.min(32, element.to - element.from)))];
    else if (element.id === 0xe0 || element.id === 0xe1)
      for await (const inner of elements(reader, element.from, element.to)) {
        if (inner.id === 0xb0) seen.width = await numberIn(reader, inner);
        else if (inner.id === 0xba) seen.height = await numberIn(reader, inner);
        else if (inner.id === 0xb5) seen.rate = await floatIn(reader, inner);
        else if (inner.id === 0x9f) seen.channels = await numberIn(reader, inner);
      }
  }
  const { codec, width, height } = seen;
  if (seen.kind === 1 && into.width === undefined)
    Object.assign(
      into,
      width !== undefined && { width },
      height !== undefined && { height },
      codec && { videoCodec: codec },
    );
  else if (seen.kind === 2 && into.channels === undefined)
    Object.assign(
      into,
      { channels: seen.channels ?? 1, sampleRate: Math.round(seen.rate ?? 8000) },
      codec && { audioCodec: codec },
    );
}

async function webm(reader: Reader, into: Into): Promise<void> {
  for await (const segment of elements(reader, 0, reader.size)) {
    if (segment.id !== 0x18538067) continue;
    for await (const part of elements(reader, segment.from, segment.to)) {
      if (part.id === 0x1549a966) {
        let [scale, length] = [1_000_000, Number.NaN];
        for await (const fact of elements(reader, part.from, part.to)) {
          if (fact.id === 0x2ad7b1) scale = await numberIn(reader, fact);
          else if (fact.id === 0x4489) length = await floatIn(reader, fact);
        }
        lasts(into, (length * scale) / 1e9);
      } else if (part.id === 0x1654ae6b) {
        for await (const track of elements(reader, part.from, part.to))
          if (track.id === 0xae) await webmTrack(reader, track, into);
        // Behind the tracks come the pictures and the sound.
        return;
      }
    }
    return;
  }
}

// RFC 3533

async function ogg(reader: Reader, into: Into): Promise<void> {
  let sound: { serial: number; rate: number; skip: number } | undefined;
  let at = 0;
  for (let page = 0; page < 8; page += 1) {
    const header = await reader.view(at, 27);
    // Only pages that begin a stream say what it is.
    if (textAt(header, 0) !== 'OggS' || (header.getUint8(5) & 2) === 0) break;
    const lacing = await reader.exactly(at + 27, header.getUint8(26));
    const from = at + 27 + lacing.length;
    const length = lacing.reduce((sum, size) => sum + size, 0);
    const packet = new DataView((await reader.exactly(from, length)).slice().buffer);
    const serial = header.getUint32(14, true);
    const is = (magic: string): boolean => packet.byteLength >= 28 && textAt(packet, 0, magic.length) === magic;
    if (is('\x01vorbis')) {
      const rate = packet.getUint32(12, true);
      Object.assign(into, { audioCodec: 'vorbis', channels: packet.getUint8(11), sampleRate: rate });
      sound = { serial, rate, skip: 0 };
    } else if (packet.byteLength >= 19 && textAt(packet, 0, 8) === 'OpusHead') {
      Object.assign(into, { audioCodec: 'opus', channels: packet.getUint8(9), sampleRate: 48_000 });
      sound = { serial, rate: 48_000, skip: packet.getUint16(10, true) };
    } else if (is('\x7fFLAC')) {
      const bits = packet.getUint32(27);
      Object.assign(into, { audioCodec: 'flac', channels: ((bits >>> 9) & 7) + 1, sampleRate: bits >>> 12 });
      sound = { serial, rate: bits >>> 12, skip: 0 };
    } else if (is('\x80theora')) {
      const [width, height] = [packet.getUint32(13) & 0xffffff, packet.getUint32(16) & 0xffffff];
      Object.assign(into, { videoCodec: 'theora', width, height });
    }
    at = from + length;
  }
  if (!sound) return;
  // The last page of a stream says how many samples came before its end.
  const start = Math.max(0, reader.size - window);
  const tail = await reader.exactly(start, reader.size - start);
  const view = new DataView(tail.buffer, tail.byteOffset, tail.length);
  for (let from = tail.length - 27; from >= 0; from -= 1) {
    if (tail[from] !== 0x4f || textAt(view, from) !== 'OggS' || view.getUint32(from + 14, true) !== sound.serial)
      continue;
    lasts(into, (Number(view.getBigInt64(from + 6, true)) - sound.skip) / sound.rate);
    return;
  }
}

// ISO/IEC 11172-3 and 13818-3, with the headers of Xing and Fraunhofer

const bitrates1 = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const bitrates2 = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];

async function mp3(reader: Reader, into: Into): Promise<void> {
  let at = 0;
  const tag = await reader.view(0, 10);
  if (textAt(tag, 0, 3) === 'ID3') {
    const size = [6, 7, 8, 9].reduce((sum, index) => sum * 128 + (tag.getUint8(index) & 127), 0);
    at = 10 + size + (tag.getUint8(5) & 0x10 ? 10 : 0);
  }
  const head = await reader.some(at, window);
  const found = head.findIndex((byte, index) => byte === 0xff && ((head[index + 1] ?? 0) & 0xe6) === 0xe2);
  if (found < 0) throw new Unreadable();
  const frame = new DataView(head.buffer, head.byteOffset + found, head.length - found);
  const bits = frame.getUint32(0);
  const version = (bits >>> 19) & 3;
  const bitrate = (version === 3 ? bitrates1 : bitrates2)[(bits >>> 12) & 15];
  const base = [44_100, 48_000, 32_000][(bits >>> 10) & 3];
  if (version === 1 || !bitrate || base === undefined) throw new Unreadable();
  const rate = base >> (version === 3 ? 0 : version === 2 ? 1 : 2);
  const mono = ((bits >>> 6) & 3) === 3;
  Object.assign(into, { audioCodec: 'mp3', channels: mono ? 1 : 2, sampleRate: rate });
  const samples = version === 3 ? 1152 : 576;
  const side = version === 3 ? (mono ? 17 : 32) : mono ? 9 : 17;
  const said = (place: number, magic: readonly string[], count: number): number | undefined =>
    place + count + 4 <= frame.byteLength && magic.includes(textAt(frame, place))
      ? frame.getUint32(place + count)
      : undefined;
  const frames = said(4 + side, ['Xing', 'Info'], 8) ?? said(36, ['VBRI'], 14);
  if (frames) lasts(into, (frames * samples) / rate);
  // Without such a header every frame is as large as the first.
  else lasts(into, ((reader.size - at - found) * 8) / (bitrate * 1000));
}

const pcm = (format: number, depth: number): string | undefined =>
  format === 3
    ? `pcm-f${depth}`
    : format === 1 || format === 0xfffe
      ? depth === 8
        ? 'pcm-u8'
        : `pcm-s${depth}`
      : undefined;

async function wav(reader: Reader, into: Into): Promise<void> {
  let rate = 0;
  let at = 12;
  for (let n = 0; n < chunks; n += 1) {
    const header = await reader.view(at, 8);
    const [type, size] = [textAt(header, 0), header.getUint32(4, true)];
    if (type === 'fmt ') {
      const format = await reader.view(at + 8, 16);
      rate = format.getUint32(8, true);
      const codec = pcm(format.getUint16(0, true), format.getUint16(14, true));
      Object.assign(into, { channels: format.getUint16(2, true), sampleRate: format.getUint32(4, true) });
      if (codec !== undefined) into.audioCodec = codec;
    } else if (type === 'data') return lasts(into, Math.min(size, reader.size - at - 8) / rate);
    at += 8 + size + (size & 1);
  }
}

/** RFC 9639, §8.2. */
async function flac(reader: Reader, into: Into): Promise<void> {
  const info = await reader.view(18, 8);
  const [high, low] = [info.getUint32(0), info.getUint32(4)];
  const rate = high >>> 12;
  Object.assign(into, { audioCodec: 'flac', channels: ((high >>> 9) & 7) + 1, sampleRate: rate });
  lasts(into, ((high & 15) * 2 ** 32 + low) / rate);
}

const adtsRates = [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350];

/** ISO/IEC 13818-7, §6.2: frames of 1024 samples, one after the other. */
async function adts(reader: Reader, into: Into): Promise<void> {
  const first = await reader.view(0, 7);
  const rate = adtsRates[(first.getUint8(2) >>> 2) & 15];
  if (rate === undefined) throw new Unreadable();
  const channels = ((first.getUint8(2) & 1) << 2) | (first.getUint8(3) >>> 6);
  Object.assign(into, { audioCodec: 'aac', channels, sampleRate: rate });
  let [at, frames] = [0, 0];
  while (at + 7 <= Math.min(reader.size, headBytes)) {
    const header = await reader.view(at, 7);
    const length = (header.getUint32(2) >>> 5) & 0x1fff;
    if (header.getUint16(0) >>> 4 !== 0xfff || length < 7) break;
    at += length;
    frames += 1;
  }
  // The beginning says how large a frame is on the whole.
  if (at > 0) lasts(into, (frames * 1024 * (at < headBytes ? 1 : reader.size / at)) / rate);
}

const readers: Readonly<Record<string, (reader: Reader, into: Into) => Promise<void>>> = {
  'audio/mpeg': mp3,
  'audio/wav': wav,
  'audio/flac': flac,
  'audio/aac': adts,
  'audio/ogg': ogg,
  'video/ogg': ogg,
  'audio/webm': webm,
  'video/webm': webm,
  'audio/mp4': mp4,
  'audio/x-m4a': mp4,
  'video/mp4': mp4,
  'video/x-m4v': mp4,
  'video/quicktime': mp4,
};

export const readRecording = async (reader: Reader, into: AssetMetadata, mimeType: string): Promise<void> =>
  await readers[mimeType]?.(reader, into);
