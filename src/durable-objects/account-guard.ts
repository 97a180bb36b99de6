import { DurableObject } from 'cloudflare:workers';
import { describeError, logEvent } from '../core/log.ts';
import { credentialFacts } from '../data/credentials.ts';
import { withDatabase } from '../data/open.ts';
import { AlarmClock } from './alarm-clock.ts';
import { type Credential, type Facts, Guard } from './guard/guard.ts';
import { type Count, Meters } from './guard/meters.ts';
import { answer, unwrap } from './rpc.ts';
import { storageSql } from './sql.ts';
import { projectRoom } from './stubs.ts';

/** The shell of one account's guard: storage, alarm, database and rooms. What it does is in `guard/`. */
export class AccountGuard extends DurableObject<Env> {
  readonly #userId = this.ctx.id.name ?? '';
  readonly #clock = new AlarmClock(this.ctx);
  readonly #meters = new Meters(Date.now);
  #guard: Guard | null = null;

  /** What a credential is good for, and how the counts of `subject` stand after these. */
  ask(credential: Credential, subject: string, counts: readonly Count[]) {
    return answer(async (): Promise<{ facts: Facts | null; states: Record<string, number> }> => {
      const facts = await this.#open().ask(credential);
      return { facts, states: facts ? this.#meters.add(subject, counts) : {} };
    });
  }

  opened(sessionId: string, projectId: string) {
    return answer(() => this.#open().opened(sessionId, projectId));
  }

  ended(sessions: readonly string[] | null) {
    return answer(() => this.#open().ended(sessions));
  }

  /** For readiness: the object can be reached and runs. */
  ping() {
    return true;
  }

  /** Removes everything that it holds. Idempotent. */
  erase() {
    return answer(async () => {
      this.#guard = null;
      await this.ctx.storage.deleteAlarm();
      await this.ctx.storage.deleteAll();
    });
  }

  override async alarm(): Promise<void> {
    this.#clock.rang();
    await this.#open()
      .deliver()
      .catch((error: unknown) => logEvent('guard.alarm_failed', describeError(error), 'error'));
  }

  #open(): Guard {
    this.#guard ??= new Guard({
      sql: storageSql(this.ctx.storage),
      look: (credential) => withDatabase(this.env, (db) => credentialFacts(db, this.#userId, credential, Date.now())),
      endSockets: async (projectId, sessions) => {
        await unwrap(projectRoom(this.env, projectId).endSockets(this.#userId, sessions));
      },
      now: Date.now,
      schedule: (at) => this.#clock.schedule(at),
      log: (event, fields, level) => logEvent(event, { user: this.#userId, ...fields }, level),
    });
    return this.#guard;
  }
}
