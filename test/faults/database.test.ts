import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { System } from '../../scripts/lib/system.ts';
import { KilnApiError, type KilnClient } from '../../src/client/index.ts';
import { signUp, until } from '../support/people.ts';
import { newSystem } from '../support/system.ts';

const rounds = 3;
const state = mkdtempSync(join(tmpdir(), 'kiln-database-'));
let system: System;
let ada: KilnClient;
let stranger: KilnClient;
let projectId: string;
const path = 'kept.txt';

beforeAll(async () => {
  system = await newSystem({ state, db: 'postgres' });
  await system.start();
  [ada, stranger] = [await signUp(system.origin, 'ada'), await signUp(system.origin, 'stranger')];
  projectId = (await ada.call('createProject', { body: { name: 'Kept' } })).project.id;
  await ada.call('putFile', { params: { id: projectId, path }, body: { content: 'kept' } });
});

afterAll(async () => {
  await system.kill();
  rmSync(state, { recursive: true, force: true });
});

const makeOnce = (round: number) =>
  ada.call('createProject', { body: { name: `round ${round}` }, idempotencyKey: `round-${round}` });
const names = async () =>
  (await ada.call('listProjects', { query: { limit: 200 } })).projects.map(({ name }) => name).sort();

async function refusal(work: Promise<unknown>): Promise<KilnApiError> {
  const error = await work.then(
    () => new Error('it was answered'),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof KilnApiError)) throw error;
  return error;
}

it(`fault 7: PostgreSQL stops ${rounds} times while the system runs: typed 503, no gate skipped, and it heals without a restart`, async () => {
  for (let round = 1; round <= rounds; round += 1) {
    // Once as an operator would, else as a power cut.
    if (round === 1) await system.postgres?.stop();
    else await system.postgres?.kill();

    const refusals: readonly [string, () => Promise<unknown>][] = [
      ['a list', () => ada.call('listProjects')],
      ['a write', () => ada.call('createProject', { body: { name: `lost ${round}` } })],
      ['a write with a key', () => makeOnce(round)],
      ['a sign-in', () => ada.login({ email: 'nobody@kiln.test', password: 'whatever it is' })],
      ['a sign-up', () => signUp(system.origin, 'late')],
      ['a build', () => ada.call('createBuild', { body: { projectId, target: 'web' } })],
      ['templates', () => ada.call('listTemplates')],
    ];
    for (const [what, work] of refusals) {
      const error = await refusal(work());
      expect([what, error.code, error.status]).toEqual([what, 'unavailable', 503]);
      expect(error.retryAfter, what).toBeGreaterThan(0);
    }
    // The room answers its owner from what it knows, or says that it cannot; a stranger gets nothing, whoever else was let in.
    for (const call of [
      () => stranger.call('getFile', { params: { id: projectId, path } }),
      () => stranger.call('putFile', { params: { id: projectId, path }, body: { content: 'stolen' } }),
      () => stranger.call('getProject', { params: { id: projectId } }),
      () => stranger.call('listFiles', { params: { id: projectId } }),
    ])
      expect(['not_found', 'unavailable']).toContain((await refusal(call())).code);
    const ready = await fetch(`${system.address}/health/ready`);
    expect(ready.status).toBe(503);
    expect(await ready.json()).toMatchObject({ status: 'unready', checks: { database: { ok: false } } });

    await system.postgres?.start();
    await system.ready();
    expect(await names()).toEqual(['Kept', ...Array.from({ length: round - 1 }, (_, n) => `round ${n + 1}`)]);
    expect((await ada.call('getFile', { params: { id: projectId, path } })).file.content).toBe('kept');
    expect((await refusal(stranger.call('getFile', { params: { id: projectId, path } }))).code).toBe('not_found');
    // Nothing was promised to the request that was refused, so its key is free.
    await makeOnce(round);
    await makeOnce(round);
    await ada.refresh();
  }
});

it('fault 7: PostgreSQL hangs under load: every request is answered 503 in its time, and all goes on when it wakes', async () => {
  const acknowledged = new Set<string>(await names());
  const asked = new Set<string>(acknowledged);
  let refused = 0;
  let working = true;
  const make = async (name: string): Promise<void> => {
    asked.add(name);
    try {
      await ada.call('createProject', { body: { name } });
      acknowledged.add(name);
    } catch (error) {
      if (!(error instanceof KilnApiError)) throw error;
      expect([error.code, error.status]).toEqual(['unavailable', 503]);
      expect(error.retryAfter).toBeGreaterThan(0);
      refused += 1;
    }
  };
  // Whoever is in the middle of something when it happens, in several places at once.
  const writers = Array.from({ length: 6 }, async (_, writer) => {
    for (let n = 0; working; n += 1) await make(`writer ${writer}, ${n}`);
  });
  const before = acknowledged.size;
  await until(() => acknowledged.size > before + 12);

  await system.postgres?.hang();
  const ready = await fetch(`${system.address}/health/ready`);
  expect(ready.status).toBe(503);
  expect(await ready.json()).toMatchObject({
    status: 'unready',
    checks: { database: { ok: false, detail: 'does not answer' }, storage: { ok: true }, rooms: { ok: true } },
  });
  // All at once: none waits for another.
  const refusals = await Promise.all(
    [
      ...Array.from({ length: 40 }, () => ada.call('listProjects')),
      ada.login({ email: 'nobody@kiln.test', password: 'whatever it is' }),
      signUp(system.origin, 'late'),
      ada.call('createBuild', { body: { projectId, target: 'web' } }),
      ada.call('listTemplates'),
    ].map(refusal),
  );
  for (const { code, status } of refusals) expect([code, status]).toEqual(['unavailable', 503]);
  const strangers = await Promise.all(
    [
      stranger.call('getFile', { params: { id: projectId, path } }),
      stranger.call('putFile', { params: { id: projectId, path }, body: { content: 'stolen' } }),
    ].map(refusal),
  );
  for (const { code } of strangers) expect(['not_found', 'unavailable']).toContain(code);
  await until(() => refused >= writers.length);
  // What needs no query is served all the while.
  expect((await fetch(`${system.address}/health`)).status).toBe(200);

  system.postgres?.wake();
  const healed = acknowledged.size;
  await until(() => acknowledged.size > healed + 12);
  working = false;
  await Promise.all(writers);
  await system.ready();

  // What was acknowledged is there; what was refused may have been done after all, but whole and once.
  const found = await names();
  expect(found.filter((name, index) => found.indexOf(name) !== index)).toEqual([]);
  expect([...acknowledged].filter((name) => !found.includes(name))).toEqual([]);
  expect(found.filter((name) => !asked.has(name))).toEqual([]);
  for (const { id, name } of (await ada.call('listProjects', { query: { limit: 200 } })).projects)
    expect((await ada.call('listFiles', { params: { id } })).files).toHaveLength(name === 'Kept' ? 1 : 0);
  const client = new Client({ connectionString: system.databaseUrl ?? '' });
  await client.connect();
  const { rows } = await client.query<{ n: string }>(
    `SELECT (SELECT count(*) FROM sessions WHERE NOT EXISTS (SELECT 1 FROM refresh_tokens WHERE session_id = sessions.id))
          + (SELECT count(*) FROM refresh_tokens WHERE NOT EXISTS (SELECT 1 FROM sessions WHERE id = session_id))
          + (SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%') AS n`,
  );
  await client.end();
  expect(rows).toEqual([{ n: '0' }]);
  expect((await ada.call('getFile', { params: { id: projectId, path } })).file.content).toBe('kept');
});
