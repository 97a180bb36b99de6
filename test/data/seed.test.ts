import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterEach, expect, inject, it, vi } from 'vitest';
import { getPlatformProxy } from 'wrangler';
import { inRoot, root } from '../../scripts/lib/paths.ts';
import { runCommand } from '../../scripts/lib/processes.ts';
import { Database } from '../../src/data/database.ts';
import { d1Engine } from '../../src/data/engines/d1.ts';
import { postgresEngine } from '../../src/data/engines/postgres.ts';
import { getBlob, getTree } from '../../src/data/objects.ts';
import { listTemplates, templateByRef } from '../../src/data/templates.ts';

// Each command is a process that loads the whole of wrangler.
vi.setConfig({ testTimeout: 180_000 });

const state = mkdtempSync(join(tmpdir(), 'kiln-seed-'));
afterEach(() => {
  rmSync(state, { recursive: true, force: true });
});

/** A command as `npm run` starts it. */
const run = (script: string, ...args: string[]): Promise<string> =>
  runCommand(process.execPath, [inRoot('scripts', script), ...args], { cwd: root });

const folders = readdirSync(inRoot('templates'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

/** Everything that a project made from a template needs is there. */
async function expectTemplates(db: Database, bucket: R2Bucket): Promise<void> {
  const { rows } = await listTemplates(db, { limit: 100 });
  expect(rows.map(({ slug }) => slug).sort()).toEqual([...folders].sort());
  for (const { slug } of rows) {
    const template = await templateByRef(db, slug);
    const entries = await getTree(bucket, template?.treeHash ?? '');
    expect(entries?.length, slug).toBe(template?.fileCount);
    for (const hash of [...(entries ?? []).map((entry) => entry.hash), template?.thumbnailHash ?? ''])
      expect(await getBlob(bucket, hash), `${slug}: ${hash}`).not.toBeNull();
  }
}

async function withLocal(work: (env: { DB: D1Database; ASSETS: R2Bucket }) => Promise<void>): Promise<void> {
  const proxy = await getPlatformProxy<{ DB: D1Database; ASSETS: R2Bucket }>({
    configPath: inRoot('scripts', 'wrangler.seed.toml'),
    persist: { path: join(state, 'wrangler', 'v3') },
  });
  try {
    await work(proxy.env);
  } finally {
    await proxy.dispose();
  }
}

it('`npm run seed` puts the templates into D1, after the migrations and as often as it is run', async () => {
  const local = ['--target', 'local', '--state', state];
  await run('migrate.ts', ...local);
  expect(await run('seed.ts', ...local)).toContain(`${folders.length} templates are there`);
  await run('seed.ts', ...local);
  await withLocal(({ DB, ASSETS }) => expectTemplates(new Database(d1Engine(DB)), ASSETS));
});

it('`npm run seed -- --db postgres` puts them into PostgreSQL, and their files into the same bucket', async () => {
  const admin = new Client({ connectionString: inject('postgres') });
  await admin.connect();
  await admin.query('DROP DATABASE IF EXISTS seeded WITH (FORCE)');
  await admin.query('CREATE DATABASE seeded');
  const url = new URL(inject('postgres'));
  url.pathname = '/seeded';
  const local = ['--state', state, '--db', 'postgres', '--url', url.href];
  await run('migrate.ts', ...local);
  await run('seed.ts', ...local);
  const db = new Database(postgresEngine(url.href));
  await withLocal(({ ASSETS }) => expectTemplates(db, ASSETS));
  await db.close();
  await admin.query('DROP DATABASE seeded WITH (FORCE)');
  await admin.end();
});

it('`npm run seed` refuses what it does not know, and an environment that is not filled in', async () => {
  for (const [args, words] of [
    [['--target', 'elsewhere'], 'There is no target'],
    [['--target', 'staging'], 'is not filled in'],
    [['--what'], 'usage:'],
  ] as const)
    await expect(run('seed.ts', ...args)).rejects.toThrow(words);
});
