import type { AuditRow } from '../../data/audit.ts';
import type { BuildRow } from '../../data/builds.ts';
import type { LogCount } from './log.ts';

/** The truth about a build; the row in the database is a projection of the part that it shares. */
export interface BuildState extends BuildRow, LogCount {
  readonly projectName: string;
  /** Number of the newest batch of the current attempt. */
  lastBatch: number;
  /** Silence after this means that the runner is gone. */
  leaseUntil: number | null;
  /** When the attempt was last put into the queue that runners pull from; null or absent once one has begun it, or where it was pushed. */
  offeredAt?: number | null;
  /** Who has begun the attempt that was pulled. */
  execution?: string | null;
  /** Whether it was counted for its user, and not given back. Absent in builds of a release that did not count. */
  charged?: boolean;
  /** Attempts that infrastructure spoiled after a runner had taken them. */
  failures: number;
  /** Times in a row that no runner could be reached. */
  misses: number;
  /** A queued build is not offered before this. */
  notBefore: number;
  /** When it was last queued. */
  queuedAt: number;
  /** Whether the log of the build that has ended is an object of its own. Absent while it runs, and in builds of a release that wrote it at once. */
  logKept?: boolean;
  /** Whether the database has this state. */
  projected: boolean;
  projectedAt: number;
  /** What people did to it, for the audit log: goes there with the row. Absent in builds of a release that kept none. */
  entries?: readonly AuditRow[];
}
