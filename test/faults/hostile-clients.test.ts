import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startAbuse } from '../../bench/lib/abuse.ts';
import type { System } from '../../scripts/lib/system.ts';
import { joinProject } from '../../src/client/index.ts';
import { signUp, until } from '../support/people.ts';
import { newSystem } from '../support/system.ts';

const path = 'notes.txt';
/** Two of each kind. */
const hostileSockets = 12;

const state = mkdtempSync(join(tmpdir(), 'kiln-hostile-'));
let system: System;
beforeAll(async () => {
  system = await newSystem({ state });
  await system.start();
});
afterAll(async () => {
  await system.kill();
  rmSync(state, { recursive: true, force: true });
});

it('[R12] #62 fault 8: sockets that flood, ask, write at the limit, send too much, noise or read nothing do not keep honest people waiting out of proportion', async ({
  annotate,
}) => {
  const { origin } = system;
  const [ada, grace, mallory] = [
    await signUp(origin, 'ada'),
    await signUp(origin, 'grace'),
    await signUp(origin, 'mallory'),
  ];
  const { id } = (await ada.call('createProject', { body: { name: 'Under attack' } })).project;
  for (const client of [grace, mallory]) {
    const { user } = await client.call('getMe');
    await ada.call('addCollaborator', { params: { id }, body: { userId: user.id, role: 'editor' } });
  }
  await ada.call('putFile', { params: { id, path }, body: { content: 'x'.repeat(500_000) } });
  const rooms = [joinProject(ada, id), joinProject(grace, id)];
  const [writer, reader] = rooms.map((room) => room.openDocument(path));
  if (!writer || !reader) throw new Error('two documents');
  const interruptions: string[] = [];
  for (const document of [writer, reader])
    document.on('state', (now) => {
      if (now === 'offline' || now === 'closed') interruptions.push(now);
    });
  await Promise.all([writer.synced, reader.synced]);
  const arrived = new Set<string>();
  reader.text.observe(({ changes }) => {
    for (const { insert } of changes.delta)
      for (const marker of typeof insert === 'string' ? (insert.match(/<\d+>/g) ?? []) : []) arrived.add(marker);
  });

  let edits = 0;
  /** How long each of some edits takes to the other one. */
  const waits = async (count: number): Promise<number[]> => {
    const times: number[] = [];
    while (times.length < count) {
      edits += 1;
      const marker = `<${edits}>`;
      const from = performance.now();
      writer.text.insert(0, marker);
      await until(() => arrived.has(marker), 1);
      times.push(performance.now() - from);
    }
    return times.toSorted((a, b) => a - b);
  };
  const at = (share: number, times: readonly number[]): number => times[Math.floor(times.length * share)] ?? 0;
  // One run, on one machine, whatever else that has to do: before, amid and after.
  const before = await waits(40);
  const abuse = startAbuse(async () => {
    const { ticket } = await mallory.call('createTicket', { params: { id } });
    return `${origin.replace('http', 'ws')}/api/projects/${id}/docs/${path}?ticket=${ticket}`;
  }, hostileSockets);
  await until(() => [1003, 4413, 4429].every((code) => abuse.closed.has(code)));
  const amid = await waits(40);
  await abuse.stop();
  const after = await waits(40);
  const calm = [...before, ...after].toSorted((a, b) => a - b);
  const told = (times: readonly number[]): string =>
    `${at(0.5, times).toFixed(0)} ms (p95 ${at(0.95, times).toFixed(0)})`;
  await annotate(
    `${told(calm)} without and ${told(amid)} beside ${hostileSockets} hostile sockets; closed, by code: ${JSON.stringify([...abuse.closed])}`,
  );
  // Of the median: a few pauses of the machine are the slowest twentieth of forty edits.
  expect(at(0.5, amid) / at(0.5, calm)).toBeLessThan(60);
  expect(interruptions).toEqual([]);
  for (const room of rooms) room.leave();
});
