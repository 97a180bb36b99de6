import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import type { Scope } from '../../contract/scopes.ts';
import { describeError, type logEvent } from '../../core/log.ts';
import type { Sql } from '../sql.ts';
import { guardSchema } from './schema.ts';

/** What a request proves itself with. */
export type Credential =
  | { readonly kind: 'session'; readonly id: string }
  | { readonly kind: 'key'; readonly hash: string };

export interface SessionFacts {
  readonly kind: 'session';
  readonly id: string;
  /** Its absolute end, milliseconds since the epoch. */
  readonly endsAt: number;
}

export interface KeyFacts {
  readonly kind: 'key';
  readonly id: string;
  readonly scopes: readonly Scope[];
  readonly projectId: string | null;
  readonly endsAt: number | null;
  readonly lastUsedAt: number | null;
}

export type Facts = SessionFacts | KeyFacts;

export interface GuardPorts {
  readonly sql: Sql;
  /** The relational store, which has the truth: null for what is revoked, unknown, or of an account that is not in use. */
  readonly look: (credential: Credential) => Promise<Facts | null>;
  /** Ends sockets of this user in a room: of these sessions, or of all. */
  readonly endSockets: (projectId: string, sessions: readonly string[] | null) => Promise<void>;
  readonly now: () => number;
  readonly schedule: (at: number) => void;
  readonly log: typeof logEvent;
}

interface Known {
  readonly facts: Facts | null;
  readonly at: number;
}

const nameOf = (credential: Credential): string => (credential.kind === 'session' ? credential.id : credential.hash);

/**
 * What is good of one account: its sessions and keys, as a copy of what the database says, and the rooms
 * that its sessions have tickets for. All of the copy may be lost and comes back by asking.
 */
export class Guard {
  readonly #ports: GuardPorts;
  readonly #known = new Map<string, Known>();
  /** Raised by every notice, so that a look-up that began before it is not kept. */
  #generation = 0;

  constructor(ports: GuardPorts) {
    this.#ports = ports;
    guardSchema(ports.sql);
  }

  /** What a credential is good for; null: nothing. Throws `unavailable` when that cannot be known. */
  async ask(credential: Credential): Promise<Facts | null> {
    const { now } = this.#ports;
    const known = this.#known.get(nameOf(credential));
    if (known && now() - known.at < limits.guard.recheck) return known.facts;
    const generation = this.#generation;
    let facts: Facts | null;
    try {
      facts = await this.#ports.look(credential);
    } catch (error) {
      // What was told meanwhile took the copy away; what is left of it is still right.
      const last = this.#known.get(nameOf(credential));
      if (last && now() - last.at < limits.guard.grace) return last.facts;
      this.#ports.log('guard.blind', describeError(error), 'error');
      throw new KilnError('unavailable', {
        detail: 'Whether you are still signed in cannot be checked.',
        retryAfter: 2,
      });
    }
    // What was read may be older than what was told meanwhile: it must not open a door.
    if (generation !== this.#generation) return await this.ask(credential);
    if (this.#known.size >= limits.guard.credentials) this.#known.clear();
    this.#known.set(nameOf(credential), { facts, at: now() });
    return facts;
  }

  /** A session has a ticket for a room: there may be sockets to end one day. */
  opened(sessionId: string, projectId: string): void {
    const { sql, now } = this.#ports;
    sql.run('DELETE FROM places WHERE at < ? AND ending = 0', now() - limits.auth.sessionTtl);
    sql.run(
      'INSERT INTO places (session, project, at, ending) VALUES (?, ?, ?, 0) ON CONFLICT DO UPDATE SET at = excluded.at',
      sessionId,
      projectId,
      now(),
    );
  }

  /** The database has ended sessions, or with null all of them: nothing of the copy stands, and their sockets end. */
  async ended(sessions: readonly string[] | null): Promise<void> {
    this.#generation += 1;
    this.#known.clear();
    const { sql } = this.#ports;
    if (sessions === null) sql.run('UPDATE places SET ending = 1');
    else for (const session of sessions) sql.run('UPDATE places SET ending = 1 WHERE session = ?', session);
    await this.deliver();
  }

  /** Tells the rooms. What could not be told is told again: the wish is stored. */
  async deliver(): Promise<void> {
    const { sql, endSockets, log, now, schedule } = this.#ports;
    const rows = sql.all<{ session: string; project: string }>('SELECT session, project FROM places WHERE ending = 1');
    const byRoom = Map.groupBy(rows, ({ project }) => project);
    let failed = false;
    await Promise.all(
      [...byRoom].map(async ([project, places]) => {
        const sessions = places.map(({ session }) => session);
        try {
          await endSockets(project, sessions);
          for (const session of sessions)
            sql.run('DELETE FROM places WHERE project = ? AND session = ? AND ending = 1', project, session);
        } catch (error) {
          failed = true;
          log('guard.room_not_told', { project, ...describeError(error) }, 'warn');
        }
      }),
    );
    if (failed) schedule(now() + limits.guard.retryDelay);
  }
}
