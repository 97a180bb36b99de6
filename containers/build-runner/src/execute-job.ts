import { createHash } from 'node:crypto';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Framed } from '../../../src/contract/frames.ts';
import { BuildStep, type Job, OutputFile } from '../../../src/contract/jobs.ts';
import { limits } from '../../../src/contract/limits.ts';
import { collectOutputs, uploadAhead, uploadOutputs } from './artifacts.ts';
import type { AssetCache } from './asset-cache.ts';
import type { BlobCache } from './blob-cache.ts';
import type { ChildPhase } from './child/protocol.ts';
import type { ChildPool } from './children.ts';
import { compiler } from './compiler.ts';
import type { Dependencies, Installed } from './dependencies.ts';
import type { Disk } from './disk.ts';
import { BuildFailure, DiskFull, isDiskFull, Stopped } from './failure.ts';
import { describeError, log } from './log.ts';
import type { Platform } from './platform.ts';
import { overallProgress } from './progress.ts';
import { Reporter } from './reporter.ts';
import { runnerLimits } from './runner-limits.ts';
import { fetchSource } from './source.ts';
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
    const source = await timed('source', async () => {
      const named = job.files ?? (await inPhase(phases, 'manifest', () => deps.platform.manifest(signal))).files;
      return await fetchSource(job, named, deps, work, reporter, signal);
    });
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
