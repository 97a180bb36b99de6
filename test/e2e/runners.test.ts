import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { System } from '../../scripts/lib/system.ts';
import type { KilnClient } from '../../src/client/index.ts';
import type { Build } from '../../src/contract/builds.ts';
import { limits } from '../../src/contract/limits.ts';
import { RunnerProcess } from '../runner/support/runner-process.ts';
import { expectBuiltOnce } from '../support/attempts.ts';
import { allEnded, signUp } from '../support/people.ts';
import { freePort } from '../support/ports.ts';
import { newSystem } from '../support/system.ts';

const state = mkdtempSync(join(tmpdir(), 'kiln-runners-'));
let system: System;
let second: RunnerProcess;

beforeAll(async () => {
  const [runnerPort, secondPort] = [await freePort(), await freePort()];
  const vars = { RUNNER_URL: `http://127.0.0.1:${runnerPort},http://127.0.0.1:${secondPort}` };
  system = await newSystem({ runnerPort, state, vars, runner: { RUNNER_CAPACITY: '1' } });
  await system.start();
  second = await RunnerProcess.start({ platformUrl: system.origin, capacity: 1, env: { PORT: String(secondPort) } });
});

afterAll(async () => {
  await second?.dispose();
  await system?.kill();
  rmSync(state, { recursive: true, force: true });
});

/** Larger than what travels together. */
const level = JSON.stringify('level '.repeat(limits.build.batch.partBytes / 3));

interface Person {
  readonly client: KilnClient;
  readonly projectId: string;
}

async function person(): Promise<Person> {
  const client = await signUp(system.origin);
  const { project } = await client.call('createProject', { body: { name: 'Game' } });
  const content = 'declare const NUMBER: number;\ndocument.title = String(NUMBER);\n';
  await client.call('putFile', { params: { id: project.id, path: 'src/main.ts' }, body: { content } });
  await client.call('putFile', { params: { id: project.id, path: 'public/level.json' }, body: { content: level } });
  return { client, projectId: project.id };
}

/** Builds of one person that differ by a constant, once they have ended. */
async function builds({ client, projectId }: Person, numbers: readonly number[]): Promise<Build[]> {
  const asked = await Promise.all(
    numbers.map((n) => client.call('createBuild', { body: { projectId, options: { define: { NUMBER: String(n) } } } })),
  );
  return await allEnded(asked, async ({ build: { id } }) => (await client.call('getBuild', { params: { id } })).build);
}

const jobsOfSecond = (): string[] =>
  second.lines.map((line) => JSON.parse(line)).flatMap(({ event, buildId }) => (event === 'job' ? [buildId] : []));

it('two runners at two addresses share the builds of two people, and none is lost', async () => {
  const people = await Promise.all([person(), person()]);
  const done = (await Promise.all(people.map((who) => builds(who, [1, 2, 3, 4])))).flat();
  expect(done.map(({ status }) => status)).toEqual(done.map(() => 'success'));
  await expectBuiltOnce(state, done);
  const there = new Set(jobsOfSecond());
  const shared = done.filter(({ id }) => there.has(id));
  expect(shared.length).toBeGreaterThan(0);
  expect(shared.length).toBeLessThan(done.length);
  // All of them have the same level, which is there but for the first time.
  expect(second.lines.filter((line) => line.includes('platform.request_failed'))).toEqual([]);
});

it('of two runners one is away, and the other one builds', async () => {
  const who = await person();
  await second.dispose();
  const done = await builds(who, [1, 2]);
  expect(done.map(({ status }) => status)).toEqual(done.map(() => 'success'));
  await expectBuiltOnce(state, done);
});
