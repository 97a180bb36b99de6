import type { ArchiveManifest } from '../../../src/contract/archives.ts';
import { manifestOf } from '../../../src/core/archive.ts';
import { concat } from '../../../src/core/bytes.ts';
import { textOf } from '../../../src/core/content.ts';
import { defaultMode, hashTree, sha256, sorted } from '../../../src/core/tree.ts';
import type { ManifestEntry } from '../../../src/data/objects.ts';
import { type OpenBlob, writeArchive } from '../../../src/worker/archive/export.ts';
import { readArchive, storeContents } from '../../../src/worker/archive/import.ts';
import type { ByteSource } from '../../../src/worker/archive/source.ts';

const encoder = new TextEncoder();

export interface MemorySource extends ByteSource {
  /** Where and how much was read, in order. */
  readonly reads: [number, number][];
}

export function memorySource(bytes: Uint8Array): MemorySource {
  const reads: [number, number][] = [];
  return {
    size: bytes.length,
    reads,
    read: async (offset, length) => {
      reads.push([offset, length]);
      return bytes.subarray(offset, offset + length);
    },
  };
}

export interface MemoryProject {
  readonly name: string;
  readonly description: string;
  readonly settings: Record<string, unknown>;
  readonly entries: readonly ManifestEntry[];
  /** By their names as paths. */
  readonly assets: readonly ManifestEntry[];
  readonly blobs: ReadonlyMap<string, Uint8Array>;
}

export function projectOf(
  files: Readonly<Record<string, string | Uint8Array>>,
  about: Partial<Pick<MemoryProject, 'name' | 'description' | 'settings'>> = {},
  assets: Readonly<Record<string, string | Uint8Array>> = {},
): MemoryProject {
  const blobs = new Map<string, Uint8Array>();
  const entry = ([path, content]: [string, string | Uint8Array]): ManifestEntry => {
    const bytes = typeof content === 'string' ? encoder.encode(content) : content;
    const hash = sha256(bytes);
    blobs.set(hash, bytes);
    return { path, hash, size: bytes.length, mode: defaultMode, isText: textOf(bytes) !== null };
  };
  return {
    name: 'Project',
    description: '',
    settings: {},
    ...about,
    entries: sorted(Object.entries(files).map(entry)),
    assets: sorted(Object.entries(assets).map(entry)),
    blobs,
  };
}

/** Blobs that come in pieces, as R2 sends them. */
export const openIn =
  (blobs: ReadonlyMap<string, Uint8Array>): OpenBlob =>
  async (hash) => {
    const bytes = blobs.get(hash);
    if (!bytes) throw new Error(`no blob ${hash}`);
    let at = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (at >= bytes.length) return controller.close();
        controller.enqueue(bytes.slice(at, at + 65_536));
        at += 65_536;
      },
    });
    return { size: bytes.length, body };
  };

export const manifestFor = (project: MemoryProject): ArchiveManifest =>
  manifestOf(
    project,
    hashTree(project.entries),
    project.entries.map(({ path }) => path),
    project.assets,
  );

/** The archive of a project, whole in memory. */
export async function exported(project: MemoryProject): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  const sink = new WritableStream<Uint8Array>({ write: (part) => void parts.push(part.slice()) });
  await writeArchive(sink, manifestFor(project), project.entries, openIn(project.blobs), project.assets);
  return new Uint8Array(concat(parts));
}

/** What an import would make of an archive, with the contents that it stored. */
export async function imported(bytes: Uint8Array) {
  const source = memorySource(bytes);
  const archive = await readArchive(source);
  const stored = new Map<string, Uint8Array>();
  await storeContents(source, archive, async (hash, size, content) => {
    const parts: Uint8Array[] = [];
    if (content instanceof Uint8Array) parts.push(content);
    else for await (const chunk of content) parts.push(chunk.slice());
    const whole = concat(parts);
    if (whole.length !== size || sha256(whole) !== hash) throw new Error('not what was announced');
    if (stored.has(hash)) throw new Error('stored twice');
    stored.set(hash, whole);
  });
  const entries = archive.files.map(([, entry]) => entry);
  return { archive, entries, stored, treeHash: hashTree(entries) };
}

/** Paths and contents, texts as texts. */
export async function filesIn(bytes: Uint8Array): Promise<Record<string, string | Uint8Array>> {
  const { entries, stored } = await imported(bytes);
  return Object.fromEntries(
    sorted(entries).map(({ path, hash }) => {
      const content = stored.get(hash) ?? new Uint8Array();
      return [path, textOf(content) ?? content];
    }),
  );
}
