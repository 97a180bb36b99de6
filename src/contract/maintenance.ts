import * as z from 'zod';
import { Id, Timestamp } from './ids.ts';

/** Backups are named by when they began, so names sort by time: `20261023T031700Z-5f0c2d7e`. */
export const BackupName = z.string().regex(/^\d{8}T\d{6}Z-[0-9a-f]{8}$/, 'must be the name of a backup');

export const BackupSummary = z
  .object({
    name: BackupName,
    /** Everything that was acknowledged before this moment is in it. */
    snapshotAt: Timestamp,
    createdAt: Timestamp,
    engine: z.enum(['sqlite', 'postgres']),
    schema: z.string().nullable().meta({ description: 'Last migration of the database it was taken from' }),
    rows: z.number().int(),
    rooms: z.number().int(),
    objects: z.number().int(),
  })
  .meta({ id: 'Backup' });
export type BackupSummary = z.infer<typeof BackupSummary>;

export const BackupList = z.object({ backups: z.array(BackupSummary) });

export const StartRestore = z.strictObject({
  from: z.union([z.literal('latest'), BackupName]),
  force: z
    .boolean()
    .default(false)
    .meta({ description: 'Also over users and projects that are there: rows of the backup win, other rows stay' }),
});

export const StartGc = z.strictObject({
  dryRun: z.boolean().default(false).meta({ description: 'Only say what would be removed' }),
});

export const Job = z
  .object({
    id: Id,
    kind: z.enum(['backup', 'restore', 'gc']),
    status: z.enum(['running', 'done', 'failed']),
    /** What it is doing now, or did last. */
    stage: z.string(),
    startedAt: Timestamp,
    endedAt: Timestamp.nullable(),
    error: z.string().nullable(),
    report: z.record(z.string(), z.json()).meta({ description: 'Counts, and what could not be done, by name' }),
  })
  .meta({ id: 'Job' });
export type Job = z.infer<typeof Job>;

export const JobEnvelope = z.object({ job: Job });
