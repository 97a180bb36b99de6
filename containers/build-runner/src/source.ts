import { hash as hashOf } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import pMap from 'p-map';
import type { Job } from '../../../src/contract/jobs.ts';
import { limits } from '../../../src/contract/limits.ts';
import { inBatches, inTurns } from './batches.ts';
import type { BlobCache, FetchBlob } from './blob-cache.ts';
import type { WorkDir } from './children.ts';
import { filesToBuild, type ManifestFile } from './manifest.ts';
import { isCode, isMarked } from './marks.ts';
import type { Platform } from './platform.ts';
import { overallProgress } from './progress.ts';
import type { Reporter } from './reporter.ts';
import { runnerLimits } from './runner-limits.ts';

export interface SourceDeps {
  readonly platform: Platform;
  readonly blobs: BlobCache;
}

export interface Source {
  readonly files: readonly ManifestFile[];
  /** Paths of those that the child has to read before esbuild does. */
  readonly marked: readonly string[];
}

const { batch } = limits.build;

/**
 * Writes the files of a snapshot into the folder of a child: what the job brought, what this runner has of builds before, and the rest
 * from the platform.
 */
export const fetchSource = async (
  job: Job,
  named: readonly ManifestFile[],
  deps: SourceDeps,
  work: WorkDir,
  reporter: Reporter,
  signal: AbortSignal,
): Promise<Source> => {
  const { files, skipped } = filesToBuild(named);
  if (skipped > 0)
    reporter.log({ level: 'warn', step: 'source', message: `${skipped} files in node_modules are left out.` });
  for (const folder of new Set(files.map((file) => dirname(file.path))))
    await mkdir(join(work.project, folder), { recursive: true });
  const total = files.reduce((sum, file) => sum + file.size, 0);
  const marked: string[] = [];
  let done = 0;
  let fetched = 0;
  const count = (size: number): void => {
    done += size;
    reporter.progress('source', overallProgress('source', total === 0 ? 1 : done / total));
  };
  const write = ({ path, size }: ManifestFile, bytes: Uint8Array): void => {
    writeFileSync(join(work.project, path), bytes, { flag: 'wx' });
    if (isMarked(path, bytes)) marked.push(path);
    count(size);
  };
  const placeLarge = async (file: ManifestFile): Promise<void> => {
    const fetch: FetchBlob = (consume) => deps.platform.blob(file.hash, signal, consume);
    if (!(await deps.blobs.place(job.projectId, file, join(work.project, file.path), fetch))) fetched += 1;
    // Not read here, so that it counts as one that has to be.
    if (isCode(file.path)) marked.push(file.path);
    count(file.size);
  };

  const isSmall = ({ size }: ManifestFile): boolean => size <= batch.partBytes;
  const fetchSmall = async (missing: readonly ManifestFile[]): Promise<void> => {
    const byHash = [...Map.groupBy(missing, ({ hash }) => hash).values()];
    await pMap(
      inBatches(byHash, ([file]) => file?.size ?? 0),
      async (contents) => {
        const found = await deps.platform.blobs(
          contents.flatMap(([file]) => file?.hash ?? []),
          signal,
        );
        await inTurns(contents, signal, (copies) => {
          for (const [index, file] of copies.entries()) {
            const bytes = found.get(file.hash);
            if (bytes === undefined) throw new Error('a blob that was asked for is there');
            if (index === 0) deps.blobs.keep(job.projectId, file.hash, bytes);
            write(file, bytes);
          }
          fetched += 1;
        });
      },
      { concurrency: runnerLimits.batches, signal },
    );
  };

  const given = new Map(job.texts?.map((text) => Buffer.from(text)).map((bytes) => [hashOf('sha256', bytes), bytes]));
  for (const hash of new Set(files.filter(isSmall).map((file) => file.hash))) {
    const bytes = given.get(hash);
    if (bytes === undefined || deps.blobs.has(job.projectId, hash)) continue;
    deps.blobs.keep(job.projectId, hash, bytes);
    fetched += 1;
  }
  const { known = [], missing = [] } = Object.groupBy(files.filter(isSmall), ({ hash }) =>
    deps.blobs.has(job.projectId, hash) ? 'known' : 'missing',
  );
  // What was lost or spoilt on this disk meanwhile.
  const spoilt: ManifestFile[] = [];
  await Promise.all([
    pMap(
      files.filter((file) => !isSmall(file)),
      placeLarge,
      { concurrency: runnerLimits.transfers, signal },
    ),
    fetchSmall(missing),
    // A turn later, when they have been asked for: what is here is written while they come.
    turn().then(() =>
      inTurns(known, signal, (file) => {
        const bytes = deps.blobs.read(job.projectId, file.hash);
        if (bytes === undefined) spoilt.push(file);
        else write(file, bytes);
      }),
    ),
  ]);
  await fetchSmall(spoilt);
  reporter.log({
    level: 'info',
    step: 'source',
    message: `${files.length} files, ${fetched} fetched. Attempt ${job.attempt}.`,
  });
  return { files, marked };
};
