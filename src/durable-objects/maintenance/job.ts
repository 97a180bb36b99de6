import { errorSpec, KilnError } from '../../contract/errors.ts';
import { newId } from '../../contract/ids.ts';
import { limits } from '../../contract/limits.ts';
import type { Job } from '../../contract/maintenance.ts';
import type { LogFields } from '../../core/log.ts';
import type { Sql } from '../sql.ts';

/** What every job keeps between two steps. It must survive JSON. */
export interface JobState {
  /** The step to do next; `done` ends the job. */
  readonly stage: string;
  readonly report: Job['report'];
}

/**
 * A long piece of work, cut into steps. Each step is one bounded piece that may be done twice: when it
 * has ended, its outcome is written down, and only then the next begins. So a job survives a kill -9 at
 * any place, and needs no lock, since one object does one job at a time.
 */
export interface Work {
  step(state: JobState): Promise<JobState>;
  /** Takes away what would be in the way, when the job is given up. */
  abandon(state: JobState): Promise<void>;
}

export interface JobPorts {
  readonly sql: Sql;
  now(): number;
  schedule(at: number): void;
  log(event: string, fields: LogFields, level?: 'info' | 'warn' | 'error'): void;
  work(kind: Job['kind']): Work;
}

interface Kept {
  readonly id: string;
  readonly kind: Job['kind'];
  readonly status: Job['status'];
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly error: string | null;
  /** Failures of the current step in a row. */
  readonly failures: number;
  readonly state: JobState;
}

const shown = ({ id, kind, status, startedAt, endedAt, error, state }: Kept): Job => ({
  id,
  kind,
  status,
  stage: state.stage,
  startedAt: new Date(startedAt).toISOString(),
  endedAt: endedAt === null ? null : new Date(endedAt).toISOString(),
  error,
  report: state.report,
});

/** One job at a time, from its first step to its last, over any number of crashes. */
export class Jobs {
  readonly #ports: JobPorts;

  constructor(ports: JobPorts) {
    this.#ports = ports;
    ports.sql.run(
      'CREATE TABLE IF NOT EXISTS jobs (id TEXT PRIMARY KEY, running INTEGER NOT NULL, json TEXT NOT NULL)',
    );
  }

  get running(): Job | null {
    const kept = this.#running();
    return kept && shown(kept);
  }

  /** The newest job, running or ended. */
  get last(): Job | null {
    const row = this.#ports.sql.all<{ json: string }>('SELECT json FROM jobs ORDER BY id DESC LIMIT 1')[0];
    return row ? shown(JSON.parse(row.json) as Kept) : null;
  }

  /** Throws `not_found`. Jobs are remembered for a while after their end. */
  show(id: string): Job {
    const row = this.#ports.sql.all<{ json: string }>('SELECT json FROM jobs WHERE id = ?', id)[0];
    if (!row) throw new KilnError('not_found');
    return shown(JSON.parse(row.json) as Kept);
  }

  /** Throws `conflict` while another job runs; answers the one that runs when it is of the same kind. */
  start(kind: Job['kind'], state: JobState): Job {
    const running = this.#running();
    if (running?.kind === kind) return shown(running);
    if (running) throw new KilnError('conflict', { detail: `A ${running.kind} is running.` });
    const kept: Kept = {
      id: newId(),
      kind,
      status: 'running',
      startedAt: this.#ports.now(),
      endedAt: null,
      error: null,
      failures: 0,
      state,
    };
    this.#ports.sql.run(
      'DELETE FROM jobs WHERE id NOT IN (SELECT id FROM jobs ORDER BY id DESC LIMIT ?)',
      limits.backup.jobsKept,
    );
    this.#save(kept);
    this.#ports.log('job.started', { job: kept.id, kind });
    this.#ports.schedule(this.#ports.now());
    return shown(kept);
  }

  /** Works for a while; asks to be called again when there is more. */
  async work(): Promise<void> {
    const { now, schedule } = this.#ports;
    const until = now() + limits.backup.alarmTime;
    for (let steps = 0; ; steps += 1) {
      const kept = this.#running();
      if (!kept) return;
      if (steps === limits.backup.alarmSteps || now() > until) return schedule(now());
      const wait = await this.#step(kept);
      if (wait > 0) return schedule(now() + wait);
    }
  }

  /** One step. Answers how long to wait before the next. */
  async #step(kept: Kept): Promise<number> {
    const { log, now } = this.#ports;
    const work = this.#ports.work(kept.kind);
    try {
      const state = await work.step(kept.state);
      const done = state.stage === 'done';
      this.#save({ ...kept, failures: 0, state, ...(done && { status: 'done', endedAt: now() }) });
      if (done) log('job.ended', { job: kept.id, kind: kept.kind, status: 'done', ms: now() - kept.startedAt });
      return 0;
    } catch (error) {
      const failures = kept.failures + 1;
      const message = error instanceof Error ? error.message : String(error);
      log('job.step_failed', { job: kept.id, kind: kept.kind, stage: kept.state.stage, failures, message }, 'warn');
      const passes = !(error instanceof KilnError) || (errorSpec(error.code).retryable && error.code !== 'conflict');
      if (passes && failures < limits.backup.stepAttempts) {
        this.#save({ ...kept, failures });
        return limits.backup.retryDelay * 2 ** (failures - 1);
      }
      await work
        .abandon(kept.state)
        .catch((thrown: unknown) =>
          log('job.not_cleaned', { job: kept.id, kind: kept.kind, message: String(thrown) }, 'error'),
        );
      this.#save({ ...kept, failures, status: 'failed', endedAt: now(), error: message });
      log('job.ended', { job: kept.id, kind: kept.kind, status: 'failed', stage: kept.state.stage, message }, 'error');
      return 0;
    }
  }

  #running(): Kept | null {
    const row = this.#ports.sql.all<{ json: string }>('SELECT json FROM jobs WHERE running = 1')[0];
    return row ? (JSON.parse(row.json) as Kept) : null;
  }

  #save(kept: Kept): void {
    this.#ports.sql.run(
      'INSERT INTO jobs (id, running, json) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET running = excluded.running, json = excluded.json',
      kept.id,
      kept.status === 'running' ? 1 : 0,
      JSON.stringify(kept),
    );
  }
}
