import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { limits } from '../../../src/contract/limits.ts';
import { hashTree, sha256 } from '../../../src/core/tree.ts';
import { stillTime } from '../support/room-setup.ts';
import { ids, type TestClient, World } from '../support/room-world.ts';

stillTime();

const paths = ['a', 'b', 'dir/c'] as const;
const path = fc.constantFrom(...paths);
const text = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '\n', 'é', '😀'), maxLength: 12 });
const typed = fc.string({ unit: fc.constantFrom('x', 'y', '\n'), minLength: 1, maxLength: 5 });

const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('put' as const), path, text }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), path }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('open' as const), path }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('type' as const),
      path,
      who: fc.nat(),
      at: fc.nat(30),
      typed,
      settle: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('erase' as const),
      path,
      who: fc.nat(),
      at: fc.nat(30),
      count: fc.nat(5),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('close' as const), path }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('flush' as const), ms: fc.constantFrom(15, 1000, 61_000) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('sleep' as const) }) },
);

/** A place between two characters, never inside one. */
const boundary = (content: string, at: number): number => [...content].slice(0, at).join('').length;

describe('A room', () => {
  it('is a map of paths to texts, whatever is put, deleted, typed, flushed, crashed and put to sleep, and REST reads what every client has', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        vi.clearAllTimers();
        const world = new World();
        const model = new Map<string, string>();
        const open = new Map<string, TestClient[]>();
        const clientsOf = (of: string): TestClient[] => open.get(of) ?? [];
        const forget = async (clients: readonly TestClient[]): Promise<void> => {
          for (const client of clients) {
            client.drop();
            await world.leave(client.peer);
            world.clients.splice(world.clients.indexOf(client), 1);
          }
        };

        for (const action of steps) {
          if (action.kind === 'put') {
            await world.settle();
            const { created } = await world.room.write(action.path, { text: action.text }, ids.owner);
            expect(created).toBe(!model.has(action.path));
            model.set(action.path, action.text);
          } else if (action.kind === 'delete') {
            if (!model.has(action.path)) continue;
            await world.room.delete(action.path, ids.owner);
            model.delete(action.path);
            const clients = clientsOf(action.path);
            expect(clients.every(({ peer }) => peer.closed === 'not_found')).toBe(true);
            await forget(clients);
            open.delete(action.path);
          } else if (action.kind === 'open') {
            if (!model.has(action.path) || clientsOf(action.path).length >= 3) continue;
            open.set(action.path, [...clientsOf(action.path), await world.client(ids.editor, action.path)]);
          } else if (action.kind === 'type' || action.kind === 'erase') {
            const clients = clientsOf(action.path);
            const client = clients[action.who % Math.max(1, clients.length)];
            if (!client) continue;
            // Two who type in one window merge in an order that this model does not know.
            await world.settle();
            const index = boundary(client.content, action.at);
            if (action.kind === 'type') client.type(index, action.typed);
            else client.text.delete(index, boundary(client.content.slice(index), action.count));
            model.set(action.path, client.content);
            if (action.kind === 'type' && !action.settle) continue;
          } else if (action.kind === 'close') {
            await forget(clientsOf(action.path));
            open.delete(action.path);
          } else if (action.kind === 'flush') await world.pass(action.ms);
          else if (action.kind === 'sleep') {
            // An object sleeps only when nothing is under way.
            await world.settle();
            await vi.advanceTimersByTimeAsync(limits.room.savedWindow);
            world.hibernate(world.clients.map(({ peer }) => peer));
          } else {
            world.crash();
            for (const client of world.clients) await client.connect();
          }
          await world.settle();

          for (const [name, content] of model) {
            for (const client of clientsOf(name)) expect(client.content, name).toBe(content);
            expect(await world.text(name), name).toBe(content);
          }
          const entries = [...model].map(([name, content]) => ({
            path: name,
            hash: sha256(content),
            size: Buffer.byteLength(content),
            mode: 0o644,
          }));
          expect(world.room.tree().hash).toBe(hashTree(entries));
          expect(world.room.list().files.map((file) => file.path)).toEqual([...model.keys()].sort());
        }

        await world.settle();
        expect(world.refusals).toEqual([]);
        // At the end everything can be stored, and the index knows the tree.
        const snapshot = await world.room.history.snapshot();
        expect(hashTree(world.blobs.trees.get(snapshot.treeHash) ?? [])).toBe(snapshot.treeHash);
        await world.room.writeIndex();
        const index = new Map<string, string>();
        for (const { changed, removed } of world.indexed) {
          for (const file of removed) index.delete(file.path);
          for (const file of changed) index.set(file.path, file.hash);
        }
        expect(index).toEqual(new Map([...model].map(([name, content]) => [name, sha256(content)])));
        const numbers = world.room.events(0).events.map(({ seq }) => seq);
        expect(numbers).toEqual(numbers.map((_, position) => position + 1));
      }),
      { numRuns: 120 },
    );
  });
});
