import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { Postgres } from '../../../scripts/lib/postgres.ts';
import '../../support/provided.ts';

/** One PostgreSQL for all files; each makes databases of its own in it. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), 'kiln-data-'));
  const server = new Postgres(join(folder, 'postgres'), join(folder, 'postgres.log'));
  await server.start();
  project.provide('postgres', server.url('postgres'));
  return async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
}
