import { KilnError } from '../contract/errors.ts';
import { limits } from '../contract/limits.ts';

const encoder = new TextEncoder();
const forbiddenCharacters = /[\p{Cc}\\<>:"|?*]/u;
/** Names that Windows reserves with or without an extension; superscript digits count (learn.microsoft.com, "Naming Files"). */
const windowsReserved = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)/i;

function reasonAgainst(path: string): string | null {
  if (path === '') return 'it is empty';
  if (path.length > limits.file.pathMax) return `it is longer than ${limits.file.pathMax} characters`;
  if (!path.isWellFormed()) return 'it is not valid Unicode';
  if (path.normalize('NFC') !== path) return 'it is not in Unicode form NFC';
  if (path.startsWith('/')) return 'it starts with a slash';
  if (forbiddenCharacters.test(path)) return 'it has a control character, backslash or one of < > : " | ? *';
  // Decoded once already: an escape that is left would mean something else to whoever decodes again.
  if (/%(?:2e|2f|5c|00)/i.test(path)) return 'it has an escaped dot, slash, backslash or NUL';
  for (const segment of path.split('/')) {
    if (segment === '') return 'it has an empty segment';
    if (segment === '.' || segment === '..') return 'it has a "." or ".." segment';
    if (encoder.encode(segment).length > limits.file.segmentBytes)
      return `a segment is longer than ${limits.file.segmentBytes} bytes`;
    if (windowsReserved.test(segment)) return `"${segment}" is reserved on Windows`;
    if (/[. ]$/.test(segment) || segment.startsWith(' '))
      return 'a segment starts with a space, or ends with a space or dot';
  }
  if (foldPath(path) === '.kiln' || foldPath(path).startsWith('.kiln/')) return '".kiln/" is reserved';
  return null;
}

/** Returns the path when it may name a file; throws `invalid_path` otherwise. */
export function validPath(path: string): string {
  const reason = reasonAgainst(path);
  if (reason)
    throw new KilnError('invalid_path', {
      detail: `Not a valid file path: ${reason}.`,
      issues: [{ path: 'path', message: reason }],
    });
  return path;
}

/**
 * The path in the rest of a URL, decoded exactly once. Decoding twice is how `%252e` becomes a dot,
 * so whatever is left of percent signs afterwards is part of the name.
 */
export function decodePath(raw: string): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(raw);
  } catch {
    throw new KilnError('invalid_path', {
      detail: 'Not a valid file path: its percent escapes are broken.',
      issues: [{ path: 'path', message: 'broken percent escapes' }],
    });
  }
  return validPath(decoded);
}

/** For use in a URL, segment by segment. */
export const encodePath = (path: string): string => path.split('/').map(encodeURIComponent).join('/');

/** Two paths with one fold cannot live in one tree: file systems of players and editors may ignore case. */
export const foldPath = (path: string): string => path.toLowerCase();

/** `a/b/c` → `a`, `a/b`. */
export function ancestors(path: string): string[] {
  const found: string[] = [];
  for (let slash = path.indexOf('/'); slash !== -1; slash = path.indexOf('/', slash + 1))
    found.push(path.slice(0, slash));
  return found;
}
