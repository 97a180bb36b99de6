import type { BuildLogLine, BuildOptions, BuildStatus, BuildTarget } from '../../contract/builds.ts';
import { type ErrorCode, errorSpec, KilnError } from '../../contract/errors.ts';
import type { EventAnswer, EventBatch, OutputFile, RunnerEvent } from '../../contract/jobs.ts';
import { limits } from '../../contract/limits.ts';
import { canBecome, hasEnded } from '../../core/build-lifecycle.ts';
import type { LogFields } from '../../core/log.ts';
import { backoff } from '../../core/retry.ts';
import { sha256 } from '../../core/tree.ts';
import type { Actor, AuditRow } from '../../data/audit.ts';
import { type BuildRow, buildEntry } from '../../data/builds.ts';
import type { Sql } from '../sql.ts';
import { BuildLog, plainText } from './log.ts';
import { Outputs, type StoredOutput, type Success, successOf } from './outcome.ts';
import { afterWriting, isDue } from './projection.ts';
import type { BuildState } from './state.ts';

export interface BuildPorts {
  readonly sql: Sql;
  now(): number;
  schedule(at: number): void;
  log(event: string, fields: LogFields, level?: 'info' | 'warn' | 'error'): void;
  /** Puts a wake-up into the queue, to be delivered after `delay` milliseconds; at once by default. */
  wake(buildId: string, attempt: number, delay?: number): Promise<void>;
  /** Puts an attempt into the queue that runners pull from. */
  offer(job: Pick<Claim, 'buildId' | 'projectId' | 'attempt'>): Promise<void>;
  /** Keeps the whole log of a build that has ended, as lines of JSON. */
  keepLog(lines: string): Promise<void>;
  /** One build less for this user: it was not theirs that it failed. */
  refund(userId: string): Promise<void>;
  /** Writes the row; older states never overwrite newer ones. */
  project(state: BuildState): Promise<void>;
  /** Writes the row of a build that waits again. False when its user has as many waiting as they may: then it is as it was. */
  queue(state: BuildState): Promise<boolean>;
  /** Writes the row of an attempt that begins. False when its user has as many running as they may: then it is as it was. */
  start(state: BuildState): Promise<boolean>;
  /** Into the project's event log. */
  announce(state: BuildState): Promise<void>;
  /** Sizes of those of these outputs that are stored, by hash. */
  sizesOfOutputs(hashes: readonly string[]): Promise<ReadonlyMap<string, number>>;
  keepOutputs(outputs: readonly OutputFile[]): Promise<void>;
  keepLock(hash: string, text: string): Promise<void>;
}

/** What the dispatcher needs to hand the build to a runner. */
export interface Claim {
  readonly buildId: string;
  readonly projectId: string;
  readonly projectName: string;
  readonly attempt: number;
  readonly target: BuildTarget;
  readonly options: BuildOptions;
  readonly treeHash: string;
  readonly lockHash: string | null;
  /** Milliseconds. */
  readonly timeout: number;
}

/** Codes of builds that the platform itself failed. */
const isInfra = (code: string): boolean => code === 'runner_lost' || code === 'build_undelivered';

/**
 * One build: the only writer of its state, lease and log. At-least-once delivery and several runners
 * are expected, so every input names an attempt, and only the running one is heard.
 */
export class BuildCore {
  readonly #ports: BuildPorts;
  readonly #sql: Sql;
  readonly #log: BuildLog;
  #state: BuildState | null;
  readonly #listeners = new Set<() => void>();
  readonly #outputs: Outputs;

  constructor(ports: BuildPorts) {
    this.#ports = ports;
    this.#sql = ports.sql;
    this.#sql.run('CREATE TABLE IF NOT EXISTS state (id INTEGER PRIMARY KEY CHECK (id = 1), json TEXT NOT NULL)');
    this.#log = new BuildLog(ports.sql);
    this.#outputs = new Outputs((hashes) => ports.sizesOfOutputs(hashes));
    const row = this.#sql.all<{ json: string }>('SELECT json FROM state')[0];
    this.#state = row ? (JSON.parse(row.json) as BuildState) : null;
  }

  get exists(): boolean {
    return this.#state !== null;
  }

  /** Throws `not_found` before `create` and after `erase`. */
  get state(): BuildState {
    if (!this.#state) throw new KilnError('not_found');
    return this.#state;
  }

  /** Takes over the row that was just inserted. Idempotent. */
  create(row: BuildRow, projectName: string): void {
    if (this.#state) return;
    const now = this.#ports.now();
    this.#save({
      ...row,
      projectName,
      charged: true,
      lastBatch: 0,
      leaseUntil: null,
      failures: 0,
      misses: 0,
      notBefore: 0,
      queuedAt: now,
      logLines: 0,
      projected: true,
      projectedAt: now,
    });
    this.#ports.schedule(now + limits.build.queuedSweep);
  }

  /** Starts the next attempt for a dispatcher; null when there is nothing to start. */
  async claim(): Promise<Claim | null> {
    const { state } = this;
    const now = this.#ports.now();
    if (state.status !== 'queued' || state.notBefore > now) return null;
    this.#outputs.forget();
    // From here on nobody else can claim it; that it is being built is told when the database has let it.
    this.#turn('building', {
      attempt: state.attempt + 1,
      startedAt: now,
      completedAt: null,
      progress: 0,
      step: null,
      lastBatch: 0,
      leaseUntil: now + limits.build.lease,
      offeredAt: null,
      execution: null,
      errorCode: null,
      errorMessage: null,
      timings: { queued: now - state.queuedAt },
    });
    this.#ports.schedule(now + limits.build.lease);
    // The row must say `building` before the runner is asked: fairness counts running builds there.
    if (!(await this.#start(state))) return null;
    this.#notify();
    return this.#claimed();
  }

  /** Writes that the attempt begins; where its user has too many running, the build waits on as `before`. False when there is nothing to begin. */
  async #start(before: BuildState): Promise<boolean> {
    const { attempt, seq } = this.state;
    const isOurs = (): boolean => this.state.status === 'building' && this.state.attempt === attempt;
    try {
      const started = await this.#ports.start(this.state);
      if (!isOurs()) return false;
      if (started) {
        const isAll = this.state.seq === seq && !this.state.entries?.length;
        this.#save({ ...this.state, projectedAt: this.#ports.now(), projected: isAll });
      } else {
        this.#save({ ...before, seq: seq + 1 });
        this.#scheduleNext();
      }
      return started;
    } catch (error) {
      // Whoever is counted wrongly for a moment is served all the same.
      this.#ports.log('build.projection_failed', { build: this.state.id, message: String(error) }, 'error');
      this.#ports.schedule(this.#ports.now() + limits.build.heartbeat);
      return isOurs();
    }
  }

  /**
   * The claimed attempt lies in the queue that runners pull from. Nobody reports on it there, so its lease is the
   * time that a build may wait at all. Changes nothing when a runner was faster.
   */
  offered(attempt: number): void {
    const { state } = this;
    if (state.status !== 'building' || state.attempt !== attempt || state.execution || state.offeredAt) return;
    const now = this.#ports.now();
    this.#append({
      at: new Date(now).toISOString(),
      level: 'info',
      step: 'source',
      message: 'Waiting for a build runner to fetch the job.',
    });
    this.#save({ ...this.state, offeredAt: now, leaseUntil: state.queuedAt + limits.build.queuedTimeout });
    this.#notify();
    this.#scheduleNext();
  }

  /**
   * A runner that pulled the attempt begins it; from here on it has to report. The first execution has it, and may
   * ask again. Throws `conflict` to every other one, and when the attempt is over.
   */
  async begin(attempt: number, execution: string): Promise<Claim> {
    const { state } = this;
    if (state.status !== 'building' || state.attempt !== attempt)
      throw new KilnError('conflict', { detail: 'This attempt is over.' });
    if (state.execution && state.execution !== execution)
      throw new KilnError('conflict', { detail: 'Another runner has begun this attempt.' });
    if (!state.execution) {
      const now = this.#ports.now();
      this.#save({
        ...state,
        execution,
        offeredAt: null,
        leaseUntil: now + limits.build.lease,
        startedAt: now,
        timings: { ...state.timings, queued: now - state.queuedAt },
        seq: state.seq + 1,
        projected: false,
      });
      this.#notify();
      this.#scheduleNext();
      await this.#project(true);
    }
    return this.#claimed();
  }

  #claimed(): Claim {
    const { id, projectId, projectName, attempt, target, options, treeHash, lockHash } = this.state;
    return {
      buildId: id,
      projectId,
      projectName,
      attempt,
      target,
      options: options as BuildOptions,
      treeHash,
      lockHash,
      timeout: limits.build.timeout,
    };
  }

  /**
   * The runner did not take the attempt. `busy`: it said so, and the number may be used again.
   * Otherwise nobody knows: the number is spent, so that a runner that did start is fenced off. Neither
   * is the build's fault, so neither counts as a failure.
   */
  async release(attempt: number, busy: boolean): Promise<void> {
    const { state } = this;
    if (state.status !== 'building' || state.attempt !== attempt) return;
    // Nobody was served: whose turn it is goes by `startedAt`.
    if (busy) this.#requeue(0, { attempt: attempt - 1, startedAt: null });
    else {
      const misses = state.misses + 1;
      this.#requeue(backoff(misses, limits.build.retryDelay, limits.build.queuedSweep), { misses, startedAt: null });
    }
    await this.#project();
  }

  /** A batch of the runner. Throws `conflict` to a runner that was replaced. */
  async events(batch: EventBatch): Promise<EventAnswer> {
    const { state } = this;
    if (state.status === 'cancelled') return { cancelled: true };
    if (batch.attempt !== state.attempt)
      throw new KilnError('conflict', { detail: `Attempt ${state.attempt} is running.` });
    // The answer to the final batch may have been lost; saying it again changes nothing.
    if (hasEnded(state.status)) return { cancelled: false };
    if (state.status !== 'building') throw new KilnError('conflict', { detail: 'This attempt was given up.' });
    if (state.offeredAt) throw new KilnError('conflict', { detail: 'This attempt was not begun.' });
    const now = this.#ports.now();
    const outcome = batch.events.find((event) => event.type === 'success' || event.type === 'failure');
    const repeated = batch.batch <= state.lastBatch;
    // An outcome is settled over several awaits: until it is, its batch may come again and settle it.
    if (repeated && !outcome) return { cancelled: false };
    if (!repeated) {
      this.#atomically(() => {
        for (const event of batch.events) this.#take(event);
        this.#save({ ...this.state, lastBatch: batch.batch, leaseUntil: now + limits.build.lease });
      });
      this.#notify();
      this.#ports.schedule(now + limits.build.lease);
    }
    const isVacant = batch.vacant === true;
    if (outcome?.type === 'success') await this.#succeed(batch.attempt, outcome, isVacant);
    else if (outcome?.type === 'failure') {
      if (outcome.kind === 'infra') await this.#infraFailure(outcome.message);
      else {
        const change = {
          errorCode: outcome.code,
          errorMessage: plainText(outcome.message).slice(0, limits.build.messageMax),
          timings: { ...this.state.timings, ...outcome.timings },
        };
        await this.#end('failed', change, isVacant);
      }
    } else await this.#project();
    return { cancelled: this.state.status === 'cancelled' };
  }

  /** Remembers outputs that are in the store, so that success need not ask for them. */
  stored(attempt: number, outputs: readonly StoredOutput[]): void {
    if (this.state.status !== 'building' || this.state.attempt !== attempt) return;
    this.#outputs.add(outputs);
  }

  /** Queued or running → cancelled; the runner hears of it at its next report. False when it has ended. */
  async cancel(by: Actor): Promise<boolean> {
    if (!canBecome(this.state.status, 'cancelled')) return false;
    const entries = this.#noted('build.cancelled', by);
    await this.#end('cancelled', { errorCode: 'build_cancelled', errorMessage: null, entries });
    return true;
  }

  /**
   * Failed or cancelled → queued again, on the same snapshot. From here on it is the build of whoever asked: it is counted
   * for them, in their places and their turn. Throws `conflict` otherwise.
   */
  async retry(by: Actor): Promise<void> {
    if (!hasEnded(this.state.status) || !canBecome(this.state.status, 'queued'))
      throw new KilnError('conflict', { detail: `The build is ${this.state.status}.` });
    const before = this.state;
    const entries = this.#noted('build.retried', by);
    this.#atomically(() => {
      const userId = by.actorId ?? this.state.userId;
      this.#save({ ...this.state, userId, charged: true, failures: 0, misses: 0, queuedAt: this.#ports.now() });
      // Nobody begins it before the database has let it wait; where this object dies in between, the alarm goes on.
      this.#requeue(limits.build.lease, { entries });
    });
    await this.#admit(before);
    await this.#announce();
    await this.#ports.wake(this.state.id, this.state.attempt + 1);
  }

  /** Writes that the build waits again. Where it may not, or nobody can say, it is as `before`: throws. */
  async #admit(before: BuildState): Promise<void> {
    const { state } = this;
    const isOurs = (): boolean => this.state.seq === state.seq;
    const giveUp = (): void => {
      if (!isOurs()) return;
      this.#save({ ...before, seq: state.seq + 1, projected: false });
      this.#scheduleNext();
      this.#notify();
    };
    let waits: boolean;
    try {
      waits = await this.#ports.queue(state);
    } catch (error) {
      giveUp();
      throw error;
    }
    if (!waits) {
      giveUp();
      await this.#project(true);
      throw new KilnError('quota_exceeded', { detail: `At most ${limits.build.queuedPerUser} builds may wait.` });
    }
    if (!isOurs()) return;
    const now = this.#ports.now();
    this.#save({ ...this.state, entries: [], notBefore: now, projectedAt: now, projected: true });
    this.#scheduleNext();
  }

  /**
   * The message of this attempt is dead: nobody could be given it. Ends the build, unless it ended, was queued again
   * since the message was sent, or reached a runner by another message; then nothing is changed. Whether it did.
   */
  async undeliverable(attempt: number, sentAt: number): Promise<boolean> {
    const { state } = this;
    const waits =
      state.status === 'queued' ? attempt === state.attempt + 1 : Boolean(state.offeredAt) && attempt === state.attempt;
    if (hasEnded(state.status) || !waits || sentAt < state.queuedAt) return false;
    await this.#end('failed', { errorCode: 'build_undelivered', errorMessage: errorSpec('build_undelivered').title });
    return true;
  }

  /** Looks after what nobody else does: lost messages, dead runners, projections that failed. Safe to run at any time. */
  async tick(): Promise<void> {
    if (!this.#state) return;
    const now = this.#ports.now();
    const { state } = this;
    if (state.status === 'building' && state.offeredAt) await this.#lookAfterOffer(state.offeredAt, now);
    else if (state.status === 'building' && state.leaseUntil !== null && state.leaseUntil <= now)
      await this.#infraFailure('The build runner went silent.');
    if (this.state.status === 'queued') {
      if (this.state.queuedAt + limits.build.queuedTimeout <= now) await this.#endUntaken();
      else if (this.state.notBefore <= now) await this.#ports.wake(this.state.id, this.state.attempt + 1);
    }
    await this.#project(true);
    if (hasEnded(this.state.status) && this.state.logKept === false) await this.#keepLog();
    this.#scheduleNext();
  }

  async #lookAfterOffer(offeredAt: number, now: number): Promise<void> {
    if ((this.state.leaseUntil ?? now) <= now) return await this.#endUntaken();
    if (offeredAt + limits.build.pullResend > now) return;
    // The same attempt again, never a new one: under a long queue new ones would make every message in it stale.
    this.#save({ ...this.state, offeredAt: now });
    const { id: buildId, projectId, attempt } = this.state;
    await this.#ports
      .offer({ buildId, projectId, attempt })
      .catch((error: unknown) =>
        this.#ports.log('build.offer_failed', { build: buildId, attempt, message: String(error) }, 'warn'),
      );
  }

  async #endUntaken(): Promise<void> {
    await this.#end('failed', { errorCode: 'runner_lost', errorMessage: 'No build runner was free in time.' });
  }

  /** Log lines after `since`, oldest first. */
  logs(since: number, limit: number): BuildLogLine[] {
    return this.#log.lines(since, limit);
  }

  /** Resolves at the next change. */
  changed(): Promise<void> {
    return new Promise((resolve) => {
      const listener = (): void => {
        this.#listeners.delete(listener);
        resolve();
      };
      this.#listeners.add(listener);
    });
  }

  /** Changes the state in memory; the caller saves it. */
  #take(event: RunnerEvent): void {
    const { state } = this;
    if (event.type === 'progress') {
      this.#state = {
        ...state,
        step: event.step,
        progress: Math.max(state.progress, Math.round(event.progress * 1000)),
        seq: state.seq + 1,
        projected: false,
      };
      return;
    }
    if (event.type === 'log') this.#state = { ...state, ...this.#log.take(state, event) };
  }

  /** The caller saves the state: a batch has many lines. */
  #append(line: Omit<BuildLogLine, 'seq'>): void {
    this.#state = { ...this.state, ...this.#log.append(this.state, line) };
  }

  async #succeed(attempt: number, outcome: Success, isVacant: boolean): Promise<void> {
    const { outputs } = outcome;
    await this.#outputs.require(outputs);
    const lockHash = outcome.lock === undefined ? this.state.lockHash : sha256(outcome.lock);
    await Promise.all([
      this.#ports.keepOutputs(outputs),
      outcome.lock !== undefined && lockHash !== null ? this.#ports.keepLock(lockHash, outcome.lock) : undefined,
    ]);
    // Somebody may have cancelled, or the lease run out, while the store was asked.
    if (this.state.status !== 'building' || this.state.attempt !== attempt) return;
    await this.#end('success', successOf(this.state, outcome, lockHash), isVacant);
  }

  async #infraFailure(reason: string): Promise<void> {
    const failures = this.state.failures + 1;
    this.#append({
      at: new Date(this.#ports.now()).toISOString(),
      level: 'warn',
      step: this.state.step ?? 'source',
      message: failures < limits.build.attempts ? `${reason} Trying again.` : reason,
    });
    this.#ports.log('build.attempt_lost', { build: this.state.id, attempt: this.state.attempt, reason }, 'warn');
    this.#save({ ...this.state, failures, misses: 0, queuedAt: this.#ports.now() });
    if (failures >= limits.build.attempts)
      return await this.#end('failed', { errorCode: 'runner_lost', errorMessage: errorSpec('runner_lost').title });
    this.#requeue(backoff(failures, limits.build.retryDelay, limits.build.queuedSweep));
    await this.#project();
    this.#scheduleNext();
  }

  #requeue(delay: number, change: Partial<BuildState> = {}): void {
    const now = this.#ports.now();
    this.#become('queued', {
      leaseUntil: null,
      notBefore: now + delay,
      progress: 0,
      step: null,
      completedAt: null,
      errorCode: null,
      errorMessage: null,
      ...change,
    });
    this.#scheduleNext();
  }

  #noted(action: 'build.cancelled' | 'build.retried', by: Actor): AuditRow[] {
    return [...(this.state.entries ?? []), buildEntry(this.state, action, by)];
  }

  /** `isFilled`: who told of it hands the place to the next build; then a message only sees to it that somebody does. */
  async #end(
    status: BuildStatus,
    change: Partial<BuildState> & { errorCode?: ErrorCode },
    isFilled = false,
  ): Promise<void> {
    const now = this.#ports.now();
    const wasCut = status === 'cancelled' && this.state.status === 'building';
    this.#become(status, {
      ...change,
      leaseUntil: null,
      completedAt: now,
      logKept: false,
      timings: { ...this.state.timings, ...change.timings, total: now - this.state.createdAt },
    });
    this.#ports.log('build.ended', {
      build: this.state.id,
      project: this.state.projectId,
      user: this.state.userId,
      target: this.state.target,
      status,
      attempt: this.state.attempt,
      code: this.state.errorCode,
      ms: now - this.state.createdAt,
    });
    // A place is free: whoever waits may start, as soon as the row does not count as running any more.
    const wakeNext = (delay: number): Promise<void> =>
      this.#ports.wake(this.state.id, this.state.attempt, delay).catch(() => undefined);
    // Not now: whoever waits for the end, and the next build, would wait for the log, too.
    this.#ports.schedule(now + limits.build.queuedSweep);
    await this.#project(true);
    await Promise.all([
      wakeNext(isFilled ? limits.build.fillWithin : 0),
      // Its runner has yet to hear of it, and has no place until then.
      wasCut && wakeNext(limits.build.cancelWithin),
      this.#refund().then(() => this.#announce()),
    ]);
  }

  /** Makes the log of an ended build an object of its own, which outlives these rows. They answer until then, and the next tick tries again where it fails. */
  async #keepLog(): Promise<void> {
    const { attempt, seq } = this.state;
    const text = this.#log.text();
    try {
      await this.#ports.keepLog(text);
    } catch (error) {
      this.#ports.log('build.log_not_kept', { build: this.state.id, message: String(error) }, 'warn');
      return;
    }
    // Somebody may have had it tried again meanwhile: then there will be more of it.
    if (this.state.attempt === attempt && this.state.seq === seq) this.#save({ ...this.state, logKept: true });
  }

  /** What the platform fails costs nobody anything. Said to be done first: a count that is a build too high is better than one that sinks for ever. */
  async #refund(): Promise<void> {
    const { state } = this;
    if (!state.charged || state.errorCode === null || !isInfra(state.errorCode)) return;
    this.#save({ ...state, charged: false });
    await this.#ports
      .refund(state.userId)
      .catch((error: unknown) =>
        this.#ports.log('build.refund_failed', { build: state.id, message: String(error) }, 'warn'),
      );
  }

  #become(status: BuildStatus, change: Partial<BuildState>): void {
    this.#turn(status, change);
    this.#notify();
  }

  /** As `become`, and nobody is told. */
  #turn(status: BuildStatus, change: Partial<BuildState>): void {
    if (!canBecome(this.state.status, status))
      throw new Error(`a build cannot go from ${this.state.status} to ${status}`);
    this.#save({ ...this.state, seq: this.state.seq + 1, ...change, status, projected: false });
  }

  /** Brings the row up to date. Progress alone waits for its interval; a failure is tried again by `tick`. */
  async #project(now = false): Promise<void> {
    const { state } = this;
    const at = this.#ports.now();
    if (state.projected || !(now || isDue(state, at))) return;
    try {
      await this.#ports.project(state);
    } catch (error) {
      this.#ports.log('build.projection_failed', { build: state.id, message: String(error) }, 'error');
      this.#ports.schedule(at + limits.build.heartbeat);
      return;
    }
    this.#save(afterWriting(this.state, state, at));
  }

  async #announce(): Promise<void> {
    await this.#ports
      .announce(this.state)
      .catch((error: unknown) =>
        this.#ports.log('build.announce_failed', { build: this.state.id, message: String(error) }, 'warn'),
      );
  }

  #scheduleNext(): void {
    const { state } = this;
    const now = this.#ports.now();
    if (state.status === 'building') {
      const lease = state.leaseUntil ?? now + limits.build.lease;
      this.#ports.schedule(state.offeredAt ? Math.min(lease, state.offeredAt + limits.build.pullResend) : lease);
    } else if (state.status === 'queued')
      this.#ports.schedule(state.notBefore > now ? state.notBefore : now + limits.build.queuedSweep);
    else if (!state.projected) this.#ports.schedule(now + limits.build.heartbeat);
    else if (state.logKept === false) this.#ports.schedule(now + limits.build.queuedSweep);
  }

  /** All or nothing, in memory too. */
  #atomically(work: () => void): void {
    const before = this.#state;
    try {
      this.#sql.transaction(work);
    } catch (error) {
      this.#state = before;
      throw error;
    }
  }

  #save(state: BuildState): void {
    this.#sql.run(
      'INSERT INTO state (id, json) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET json = excluded.json',
      JSON.stringify(state),
    );
    this.#state = state;
  }

  #notify(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
