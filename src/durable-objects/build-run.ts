import { DurableObject } from 'cloudflare:workers';
import type { Build, BuildOptions } from '../contract/builds.ts';
import type { EventBatch } from '../contract/jobs.ts';
import { hasEnded } from '../core/build-lifecycle.ts';
import { configOf } from '../core/config.ts';
import { logEvent } from '../core/log.ts';
import type { BuildFacts } from '../core/provenance.ts';
import type { Actor } from '../data/audit.ts';
import { boundedEnv } from '../data/bounded.ts';
import { projectBuild, projectionOf, queueBuild, startBuild } from '../data/build-turns.ts';
import { type BuildRow, toBuild } from '../data/builds.ts';
import { deleteBuildLog, putBuildLog, putLock, putOutputs, sizesOfOutputs } from '../data/objects.ts';
import { withDatabase } from '../data/open.ts';
import { AlarmClock } from './alarm-clock.ts';
import { BuildCore } from './build/build.ts';
import { sendTicket } from './build/job.ts';
import type { StoredOutput } from './build/outcome.ts';
import { giveBuildBack } from './build/quota.ts';
import { logStream } from './build/stream.ts';
import { answer, unwrap } from './rpc.ts';
import { storageSql } from './sql.ts';
import { projectRoom } from './stubs.ts';

/** The shell of one build: storage, alarm and stores. What it does is in `build/`. */
export class BuildRun extends DurableObject<Env> {
  #core: BuildCore | null = null;
  readonly #clock = new AlarmClock(this.ctx);

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, boundedEnv(env));
  }

  create(row: BuildRow, projectName: string) {
    return answer(() => this.#open().create(row, projectName));
  }

  /** Whether `create` has been called. */
  exists(): boolean {
    return this.#open().exists;
  }

  claim() {
    return answer(() => this.#open().claim());
  }

  release(attempt: number, busy: boolean) {
    return answer(() => this.#open().release(attempt, busy));
  }

  offered(attempt: number) {
    return answer(() => this.#open().offered(attempt));
  }

  begin(attempt: number, execution: string) {
    return answer(() => this.#open().begin(attempt, execution));
  }

  /** `outputs`: what the platform has seen to be stored of what the batch names. */
  events(batch: EventBatch, outputs: readonly StoredOutput[] = []) {
    return answer(() => {
      const core = this.#open();
      core.stored(batch.attempt, outputs);
      return core.events(batch);
    });
  }

  /** These outputs of the attempt are in the store, the platform has seen to that. */
  stored(attempt: number, outputs: readonly StoredOutput[]) {
    return answer(() => this.#open().stored(attempt, outputs));
  }

  cancel(by: Actor) {
    return answer(() => this.#open().cancel(by));
  }

  retry(by: Actor) {
    return answer(() => this.#open().retry(by));
  }

  /** Whether this attempt may still fetch and store: the runner's token outlives a cancelled build. */
  isRunning(attempt: number) {
    return answer((): BuildFacts | null => {
      const { state } = this.#open();
      if (state.status !== 'building' || state.attempt !== attempt || state.offeredAt) return null;
      const { id, projectId, target, options, treeHash, startedAt } = state;
      return { buildId: id, projectId, attempt, target, options: options as BuildOptions, treeHash, startedAt };
    });
  }

  /** The build as it is this moment; the row in the database may be a second behind. */
  show() {
    return answer(() => toBuild(this.#open().state, configOf(this.env)));
  }

  logs(since: number, limit: number) {
    return answer(() => {
      const core = this.#open();
      return { logs: core.logs(since, limit), done: hasEnded(core.state.status) };
    });
  }

  /** Server-sent events; throws nothing after the first byte. `shown` is a cached build that repeats this one. */
  follow(since: number, shown?: Build): ReadableStream<Uint8Array> {
    const core = this.#open();
    return logStream(core, since, () => shown ?? toBuild(core.state, configOf(this.env)));
  }

  undeliverable(attempt: number, sentAt: number) {
    return answer(() => this.#open().undeliverable(attempt, sentAt));
  }

  /** The sweep found it waiting: look again. */
  check() {
    return answer(() => this.#open().tick());
  }

  /** Removes state and log, the kept one too. Idempotent. */
  erase(buildId: string) {
    return answer(async () => {
      this.#core = null;
      await deleteBuildLog(this.env.BUILDS, buildId);
      await this.ctx.storage.deleteAlarm();
      await this.ctx.storage.deleteAll();
    });
  }

  override async alarm(): Promise<void> {
    this.#clock.rang();
    await this.#open().tick();
  }

  #open(): BuildCore {
    const { ctx, env } = this;
    this.#core ??= new BuildCore({
      sql: storageSql(ctx.storage),
      now: Date.now,
      schedule: (at) => this.#clock.schedule(at),
      log: logEvent,
      wake: async (buildId, attempt, delay = 0) => {
        await env.BUILD_QUEUE.send({ v: 1, buildId, attempt }, { delaySeconds: Math.ceil(delay / 1000) });
      },
      offer: (job) => sendTicket(env, job),
      keepLog: (lines) => putBuildLog(env.BUILDS, this.#open().state.id, lines),
      refund: (userId) => giveBuildBack(env, userId),
      project: ({ id, entries, ...state }) =>
        withDatabase(env, (db) => projectBuild(db, id, projectionOf(state), entries)),
      queue: ({ id, entries, ...state }) => withDatabase(env, (db) => queueBuild(db, id, projectionOf(state), entries)),
      start: (state) => withDatabase(env, (db) => startBuild(db, state.id, projectionOf(state))),
      announce: async (state) => {
        const room = projectRoom(env, state.projectId);
        await unwrap(
          room.record(`build.${state.status}`, state.userId, {
            buildId: state.id,
            target: state.target,
            status: state.status,
          }),
        );
      },
      sizesOfOutputs: (hashes) => sizesOfOutputs(env.BUILDS, hashes),
      keepLock: (hash, text) => putLock(env.BUILDS, hash, text),
      keepOutputs: (outputs) => putOutputs(env.BUILDS, this.#open().state.id, outputs),
    });
    return this.#core;
  }
}
