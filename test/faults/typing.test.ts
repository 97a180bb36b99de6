import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { System } from '../../scripts/lib/system.ts';
import { joinProject, type KilnClient, type ProjectRoom, type RoomDocument } from '../../src/client/index.ts';
import { signUp, until } from '../support/people.ts';
import { newSystem } from '../support/system.ts';

/** As many as `npm test` has time for; more when the environment says so. */
const clients = Number(process.env.TYPING_CLIENTS ?? 50);
const rounds = Number(process.env.TYPING_ROUNDS ?? 2);
const windowsOfOnePerson = 5;
const path = 'shared.txt';

const state = mkdtempSync(join(tmpdir(), 'kiln-typing-'));
let system: System;
let owner: KilnClient;
let projectId: string;

/** What is typed: each once, and nobody deletes any. */
const markersIn = (text: string): string[] => text.match(/<[^>]+>/g) ?? [];
const some = (least: number, most: number): number => least + Math.random() * (most - least);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** While it is shut no ticket is fetched, so those who still have every edit cannot bring it back: only the disk answers. */
let door: PromiseWithResolvers<void> = Promise.withResolvers();
door.resolve();

/** One open window, and a journal of what it saw. */
class Typist {
  readonly #name: string;
  readonly #room: ProjectRoom;
  readonly document: RoomDocument;
  readonly typed: string[] = [];
  /** Of what was typed here, so much was acknowledged. */
  acknowledged = 0;
  /** Of others. */
  readonly seen: string[] = [];

  constructor(client: KilnClient, name: string) {
    this.#name = name;
    this.#room = joinProject(client, projectId);
    this.document = this.#room.openDocument(path);
    this.document.text.observe((event, transaction) => {
      if (transaction.local) return;
      for (const { insert } of event.changes.delta)
        if (typeof insert === 'string') this.seen.push(...markersIn(insert));
    });
    this.document.on('state', (now) => {
      if (now === 'saved') this.acknowledged = this.typed.length;
    });
  }

  async type(isOver: () => boolean): Promise<void> {
    const { text } = this.document;
    // Pauses are shorter and longer than the one after which the client asks what is durable.
    for (await pause(some(0, 300)); !isOver(); await pause(some(50, 350))) {
      const marker = `<${this.#name}.${this.typed.length}>`;
      this.typed.push(marker);
      text.insert(Math.random() < 0.5 ? 0 : text.length, marker);
    }
  }

  leave(): void {
    this.#room.leave();
  }
}

const typists: Typist[] = [];

beforeAll(async () => {
  system = await newSystem({ state });
  await system.start();
  owner = await signUp(system.origin, 'owner');
  projectId = (await owner.call('createProject', { body: { name: 'Shared' } })).project.id;
  await owner.call('putFile', { params: { id: projectId, path }, body: { content: '' } });
  const fetchThroughDoor = async (input: string, init: RequestInit): Promise<Response> => {
    await door.promise;
    return fetch(input, init);
  };
  for (let person = 0; typists.length < clients; person += 1) {
    const client = await signUp(system.origin, `person${person}`, { fetch: fetchThroughDoor });
    const { user } = await client.call('getMe');
    await owner.call('addCollaborator', { params: { id: projectId }, body: { userId: user.id, role: 'editor' } });
    for (let window = 0; window < windowsOfOnePerson && typists.length < clients; window += 1)
      typists.push(new Typist(client, `${typists.length}`));
  }
  await Promise.all(typists.map(({ document }) => document.synced));
});

afterAll(async () => {
  for (const typist of typists) typist.leave();
  door.resolve();
  await system.kill();
  rmSync(state, { recursive: true, force: true });
});

const stored = async (): Promise<string> =>
  (await owner.call('getFile', { params: { id: projectId, path } })).file.content;

it(`[R1] fault 1: kill -9 of the whole system ${rounds} times while ${clients} clients type into one document loses nothing that a peer had seen or that was acknowledged`, {
  timeout: 300_000 + rounds * 30_000,
}, async ({ annotate }) => {
  /** What must be there for ever: somebody other than its author saw it, or its author was told that it is saved. */
  const promised = new Set<string>();
  let acknowledged = 0;
  for (let round = 1; round <= rounds; round += 1) {
    const before = typists.map(({ seen }) => seen.length);
    let isOver = false;
    const typing = typists.map((typist) => typist.type(() => isOver));
    // Killed at a random moment, but not before each has seen the others type.
    await until(() => typists.every(({ seen }, index) => seen.length > (before[index] ?? 0) + clients));
    await pause(some(0, 1500));
    door = Promise.withResolvers();
    await system.kill();
    isOver = true;
    await Promise.all(typing);

    for (const { seen, typed, acknowledged: count } of typists)
      for (const marker of [...seen, ...typed.slice(0, count)]) promised.add(marker);
    acknowledged = typists.reduce((sum, typist) => sum + typist.acknowledged, 0);
    const typed = typists.flatMap((typist) => typist.typed);
    await system.start();
    const kept = new Set(markersIn(await stored()));
    const lost = [...promised].filter((marker) => !kept.has(marker));
    expect(lost, `lost in round ${round}`).toEqual([]);

    const opened = Date.now();
    door.resolve();
    const all = typed.join('').length;
    const away = (): number =>
      typists.filter(({ document }) => document.state !== 'saved' || document.text.length !== all).length;
    await expect.poll(away, { message: `clients that are not back in round ${round}` }).toBe(0);
    await annotate(
      `round ${round}: ${typed.length} typed so far, ${promised.size} of them promised (${acknowledged} acknowledged), ${lost.length} lost; all ${clients} back ${Date.now() - opened} ms after the door opened`,
    );
    const text = await stored();
    expect(markersIn(text).sort()).toEqual(typed.sort());
    for (const { document } of typists) expect(document.text.toString()).toBe(text);
  }
  expect(acknowledged).toBeGreaterThan(0);
  expect(promised.size).toBeGreaterThan(acknowledged);
});
