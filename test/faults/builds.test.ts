import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { System } from '../../scripts/lib/system.ts';
import type { KilnClient } from '../../src/client/index.ts';
import type { Build } from '../../src/contract/builds.ts';
import { signUp, until } from '../support/people.ts';
import { freePort } from '../support/ports.ts';

const state = mkdtempSync(join(tmpdir(), 'kiln-builds-'));
let system: System;
let ada: KilnClient;

beforeAll(async () => {
  system = new System({ port: await freePort(), runnerPort: await freePort(), state });
  await system.start();
  ada = await signUp(system.origin);
});

afterAll(async () => {
  await system.kill();
  rmSync(state, { recursive: true, force: true });
});

const show = async (id: string): Promise<Build> => (await ada.call('getBuild', { params: { id } })).build;

async function start(templateId: string): Promise<Build> {
  const { project } = await ada.call('createFromTemplate', { params: { templateId }, body: { name: templateId } });
  return (await ada.call('createBuild', { body: { projectId: project.id } })).build;
}

it('fault 4: kill -9 of the runner in the middle of a build: another attempt succeeds', async () => {
  // With a cold cache Phaser takes seconds to come from the registry: time enough to be killed in.
  const build = await start('phaser-platformer');
  await until(async () => (await show(build.id)).step !== null);
  await system.killRunner();
  expect((await show(build.id)).status).toBe('building');
  await until(async () => !['queued', 'building'].includes((await show(build.id)).status));
  const done = await show(build.id);
  expect(done, `${done.errorCode}: ${done.errorMessage}`).toMatchObject({ status: 'success' });
  expect(done.attempt).toBeGreaterThan(1);
});

it('fault 5: kill -9 of the whole system with a build queued, which the local queue forgets: it is found and finished', async () => {
  await system.removeRunner();
  const build = await start('canvas-arcade');
  await system.kill();
  await system.start();
  await until(async () => !['queued', 'building'].includes((await show(build.id)).status));
  const done = await show(build.id);
  expect(done, `${done.errorCode}: ${done.errorMessage}`).toMatchObject({ status: 'success' });
});
