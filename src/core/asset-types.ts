import { fileTypeFromBuffer } from 'file-type';
import { SaxesParser } from 'saxes';
import type { AssetType } from '../contract/assets.ts';
import { KilnError } from '../contract/errors.ts';
import { validPath } from './paths.ts';

/**
 * What an asset is. The bytes decide: most formats by their magic number, text by being text. An
 * extension says only what somebody expects, and must be one of these.
 */

interface Kind {
  readonly type: AssetType;
  /** Types that bytes of this kind are recognised as; for text and opaque kinds the one that it is served as. */
  readonly mimes: readonly [string, ...string[]];
  /** `magic`: known by its first bytes. `text`: UTF-8. `opaque`: bytes that nothing recognises. */
  readonly by: 'magic' | 'text' | 'opaque';
}

const magic = (type: AssetType, ...mimes: [string, ...string[]]): Kind => ({ type, mimes, by: 'magic' });
const text = (type: AssetType, mime: string): Kind => ({ type, mimes: [mime], by: 'text' });
const opaque = (type: AssetType, mime: string): Kind => ({ type, mimes: [mime], by: 'opaque' });

const svg = 'image/svg+xml';

const kinds: Readonly<Record<string, Kind>> = {
  png: magic('image', 'image/png', 'image/apng'),
  apng: magic('image', 'image/apng', 'image/png'),
  jpg: magic('image', 'image/jpeg'),
  jpeg: magic('image', 'image/jpeg'),
  gif: magic('image', 'image/gif'),
  webp: magic('image', 'image/webp'),
  avif: magic('image', 'image/avif'),
  bmp: magic('image', 'image/bmp'),
  ico: magic('image', 'image/x-icon'),
  svg: magic('image', svg),
  psd: magic('other', 'image/vnd.adobe.photoshop'),
  ktx: magic('image', 'image/ktx'),
  mp3: magic('audio', 'audio/mpeg'),
  wav: magic('audio', 'audio/wav'),
  ogg: magic('audio', 'audio/ogg', 'video/ogg'),
  oga: magic('audio', 'audio/ogg'),
  opus: magic('audio', 'audio/ogg'),
  flac: magic('audio', 'audio/flac'),
  aac: magic('audio', 'audio/aac'),
  m4a: magic('audio', 'audio/x-m4a', 'audio/mp4', 'video/mp4'),
  mid: magic('audio', 'audio/midi'),
  midi: magic('audio', 'audio/midi'),
  weba: magic('audio', 'video/webm'),
  mp4: magic('video', 'video/mp4'),
  m4v: magic('video', 'video/x-m4v', 'video/mp4'),
  webm: magic('video', 'video/webm'),
  ogv: magic('video', 'video/ogg', 'audio/ogg'),
  mov: magic('video', 'video/quicktime'),
  woff: magic('font', 'font/woff'),
  woff2: magic('font', 'font/woff2'),
  ttf: magic('font', 'font/ttf'),
  otf: magic('font', 'font/otf'),
  glb: magic('model', 'model/gltf-binary'),
  gltf: text('model', 'model/gltf+json'),
  obj: text('model', 'model/obj'),
  mtl: text('model', 'model/mtl'),
  fbx: opaque('model', 'application/octet-stream'),
  json: text('data', 'application/json'),
  atlas: text('data', 'text/plain'),
  fnt: text('data', 'text/plain'),
  txt: text('data', 'text/plain'),
  md: text('data', 'text/markdown'),
  csv: text('data', 'text/csv'),
  tsv: text('data', 'text/tab-separated-values'),
  xml: text('data', 'application/xml'),
  tmx: text('data', 'application/xml'),
  tsx: text('data', 'application/xml'),
  yaml: text('data', 'application/yaml'),
  yml: text('data', 'application/yaml'),
  toml: text('data', 'application/toml'),
  glsl: text('data', 'text/plain'),
  vert: text('data', 'text/plain'),
  frag: text('data', 'text/plain'),
  wgsl: text('data', 'text/wgsl'),
  bin: opaque('data', 'application/octet-stream'),
  dat: opaque('data', 'application/octet-stream'),
  ktx2: opaque('image', 'image/ktx2'),
  basis: opaque('image', 'application/octet-stream'),
};

/** The kind that bytes are of whose name says nothing. */
const byMime: ReadonlyMap<string, Kind> = new Map(
  Object.values(kinds)
    .filter(({ by }) => by === 'magic')
    .flatMap((kind) => kind.mimes.map((mime) => [mime, kind] as const))
    // The first kind with a type is the usual one.
    .reverse(),
);

export interface AssetKind {
  readonly type: AssetType;
  readonly mimeType: string;
}

const extensionOf = (name: string): string => {
  const dot = name.lastIndexOf('.');
  return dot > 0 ? name.slice(dot + 1).toLowerCase() : '';
};

/** A valid name of an asset in NFC; throws `invalid_path`, and `unsupported_media_type` for an extension that is not among ours. */
export function assetName(given: string): string {
  const name = validPath(given.normalize('NFC'));
  if (name.includes('/'))
    throw new KilnError('invalid_path', {
      detail: 'An asset has a name, not a path.',
      issues: [{ path: 'name', message: 'it has a slash' }],
    });
  const extension = extensionOf(name);
  if (extension !== '' && !Object.hasOwn(kinds, extension))
    throw new KilnError('unsupported_media_type', {
      detail: `Assets have one of these extensions, or none: ${Object.keys(kinds).join(', ')}.`,
    });
  return name;
}

/** Names with one fold are one. */
export const foldName = (name: string): string => name.toLowerCase();

/** Text as far as it is seen: UTF-8, perhaps cut in the middle of a character, without NUL. */
function textIn(head: Uint8Array): string | null {
  if (head.includes(0)) return null;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(head, { stream: true });
  } catch {
    return null;
  }
}

/** Whether a text begins as an SVG document does: its root says so, by name and namespace. */
function isSvg(head: string): boolean {
  let root: boolean | undefined;
  const parser = new SaxesParser({ xmlns: true });
  parser.on('opentag', ({ local, uri }) => {
    root ??= local === 'svg' && uri === 'http://www.w3.org/2000/svg';
  });
  // What comes after the root is cut off somewhere.
  parser.on('error', () => undefined);
  parser.write(head);
  return root === true;
}

/** `text`: nothing more is known of it. Null: nothing at all is. */
async function recognise(head: Uint8Array): Promise<string | null> {
  const content = textIn(head);
  if (content !== null && /^\ufeff?\s*</.test(content) && isSvg(content)) return svg;
  const found = await fileTypeFromBuffer(head);
  if (found && found.mime !== 'application/xml') return found.mime.split(';')[0] ?? null;
  return content === null ? null : 'text';
}

const mismatch = (detail: string): KilnError => new KilnError('type_mismatch', { detail });

/** What an extension and the bytes agree on. */
function agree(extension: string, found: string | null, head: Uint8Array): AssetKind | null {
  const kind = kinds[extension];
  if (!kind) {
    if (found === 'text') return { type: 'data', mimeType: 'text/plain' };
    if (found === null) return { type: 'other', mimeType: 'application/octet-stream' };
    const known = byMime.get(found);
    return known ? { type: known.type, mimeType: found } : null;
  }
  switch (kind.by) {
    case 'magic':
      return found !== null && kind.mimes.includes(found) ? { type: kind.type, mimeType: servedAs(kind, found) } : null;
    case 'text': {
      const isJson = kind.mimes[0].endsWith('json');
      const begins = isJson ? /^\ufeff?\s*["{[\dtfn-]/ : /^/;
      return found === 'text' && begins.test(textIn(head) ?? '') ? { type: kind.type, mimeType: kind.mimes[0] } : null;
    }
    case 'opaque':
      return found === null || found === 'text' ? { type: kind.type, mimeType: kind.mimes[0] } : null;
  }
}

/** A container of sound alone is served as sound: browsers play it in `<audio>`. */
const servedAs = ({ type }: Kind, found: string): string =>
  type === 'audio' && found.startsWith('video/') ? found.replace('video/', 'audio/') : found;

/** What a sender says that bytes are, seen by the groups of the types that can be told from bytes. */
function contradicts(claim: string, { type }: AssetKind): boolean {
  const group = claim.split('/')[0] ?? '';
  if (!['image', 'audio', 'video', 'font'].includes(group)) return false;
  const heard = (name: string): boolean => name === 'audio' || name === 'video';
  return group !== type && !(heard(group) && heard(type));
}

/**
 * The kind of an asset from its first bytes. Throws `type_mismatch` where the name, the expected type
 * or the content type that it was sent with says otherwise.
 */
export async function assetKind(
  name: string,
  head: Uint8Array,
  claims: { readonly type?: AssetType | undefined; readonly mimeType?: string | undefined } = {},
): Promise<AssetKind> {
  const extension = extensionOf(name);
  const found = await recognise(head);
  const kind = agree(extension, found, head);
  if (!kind) throw mismatch(`The bytes are ${found ?? 'of no known type'}, which is not what the name says.`);
  if (claims.type !== undefined && claims.type !== kind.type)
    throw mismatch(`The bytes are of type ${kind.type}, not ${claims.type}.`);
  if (claims.mimeType !== undefined && contradicts(claims.mimeType.toLowerCase(), kind))
    throw mismatch(`The bytes are ${kind.mimeType}, and were sent as another type.`);
  return kind;
}

/** Whether an asset of a type may be called so; throws `type_mismatch`. */
export function fitsName(name: string, mimeType: string): void {
  const kind = kinds[extensionOf(name)];
  if (!kind) return;
  const same = kind.mimes.some((mime) => servedAs(kind, mime) === mimeType);
  if (!same) throw mismatch(`An asset of type ${mimeType} cannot be called so.`);
}

/** The name that an asset has as another type: its extension follows, and one without stays so. */
export function renamedTo(name: string, mimeType: string): string {
  const extension = extensionOf(name);
  if (extension === '' || kinds[extension]?.mimes.includes(mimeType)) return name;
  const found = Object.entries(kinds).find(([, kind]) => kind.mimes[0] === mimeType)?.[0];
  return found === undefined ? name : `${name.slice(0, name.length - extension.length)}${found}`;
}

/** What is served as a type, where that says it. */
export const typeOfMime = (mimeType: string): AssetType | undefined =>
  Object.values(kinds).find((kind) => kind.mimes.some((mime) => servedAs(kind, mime) === mimeType))?.type;

/** Whether a browser may show it where it stands: nothing in it can run. */
export const isInert = (mimeType: string): boolean =>
  /^(?:image|audio|video|font)\//.test(mimeType) && mimeType !== svg && mimeType !== 'image/vnd.adobe.photoshop';
