import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { System } from '../../scripts/lib/system.ts';
import type { KilnClient } from '../../src/client/index.ts';
import type { Build } from '../../src/contract/builds.ts';
import { limits } from '../../src/contract/limits.ts';
import { expectBuiltOnce } from '../support/attempts.ts';
import { allEnded, signUp, until } from '../support/people.ts';
import { newSystem } from '../support/system.ts';

const state = mkdtempSync(join(tmpdir(), 'kiln-builds-'));
let system: System;
let ada: KilnClient;

beforeAll(async () => {
  system = await newSystem({ state });
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

it('fault 4: a runner that hangs without dying loses its build to another attempt, and what it says when it wakes is refused', async () => {
  const build = await start('phaser-platformer');
  await until(async () => (await show(build.id)).step !== null);
  const { attempt } = await show(build.id);
  system.pauseRunner();
  await until(async () => (await show(build.id)).attempt > attempt);
  system.resumeRunner();
  await until(async () => !['queued', 'building'].includes((await show(build.id)).status));
  const done = await show(build.id);
  expect(done, `${done.errorCode}: ${done.errorMessage}`).toMatchObject({ status: 'success' });
  // Exactly one attempt was heard to its end, the newest.
  await expectBuiltOnce(state, [done]);
});

it('fault 5: kill -9 of the whole system with fifty builds queued and two running: each is found and ends once', async () => {
  const { project } = await ada.call('createProject', { body: { name: 'Many' } });
  const content = 'declare const NUMBER: number;\ndocument.title = String(NUMBER);\n';
  await ada.call('putFile', { params: { id: project.id, path: 'src/main.ts' }, body: { content } });
  const asked = Array.from({ length: 52 }, (_, index) => {
    const options = { define: { NUMBER: String(index) } };
    return ada.call('createBuild', { body: { projectId: project.id, options } });
  });
  const ids = (await Promise.all(asked)).map(({ build }) => build.id);
  await until(async () => (await Promise.all(ids.map(show))).some(({ step }) => step !== null));
  // The local queue is in memory, and forgets all of them.
  await system.kill();
  await system.start();
  const done = await allEnded(ids, show);
  expect(done.map(({ status }) => status)).toEqual(ids.map(() => 'success'));
  // Only the two that ran may have lost an attempt.
  const again = done.filter(({ attempt }) => attempt > 1);
  expect(again.length).toBeLessThanOrEqual(limits.build.runningPerUser);
});
