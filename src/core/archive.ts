import type { ArchiveManifest } from '../contract/archives.ts';
import { assetsRoot, ArchiveManifest as ManifestSchema, manifestFormat } from '../contract/archives.ts';
import { type CarriedComment, toArchived } from '../contract/comments.ts';
import { KilnError } from '../contract/errors.ts';
import { limits } from '../contract/limits.ts';
import { assetName, foldName } from './asset-types.ts';
import { cutBytes } from './bytes.ts';
import { canonicalText } from './canonical-json.ts';
import { foldPath, validPath } from './paths.ts';
import { defaultMode, hashTree, type TreeEntry, WorkingTree } from './tree.ts';
import { methods } from './zip.ts';

/**
 * What an archive may hold and what becomes of it. An entry is judged by what the central directory
 * says, before anything is inflated; whether its content keeps that promise is seen on the way
 * (worker/archive/unpack.ts).
 */

const { archive: bounds } = limits;

// ── Going out ─────────────────────────────────────────────────────────────────────────────────────

export const manifestName = 'kiln.json';
/** Where the files of a project stand whose tree has a `kiln.json` of its own, or that has assets. */
const asideRoot = 'files/';

/** What programs leave in folders, and what can be had again: passed over, unless an export says that it is meant. */
const junkFolders = new Set(['.git', 'node_modules', '__macosx']);
const junkFiles = new Set(['.ds_store', 'thumbs.db']);

function isJunk(path: string): boolean {
  const segments = foldPath(path).split('/');
  return junkFiles.has(segments.at(-1) ?? '') || segments.some((segment) => junkFolders.has(segment));
}

/** The manifest of a project's archive. `assets`: entries by their names. */
export function manifestOf(
  project: { readonly name: string; readonly description: string; readonly settings: Record<string, unknown> },
  treeHash: string,
  paths: readonly string[],
  assets: readonly TreeEntry[] = [],
  comments: readonly CarriedComment[] = [],
): ArchiveManifest {
  const clashes = paths.some((path) => foldPath(path).split('/')[0] === manifestName);
  return {
    format: manifestFormat,
    version: 1,
    name: project.name,
    description: project.description,
    settings: project.settings as ArchiveManifest['settings'],
    treeHash,
    files: { root: clashes || assets.length > 0 ? asideRoot : '', verbatim: paths.some(isJunk) },
    ...(assets.length > 0 && { assets: { root: assetsRoot, hash: hashTree(assets) } }),
    ...(comments.length > 0 && { comments: comments.map(toArchived) }),
  };
}

/** `kiln.json`: one value, one text. */
export const writeManifest = (manifest: ArchiveManifest): string => canonicalText(manifest);

/** A file name for a project on any system; never empty. */
export function archiveName(name: string): string {
  const plain = name
    .normalize('NFC')
    .toWellFormed()
    // Joiners and directions: some make a name look like another.
    .replaceAll(/\p{Cf}/gu, '')
    .replaceAll(/[\p{C}\\/<>:"|?*\ufffd]+/gu, '-')
    .replaceAll(/^[\s.-]+|[\s.-]+$/g, '');
  // Windows reserves some names, with any extension; file systems have 255 bytes for one.
  const safe = cutBytes(plain.replace(/^(con|prn|aux|nul|com\d|lpt\d)(?=\.|$)/i, '$1-'), limits.file.segmentBytes - 4);
  return `${safe === '' ? 'project' : safe}.zip`;
}

/** RFC 6266: the name in UTF-8 (RFC 8187), before it one in ASCII for whoever reads no other. */
export const attachment = (name: string): string =>
  `attachment; filename="${name.replaceAll(/[^ -~]|[%"\\]/g, '_')}"; filename*=UTF-8''${encodeURIComponent(
    name,
  ).replaceAll(/['()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)}`;

// ── Coming in ─────────────────────────────────────────────────────────────────────────────────────

/** An entry as the central directory has it. */
export interface ListedEntry {
  readonly name: string;
  readonly rawName: Uint8Array;
  readonly isDirectory: boolean;
  readonly encrypted: boolean;
  readonly method: number;
  /** POSIX, of every place that may say it; 0 says nothing. */
  readonly modes: readonly number[];
  /** An extra field names what it is a link to. */
  readonly linked: boolean;
  /** Of the local header. */
  readonly offset: number;
  readonly compressedSize: number;
  readonly size: number;
  readonly crc32: number;
}

/** A file that is imported. `end`: where the next thing in the archive begins, which its data may touch and not enter. */
export interface PlannedFile extends ListedEntry {
  readonly path: string;
  readonly end: number;
}

export interface ImportPlan {
  /** In the order in which they lie in the archive. */
  readonly files: readonly PlannedFile[];
  /** By their names as `path`, in the same order. */
  readonly assets: readonly PlannedFile[];
  readonly skipped: number;
  /** Unpacked, as the archive says. */
  readonly bytes: number;
}

/** A name as an answer may show it. */
const shown = (name: string): string =>
  name.toWellFormed().replaceAll(/\p{C}/gu, '\ufffd').slice(0, limits.file.pathMax);

export const invalidEntry = (name: string, reason: string): KilnError =>
  new KilnError('invalid_entry', {
    detail: `Nothing was imported: an entry ${reason}.`,
    issues: [{ path: shown(name), message: reason }],
  });

export const invalidArchive = (reason: string, cause?: unknown): KilnError =>
  new KilnError('invalid_archive', { detail: `Nothing was imported: ${reason}.`, cause });

/** What makes an entry hostile wherever it stands, also where it would be passed over. */
function reasonAgainst({ name, rawName }: ListedEntry): string | null {
  if (name.includes('\\')) return 'has a backslash in its name; old Windows programs write that, newer ones do not';
  if (name.startsWith('/')) return 'has an absolute path';
  if (/^[a-z]:/i.test(name)) return 'has a drive letter';
  if (name.split('/').includes('..')) return 'leads outside the archive';
  // Also as bytes: a code page shows control characters as pictures.
  if (/\p{Cc}/u.test(name) || rawName.some((byte) => byte < 0x20)) return 'has a control character in its name';
  return null;
}

/** Types of `st_mode`: a regular file, or nothing said. */
const typeMask = 0o170000;
const isPlain = (mode: number): boolean => (mode & typeMask) === 0 || (mode & typeMask) === 0o100000;

const extra = { asiUnix: 0x756e, pkwareUnix: 0x000d } as const;

/** What extra fields say of the kind of an entry (APPNOTE §4.5.7; Info-ZIP's proginfo/extrafld.txt, "ASi UNIX"). */
export function kindIn(fields: ReadonlyMap<number, { readonly data: Uint8Array }> | undefined): {
  readonly modes: readonly number[];
  readonly linked: boolean;
} {
  const asi = fields?.get(extra.asiUnix)?.data;
  const pkware = fields?.get(extra.pkwareUnix)?.data;
  return {
    // CRC, mode, size or device, owner, group, then the target of a link.
    modes: asi && asi.length >= 6 ? [(asi[4] ?? 0) | ((asi[5] ?? 0) << 8)] : [],
    // Two times, owner and group are 12 bytes; after them stands the target of a link, or a device.
    linked: (asi?.length ?? 0) > 14 || (pkware?.length ?? 0) > 12,
  };
}

/** What a file must be to be read at all. */
function judgeEntry(entry: ListedEntry, sizeMax: number): void {
  if (!entry.modes.every(isPlain) || entry.linked) throw invalidEntry(entry.name, 'is a link or a device');
  if (entry.encrypted) throw invalidEntry(entry.name, 'is encrypted');
  if (entry.method !== methods.stored && entry.method !== methods.deflated)
    throw invalidEntry(entry.name, `is compressed by method ${entry.method}; stored and deflated ones can be read`);
  if (entry.method === methods.stored && entry.size !== entry.compressedSize)
    throw invalidEntry(entry.name, 'is stored with two different sizes');
  if (entry.size > sizeMax)
    throw new KilnError('payload_too_large', {
      detail: `A file has at most ${sizeMax} bytes.`,
      issues: [{ path: shown(entry.name), message: `${entry.size} bytes` }],
    });
}

/** Collects the entries of an archive, refuses what no archive may hold, and lays out what is imported. */
export class Listing {
  readonly #files: ListedEntry[] = [];
  /** As long as an export could hold so many: only that can ask for them. */
  readonly #junk: ListedEntry[] = [];
  #junkCount = 0;
  /** Of what is not passed over. Of the rest, `strict` sees to it. */
  readonly #names = new Set<string>();
  /** Pairs of where an entry begins and where, at the least, its data ends. */
  readonly #spans: [number, number][] = [];
  #count = 0;

  add(entry: ListedEntry): void {
    this.#count += 1;
    if (this.#count > bounds.entriesMax)
      throw new KilnError('payload_too_large', { detail: `An archive has at most ${bounds.entriesMax} entries.` });
    const reason = reasonAgainst(entry);
    if (reason) throw invalidEntry(entry.name, reason);
    this.#spans.push([entry.offset, entry.offset + 30 + entry.rawName.length + entry.compressedSize]);
    if (entry.isDirectory) {
      if (entry.size > 0) throw invalidEntry(entry.name, 'is a folder with content');
      return;
    }
    const name = entry.name.normalize('NFC').replace(/^\.\//, '');
    if (isJunk(name)) {
      this.#junkCount += 1;
      // One more than can be had, so that too many are seen as such.
      if (this.#junkCount <= limits.project.filesMax + 1) this.#junk.push({ ...entry, name });
      return;
    }
    if (this.#names.has(name)) throw invalidEntry(entry.name, 'is there twice');
    // The manifest is one more than a project holds.
    if (this.#files.length > limits.project.filesMax + limits.asset.perProject) throw tooMany();
    this.#names.add(name);
    this.#files.push({ ...entry, name });
  }

  /** The folder around everything that is not passed over, with its slash; empty where there is none. */
  get top(): string {
    const first = this.#files[0]?.name ?? '';
    const folder = first.slice(0, first.indexOf('/') + 1);
    return this.#files.every(({ name }) => name.startsWith(folder)) ? folder : '';
  }

  /** The entry that may be the manifest: its content says whether it is. */
  get manifest(): PlannedFile | null {
    const entry = this.#files.find(({ name }) => name === this.top + manifestName);
    return entry ? { ...entry, path: manifestName, end: Number.POSITIVE_INFINITY } : null;
  }

  /**
   * What is imported, of an archive whose directory begins at `directory` and that has `archiveBytes`.
   * `manifest`: what its `kiln.json` says, where that is one of ours.
   */
  plan(manifest: ArchiveManifest | null, directory: number, archiveBytes: number): ImportPlan {
    const ends = this.#ends(directory);
    const prefix = this.top + (manifest?.files.root ?? '');
    const listed = manifest?.files.verbatim ? [...this.#files, ...this.#junk] : this.#files;
    const own = manifest === null ? null : this.top + manifestName;
    const assetPrefix = manifest?.assets ? this.top + manifest.assets.root : null;
    const isAsset = ({ name }: ListedEntry): boolean => assetPrefix !== null && name.startsWith(assetPrefix);
    const wanted = listed.filter((entry) => entry.name !== own && !isAsset(entry) && entry.name.startsWith(prefix));
    const tree = new WorkingTree();
    for (const entry of wanted) this.#take(tree, entry, entry.name.slice(prefix.length));
    const assets = this.#assets(this.#files.filter(isAsset), assetPrefix ?? '');
    const bytes = tree.size + assets.reduce((sum, { size }) => sum + size, 0);
    const skipped = this.#files.length + this.#junkCount - wanted.length - assets.length - (own === null ? 0 : 1);
    if (wanted.length === 0 && manifest === null) throw invalidArchive('there is no file in it');
    if (bytes > bounds.ratioFloor && bytes > archiveBytes * bounds.ratioMax)
      throw new KilnError('payload_too_large', {
        detail: `The archive unpacks to more than ${bounds.ratioMax} times its size.`,
      });
    const placed = (entries: readonly ListedEntry[], within: string): PlannedFile[] =>
      entries
        .map((entry) => ({ ...entry, path: entry.name.slice(within.length), end: ends.get(entry.offset) ?? directory }))
        .sort((a, b) => a.offset - b.offset);
    return { files: placed(wanted, prefix), assets: placed(assets, assetPrefix ?? ''), skipped, bytes };
  }

  /** Those that may be assets; throws where one may not. */
  #assets(entries: readonly ListedEntry[], prefix: string): readonly ListedEntry[] {
    if (entries.length > limits.asset.perProject)
      throw new KilnError('quota_exceeded', { detail: `A project has at most ${limits.asset.perProject} assets.` });
    const seen = new Set<string>();
    let total = 0;
    for (const entry of entries) {
      judgeEntry(entry, limits.project.totalSize);
      total += entry.size;
      try {
        const fold = foldName(assetName(entry.name.slice(prefix.length)));
        if (seen.has(fold)) throw invalidEntry(entry.name, 'has the name of another asset, but for letter case');
        seen.add(fold);
      } catch (error) {
        if (!(error instanceof KilnError) || error.code === 'invalid_entry') throw error;
        throw invalidEntry(
          entry.name,
          `cannot be an asset: ${error.issues?.[0]?.message ?? 'its extension is not known'}`,
        );
      }
    }
    if (total > limits.project.totalSize)
      throw new KilnError('payload_too_large', {
        detail: `The assets of an archive have at most ${limits.project.totalSize} bytes.`,
      });
    return entries;
  }

  #take(
    tree: WorkingTree<{ path: string; hash: string; size: number; mode: number }>,
    entry: ListedEntry,
    path: string,
  ) {
    judgeEntry(entry, limits.file.sizeMax);
    try {
      tree.put({ path: validPath(path), hash: '', size: entry.size, mode: defaultMode });
    } catch (error) {
      if (!(error instanceof KilnError) || error.code === 'quota_exceeded') throw error;
      const reason =
        error.code === 'invalid_path'
          ? `has no valid path: ${error.issues?.[0]?.message}`
          : 'cannot stand beside another: they differ in letter case alone, or one is the folder of the other';
      throw invalidEntry(entry.name, reason);
    }
  }

  /** Where the data of the entry at an offset must end at the latest; throws where two share bytes. */
  #ends(directory: number): Map<number, number> {
    const spans = this.#spans.sort(([a], [b]) => a - b);
    const ends = new Map<number, number>();
    for (const [index, [begin, end]] of spans.entries()) {
      const next = spans[index + 1]?.[0] ?? directory;
      if (end > next) throw invalidArchive('entries overlap, or lie outside the archive');
      ends.set(begin, next);
    }
    return ends;
  }
}

const tooMany = (): KilnError =>
  new KilnError('quota_exceeded', { detail: `A project holds at most ${limits.project.filesMax} files.` });

/** Comments are entries of a table and stand at paths of files. */
function checked(manifest: ArchiveManifest): ArchiveManifest {
  const ids = new Set<string>();
  for (const { id, path, replies } of manifest.comments ?? []) {
    validPath(path);
    for (const one of [id, ...replies.map((reply) => reply.id)]) {
      if (ids.has(one)) throw invalidEntry(manifestName, 'has two comments of one id');
      ids.add(one);
    }
  }
  return manifest;
}

/** What a `kiln.json` says; null when it is not a manifest of ours but a file of the project. */
export function readManifest(text: string | null): ArchiveManifest | null {
  let value: unknown;
  try {
    value = JSON.parse(text ?? '');
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null || !('format' in value) || value.format !== manifestFormat)
    return null;
  const parsed = ManifestSchema.safeParse(value);
  if (parsed.success) return checked(parsed.data);
  if ('version' in value && value.version !== 1)
    throw invalidEntry(manifestName, 'is of a newer Kiln; update this one or export again');
  throw new KilnError('invalid_entry', {
    detail: 'Nothing was imported: the manifest is not valid.',
    issues: parsed.error.issues.map(({ path, message }) => ({ path: [manifestName, ...path].join('.'), message })),
  });
}
