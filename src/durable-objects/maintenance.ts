import { DurableObject } from 'cloudflare:workers';
import { randomBytes } from 'node:crypto';
import { KilnError } from '../contract/errors.ts';
import { logEvent } from '../core/log.ts';
import { boundedEnv } from '../data/bounded.ts';
import { isUnused } from '../data/dump.ts';
import { withDatabase } from '../data/open.ts';
import { getManifest, listBackups } from '../data/vault.ts';
import { AlarmClock } from './alarm-clock.ts';
import { BackupWork, backupName, firstState as firstOfBackup } from './maintenance/backup.ts';
import { firstState as firstOfGc, GcWork } from './maintenance/gc.ts';
import { Jobs } from './maintenance/job.ts';
import { firstState as firstOfRestore, RestoreWork, refuseForeign } from './maintenance/restore.ts';
import { Scratch } from './maintenance/scratch.ts';
import type { Stores } from './maintenance/stores.ts';
import { answer, unwrap } from './rpc.ts';
import { storageSql } from './sql.ts';
import { buildRun, projectRoom } from './stubs.ts';

/** Name of the restore that has begun and not ended, in storage: only that one may go on in a system that is in use. */
const unfinished = 'restore';

/** The one object that backs up, restores and collects: one job at a time, step by step, by its alarm. */
export class Maintenance extends DurableObject<Env> {
  readonly #clock = new AlarmClock(this.ctx);
  readonly #jobs = new Jobs({
    sql: storageSql(this.ctx.storage),
    now: Date.now,
    schedule: (at) => this.#clock.schedule(at),
    log: logEvent,
    work: (kind) => {
      const stores = this.#stores();
      return kind === 'backup'
        ? new BackupWork(stores)
        : kind === 'restore'
          ? new RestoreWork(stores)
          : new GcWork(stores);
    },
  });

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, boundedEnv(env));
  }

  startBackup() {
    return answer(() => this.#jobs.start('backup', this.#newBackup()));
  }

  startRestore(from: string, force: boolean) {
    return answer(async () => {
      const name = from === 'latest' ? (await listBackups(this.env.EXPORTS)).at(-1)?.name : from;
      const manifest = name === undefined ? null : await getManifest(this.env.EXPORTS, name);
      if (!manifest) throw new KilnError('not_found', { detail: 'There is no such backup.' });
      refuseForeign(manifest);
      const goesOn = this.ctx.storage.kv.get<string>(unfinished) === manifest.name;
      if (!force && !goesOn && !(await withDatabase(this.env, isUnused)))
        throw new KilnError('conflict', {
          detail: 'There are users or projects. Restore into a fresh system, or with `force` over this one.',
        });
      const job = this.#jobs.start('restore', firstOfRestore(manifest));
      this.ctx.storage.kv.put(unfinished, manifest.name);
      return job;
    });
  }

  startGc(dryRun: boolean) {
    return answer(() => this.#jobs.start('gc', firstOfGc(dryRun, Date.now())));
  }

  show(id: string) {
    return answer(() => this.#jobs.show(id));
  }

  /**
   * What the platform asks for once a day: a backup, and a collection when that has ended. Nothing in a
   * system that is empty or half restored: there a backup would push out a better one, and to the collector
   * everything would look unused.
   */
  daily() {
    return answer(async () => {
      const { kv } = this.ctx.storage;
      if (kv.get<string>(unfinished) !== undefined || (await withDatabase(this.env, isUnused))) {
        logEvent('job.skipped', { kind: 'backup' }, 'warn');
        return null;
      }
      kv.put('gc', true);
      return this.#jobs.start('backup', this.#newBackup());
    });
  }

  override async alarm(): Promise<void> {
    this.#clock.rang();
    await this.#jobs.work();
    if (this.#jobs.running) return;
    this.#settle();
  }

  /** No job runs: what waited for that is done. */
  #settle(): void {
    const { kv } = this.ctx.storage;
    const last = this.#jobs.last;
    if (last?.kind === 'restore' && last.status === 'done') kv.delete(unfinished);
    if (kv.get<boolean>('gc')) {
      this.#jobs.start('gc', firstOfGc(false, Date.now()));
      kv.delete('gc');
    }
  }

  #newBackup() {
    return firstOfBackup(backupName(Date.now(), randomBytes(4).toString('hex')));
  }

  #stores(): Stores {
    const { env, ctx } = this;
    return {
      scratch: new Scratch(storageSql(ctx.storage)),
      buckets: { assets: env.ASSETS, builds: env.BUILDS },
      exports: env.EXPORTS,
      room: (projectId) => projectRoom(env, projectId),
      restoreBuild: (row, projectName) => unwrap(buildRun(env, row.id).create(row, projectName)),
      withDatabase: (work) => withDatabase(env, work),
      now: Date.now,
    };
  }
}
