import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import type { Access, Project } from '../../contract/projects.ts';
import type { Right } from '../../contract/rights.ts';
import type { Author } from '../../contract/talk.ts';
import { allows } from '../../core/permissions.ts';

/** A caller as the Worker has authenticated it. */
export interface Caller {
  readonly userId: string;
  /** Of the request, for what is kept of it. */
  readonly requestId?: string | undefined;
}

/** The relational store, as far as the room asks it. */
export interface Directory {
  /** The project and how somebody sees it; null: not at all. */
  access(userId: string): Promise<{ project: Project; revision: number; access: Access } | null>;
  /** How each of some people sees the project, in one question. Who is missing sees nothing. */
  accessOfAll(userIds: readonly string[]): Promise<ReadonlyMap<string, Access>>;
  /** The members by their ids. */
  people(): Promise<ReadonlyMap<string, Author>>;
  /** Which of some sessions have ended. */
  endedSessions(ids: readonly string[]): Promise<ReadonlySet<string>>;
}

/** What an owner may still do with a project in the trash; nobody else sees it. */
const inTrash: ReadonlySet<Right> = new Set([
  'project.read',
  'project.manage',
  'history.read',
  'members.read',
  'activity.read',
  'build.read',
]);

export interface Entry {
  readonly project: Project;
  readonly revision: number;
  readonly access: Access;
}

/**
 * The gate of everything in a project, with a cache of a few seconds so that a hot request needs no
 * database. Changes are told to the room; the age limit heals a notice that got lost. [R11]
 */
export class Members {
  readonly #directory: Directory;
  readonly #now: () => number;
  readonly #cache = new Map<string, { entry: Entry | null; expires: number }>();
  readonly #reads = new Map<string, Promise<Entry | null>>();
  /** Raised by every `forget`, so that a look-up that began before it is not kept. */
  #generation = 0;

  constructor(directory: Directory, now: () => number) {
    this.#directory = directory;
    this.#now = now;
  }

  /** Throws `not_found` to strangers and `forbidden` to members without the right. */
  async enter(caller: Caller, right: Right): Promise<Entry> {
    const entry = await this.look(caller.userId);
    if (!entry) throw new KilnError('not_found');
    if (!allows(entry.access, right)) throw new KilnError('forbidden');
    if (entry.project.deletedAt !== null && !inTrash.has(right))
      throw new KilnError('conflict', { detail: 'The project is in the trash.' });
    return entry;
  }

  async look(userId: string): Promise<Entry | null> {
    const cached = this.#cache.get(userId);
    if (cached && cached.expires > this.#now()) return cached.entry;
    // Requests that arrive together share one look-up.
    let read = this.#reads.get(userId);
    if (!read) {
      read = this.#directory.access(userId).finally(() => this.#reads.delete(userId));
      this.#reads.set(userId, read);
    }
    const generation = this.#generation;
    const entry = await read;
    // What was read may be older than the change that was told meanwhile: it must not open a door.
    if (generation !== this.#generation) return await this.look(userId);
    if (this.#cache.size > limits.room.membersRemembered) this.#cache.clear();
    this.#cache.set(userId, { entry, expires: this.#now() + limits.room.memberCacheTtl });
    return entry;
  }

  /** Past the cache, for people whose sockets stay open. */
  lookAtAll(userIds: readonly string[]): Promise<ReadonlyMap<string, Access>> {
    return this.#directory.accessOfAll(userIds);
  }

  people(): Promise<ReadonlyMap<string, Author>> {
    return this.#directory.people();
  }

  /** Past the cache, for the sign-ins that sockets came from. */
  endedSessions(ids: readonly string[]): Promise<ReadonlySet<string>> {
    return this.#directory.endedSessions(ids);
  }

  /** Memberships or the project itself changed. */
  forget(): void {
    this.#generation += 1;
    this.#cache.clear();
    this.#reads.clear();
  }
}
