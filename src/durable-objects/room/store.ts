import { limits } from '../../contract/limits.ts';
import type { RoomEvent, TalkEvents } from '../../contract/room.ts';
import type { Sql } from '../sql.ts';
import { type ActivityEntry, type ActivityLog, ActivityOutbox } from './activity.ts';
import { DirtyFiles } from './dirty-files.ts';
import { DocumentLog } from './document-log.ts';
import { EventLog } from './event-log.ts';
import { migrate } from './schema.ts';
import { TreeStore } from './tree-store.ts';

/** What the storage of a room needs of the world. */
export interface StorePorts {
  readonly sql: Sql;
  readonly activity: ActivityLog;
  now(): number;
  /** Asks for `tick()` at that time or before. */
  schedule(at: number): void;
  /** Resolves once what was written so far is on disk, and rejects where it never will be; null where a write is there when it returns. */
  durable(): Promise<void> | null;
}

/** The storage of a room: tree, document logs and events change together, in one transaction, or not at all. */
export class RoomStore {
  readonly sql: Sql;
  readonly files: TreeStore;
  readonly events: EventLog;
  readonly log: DocumentLog;
  readonly dirty: DirtyFiles;
  readonly activity: ActivityOutbox;
  /** Hears of every lasting event after it is durable. */
  tell: (event: RoomEvent) => void = () => undefined;
  readonly #ports: StorePorts;
  #inside = false;
  #untold: RoomEvent[] = [];
  #effects: (() => void)[] = [];

  constructor(ports: StorePorts) {
    this.#ports = ports;
    this.sql = ports.sql;
    migrate(ports.sql);
    this.files = new TreeStore(ports.sql);
    this.events = new EventLog(ports.sql);
    this.log = new DocumentLog(ports.sql);
    this.dirty = new DirtyFiles(ports.sql, this.log);
    this.activity = new ActivityOutbox(ports.sql, ports.activity);
  }

  now(): number {
    return this.#ports.now();
  }

  schedule(at: number): void {
    this.#ports.schedule(at);
  }

  durable(): Promise<void> | null {
    return this.#ports.durable();
  }

  /** Takes the next number of the project. Inside the transaction of the change that this tells of. */
  emit<T extends string>(
    type: T,
    by: string | null,
    data: T extends keyof TalkEvents ? TalkEvents[T] : RoomEvent['data'],
  ): number {
    this.#untold.push(this.events.append(type, by, data as RoomEvent['data'], this.now()));
    return this.events.seq;
  }

  /** What the activity of the project will tell of this change. Inside its transaction. [R21] */
  note(entry: ActivityEntry): void {
    this.activity.add(entry, this.now());
  }

  /** When the next background work is due; null when there is none. */
  nextDue(): number | null {
    const due = [this.files.nextDue(), this.activity.nextDue(), this.#assetsDue()].filter((at) => at !== null);
    return due.length ? Math.min(...due) : null;
  }

  #assetsDue(): number | null {
    const [oldest] = this.sql.all<{ at: number | null }>(
      'SELECT min(at) AS at FROM (SELECT at FROM asset_restores UNION ALL SELECT at FROM asset_marks_pending)',
    );
    return oldest?.at == null ? null : oldest.at + limits.checkpoint.retryDelay;
  }

  /** What others may see of a change, once it is durable; never when it was rolled back. [R1] */
  afterwards(effect: () => void): void {
    this.#effects.push(effect);
  }

  /** One transaction; effects and listeners follow it. Inner calls join the outer one. */
  transaction<T>(work: () => T): T {
    if (this.#inside) return work();
    const { seq } = this.events;
    this.#inside = true;
    let result: T;
    let due: number | null = null;
    try {
      result = this.sql.transaction(() => {
        const done = work();
        // In here: nothing that can fail comes after the commit.
        due = this.#untold.length ? this.nextDue() : null;
        return done;
      });
    } catch (error) {
      this.#untold = [];
      this.#effects = [];
      this.events.reset(seq);
      this.files.forget();
      this.log.forgetAll();
      this.dirty.forget();
      throw error;
    } finally {
      this.#inside = false;
    }
    const told = this.#untold;
    const effects = this.#effects;
    this.#untold = [];
    this.#effects = [];
    for (const effect of effects) effect();
    for (const event of told) this.tell(event);
    if (due !== null) this.schedule(due);
    return result;
  }
}
