import type { Hono } from 'hono';
import { endpoints } from '../../contract/endpoints.ts';
import type { BackupSummary } from '../../contract/maintenance.ts';
import { listBackups, type Manifest } from '../../data/vault.ts';
import { unwrap } from '../../durable-objects/rpc.ts';
import { maintenance } from '../../durable-objects/stubs.ts';
import type { AppEnv } from '../http/context.ts';
import { mount } from '../http/mount.ts';

const lines = (parts: readonly { rows: number }[]): number => parts.reduce((sum, { rows }) => sum + rows, 0);

const summaryOf = (manifest: Manifest): BackupSummary => ({
  name: manifest.name,
  snapshotAt: new Date(manifest.snapshotAt).toISOString(),
  createdAt: new Date(manifest.createdAt).toISOString(),
  engine: manifest.engine,
  schema: manifest.migrations.at(-1) ?? null,
  rows: lines(manifest.tables),
  rooms: lines(manifest.rooms),
  objects: lines(manifest.objects),
});

/** For the operator alone: who holds the keys that sign tokens could be anybody anyway. */
export function maintenanceRoutes(app: Hono<AppEnv>): void {
  mount(app, endpoints.startBackup, async (c) => ({
    status: 202,
    body: { job: await unwrap(maintenance(c.env).startBackup()) },
  }));

  mount(app, endpoints.listBackups, async (c) => ({
    status: 200,
    body: { backups: (await listBackups(c.env.EXPORTS)).reverse().map(summaryOf) },
  }));

  mount(app, endpoints.startRestore, async (c, { body }) => ({
    status: 202,
    body: { job: await unwrap(maintenance(c.env).startRestore(body.from, body.force)) },
  }));

  mount(app, endpoints.startGc, async (c, { body }) => ({
    status: 202,
    body: { job: await unwrap(maintenance(c.env).startGc(body.dryRun)) },
  }));

  mount(app, endpoints.getJob, async (c, { params }) => ({
    status: 200,
    body: { job: await unwrap(maintenance(c.env).show(params.id)) },
  }));
}
