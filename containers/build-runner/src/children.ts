import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, realpath, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { newId } from '../../../src/contract/ids.ts';
import type {
  AnyRequest,
  ChildMessage,
  ChildRequest,
  OptimizeRequest,
  PictureRequest,
  PreviewRequest,
} from './child/protocol.ts';
import { ChildMessageSchema } from './child-messages.ts';
import { type ChildProgram, makeChildProgram } from './child-program.ts';
import { BuildFailure, DiskFull } from './failure.ts';
import { removeOfDead } from './folders-of-processes.ts';
import { describeError, log } from './log.ts';
import { ranOut, readMemoryEvents } from './memory-events.ts';
import type { ProcessCaps } from './process-caps.ts';
import { prepareRehearsal } from './rehearsal.ts';
import { runnerLimits } from './runner-limits.ts';
import { followProcess, killGroup, type ProcessEnd, startSandboxed } from './sandbox.ts';
import { templates } from './templates.ts';
import { cpuSecondsOfEnded, neededMemory, whyEnded } from './why-ended.ts';

/** Of the runner's own files a child reads only the packages; its program lies in the work folder. */
const packages = fileURLToPath(new URL('../../../node_modules/', import.meta.url));

/** The folder of one job and everything below it; it goes with the child. */
export interface WorkDir {
  readonly root: string;
  readonly project: string;
  readonly out: string;
  readonly tmp: string;
}

/** A process that is loaded and waits for its one build. */
export interface Child {
  readonly pid: number;
  readonly work: WorkDir;
  /** Whether it can be asked. One that was killed cannot, while what it started still holds its output open. */
  readonly alive: boolean;
  /** Resolves when its process is gone, and its output closed. */
  readonly ended: Promise<unknown>;
  /** Builds, passing on every message before the last. Rejects with `BuildFailure` for any end but success. */
  build(request: ChildRequest, onMessage: (message: ChildMessage) => void): Promise<void>;
  /** Makes an asset smaller instead. */
  optimize(request: OptimizeRequest): Promise<void>;
  /** Writes a picture anew. */
  picture(request: PictureRequest): Promise<void>;
  /**
   * Builds a page of our own and removes what that leaves: whatever it is asked afterwards takes less. Does not fail; a child that ends
   * meanwhile says so to whoever asks it next.
   */
  rehearse(): Promise<void>;
  /** Bundles a preview. Rejects as `build` does. */
  preview(request: PreviewRequest): Promise<void>;
  /**
   * Kills it with everything it started. Its folder goes after that, which nobody has to wait for. Safe at any time and more than
   * once.
   */
  dispose(): Promise<void>;
}

export interface PoolOptions {
  /** Children that are ready at any time: one for each place. */
  readonly size: number;
  /** How many more, once nothing was done for a moment. */
  readonly reserve: number;
  /** Folders that every child may read besides its own. */
  readonly readable: readonly string[];
  /** What each process of a child may take. */
  readonly caps: ProcessCaps;
}

/**
 * Children of one use each. As many as there are places for jobs are started ahead, so that a job does
 * not wait for Node and esbuild to load; none ever sees a second job. While nothing is done a reserve is started besides, for the
 * processor is what a burst of builds waits for.
 */
export class ChildPool {
  readonly #workRoot: string;
  readonly #program: ChildProgram;
  readonly #readable: readonly string[];
  readonly #caps: ProcessCaps;
  readonly #size: number;
  readonly #reserve: number;
  readonly #idle: Promise<Child>[] = [];
  /** Those of them that have nothing left to rehearse. */
  readonly #rehearsed = new WeakSet<Promise<Child>>();
  readonly #living = new Set<Child>();
  /** Those of them that were taken. */
  readonly #working = new Set<Child>();
  #reserveTimer: NodeJS.Timeout | undefined;
  /** Folders that are being removed. */
  readonly #removals = new Set<Promise<void>>();
  #closed = false;

  private constructor(workRoot: string, program: ChildProgram, options: PoolOptions) {
    this.#workRoot = workRoot;
    this.#program = program;
    this.#readable = options.readable;
    this.#caps = options.caps;
    this.#size = options.size;
    this.#reserve = options.reserve;
  }

  /**
   * `dir` holds a folder for each runner process, by its id: several runners may share a disk, and what a
   * dead one left is removed here.
   */
  static async open(dir: string, options: PoolOptions): Promise<ChildPool> {
    await removeOfDead(dir);
    const workRoot = join(await realpath(dir), String(process.pid));
    await mkdir(workRoot, { recursive: true });
    const pool = new ChildPool(workRoot, await makeChildProgram(workRoot), options);
    await pool.#rehearse();
    pool.refill();
    return pool;
  }

  /**
   * Has a first child build a page of our own, and keeps what V8 compiled for it: those that follow find it compiled. It is made
   * anew for each runner, before anything of a project is here.
   */
  async #rehearse(): Promise<void> {
    try {
      const child = await this.#start((work) => [join(work.out, 'compiled')]);
      const { work } = child;
      try {
        await child.build(await prepareRehearsal(work), () => undefined);
        await child.ended;
        await rename(join(work.out, 'compiled'), this.#program.compiled);
      } finally {
        await child.dispose();
      }
    } catch (error) {
      // Children take longer to start without it, and are no worse.
      log('warn', 'child.rehearsal_failed', { error: describeError(error) });
    }
  }

  /** A loaded child. The caller disposes of it. Rejects at once when `signal` is aborted: on a busy machine a child takes seconds to start. */
  async take(signal?: AbortSignal): Promise<Child> {
    const taken = this.#next(signal);
    if (signal === undefined) return await taken;
    const stopped = Promise.withResolvers<never>();
    const stop = (): void => stopped.reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    try {
      return await Promise.race([taken, stopped.promise]);
    } catch (error) {
      // Nobody else knows of it.
      void taken.then((child) => child.dispose()).catch(() => undefined);
      throw error;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  async #next(signal?: AbortSignal): Promise<Child> {
    for (let idle = this.#idle.shift(); idle !== undefined; idle = this.#idle.shift()) {
      const child = await idle;
      if (child.alive) return this.#take(child);
      await child.dispose();
    }
    return this.#take(await this.#start(() => [], signal));
  }

  #take(child: Child): Child {
    this.#working.add(child);
    return child;
  }

  /** Starts what is missing. Called when a job has ended, so that loading does not take time from a build. */
  refill(): void {
    while (!this.#closed && this.#idle.length < this.#size) void this.#startAhead();
    clearTimeout(this.#reserveTimer);
    if (this.#reserve > 0)
      this.#reserveTimer = setTimeout(() => void this.#prepare(), runnerLimits.child.reserveDelay).unref();
  }

  /** Has those that wait rehearse, and starts the reserve: one after the other, and only while nothing is done, so that whoever comes finds a core. */
  async #prepare(): Promise<void> {
    while (!this.#closed && this.#working.size === 0) {
      const next = this.#idle.find((child) => !this.#rehearsed.has(child));
      if (next !== undefined) {
        this.#rehearsed.add(next);
        // One that could not be started has said so, and waits no more.
        await next.then((child) => child.rehearse()).catch(() => undefined);
      } else if (this.#idle.length >= this.#size + this.#reserve || !(await this.#startAhead())) return;
    }
  }

  /** Starts a child that waits for whoever takes it. False when it could not. */
  async #startAhead(): Promise<boolean> {
    const child = this.#start();
    this.#idle.push(child);
    const drop = (): boolean => {
      const at = this.#idle.indexOf(child);
      if (at >= 0) this.#idle.splice(at, 1);
      return at >= 0;
    };
    try {
      const started = await child;
      // Killed while it waited, by the kernel or a person: no job may get it.
      void started.ended.then(() => (drop() ? started.dispose() : undefined));
      return true;
    } catch (error) {
      drop();
      log('error', 'child.start_failed', { error: describeError(error) });
      return false;
    }
  }

  /** Waits until the folders of all children that are gone are gone, too. */
  async settle(): Promise<void> {
    await Promise.all(this.#removals);
  }

  /** Kills every child and removes the work folder of this runner. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#reserveTimer);
    await Promise.allSettled(this.#idle);
    await Promise.all([...this.#living].map((child) => child.dispose()));
    await this.settle();
    await rm(this.#workRoot, { recursive: true, force: true });
  }

  async #start(argumentsOf: (work: WorkDir) => readonly string[] = () => [], signal?: AbortSignal): Promise<Child> {
    const root = join(this.#workRoot, newId());
    const work: WorkDir = { root, project: join(root, 'project'), out: join(root, 'out'), tmp: join(root, 'tmp') };
    for (const path of [work.project, work.out, work.tmp]) await mkdir(path, { recursive: true });
    const args = argumentsOf(work);
    const process_ = startSandboxed({
      script: this.#program.script,
      args,
      cwd: root,
      network: false,
      caps: this.#caps,
      env: {
        HOME: work.tmp,
        TMPDIR: work.tmp,
        GOMEMLIMIT: String(Math.floor(this.#caps.dataBytes * runnerLimits.child.goSoftShare)),
        GOGC: String(runnerLimits.child.goGrowthPercent),
      },
      nodeFlags: [
        // The second fence behind the resolver: the JavaScript of the child cannot open other files. esbuild itself is native and not held by it.
        '--permission',
        '--allow-child-process',
        // The decoder of pictures is native, as esbuild is.
        '--allow-addons',
        '--disable-warning=SecurityWarning',
        `--allow-fs-write=${root}`,
        ...[root, ...Object.values(this.#program), packages, templates, ...this.#readable].map(
          (path) => `--allow-fs-read=${path}`,
        ),
      ],
    });
    const end = followProcess(process_);
    const leaves = args.length > 0;
    const child = makeChild(process_, end, work, {
      leaves,
      caps: this.#caps,
      isAlone: () => this.#working.size === 1,
      onDispose: () => {
        this.#living.delete(child);
        this.#working.delete(child);
        const removal = remove(work.root).finally(() => this.#removals.delete(removal));
        this.#removals.add(removal);
      },
    });
    this.#living.add(child);
    const kill = (): void => void child.dispose();
    signal?.addEventListener('abort', kill, { once: true });
    try {
      await untilReady(process_, end);
      return child;
    } catch (error) {
      await child.dispose();
      throw error;
    } finally {
      signal?.removeEventListener('abort', kill);
    }
  }
}

/** What cannot be removed now goes when the next runner starts. */
const remove = (path: string): Promise<void> =>
  rm(path, { recursive: true, force: true, maxRetries: 3 }).catch((error: unknown) =>
    log('warn', 'child.remove_failed', { error: describeError(error) }),
  );

const untilReady = async (child: ChildProcess, end: Promise<ProcessEnd>): Promise<void> => {
  const ready = Promise.withResolvers<void>();
  child.once('message', () => ready.resolve());
  const timer = setTimeout(
    () => ready.reject(new Error('the child took too long to load')),
    runnerLimits.child.startTimeout,
  );
  end.then((ended) => ready.reject(new Error(`the child ended while loading: ${ended.stderr}`)));
  try {
    await ready.promise;
  } catch (error) {
    throw new BuildFailure('infra', 'runner_lost', 'The build process could not be started.', { cause: error });
  } finally {
    clearTimeout(timer);
  }
};

interface ChildOptions {
  /** It ends by itself once it has said how it went. Any other is killed then, with all that it started. */
  readonly leaves: boolean;
  readonly caps: ProcessCaps;
  /** Whether no other child is at work. */
  isAlone(): boolean;
  onDispose(): void;
}

const makeChild = (
  child: ChildProcess,
  end: Promise<ProcessEnd>,
  work: WorkDir,
  { leaves, caps, isAlone, onDispose }: ChildOptions,
): Child => {
  let disposed: Promise<void> | undefined;
  const ask = async (request: AnyRequest, onMessage: (message: ChildMessage) => void): Promise<void> => {
    const outcome = Promise.withResolvers<void>();
    let told = false;
    const before = readMemoryEvents();
    /** Why this child, or a program that it needs, is no more. Where several were at work, nobody knows which one took the memory. */
    const whyGone = (
      ended: Omit<ProcessEnd, 'signal'> & { readonly signal: string | null },
      cpuSeconds: number | null,
    ): BuildFailure => {
      log('warn', 'child.died', { ...ended, cpuSeconds });
      const death = { ...ended, cpuSeconds, ranOut: isAlone() && ranOut(before, readMemoryEvents()) };
      return whyEnded(death, { title: 'The build', caps });
    };
    child.on('message', (value) => {
      const parsed = ChildMessageSchema.safeParse(value);
      if (!parsed.success) {
        outcome.reject(
          new BuildFailure('infra', 'runner_lost', 'The build process said something that makes no sense.'),
        );
        return;
      }
      const message = parsed.data;
      // It was asked for before.
      if (message.type === 'rehearsed') return;
      if (message.type === 'lost') {
        told = true;
        // Read before the child goes, and with it what the kernel knows of those that it has started.
        const cpuSeconds = cpuSecondsOfEnded(child.pid ?? 0);
        killGroup(child);
        // All that the program has written is there once the child's output is closed.
        void end.then(({ stderr }) =>
          outcome.reject(whyGone({ code: message.code, signal: message.signal, stderr }, cpuSeconds)),
        );
        return;
      }
      if (message.type === 'short') {
        told = true;
        killGroup(child);
        outcome.reject(message.of === 'memory' ? neededMemory({ title: 'The build' }, caps.dataBytes) : new DiskFull());
        return;
      }
      if (message.type === 'success' || message.type === 'failure') {
        told = true;
        if (!leaves) killGroup(child);
      }
      if (message.type === 'success') outcome.resolve();
      else if (message.type === 'failure')
        outcome.reject(new BuildFailure(message.kind, message.code, message.message));
      else onMessage(message);
    });
    // A child that has said how it went may end as it likes.
    end.then((ended) => told || outcome.reject(whyGone(ended, null)));
    child.send(request, (error) => {
      // A child that is gone is told of by its end.
      if (error !== null) log('warn', 'child.send_failed', { error: describeError(error) });
    });
    await outcome.promise;
  };
  return {
    pid: child.pid ?? 0,
    work,
    get alive() {
      return child.connected && child.exitCode === null && child.signalCode === null;
    },
    ended: end,

    build: ask,
    optimize: (request) => ask(request, () => undefined),
    picture: (request) => ask(request, () => undefined),
    preview: (request) => ask(request, () => undefined),

    rehearse: async () => {
      const root = join(work.root, 'rehearsal');
      const at = { project: join(root, 'project'), out: join(root, 'out'), tmp: join(root, 'tmp') };
      try {
        const rehearse = await prepareRehearsal(at);
        const answered = once(child, 'message');
        child.send({ rehearse }, () => undefined);
        await Promise.race([answered, end]);
      } catch (error) {
        log('warn', 'child.rehearsal_failed', { error: describeError(error) });
      }
      await remove(disposed === undefined ? root : work.root);
    },

    dispose: () => {
      disposed ??= (async () => {
        killGroup(child);
        await end;
        onDispose();
      })();
      return disposed;
    },
  };
};
