import { createHash, hash as hashOf } from 'node:crypto';
import { createReadStream, type Dirent, lstatSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { join, relative } from 'node:path';
import mime from 'mime';
import pMap from 'p-map';
import type { Framed } from '../../../src/contract/frames.ts';
import type { OutputFile } from '../../../src/contract/jobs.ts';
import { limits } from '../../../src/contract/limits.ts';
import { MiB } from '../../../src/contract/units.ts';
import { inBatches, inTurns } from './batches.ts';
import { outFolders } from './child/protocol.ts';
import { BuildFailure } from './failure.ts';
import { describeError, log } from './log.ts';
import type { Platform } from './platform.ts';
import { runnerLimits } from './runner-limits.ts';

export interface LocalOutput extends OutputFile {
  /** Absolute path of the bytes. */
  readonly path: string;
  /** What was read of a small one, where all of them are no more than travel together. */
  readonly bytes: Uint8Array | undefined;
}

const tooLarge = (message: string): BuildFailure => new BuildFailure('limit', 'build_too_large', message);

/**
 * Finds and hashes what the child left, by what is really on disk and not by what the child says. Only
 * plain files count: a link could lead anywhere. Sorted by role and name. Small ones are read at once, as a thread for each costs more than they do.
 */
export const collectOutputs = async (
  outDir: string,
  signal: AbortSignal,
  roles: readonly (keyof typeof outFolders)[] = ['site', 'download', 'report', 'prebundle'],
): Promise<LocalOutput[]> => {
  const found: Omit<LocalOutput, 'sha256' | 'bytes'>[] = [];
  let total = 0;
  for (const role of roles) {
    const root = join(outDir, outFolders[role]);
    await inTurns(entriesOf(root), signal, (entry) => {
      const path = join(entry.parentPath, entry.name);
      if (!entry.isFile()) return;
      const { size } = lstatSync(path);
      const name = relative(root, path);
      total += size;
      if (found.length >= limits.build.outputFiles)
        throw tooLarge(`The build has more than ${limits.build.outputFiles} files.`);
      const atMost = role === 'download' ? limits.build.programBytes : limits.build.outputFileBytes;
      if (size > atMost) throw tooLarge(`${name} is larger than ${atMost / MiB} MiB.`);
      if (total > limits.build.outputBytes)
        throw tooLarge(`The files of the build are larger than ${limits.build.outputBytes / MiB} MiB together.`);
      if (name.length > limits.file.pathMax)
        throw tooLarge(`A file name of the build is longer than ${limits.file.pathMax} characters.`);
      found.push({ name, size, role, path, mimeType: mime.getType(name) ?? 'application/octet-stream' });
    });
  }
  const hashed: LocalOutput[] = [];
  let room: number = limits.build.batch.bytes;
  await inTurns(found.filter(isSmall), signal, (output) => {
    const bytes = readFileSync(output.path);
    // Of a file that has grown meanwhile, which nothing of ours does.
    if (bytes.length !== output.size) throw new Error('an output has changed while it was read');
    room -= bytes.length;
    hashed.push({ ...output, sha256: hashOf('sha256', bytes), bytes: room < 0 ? undefined : bytes });
  });
  const large = found.filter((output) => !isSmall(output));
  const streamed = async (output: (typeof found)[number]): Promise<void> => {
    hashed.push({ ...output, sha256: await hashFile(output.path, signal), bytes: undefined });
  };
  await pMap(large, streamed, { concurrency: runnerLimits.uploads, signal });
  return hashed.sort((a, b) => compare(`${a.role}/${a.name}`, `${b.role}/${b.name}`));
};

/** What lies below a folder and is no folder. Walked here, for `readdirSync` goes into folders that are links when it is to go into all. */
const below = (folder: string): Dirent[] =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? below(join(folder, entry.name)) : [entry],
  );

const entriesOf = (root: string): Dirent[] => {
  try {
    // Neither it nor a folder above it was put aside for a link to somewhere else.
    return realpathSync(root) === root ? below(root) : [];
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
};

const isSmall = ({ size }: Pick<LocalOutput, 'size'>): boolean => size <= limits.build.batch.partBytes;

const byHash = (outputs: readonly LocalOutput[]): Map<string, LocalOutput> =>
  new Map(outputs.map((output) => [output.sha256, output]));

const sizeOf = (outputs: Iterable<LocalOutput>): number => [...outputs].reduce((sum, { size }) => sum + size, 0);

const contentsOf = (batch: readonly LocalOutput[]): Framed[] =>
  batch.map(({ sha256, path, bytes }) => ({ hash: sha256, bytes: bytes ?? readFileSync(path) }));

/** Uploads these batches, each in one request, and those of these large ones that nobody has stored yet, several requests at a time. */
const upload = async (
  platform: Platform,
  batches: readonly (readonly LocalOutput[])[],
  large: readonly LocalOutput[],
  signal: AbortSignal,
  onStored: (outputs: readonly LocalOutput[]) => void,
): Promise<void> => {
  const missing = new Set<string>();
  for (const asked of inBatches(large, () => 0))
    for (const hash of await platform.missing(
      asked.map(({ sha256 }) => sha256),
      signal,
    ))
      missing.add(hash);
  const { absent = [], present = [] } = Object.groupBy(large, ({ sha256 }) =>
    missing.has(sha256) ? 'absent' : 'present',
  );
  if (present.length > 0) onStored(present);
  const requests = [
    ...batches.map((batch) => async () => {
      await platform.putOutputs(contentsOf(batch), signal);
      onStored(batch);
    }),
    ...absent.map((output) => async () => {
      await platform.putOutput(output, signal);
      onStored([output]);
    }),
  ];
  await pMap(requests, (request) => request(), { concurrency: runnerLimits.uploads, signal });
};

const inParts = (outputs: Iterable<LocalOutput>): { batches: LocalOutput[][]; large: LocalOutput[] } => {
  const { small = [], large = [] } = Object.groupBy(outputs, (output) => (isSmall(output) ? 'small' : 'large'));
  return { batches: inBatches(small, ({ size }) => size), large };
};

/**
 * Uploads the site while its packages are still being made; the hashes of what is stored. Never rejects: what this does not bring about
 * is done at the end. Nothing is done for a site that may go with the word of success: a request of its own takes longer than its packages.
 */
export const uploadAhead = async (
  platform: Platform,
  outDir: string,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> => {
  const stored = new Set<string>();
  try {
    const site = byHash(await collectOutputs(outDir, signal, ['site']));
    if (sizeOf(site.values()) <= limits.build.batch.bytes) return stored;
    const { batches, large } = inParts(site.values());
    await upload(platform, batches, large, signal, (outputs) => {
      for (const { sha256 } of outputs) stored.add(sha256);
    });
  } catch (error) {
    if (!signal.aborted) log('warn', 'job.not_uploaded_ahead', { error: describeError(error) });
  }
  return stored;
};

/**
 * Uploads each distinct content once that is not `stored` yet, small ones together, several requests at a time; but for the last small
 * ones, which it answers: they go with the word of success. `onProgress` gets the part of the bytes that is stored.
 */
export const uploadOutputs = async (
  platform: Platform,
  outputs: readonly LocalOutput[],
  stored: ReadonlySet<string>,
  signal: AbortSignal,
  onProgress: (done: number) => void,
): Promise<readonly Framed[]> => {
  const distinct = byHash(outputs);
  const total = sizeOf(distinct.values());
  for (const hash of stored) distinct.delete(hash);
  let done = total - sizeOf(distinct.values());
  const onStored = (some: readonly LocalOutput[]): void => {
    done += sizeOf(some);
    onProgress(total === 0 ? 1 : done / total);
  };
  const { batches, large } = inParts(distinct.values());
  const last = batches.pop() ?? [];
  await upload(platform, batches, large, signal, onStored);
  const rest = contentsOf(last);
  // Told in the same request that stores them.
  onStored(last);
  return rest;
};

const hashFile = async (path: string, signal: AbortSignal): Promise<string> => {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { signal })) hash.update(chunk);
  return hash.digest('hex');
};

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
