import { type BuildOptions, BuildOptions as Options } from '../../../src/contract/builds.ts';
import type { EventBatch, OutputFile, RunnerEvent } from '../../../src/contract/jobs.ts';
import type { LogFields } from '../../../src/core/log.ts';
import type { Actor } from '../../../src/data/audit.ts';
import type { BuildRow } from '../../../src/data/builds.ts';
import { BuildCore } from '../../../src/durable-objects/build/build.ts';
import type { BuildState } from '../../../src/durable-objects/build/state.ts';
import { NodeSql } from './node-sql.ts';

export const buildId = '0192f0c1-2a3b-7c4d-8e5f-00000000b001';

/** Somebody who cancels and tries again. */
export const someone: Actor = { actorId: '0192f0c1-2a3b-7c4d-8e5f-00000000d001', now: 1_000_000 };

export const row = (change: Partial<BuildRow> = {}): BuildRow => ({
  id: buildId,
  projectId: '0192f0c1-2a3b-7c4d-8e5f-00000000a001',
  userId: '0192f0c1-2a3b-7c4d-8e5f-00000000c001',
  target: 'web',
  status: 'queued',
  progress: 0,
  step: null,
  options: { ...(Options.parse({}) satisfies BuildOptions) },
  key: 'k'.repeat(64),
  treeHash: 'a'.repeat(64),
  lockHash: null,
  checkpointId: null,
  cached: false,
  attempt: 0,
  seq: 0,
  errorCode: null,
  errorMessage: null,
  artifacts: [],
  outputOf: null,
  outputBytes: null,
  timings: {},
  createdAt: 1_000_000,
  startedAt: null,
  completedAt: null,
  ...change,
});

/** Everything around a build, which outlives the object. */
export class BuildWorld {
  readonly sql = new NodeSql();
  now = 1_000_000;
  scheduled: number[] = [];
  readonly wakes: string[] = [];
  keptLog: string | null = null;
  logFails = false;
  /** Users who were given a build back. */
  readonly refunds: string[] = [];
  /** Attempts put into the queue that runners pull from, again. */
  readonly offers: number[] = [];
  /** States written to the database, in order. */
  readonly projected: BuildState[] = [];
  readonly announced: string[] = [];
  readonly logged: { event: string; fields: LogFields }[] = [];
  readonly stored = new Map<string, number>();
  kept: readonly OutputFile[] | null = null;
  readonly locks = new Map<string, string>();
  projectionFails = false;
  /** The user has as many running as they may. */
  userIsFull = false;
  /** Its user has as many waiting as they may. */
  waitsTooMany = false;
  /** Awaited before the database is asked whether it may wait again. */
  beforeQueue: () => void | Promise<void> = () => undefined;
  /** Awaited before an output's size is answered: a way to do something meanwhile. */
  beforeSize: () => Promise<void> | void = () => undefined;
  core: BuildCore;

  constructor() {
    this.core = this.restart();
  }

  restart(): BuildCore {
    this.scheduled = [];
    this.core = new BuildCore({
      sql: this.sql,
      now: () => this.now,
      schedule: (at) => this.scheduled.push(at),
      log: (event, fields) => this.logged.push({ event, fields }),
      wake: async (id, attempt, delay = 0) => {
        await Promise.resolve();
        this.wakes.push(`${id} ${attempt}${delay > 0 ? ` in ${delay} ms` : ''}`);
      },
      offer: async ({ attempt }) => {
        await Promise.resolve();
        this.offers.push(attempt);
      },
      keepLog: async (lines) => {
        await Promise.resolve();
        if (this.logFails) throw new Error('the store is away');
        this.keptLog = lines;
      },
      refund: async (userId) => {
        await Promise.resolve();
        this.refunds.push(userId);
      },
      project: async (state) => {
        await Promise.resolve();
        if (this.projectionFails) throw new Error('the database is away');
        this.projected.push(structuredClone(state));
      },
      queue: async (state) => {
        await this.beforeQueue();
        await Promise.resolve();
        if (this.projectionFails) throw new Error('the database is away');
        if (this.waitsTooMany) return false;
        this.projected.push(structuredClone(state));
        return true;
      },
      start: async (state) => {
        await Promise.resolve();
        if (this.projectionFails) throw new Error('the database is away');
        if (this.userIsFull) return false;
        this.projected.push(structuredClone(state));
        return true;
      },
      announce: async (state) => {
        await Promise.resolve();
        this.announced.push(state.status);
      },
      sizesOfOutputs: async (hashes) => {
        await this.beforeSize();
        return new Map([...this.stored].filter(([hash]) => hashes.includes(hash)));
      },
      keepOutputs: async (outputs) => {
        await Promise.resolve();
        this.kept = outputs;
      },
      keepLock: async (hash, text) => {
        await Promise.resolve();
        this.locks.set(hash, text);
      },
    });
    return this.core;
  }

  /** A build that waits. */
  create(change: Partial<BuildRow> = {}): this {
    this.core.create(row({ createdAt: this.now, ...change }), 'My game');
    return this;
  }

  /** Time passes; the alarm rings if it is due. */
  async pass(ms: number): Promise<void> {
    this.now += ms;
    if (!this.scheduled.some((at) => at <= this.now)) return;
    this.scheduled = [];
    await this.core.tick();
  }

  /** Claims as soon as the back-off allows. */
  async claim() {
    this.now = Math.max(this.now, this.core.state.notBefore);
    const claim = await this.core.claim();
    if (!claim) throw new Error('nothing to claim');
    return claim;
  }

  async status(change: Partial<BuildState> = {}): Promise<BuildCore> {
    // Straight into the storage: what a long life of the object would have left there.
    this.sql.run('UPDATE state SET json = ?', JSON.stringify({ ...this.core.state, ...change }));
    return await Promise.resolve(this.restart());
  }
}

export const batch = (attempt: number, number: number, ...events: RunnerEvent[]): EventBatch => ({
  attempt,
  batch: number,
  events,
});
export const log = (message: string): RunnerEvent => ({
  type: 'log',
  at: 1_000_000,
  level: 'info',
  step: 'bundle',
  message,
});
export const progress = (value: number): RunnerEvent => ({ type: 'progress', step: 'bundle', progress: value });
export const output = (
  name: string,
  size: number,
  sha256: string,
  role: OutputFile['role'] = 'download',
): OutputFile => ({
  name,
  size,
  sha256,
  mimeType: 'application/zip',
  role,
});
export const success = (...outputs: OutputFile[]): Extract<RunnerEvent, { type: 'success' }> => ({
  type: 'success',
  outputs,
  timings: { bundle: 5 },
});
export const failure = (
  kind: 'user' | 'limit' | 'infra',
  code: 'build_failed' | 'internal' = 'build_failed',
): RunnerEvent => ({
  type: 'failure',
  kind,
  code,
  message: 'src/main.ts:1:1: no',
  timings: { bundle: 3 },
});
