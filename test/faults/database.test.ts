import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { System } from '../../scripts/lib/system.ts';
import { KilnApiError, type KilnClient } from '../../src/client/index.ts';
import { signUp } from '../support/people.ts';
import { freePort } from '../support/ports.ts';

const rounds = 3;
const state = mkdtempSync(join(tmpdir(), 'kiln-database-'));
let system: System;
let ada: KilnClient;
let stranger: KilnClient;
let projectId: string;
const path = 'kept.txt';

beforeAll(async () => {
  system = new System({ port: await freePort(), runnerPort: await freePort(), state, db: 'postgres' });
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
const names = async () => (await ada.call('listProjects')).projects.map(({ name }) => name).sort();

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
