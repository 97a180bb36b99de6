import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { System } from '../../scripts/lib/system.ts';
import { joinProject, type KilnClient, type ProjectRoom, type RoomDocument } from '../../src/client/index.ts';
import type { RoomEvent } from '../../src/contract/room.ts';
import { hashTree, sha256 } from '../../src/core/tree.ts';
import { Crowd, counter, firstTree, groupSize, groups, where } from '../support/crowd.ts';
import { signUp, until } from '../support/people.ts';
import { replay } from '../support/replay.ts';
import { newSystem } from '../support/system.ts';

/** In two of them the system dies. */
const rounds = 3;
/** Of each of five kinds; with the typists there are fifty. */
const writersOfAKind = 8;
const typists = 9;
/** A round ends when so much was written, or, on a slow machine, after so long. Milliseconds. */
const enough = 250;
const patience = 12_000;

const state = mkdtempSync(join(tmpdir(), 'kiln-writers-'));
let system: System;
let owner: KilnClient;
let editors: KilnClient[];
let id: string;

beforeAll(async () => {
  system = await newSystem({ state });
  await system.start();
  owner = await signUp(system.origin, 'owner');
  editors = [await signUp(system.origin, 'ada'), await signUp(system.origin, 'grace')];
  ({ id } = (await owner.call('createProject', { body: { name: 'Crowd' } })).project);
  for (const editor of editors) {
    const { user } = await editor.call('getMe');
    await owner.call('addCollaborator', { params: { id }, body: { userId: user.id, role: 'editor' } });
  }
  await owner.call('batchFiles', { params: { id }, body: { operations: firstTree } });
});

afterAll(async () => {
  await system.kill();
  rmSync(state, { recursive: true, force: true });
});

/** The log of the project, as one who follows it has it: it answers only so much at a time. */
class Follower {
  readonly events: RoomEvent[] = [];
  following = true;

  async read(): Promise<void> {
    const { events, resync } = await owner.call('listEvents', {
      params: { id },
      query: { since: this.events.length },
    });
    if (resync) throw new Error('the log went on faster than it was read');
    for (const event of events) {
      if (event.seq !== this.events.length + 1) throw new Error(`event ${event.seq} after ${this.events.length}`);
      this.events.push(event);
    }
  }

  async follow(): Promise<void> {
    while (this.following) {
      await this.read();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

async function type(document: RoomDocument, goesOn: () => boolean): Promise<void> {
  while (goesOn()) {
    document.text.insert(document.text.length, '.');
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
}

/** Nothing is in the tree that its log does not tell of, and nothing is half there. */
async function check(crowd: Crowd, log: Follower): Promise<void> {
  await log.read();
  const { files } = await owner.call('listFiles', { params: { id } });
  await log.read();
  const tree = new Map(files.map(({ path, hash, size }) => [path, { hash, size }]));
  expect(tree).toEqual(new Map([...replay(log.events)].sort(([a], [b]) => (a < b ? -1 : 1))));
  const { hash } = await owner.call('getTree', { params: { id } });
  expect(hash).toBe(hashTree(files.map((file) => ({ ...file, mode: 0o644 }))));

  for (let group = 0; group < groups; group += 1) {
    const of = files.filter(({ path }) => path.startsWith(`group/${group}/`));
    expect([0, groupSize]).toContain(of.length);
    expect(new Set(of.map((file) => file.hash)).size, `group ${group}`).toBeLessThanOrEqual(1);
    const directory = `moving/${group}`;
    const place = ['here', 'there'].find((one) => tree.get(where(directory))?.hash === sha256(one));
    expect(
      [...tree.keys()].filter((path) => path.startsWith(`${directory}/`)),
      `${directory} is ${place}`,
    ).toEqual([...[0, 1, 2].map((n) => `${directory}/${place}/${n}.txt`), where(directory)]);
  }
  expect(log.events.filter(({ data }) => String(data.path).startsWith('half/'))).toEqual([]);

  const events = new Map(log.events.map((event) => [event.seq, event]));
  const lost = crowd.acknowledged.filter(({ seq, path, hash: told }) => {
    const { data } = events.get(seq) ?? {};
    return data?.path !== path || data.hash !== told;
  });
  expect(lost).toEqual([]);
  // Who wrote with If-Match wrote over what it named, and nobody came in between.
  const counted = log.events.filter(({ data }) => data.path === counter);
  for (const { seq, base } of crowd.acknowledged)
    if (base !== undefined) expect(counted.findLast((event) => event.seq < seq)?.data.hash).toBe(base);
  expect(crowd.surprises).toEqual([]);
}

it(`[R1, R19] fault 2: fifty clients write, move, delete, type and go back in time, through kill -9 ${rounds - 1} times: the tree is what its log tells`, async () => {
  const crowd = new Crowd(id);
  const log = new Follower();
  for (let round = 1; round <= rounds; round += 1) {
    let isUp = true;
    const rooms: ProjectRoom[] = [...editors, owner].map((client) => joinProject(client, id));
    const documents = Array.from({ length: typists }, (_, n) => {
      const room = rooms[n % rooms.length];
      if (!room) throw new Error('a room');
      return room.openDocument(`live/${Math.floor(n / rooms.length)}.txt`);
    });
    await Promise.all(documents.map((document) => document.synced));
    let typing = true;
    const hands = documents.map((document) => type(document, () => typing));
    const before = crowd.acknowledged.length;
    crowd.start(owner, editors, writersOfAKind);
    log.following = true;
    const following = log.follow().catch((error: unknown) => {
      if (isUp) throw error;
    });
    const started = Date.now();
    await until(() => crowd.acknowledged.length - before > enough || Date.now() - started > patience);

    if (round < rounds) {
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 500));
      isUp = false;
      await system.kill();
      typing = false;
      log.following = false;
      await Promise.all([crowd.stop(), following, ...hands]);
      for (const room of rooms) room.leave();
      await system.start();
    } else {
      typing = false;
      await Promise.all([crowd.stop(), ...hands]);
      await until(() => documents.every((document) => !document.dirty));
      // Nobody writes any more: now there is time to go back.
      const { checkpoints } = await owner.call('listCheckpoints', { params: { id }, query: { kind: 'manual' } });
      const [newest] = checkpoints;
      if (!newest) throw new Error('a checkpoint');
      const restored = await owner.call('restoreCheckpoint', { params: { id, checkpointId: newest.id } });
      expect(restored.treeHash).toBe(newest.treeHash);
      log.following = false;
      await following;
      for (const [n, document] of documents.entries()) {
        const path = `live/${Math.floor(n / rooms.length)}.txt`;
        const { file } = await owner.call('getFile', { params: { id, path } });
        await until(() => document.text.toString() === file.content);
        expect(document.state).not.toBe('closed');
      }
      for (const room of rooms) room.leave();
    }
    await check(crowd, log);
  }
  for (const kind of ['put', 'batch', 'move', 'count']) expect(crowd.count(`${kind} done`), kind).toBeGreaterThan(0);
  expect(crowd.count('count precondition_failed')).toBeGreaterThan(0);
  expect(crowd.count('refused not_found')).toBeGreaterThan(0);
  expect(crowd.count('refused done')).toBe(0);

  // What a kill kept the room from telling, it tells by now: each change of the history once.
  await owner.call('createCheckpoint', { params: { id }, body: { name: 'The end' } });
  await log.read();
  const told: string[] = [];
  for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
    const page = await owner.call('listActivity', {
      params: { id },
      query: { action: 'checkpoint', limit: 200, ...(cursor !== undefined && { cursor }) },
    });
    told.push(...page.activity.map(({ action, subject }) => `${action} ${subject}`));
    cursor = page.nextCursor ?? undefined;
  }
  const happened = log.events.flatMap(({ type: what, data }) =>
    what === 'checkpoint.restored' || (what === 'checkpoint.created' && data.kind === 'manual')
      ? [`${what} checkpoint:${String(data.id)}`]
      : [],
  );
  expect(told.sort()).toEqual(happened.sort());
  // Every byte that the tree names is there.
  const exported = await owner.raw('exportProject', { params: { id } });
  expect((await exported.arrayBuffer()).byteLength).toBeGreaterThan(1000);
});
