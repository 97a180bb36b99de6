import { fileTypeFromBuffer } from 'file-type';
import { SaxesParser } from 'saxes';
import type { AssetType } from '../contract/assets.ts';
import { KilnError } from '../contract/errors.ts';
import { judgeClaim } from './asset-claims.ts';
import { bytesOfNoType, type Kind, kinds, photoshop, servedAs, signatures, svg, textual } from './game/asset-kinds.ts';
import { validPath } from './paths.ts';

/**
 * What an asset is. The bytes decide: most formats by their magic number, text by being text. An
 * extension says only what somebody expects, and must be one of these.
 */

/** The kind that bytes are of whose name says nothing: the first whose own type it is, else the first that may be so. */
const kindOfBytes = (found: string): Kind | undefined => {
  const all = Object.values(kinds).filter(({ by, mimes }) => by !== 'text' && mimes.includes(found));
  return all.find(({ mimes }) => mimes[0] === found) ?? all[0];
};

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
async function recognise(head: Uint8Array, extension: string): Promise<string | null> {
  const called = kinds[extension];
  if (called?.begins?.(head)) return called.mimes[0];
  const content = textIn(head);
  if (content !== null && /^\ufeff?\s*</.test(content) && isSvg(content)) return svg;
  const signed = signatures.find(({ begins }) => begins?.(head));
  if (signed) return signed.mimes[0];
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
    if (found === null) return { type: 'other', mimeType: bytesOfNoType };
    const known = kindOfBytes(found);
    return known ? { type: known.type, mimeType: servedAs(known, found) } : null;
  }
  const { type, mimes, by } = kind;
  const isText = found === 'text' || (found !== null && textual.has(found) && textIn(head) !== null);
  switch (by) {
    case 'magic':
      return found !== null && mimes.includes(found) ? { type, mimeType: servedAs(kind, found) } : null;
    case 'text': {
      const isJson = /[/+]json$/.test(mimes[0]);
      const begins = isJson ? /^\ufeff?\s*["{[\dtfn-]/ : /^/;
      return isText && begins.test(textIn(head) ?? '') ? { type, mimeType: mimes[0] } : null;
    }
    case 'opaque':
      return found === null || isText || mimes.includes(found) ? { type, mimeType: servedAs(kind, mimes[0]) } : null;
  }
}

/** Whether a name that we know nothing by says at least another group than the bytes are of. */
function contradicts(claim: string, { type }: AssetKind): boolean {
  const group = claim.split('/')[0] ?? '';
  if (!['image', 'audio', 'video', 'font'].includes(group)) return false;
  const heard = (name: string): boolean => name === 'audio' || name === 'video';
  return group !== type && !(heard(group) && heard(type));
}

/** Says what the bytes are in place of what a name promises, and how they would be called. */
function misnamed(name: string, extension: string, found: string | null): KilnError {
  const what = found === null ? 'bytes of no known type' : found === 'text' ? 'text' : found;
  if (extension === '') return mismatch(`The bytes are ${what}, which is no type of an asset.`);
  const better = found === null ? name : renamedTo(name, found);
  return mismatch(
    `The name ends in .${extension}, and the bytes are ${what}.${better === name ? '' : ` Call it ${better}.`}`,
  );
}

/** `found`: what the bytes may have been recognised as. */
function refuseClaim(claim: string, found: readonly (string | null)[], kind: AssetKind): void {
  const judged = found.map((one) => judgeClaim(claim, one));
  const [first] = judged;
  const known = first?.is !== 'unknown';
  if (!first || judged.some(({ is }) => is === 'right')) return;
  if (!known && !contradicts(first.name, kind)) return;
  const sent = known ? first.name : 'another type';
  throw mismatch(`The bytes are ${kind.mimeType}, and were sent as ${sent}. Send what they are, or ${bytesOfNoType}.`);
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
  const found = await recognise(head, extension);
  const kind = agree(extension, found, head);
  if (!kind) throw misnamed(name, extension, found);
  if (claims.type !== undefined && claims.type !== kind.type)
    throw mismatch(`The bytes are of type ${kind.type}, not ${claims.type}.`);
  if (claims.mimeType !== undefined) refuseClaim(claims.mimeType, [found], kind);
  return kind;
}

/** Whether bytes that are served as a type may be sent as another; throws `type_mismatch`. */
export function fitsClaim(claim: string, kind: AssetKind): void {
  const found = Object.values(kinds)
    .filter((one) => one.mimes.some((mime) => servedAs(one, mime) === kind.mimeType))
    .flatMap(({ by, mimes }) => (by === 'text' ? ['text'] : by === 'opaque' ? ['text', null, ...mimes] : mimes));
  refuseClaim(claim, found, kind);
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

/** What an asset of a name is that is served as a type; undefined: neither says it. */
export function typeOfMime(mimeType: string, name: string): AssetType | undefined {
  const serves = (kind: Kind): boolean => kind.mimes.some((mime) => servedAs(kind, mime) === mimeType);
  const called = kinds[extensionOf(name)];
  if (called && serves(called)) return called.type;
  return mimeType === bytesOfNoType ? undefined : Object.values(kinds).find(serves)?.type;
}

/** Whether a browser may show it where it stands: nothing in it can run. */
export const isInert = (mimeType: string): boolean =>
  /^(?:image|audio|video|font)\//.test(mimeType) && mimeType !== svg && mimeType !== photoshop;
