import { createHash, hash as hashOf } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { mkdir, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import pMap from 'p-map';
import type { Framed } from '../../../src/contract/frames.ts';
import { BuildStep, type Job, OutputFile } from '../../../src/contract/jobs.ts';
import { limits } from '../../../src/contract/limits.ts';
import { collectOutputs, uploadAhead, uploadOutputs } from './artifacts.ts';
import type { AssetCache } from './asset-cache.ts';
import { inBatches, inTurns } from './batches.ts';
import type { BlobCache, FetchBlob } from './blob-cache.ts';
import type { ChildPhase } from './child/protocol.ts';
import type { ChildPool, WorkDir } from './children.ts';
import { compiler } from './compiler.ts';
import type { Dependencies, Installed } from './dependencies.ts';
import type { Disk } from './disk.ts';
import { BuildFailure, DiskFull, isDiskFull, Stopped } from './failure.ts';
import { describeError, log } from './log.ts';
import { filesToBuild, type ManifestFile } from './manifest.ts';
import { isCode, isMarked } from './marks.ts';
import type { Platform } from './platform.ts';
import { overallProgress } from './progress.ts';
import { Reporter } from './reporter.ts';
import { runnerLimits } from './runner-limits.ts';
import { templates } from './templates.ts';

export interface JobDeps {
  readonly platform: Platform;
  readonly blobs: BlobCache;
  readonly assets: AssetCache;
  readonly dependencies: Dependencies;
  readonly children: ChildPool;
  readonly disk: Pick<Disk, 'makeRoom'>;
  /** Folder of Electron's release zips. */
  readonly electronCache: string | null;
}

type Timings = Partial<Record<BuildStep, number>>;

/** What an attempt is made of. `work` is the child's part as it looks from here, the way there and back included. */
type JobPhase = BuildStep | ChildPhase | 'child' | 'manifest' | 'work' | 'collect' | 'outputs' | 'cleanup' | 'outcome';

/** Milliseconds of what a step is made of, for the operator: where the wall time of an attempt goes, finer than people are told. */
type Phases = Partial<Record<JobPhase, number>>;

/**
 * Runs one attempt of one build from its manifest to its outcome, which the platform hears of as the
 * last event. Never rejects. The order matters: outputs are stored before success is reported, or go with the report of it, so a crash
 * in between leaves unreferenced bytes and no half build; and the work folder goes only after the child
 * that works in it. `stop` ends the attempt early; its reason decides whether anything is said. `onWorked` is called
 * when nothing is left but to say how it went.
 */
export const executeJob = async (
  job: Job,
  deps: JobDeps,
  stop: AbortController,
  onWorked: () => void,
): Promise<void> => {
  const started = performance.now();
  const timings: Timings = {};
  const phases: Phases = {};
  // Sending outlives the work: the outcome has to be told after everything else has been stopped.
  const silence = new AbortController();
  const reporter = new Reporter({
    send: (batch, signal) => deps.platform.sendEvents(batch, signal),
    attempt: job.attempt,
    secrets: [job.token],
    onStop: (reason) => stop.abort(reason),
    signal: silence.signal,
  });
  const remaining = Math.min(job.timeout, limits.build.timeout);
  const timers = [
    setTimeout(() => stop.abort(new Stopped('deadline')), Math.max(0, remaining - runnerLimits.reportMargin)),
    setTimeout(() => silence.abort(), Math.max(runnerLimits.reportMargin, remaining)),
  ];

  let cleanup: Promise<void> | undefined;
  const leave = (work: () => Promise<void>): void => {
    cleanup = inPhase(phases, 'cleanup', work);
  };
  const tryOnce = () => attempt(job, deps, reporter, { timings, phases, leave }, stop.signal);
  /** Once more from the beginning where the disk was full, after room was made. */
  const work = async (): Promise<Awaited<ReturnType<typeof tryOnce>>> => {
    try {
      return await tryOnce();
    } catch (error) {
      if (!isDiskFull(error) || stop.signal.aborted) throw error;
      log('warn', 'job.disk_full', { buildId: job.buildId, error: describeError(error) });
      reporter.log({
        level: 'warn',
        step: 'source',
        message: 'The disk of the build runner was full. It makes room and begins anew.',
      });
      await cleanup;
      await untilStopped(Promise.all([deps.disk.makeRoom(), deps.children.settle()]), stop.signal);
      return await tryOnce();
    }
  };
  let end: string;
  try {
    const { outputs, rest, lock } = await work().finally(onWorked);
    stop.signal.throwIfAborted();
    await inPhase(phases, 'outcome', () =>
      reporter.finish({ type: 'success', outputs, timings, ...(lock === undefined ? {} : { lock }) }, (batch, signal) =>
        deps.platform.sendSuccess(batch, rest, signal),
      ),
    );
    end = 'success';
  } catch (error) {
    const failure = failureOf(error, stop.signal);
    end = failure === null ? reasonOf(stop.signal) : failure.code;
    if (failure === null) {
      silence.abort();
      await reporter.abandon();
    } else {
      if (failure.kind === 'infra')
        log('error', 'job.infra_failure', { buildId: job.buildId, error: describeError(failure) });
      // Of what is not the project's fault there is another attempt.
      else reporter.fail(failure);
      await reporter.finish({
        type: 'failure',
        kind: failure.kind,
        code: failure.code,
        message: reporter.clean(failure.message, limits.build.messageMax),
        timings,
      });
    }
  } finally {
    for (const timer of timers) clearTimeout(timer);
    silence.abort();
    await cleanup;
  }
  log('info', 'job', {
    buildId: job.buildId,
    projectId: job.projectId,
    attempt: job.attempt,
    target: job.target,
    end,
    ms: Math.round(performance.now() - started),
    timings,
    phases,
  });
};

/** Waits for `work`, which goes on by itself when the attempt is stopped meanwhile. */
const untilStopped = async (work: Promise<unknown>, signal: AbortSignal): Promise<void> => {
  const stopped = Promise.withResolvers<void>();
  signal.addEventListener('abort', () => stopped.resolve(), { once: true });
  await Promise.race([work, stopped.promise]);
  signal.throwIfAborted();
};

/** Runs `work` and notes how long it took, also when it fails. */
const inPhase = async <T>(phases: Phases, phase: JobPhase, work: () => Promise<T>): Promise<T> => {
  const start = performance.now();
  try {
    return await work();
  } finally {
    phases[phase] = Math.round(performance.now() - start);
  }
};

interface Course {
  readonly timings: Timings;
  readonly phases: Phases;
  /** What is left to be done once the work is over, for which the outcome does not wait: a process that has used much memory takes a while to go. */
  readonly leave: (work: () => Promise<void>) => void;
}

const attempt = async (
  job: Job,
  deps: JobDeps,
  reporter: Reporter,
  { timings, phases, leave }: Course,
  signal: AbortSignal,
): Promise<{ outputs: OutputFile[]; rest: readonly Framed[]; lock: string | undefined }> => {
  const progress = (step: BuildStep, done: number): void => reporter.progress(step, overallProgress(step, done));
  const timed = async <T>(step: BuildStep, work: () => Promise<T>): Promise<T> => {
    progress(step, 0);
    try {
      return await inPhase(phases, step, work);
    } finally {
      timings[step] = phases[step] ?? 0;
    }
  };

  const child = await inPhase(phases, 'child', () => deps.children.take(signal));
  const kill = (): void => void child.dispose();
  signal.addEventListener('abort', kill, { once: true });
  let installed: Installed | null = null;
  const over = new AbortController();
  let ahead: Promise<ReadonlySet<string>> | undefined;
  try {
    signal.throwIfAborted();
    const { work } = child;
    const source = await timed('source', () => fetchSource(job, deps, work, reporter, phases, signal));
    const files = source.files.map(({ path }) => path);
    const hashes = new Set(source.files.map(({ hash }) => hash));
    const assetCache = {
      known: join(work.root, 'assets-known'),
      found: join(work.root, 'assets-found'),
      version: deps.assets.version,
    };
    if (job.options.optimizeAssets) await deps.assets.lend(job.projectId, hashes, assetCache.known);
    installed = await timed('dependencies', () =>
      deps.dependencies.install({
        projectDir: work.project,
        files,
        lock: job.lock,
        needsDev: job.options.typecheck,
        signal,
        log: (level, message) => reporter.log({ level, step: 'dependencies', message }),
      }),
    );
    if (installed !== null) await symlink(installed.modulesDir, join(work.project, 'node_modules'));

    const request = {
      projectDir: work.project,
      outDir: work.out,
      files,
      marked: source.marked,
      modulesDir: installed?.modulesDir ?? null,
      lock: installed === null ? null : createHash('sha256').update(installed.lock).digest('hex'),
      compiler,
      templates,
      electronCache: deps.electronCache,
      assetCache,
      target: job.target,
      options: job.options,
      projectName: job.projectName,
    };
    await inPhase(phases, 'work', () =>
      child.build(request, (message) => {
        if (message.type === 'log') reporter.log(message);
        else if (message.type === 'progress') progress(message.step, message.done);
        else if (message.type === 'written')
          ahead ??= uploadAhead(deps.platform, work.out, AbortSignal.any([signal, over.signal]));
        else if (message.type === 'timing') {
          phases[message.phase] = message.ms;
          const step = BuildStep.safeParse(message.phase);
          if (step.success) timings[step.data] = message.ms;
        }
      }),
    );
    signal.throwIfAborted();
    if (job.options.optimizeAssets) await deps.assets.keep(job.projectId, hashes, assetCache.found);

    const made = await timed('upload', async () => {
      const found = await inPhase(phases, 'collect', () => collectOutputs(work.out, signal));
      const rest = await inPhase(phases, 'outputs', async () =>
        uploadOutputs(deps.platform, found, (await ahead) ?? new Set(), signal, (done) => progress('upload', done)),
      );
      return { outputs: found.map((output) => OutputFile.parse(output)), rest };
    });
    return { ...made, lock: installed?.lock };
  } finally {
    signal.removeEventListener('abort', kill);
    over.abort();
    leave(async () => {
      await child.dispose();
      installed?.release();
    });
  }
};

const fetchSource = async (
  job: Job,
  deps: JobDeps,
  work: WorkDir,
  reporter: Reporter,
  phases: Phases,
  signal: AbortSignal,
): Promise<{ files: ManifestFile[]; marked: string[] }> => {
  const named = job.files ?? (await inPhase(phases, 'manifest', () => deps.platform.manifest(signal))).files;
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

const { batch } = limits.build;

const reasonOf = (signal: AbortSignal): string => (signal.reason instanceof Stopped ? signal.reason.reason : 'stopped');

/** What is to be told of an error; null when nobody wants to hear it. A stop explains whatever it made fail. */
const failureOf = (error: unknown, signal: AbortSignal): BuildFailure | null => {
  const stopped = signal.aborted ? signal.reason : error;
  if (stopped instanceof Stopped) {
    if (stopped.reason === 'deadline') {
      return new BuildFailure(
        'limit',
        'build_timeout',
        `The build took longer than ${limits.build.timeout / 60_000} minutes.`,
      );
    }
    if (stopped.reason === 'shutdown')
      return new BuildFailure('infra', 'runner_lost', 'The build runner is being stopped.');
    return null;
  }
  if (error instanceof BuildFailure) return error;
  if (isDiskFull(error)) return new DiskFull({ cause: error });
  return new BuildFailure('infra', 'runner_lost', 'The build runner failed.', { cause: error });
};
