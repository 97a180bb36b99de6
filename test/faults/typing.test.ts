import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { System } from '../../scripts/lib/system.ts';
import { joinProject, type KilnClient } from '../../src/client/index.ts';
import { signUp, until } from '../support/people.ts';
import { newSystem } from '../support/system.ts';

const rounds = 5;
const path = 'shared.txt';

const state = mkdtempSync(join(tmpdir(), 'kiln-typing-'));
let system: System;
let ada: KilnClient;
let grace: KilnClient;
let projectId: string;

beforeAll(async () => {
  system = await newSystem({ state });
  await system.start();
  [ada, grace] = [await signUp(system.origin, 'ada'), await signUp(system.origin, 'grace')];
  projectId = (await ada.call('createProject', { body: { name: 'Shared' } })).project.id;
  const { user } = await grace.call('getMe');
  await ada.call('addCollaborator', { params: { id: projectId }, body: { userId: user.id, role: 'editor' } });
  await ada.call('putFile', { params: { id: projectId, path }, body: { content: '' } });
});

afterAll(async () => {
  await system.kill();
  rmSync(state, { recursive: true, force: true });
});

const markersIn = (text: string): Set<string> => new Set(text.match(/<[^>]+>/g) ?? []);

it(`[R1] fault 1: kill -9 of the whole system ${rounds} times while two people type loses nothing that a peer had seen`, async () => {
  /** Markers that must be there for ever: somebody other than their author saw them, or they were acknowledged. */
  const promised = new Set<string>();
  let seenOverall = 0;
  for (let round = 1; round <= rounds; round += 1) {
    const rooms = [joinProject(ada, projectId), joinProject(grace, projectId)];
    const [left, right] = rooms.map((room) => room.openDocument(path));
    if (!left || !right) throw new Error('two documents');
    await Promise.all([left.synced, right.synced]);

    let typing = true;
    const type = async (author: string, document: typeof left): Promise<void> => {
      for (let number = 0; typing; number += 1) {
        document.text.insert(0, `<${author}${round}.${number}>`);
        if (!document.dirty) for (const marker of markersIn(document.text.toString())) promised.add(marker);
        await new Promise((resolve) => setTimeout(resolve, 4));
      }
    };
    const typists = [type('a', left), type('g', right)];
    const seenOf = (author: string, text: string): string[] =>
      [...markersIn(text)].filter((marker) => marker.startsWith(`<${author}${round}.`));
    // Killed at a random moment, but not before each has seen the other type.
    await until(() => seenOf('g', left.text.toString()).length > 5 && seenOf('a', right.text.toString()).length > 5);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 1500));
    await system.kill();
    typing = false;
    await Promise.all(typists);

    const seen = [...seenOf('g', left.text.toString()), ...seenOf('a', right.text.toString())];
    seenOverall += seen.length;
    for (const marker of seen) promised.add(marker);
    // Those two still hold every edit and would bring them back: only the disk may answer for them.
    for (const document of [left, right]) document.close();
    for (const room of rooms) room.leave();

    await system.start();
    const { file } = await ada.call('getFile', { params: { id: projectId, path } });
    const kept = markersIn(file.content);
    expect(
      [...promised].filter((marker) => !kept.has(marker)),
      `lost in round ${round}`,
    ).toEqual([]);

    const readers = [joinProject(ada, projectId), joinProject(grace, projectId)];
    const documents = readers.map((room) => room.openDocument(path));
    await Promise.all(documents.map((document) => document.synced));
    for (const document of documents) expect(document.text.toString()).toBe(file.content);
    for (const document of documents) document.close();
    for (const room of readers) room.leave();
  }
  expect(seenOverall).toBeGreaterThan(rounds * 10);
});
