import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Operator } from '../../scripts/lib/operator.ts';
import type { DatabaseChoice, System } from '../../scripts/lib/system.ts';
import { createClient, joinProject, type KilnClient } from '../../src/client/index.ts';
import { newId } from '../../src/contract/ids.ts';
import { until } from '../support/people.ts';
import { newSystem } from '../support/system.ts';

const state = mkdtempSync(join(tmpdir(), 'kiln-restore-'));
/** The states of the systems that it moves to, one after the other. */
const [other, third] = ['kiln-moved-', 'kiln-back-'].map((name) => mkdtempSync(join(tmpdir(), name))) as [
  string,
  string,
];
let system: System;
let operator: Operator;
/** What each test leaves for the next. */
let moved: { id: string; tree: string; text: string; said: unknown };
const account = { email: `ada-${newId()}@kiln.test`, password: 'correct horse battery' };

beforeAll(async () => {
  system = await newSystem({ state });
  await system.start();
  operator = new Operator(system.address, system.origin);
});

afterAll(async () => {
  await system.kill();
  for (const folder of [state, other, third]) rmSync(folder, { recursive: true, force: true });
});

/** The bucket of the backups, and nothing else, as the state of another system. */
function takeExports(from: string, to: string): void {
  const kept = mkdtempSync(join(tmpdir(), 'kiln-exports-'));
  const r2 = (directory: string): string => join(directory, 'wrangler', 'v3', 'r2');
  // The simulator keeps bytes in a folder of each bucket, and what it knows of them in a database of each.
  for (const name of ['kiln-exports', 'miniflare-R2BucketObject'])
    cpSync(join(r2(from), name), join(kept, name), { recursive: true });
  const known = join(kept, 'miniflare-R2BucketObject');
  for (const name of readdirSync(known)) {
    if (!name.endsWith('.sqlite') || name === 'metadata.sqlite') continue;
    const database = new DatabaseSync(join(known, name));
    const isExports = database.prepare("SELECT 1 FROM _mf_objects WHERE key LIKE 'backup/%' LIMIT 1").get();
    database.close();
    if (!isExports) for (const part of ['', '-wal', '-shm']) rmSync(join(known, `${name}${part}`), { force: true });
  }
  rmSync(to, { recursive: true, force: true });
  mkdirSync(r2(to), { recursive: true });
  cpSync(kept, r2(to), { recursive: true });
  rmSync(kept, { recursive: true, force: true });
  for (const name of ['kiln-assets', 'kiln-builds']) expect(existsSync(join(r2(to), name))).toBe(false);
}

interface Progress {
  readonly status: string;
  readonly error: string | null;
  readonly report: Record<string, unknown>;
}

/** A job of the operator to its end, with something that happens right after its start. */
async function finish(
  by: Operator,
  path: string,
  body: object | undefined,
  meanwhile: () => Promise<void>,
): Promise<Progress> {
  const { job } = await by.call<{ job: { id: string } }>('POST', path, body);
  await meanwhile();
  const look = async (): Promise<Progress> => (await by.call<{ job: Progress }>('GET', `jobs/${job.id}`)).job;
  await until(async () => (await look()).status !== 'running');
  return await look();
}

const powerCut = async (): Promise<void> => {
  await system.kill();
  await system.start();
};

const treeOf = async (client: KilnClient, id: string): Promise<string> =>
  (await client.call('getTree', { params: { id } })).hash;

/** What people said in a project, and what the room found in it. */
const saidIn = async (client: KilnClient, id: string) => ({
  chat: (await client.call('listChat', { params: { id } })).messages,
  comments: (await client.call('listComments', { params: { id } })).comments,
  problems: (await client.call('listDocumentProblems', { params: { id } })).documents,
});

it('fault 13: database, rooms and buckets lost: the last backup brings everybody back, over a kill -9 of backup and restore', async () => {
  const ada = createClient({ baseUrl: system.origin });
  await ada.register({ ...account, username: `ada-${newId().slice(-8)}` });
  const { project } = await ada.call('createFromTemplate', {
    params: { templateId: 'canvas-arcade' },
    body: { name: 'Arcade' },
  });
  await ada.call('putFile', { params: { id: project.id, path: 'notes.md' }, body: { content: '' } });
  const room = joinProject(ada, project.id);
  const document = room.openDocument('notes.md');
  await document.synced;
  for (let n = 0; n < 50; n += 1) document.text.insert(document.text.length, `line ${n}\n`);
  await until(() => !document.dirty);
  const text = document.text.toString();
  document.close();
  room.leave();
  const params = { id: project.id };
  await ada.call('putFile', {
    params: { ...params, path: 'a.scene.json' },
    body: { content: '{"nodes":{"n":{"parent":7}}}' },
  });
  await ada.call('postChat', { params, body: { body: 'hello' } });
  const anchor = { kind: 'text' as const, from: 0, to: 6 };
  const { comment } = await ada.call('createComment', { params, body: { path: 'notes.md', body: 'why?', anchor } });
  await ada.call('replyToComment', { params: { ...params, commentId: comment.id }, body: { body: 'because' } });
  const said = await saidIn(ada, project.id);
  expect([said.chat.length, said.comments.length, said.problems.length]).toEqual([1, 1, 1]);
  const { build } = await ada.call('createBuild', { body: { projectId: project.id } });
  await until(async () => {
    const { status } = (await ada.call('getBuild', { params: { id: build.id } })).build;
    return status !== 'queued' && status !== 'building';
  });
  const tree = await treeOf(ada, project.id);

  // Killed on the way, the backup goes on after the restart.
  const saved = await finish(operator, 'backups', undefined, powerCut);
  expect(saved, JSON.stringify(saved)).toMatchObject({ status: 'done', report: { missingCount: 0 } });
  const [backup] = (await operator.backups()).backups;

  await system.kill();
  takeExports(state, state);
  await system.start();
  await expect(ada.call('getProject', { params: { id: project.id } })).rejects.toThrow();

  const job = await finish(operator, 'restore', { from: 'latest' }, powerCut);
  expect(job, JSON.stringify(job)).toMatchObject({
    status: 'done',
    report: { name: backup?.name, rooms: { restored: 1, different: [] }, objectsMissing: [] },
  });

  const back = createClient({ baseUrl: system.origin });
  await back.login(account);
  expect(await treeOf(back, project.id)).toBe(tree);
  const { file } = await back.call('getFile', { params: { id: project.id, path: 'notes.md' } });
  expect(file.content).toBe(text);
  expect(await saidIn(back, project.id)).toEqual(said);
  const again = joinProject(back, project.id);
  const reopened = again.openDocument('notes.md');
  await reopened.synced;
  expect(reopened.text.toString()).toBe(text);
  reopened.close();
  again.leave();
  expect((await back.call('getBuild', { params: { id: build.id } })).build.treeHash).toBe(build.treeHash);
  moved = { id: project.id, tree, text, said };
});

/** The system that is there, replaced by one on another database that has nothing but its backups; the newest is restored, over a kill -9. */
async function moveTo(to: string, from: string, db: DatabaseChoice): Promise<Progress> {
  await system.kill();
  takeExports(from, to);
  system = await newSystem({ state: to, db });
  await system.start();
  operator = new Operator(system.address, system.origin);
  return await finish(operator, 'restore', { from: 'latest' }, powerCut);
}

async function expectMoved(): Promise<KilnClient> {
  const ada = createClient({ baseUrl: system.origin });
  await ada.login(account);
  expect(await treeOf(ada, moved.id)).toBe(moved.tree);
  expect((await ada.call('getFile', { params: { id: moved.id, path: 'notes.md' } })).file.content).toBe(moved.text);
  expect(await saidIn(ada, moved.id)).toEqual(moved.said);
  expect((await ada.call('listProjects')).projects.map(({ id }) => id)).toEqual([moved.id]);
  return ada;
}

it('a backup of D1 restores into PostgreSQL: that is the way from one to the other', async () => {
  const job = await moveTo(other, state, 'postgres');
  expect(job, JSON.stringify(job)).toMatchObject({
    status: 'done',
    report: { from: 'sqlite', rooms: { restored: 1, different: [] }, objectsMissing: [] },
  });
  await expectMoved();
});

it('a backup of PostgreSQL, killed on its way while people work, restores into D1: that is the way back', async () => {
  const ada = await expectMoved();
  const room = joinProject(ada, moved.id);
  const document = room.openDocument('notes.md');
  await document.synced;
  document.text.insert(0, 'on PostgreSQL\n');
  await until(() => !document.dirty);
  const text = document.text.toString();
  document.close();
  room.leave();
  moved = { ...moved, tree: await treeOf(ada, moved.id), text, said: await saidIn(ada, moved.id) };

  // Sessions come and go in every table of theirs while the tables are read, by many alarms.
  let working = true;
  let sessions = 0;
  const visitors = [0, 1].map(async () => {
    while (working) {
      const visitor = createClient({ baseUrl: system.origin });
      const visit = async (): Promise<void> => {
        await visitor.login(account);
        await visitor.logout();
        sessions += 1;
      };
      // The system is away for a moment.
      await visit().catch(() => undefined);
      // A password is dear to check: without a pause that were most of what the machine does.
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  });
  const saved = await finish(operator, 'backups', undefined, powerCut);
  working = false;
  await Promise.all(visitors);
  expect(saved, JSON.stringify(saved)).toMatchObject({ status: 'done', report: { missingCount: 0, rooms: 1 } });
  expect(sessions).toBeGreaterThan(0);
  const [backup] = (await operator.backups()).backups;
  expect(backup).toMatchObject({ name: saved.report.name, engine: 'postgres' });
  // Nothing of the capture is left in the way of writers.
  const client = new Client({ connectionString: system.databaseUrl ?? '' });
  await client.connect();
  expect((await client.query('SELECT tgname FROM pg_trigger WHERE NOT tgisinternal')).rows).toEqual([]);
  await client.end();

  const job = await moveTo(third, other, 'd1');
  expect(job, JSON.stringify(job)).toMatchObject({
    status: 'done',
    report: { name: backup?.name, from: 'postgres', rooms: { restored: 1, different: [] }, objectsMissing: [] },
  });
  const back = await expectMoved();
  const again = joinProject(back, moved.id);
  const reopened = again.openDocument('notes.md');
  await reopened.synced;
  expect(reopened.text.toString()).toBe(moved.text);
  reopened.close();
  again.leave();
  await back.call('createProject', { body: { name: 'On D1 again' } });
});
