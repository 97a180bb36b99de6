import { AssetMetadata, type AssetType } from '../../contract/assets.ts';
import { limits } from '../../contract/limits.ts';
import { within } from '../within.ts';
import { readFont } from './font.ts';
import { readModel } from './model.ts';
import { readPicture } from './picture.ts';
import { readRecording } from './recording.ts';
import { type MediaSource, Reader, Unreadable } from './source.ts';

export type { MediaSource } from './source.ts';

/*
 * What bytes say of themselves. Nothing here decodes: headers and lists are read, in a few windows, within the
 * bytes, reads and time of `limits.media`. Bytes are anybody's: what cannot be read is left out, and never thrown.
 */

async function read(reader: Reader, into: AssetMetadata, type: AssetType, mimeType: string): Promise<void> {
  switch (type) {
    case 'image':
    case 'other':
      return await readPicture(reader, into, mimeType);
    case 'audio':
    case 'video':
      return await readRecording(reader, into, mimeType);
    case 'font':
      return await readFont(reader, into, mimeType);
    case 'model':
      return await readModel(reader, into, mimeType);
    case 'data':
      return;
  }
}

const isWhole = (value: unknown): boolean => typeof value !== 'number' || Number.isFinite(value);

/** What could be read. Never throws, whatever the bytes and their source do. */
export async function readMetadata(
  source: MediaSource,
  { type, mimeType }: { readonly type: AssetType; readonly mimeType: string },
): Promise<AssetMetadata> {
  const found: AssetMetadata = {};
  const reading = read(new Reader(source), found, type, mimeType);
  // Found so far is found; a read that goes on afterwards writes into nothing that is kept.
  await within(limits.media.patience, reading, () => new Unreadable()).catch(() => undefined);
  const valid = Object.entries(found).filter(
    ([name, value]) => isWhole(value) && AssetMetadata.safeParse({ [name]: value }).success,
  );
  return Object.fromEntries(valid);
}
