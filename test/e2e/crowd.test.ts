import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { System } from '../../scripts/lib/system.ts';
import type { KilnClient } from '../../src/client/index.ts';
import type { Build } from '../../src/contract/builds.ts';
import { limits } from '../../src/contract/limits.ts';
import { expectBuiltOnce } from '../support/attempts.ts';
import { allEnded, signUp, until } from '../support/people.ts';
import { newSystem } from '../support/system.ts';

const state = mkdtempSync(join(tmpdir(), 'kiln-crowd-'));
let system: System;
let registry: Server;
/** What the registry waits for before it knows of no package: builds that ask it keep their places till then. */
let gate = Promise.withResolvers<void>();
let asked = 0;

beforeAll(async () => {
  registry = createServer((_request, response) => {
    asked += 1;
    void gate.promise.then(() => response.writeHead(404).end());
  }).listen(0, '127.0.0.1');
  await once(registry, 'listening');
  const runner = { NPM_REGISTRY: `http://127.0.0.1:${(registry.address() as AddressInfo).port}`, RUNNER_CAPACITY: '2' };
  system = await newSystem({ state, runner });
  await system.start();
});

afterAll(async () => {
  gate.resolve();
  await system?.kill();
  registry?.closeAllConnections();
  registry?.close();
  rmSync(state, { recursive: true, force: true });
});

interface Person {
  readonly client: KilnClient;
  readonly projectId: string;
}

async function person(files: Readonly<Record<string, string>>): Promise<Person> {
  const client = await signUp(system.origin);
  const { project } = await client.call('createProject', { body: { name: 'Game' } });
  for (const [path, content] of Object.entries(files))
    await client.call('putFile', { params: { id: project.id, path }, body: { content } });
  return { client, projectId: project.id };
}

let constants = 0;
/** A build that none before repeats. */
async function build({ client, projectId }: Person): Promise<string> {
  constants += 1;
  const options = { define: { NUMBER: String(constants) } };
  return (await client.call('createBuild', { body: { projectId, options } })).build.id;
}

const show = async ({ client }: Person, id: string): Promise<Build> =>
  (await client.call('getBuild', { params: { id } })).build;
const hasEnded = ({ status }: Build): boolean => status !== 'queued' && status !== 'building';

const game = { 'src/main.ts': 'declare const NUMBER: number;\ndocument.title = String(NUMBER);\n' };

/** Takes both places of the runner until the gate opens. */
async function occupy(): Promise<void> {
  gate = Promise.withResolvers<void>();
  asked = 0;
  const nobody = await person({ ...game, 'package.json': '{"dependencies":{"absent":"1.0.0"}}' });
  await build(nobody);
  await until(() => asked >= 1);
  const other = await person({ ...game, 'package.json': '{"dependencies":{"missing":"1.0.0"}}' });
  await build(other);
  await until(() => asked >= 2);
}

describe('two places for', () => {
  it('the fifty builds of one person and one of another: the other is not held up', async () => {
    const [many, one] = [await person(game), await person(game)];
    await occupy();
    const fifty = await Promise.all(Array.from({ length: 50 }, () => build(many)));
    const single = await build(one);
    gate.resolve();
    await until(async () => hasEnded(await show(one, single)));
    const ended = await Promise.all(fifty.map((id) => show(many, id)));
    const theirs = await show(one, single);
    expect(theirs.status).toBe('success');
    // At most one wake-up each was on its way for the two places.
    const before = ended.filter(({ startedAt }) => startedAt !== null && startedAt < (theirs.startedAt ?? ''));
    expect(before.length).toBeLessThanOrEqual(limits.build.runningPerUser);
    const all = await allEnded(fifty, (id) => show(many, id));
    expect(all.map(({ status }) => status)).toEqual(fifty.map(() => 'success'));
    await expectBuiltOnce(state, all);
    // In the order in which they were asked for, but for neighbours that two places start at once.
    const order = all.map(({ startedAt }, index) => ({ startedAt: Date.parse(startedAt ?? ''), index }));
    order.sort((a, b) => a.startedAt - b.startedAt);
    const byId = [...fifty].sort();
    for (const [place, { index }] of order.entries())
      expect(Math.abs(byId.indexOf(fifty[index] ?? '') - place)).toBeLessThanOrEqual(limits.build.runningPerUser + 1);
  });

  it('fifty builds of five people at once: none is lost, and everybody is served in turn', async () => {
    const people = await Promise.all(Array.from({ length: 5 }, () => person(game)));
    await occupy();
    const asked = await Promise.all(
      people.flatMap((who) =>
        Array.from({ length: 10 }, async () => ({ who, person: people.indexOf(who), id: await build(who) })),
      ),
    );
    gate.resolve();
    const builds = await allEnded(asked, ({ who, id }) => show(who, id));
    const done = builds.map((build, index) => ({ person: asked[index]?.person ?? -1, build }));
    expect(done.map(({ build: { status } }) => status)).toEqual(done.map(() => 'success'));
    await expectBuiltOnce(state, builds);
    done.sort((a, b) => Date.parse(a.build.startedAt ?? '') - Date.parse(b.build.startedAt ?? ''));
    const started = people.map(() => 0);
    for (const { person: index } of done) {
      started[index] = (started[index] ?? 0) + 1;
      // Wake-ups that cross may give somebody a turn too early; first come, first served would be ahead by ten.
      expect(Math.max(...started) - Math.min(...started)).toBeLessThanOrEqual(2 * limits.build.runningPerUser);
    }
  });
});
