import { brotliDecompressSync, inflateSync } from 'node:zlib';
import type { AssetMetadata } from '../../contract/assets.ts';
import { limits } from '../../contract/limits.ts';
import { ascii, type Reader, Unreadable } from './source.ts';

const { tableBytes, fontBytes, chunks, textMax } = limits.media;

type Tables = (tag: string) => Promise<DataView | null>;

const viewOf = (data: Uint8Array): DataView => new DataView(data.buffer, data.byteOffset, data.length);
const tagAt = (view: DataView, at: number): string => ascii(new Uint8Array(view.buffer, view.byteOffset + at, 4));
const within = (view: DataView, at: number, length: number): Uint8Array => {
  if (at + length > view.byteLength) throw new Unreadable();
  return new Uint8Array(view.buffer, view.byteOffset + at, length);
};

/** OpenType 1.9, "Organization of an OpenType Font". */
async function sfnt(reader: Reader): Promise<Tables> {
  const count = (await reader.view(4, 2)).getUint16(0);
  const list = await reader.view(12, Math.min(count, chunks) * 16);
  return async (tag) => {
    for (let at = 0; at < list.byteLength; at += 16)
      if (tagAt(list, at) === tag)
        return await reader.view(list.getUint32(at + 8), Math.min(list.getUint32(at + 12), tableBytes));
    return null;
  };
}

/** WOFF 1.0, §4: the same tables, each compressed by itself. */
async function woff(reader: Reader): Promise<Tables> {
  const count = (await reader.view(12, 2)).getUint16(0);
  const list = await reader.view(44, Math.min(count, chunks) * 20);
  return async (tag) => {
    for (let at = 0; at < list.byteLength; at += 20) {
      if (tagAt(list, at) !== tag) continue;
      const [packed, size] = [list.getUint32(at + 8), list.getUint32(at + 12)];
      if (packed > tableBytes) return null;
      const data = await reader.exactly(list.getUint32(at + 4), packed);
      return viewOf(packed === size ? data : inflateSync(data, { maxOutputLength: tableBytes }));
    }
    return null;
  };
}

/** WOFF 2.0, §5: one stream of all tables, some of them rewritten; their lengths say where each begins. */
async function woff2(reader: Reader): Promise<Tables> {
  const header = await reader.view(0, 48);
  const count = Math.min(header.getUint16(12), chunks);
  const packed = header.getUint32(20);
  if (packed > fontBytes) throw new Unreadable();
  const list = viewOf(await reader.some(48, count * 15));
  let at = 0;
  const base128 = (): number => {
    let value = 0;
    for (let n = 0; n < 5; n += 1) {
      const byte = list.getUint8(at++);
      value = value * 128 + (byte & 127);
      if (byte < 128) return value;
    }
    throw new Unreadable();
  };
  const places = new Map<string, { from: number; length: number }>();
  let from = 0;
  for (let table = 0; table < count; table += 1) {
    const flags = list.getUint8(at++);
    const known = flags & 63;
    let tag = woff2Tags[known] ?? '';
    if (known === 63) {
      tag = tagAt(list, at);
      at += 4;
    }
    let length = base128();
    const version = flags >>> 6;
    const rewritten = tag === 'glyf' || tag === 'loca' ? version !== 3 : version !== 0;
    if (rewritten) length = base128();
    places.set(tag, { from, length });
    from += length;
  }
  const data = brotliDecompressSync(await reader.exactly(48 + at, packed), { maxOutputLength: fontBytes });
  return async (tag) => {
    const place = places.get(tag);
    return place ? viewOf(within(viewOf(data), place.from, Math.min(place.length, tableBytes))) : null;
  };
}

/** The tags that have numbers, up to the last one that is asked for here; WOFF 2.0, §5.2. */
const woff2Tags: readonly string[] = [
  'cmap',
  'head',
  'hhea',
  'hmtx',
  'maxp',
  'name',
  'OS/2',
  'post',
  'cvt ',
  'fpgm',
  'glyf',
  'loca',
];

/** A name of the font, best in English as Windows reads it. OpenType 1.9, "name". */
function nameIn(table: DataView, ids: readonly number[]): string | undefined {
  const count = Math.min(table.getUint16(2), chunks);
  const texts = table.getUint16(4);
  let best: { rank: number; text: string } | undefined;
  for (let record = 0; record < count; record += 1) {
    const at = 6 + record * 12;
    const [platform, language, id] = [table.getUint16(at), table.getUint16(at + 4), table.getUint16(at + 6)];
    if (!ids.includes(id) || platform > 3 || platform === 2) continue;
    const rank = ids.indexOf(id) * 4 + (platform === 3 ? (language === 0x409 ? 0 : 1) : platform === 0 ? 2 : 3);
    if (best && best.rank <= rank) continue;
    const data = within(table, texts + table.getUint16(at + 10), table.getUint16(at + 8));
    const text = new TextDecoder(platform === 1 ? 'macintosh' : 'utf-16be').decode(data);
    best = { rank, text: text.replace(/\p{C}/gu, '').trim().slice(0, textMax) };
  }
  return best?.text || undefined;
}

/** Family, style and number of glyphs. */
export async function readFont(reader: Reader, into: AssetMetadata, mimeType: string): Promise<void> {
  const read = mimeType === 'font/woff' ? woff : mimeType === 'font/woff2' ? woff2 : sfnt;
  const tables = await read(reader);
  const glyphs = (await tables('maxp'))?.getUint16(4);
  if (glyphs !== undefined) into.glyphs = glyphs;
  const names = await tables('name');
  if (!names) return;
  // What is typed to use it; the older names know four styles only.
  const [family, style] = [nameIn(names, [16, 1]), nameIn(names, [17, 2])];
  if (family !== undefined) into.family = family;
  if (style !== undefined) into.style = style;
}
