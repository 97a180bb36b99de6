import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { inRoot } from '../../scripts/lib/paths.ts';
import { System } from '../../scripts/lib/system.ts';
import { signUp } from '../support/people.ts';
import { freePort } from '../support/ports.ts';

const run = promisify(execFile);
const state = mkdtempSync(join(tmpdir(), 'kiln-postgres-'));
let system: System;

beforeAll(async () => {
  system = new System({ port: await freePort(), runnerPort: await freePort(), state, db: 'postgres' });
  await system.start();
});

afterAll(async () => {
  await system.kill();
  rmSync(state, { recursive: true, force: true });
});

it('the demo does the main job on PostgreSQL', async () => {
  const { stdout } = await run(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    inRoot('scripts', 'demo.ts'),
    '--url',
    system.origin,
  ]);
  expect(stdout).toContain('Everything matched');
});

it('D1 is not set up, the password is for its owner alone, and connections end with their requests', async () => {
  expect(existsSync(join(state, '.migrated'))).toBe(false);
  expect(statSync(join(state, 'postgres', 'server.json')).mode & 0o077).toBe(0);
  const client = new Client({ connectionString: system.databaseUrl ?? '' });
  await client.connect();
  try {
    const { rows } = await client.query<{ n: number }>('SELECT count(*)::int AS n FROM users');
    expect(rows[0]?.n).toBeGreaterThanOrEqual(2);
    // Rooms write their index behind; whatever runs ends by itself.
    await expect
      .poll(
        async () =>
          (
            await client.query<{ n: number }>(
              `SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = 'kiln' AND pid <> pg_backend_pid()`,
            )
          ).rows[0]?.n,
        { interval: 200 },
      )
      .toBe(0);
  } finally {
    await client.end();
  }
});

it('after kill -9 of everything, PostgreSQL too, all that was acknowledged is there', async () => {
  const ada = await signUp(system.origin, 'ada');
  const { project } = await ada.call('createProject', { body: { name: 'Kept' } });
  await ada.call('putFile', { params: { id: project.id, path: 'a.txt' }, body: { content: 'kept' } });
  await system.kill();
  await system.start();
  expect((await ada.call('listProjects')).projects.map(({ name }) => name)).toEqual(['Kept']);
  expect((await ada.call('getFile', { params: { id: project.id, path: 'a.txt' } })).file.content).toBe('kept');
  await ada.refresh();
  expect((await ada.call('getMe')).user.username).toMatch(/^ada/);
});

it('says on /health/ready how the schema stands, and serves when a newer release has expanded it (fault 12)', async () => {
  // What a newer release does first: it expands, while this one runs.
  const client = new Client({ connectionString: system.databaseUrl ?? '' });
  await client.connect();
  await client.query('ALTER TABLE projects ADD COLUMN of_the_future text');
  await client.query(`INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ('future', 9999999999999)`);
  await client.end();
  await system.stop();
  await system.start();
  const response = await fetch(`${system.address}/health/ready`);
  expect(response.status).toBe(200);
  expect(await response.json()).toMatchObject({
    checks: { schema: { ok: true, detail: expect.stringContaining('ahead') } },
  });
  const bob = await signUp(system.origin, 'bob');
  const { project } = await bob.call('createProject', { body: { name: 'In between' } });
  await bob.call('updateProject', { params: { id: project.id }, body: { name: 'Still' } });
  expect((await bob.call('listProjects')).projects.map(({ name }) => name)).toEqual(['Still']);
});
