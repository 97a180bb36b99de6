import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { KilnError } from '../../../src/contract/errors.ts';
import { limits } from '../../../src/contract/limits.ts';
import { etag } from '../../../src/core/etag.ts';
import { hashTree, sha256 } from '../../../src/core/tree.ts';
import type { BatchStep } from '../../../src/durable-objects/room/landing.ts';
import { replay } from '../../support/replay.ts';
import { stillTime } from '../support/room-setup.ts';
import { ids, type TestClient, World } from '../support/room-world.ts';

stillTime();

/** A project that left from another one when both were empty, and works in files that the other one does not make. */
class Fork {
  readonly world: World;
  /** What both had last. */
  #common = new Map<string, string>();
  readonly #files = new Map<string, string>();
  #edits = 0;

  private constructor(world: World) {
    this.world = world;
  }

  static async of(home: World): Promise<Fork> {
    const { treeHash } = await home.room.history.checkpoint({ kind: 'auto', by: ids.owner });
    const world = new World(home.blobs);
    world.room.adopt([], ids.owner, [], { projectId: ids.viewer, treeHash });
    return new Fork(world);
  }

  /** No text comes twice, so that nothing looks like a move. */
  async edit(edits: readonly { path: string; gone: boolean }[]): Promise<void> {
    for (const { path, gone } of edits) {
      if (!gone) {
        this.#edits += 1;
        this.#files.set(path, `edit ${this.#edits}`);
        await this.world.room.write(path, { text: `edit ${this.#edits}` }, ids.owner);
      } else if (this.#files.delete(path)) await this.world.room.delete(path, ids.owner);
    }
  }

  /** Brings it home, taking its side of every conflict. What it has changed since the last time: null is gone. */
  async bringHome(home: World): Promise<Map<string, string | null>> {
    const { treeHash } = await this.world.room.history.snapshot();
    const { applied } = await home.room.history.merge({
      from: ids.editor,
      fromName: 'The fork',
      treeHash,
      base: this.world.room.history.checkpoints.base(ids.viewer),
      preview: false,
      resolutions: [],
      takeAll: 'theirs',
      message: undefined,
      by: ids.owner,
    });
    expect(applied).toBe(true);
    const changes = new Map<string, string | null>();
    for (const path of new Set([...this.#common.keys(), ...this.#files.keys()])) {
      const now = this.#files.get(path) ?? null;
      if (now !== (this.#common.get(path) ?? null)) changes.set(path, now);
    }
    this.#common = new Map(this.#files);
    return changes;
  }
}

/** A file of the model: those who have it open go with it wherever it goes. */
interface File {
  text: string;
  clients: TestClient[];
}
type Tree = Map<string, File>;

const below = (path: string, directory: string): boolean => path.startsWith(`${directory}/`);

/** Whether all of these paths can stand in one tree. */
function agree(paths: Iterable<string>): boolean {
  const spellings = new Map<string, string>();
  for (const path of paths) {
    const parts = path.split('/');
    for (let length = 1; length <= parts.length; length += 1) {
      const part = parts.slice(0, length).join('/') + (length < parts.length ? '/' : '');
      const fold = part.replace(/\/$/, '').toLowerCase();
      const known = spellings.get(fold);
      if (known !== undefined && (known !== part || length === parts.length)) return false;
      spellings.set(fold, part);
    }
  }
  return true;
}

/** What an operation makes of a tree, or the code of its refusal. `ended` gets the clients of files that go. */
function applied(tree: Tree, operation: BatchStep, ended: TestClient[]): Tree | string {
  const next = new Map(tree);
  if (operation.op === 'put' || operation.op === 'create') {
    const { path, op, ifMatch, content } = operation;
    if (!('text' in content)) throw new Error('texts only');
    const before = tree.get(path);
    if (before && op === 'create') return 'file_exists';
    if (ifMatch !== undefined && (!before || etag(sha256(before.text)) !== ifMatch)) return 'precondition_failed';
    next.set(path, { text: content.text, clients: before?.clients ?? [] });
    return agree(next.keys()) ? next : 'path_conflict';
  }
  if (operation.op === 'delete') {
    const gone = [...tree.keys()].filter((path) => path === operation.path || below(path, operation.path));
    if (gone.length === 0) return 'not_found';
    for (const path of gone) {
      ended.push(...(tree.get(path)?.clients ?? []));
      next.delete(path);
    }
    return next;
  }
  if (operation.op !== 'move' && operation.op !== 'copy') throw new Error('no other operation');
  const { op, from, to } = operation;
  const sources = [...tree].filter(([path]) => path === from || (!tree.has(from) && below(path, from)));
  if (sources.length === 0) return 'not_found';
  if (!tree.has(from) && below(to, from)) return 'path_conflict';
  if (op === 'move') for (const [path] of sources) next.delete(path);
  const targets = sources.map(([path, file]) => [to + path.slice(from.length), file] as const);
  for (const [path] of targets) if (next.has(path)) return 'file_exists';
  for (const [path, file] of targets) next.set(path, op === 'move' ? file : { text: file.text, clients: [] });
  return agree(next.keys()) ? next : 'path_conflict';
}

const path = fc.constantFrom('a', 'b', 'A', 'd', 'd/a', 'd/b', 'd/e/a', 'D/a', 'e');
const text = fc.string({ unit: fc.constantFrom('a', 'b', '\n', 'é', '😀'), maxLength: 8 });
const operation: fc.Arbitrary<BatchStep> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constantFrom('put' as const, 'create' as const),
      path,
      content: fc.record({ text }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('delete' as const), path }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constantFrom('move' as const, 'copy' as const), from: path, to: path }) },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('put' as const),
      path,
      content: fc.record({ text }),
      ifMatch: text.map((base) => etag(sha256(base))),
    }),
  },
);

const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('batch' as const),
      operations: fc.array(operation, { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('open' as const), which: fc.nat() }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('type' as const), who: fc.nat(), at: fc.nat(9), settle: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('close' as const), who: fc.nat() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('checkpoint' as const), named: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('restore' as const), which: fc.nat() }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.constantFrom(1000, 61_000, 700_000) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('merge' as const),
      edits: fc.array(fc.record({ path: fc.constantFrom('f/a', 'f/b'), gone: fc.boolean() }), { maxLength: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('sleep' as const) }) },
);

describe('[R16, R18, R19] A room', () => {
  it('is a map that batches change, checkpoints bring back and a fork adds to, whatever is typed, moved, crashed and put to sleep; its events tell of every change', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        vi.clearAllTimers();
        const world = new World();
        const fork = await Fork.of(world);
        let model: Tree = new Map();
        const kept: { id: string; files: Map<string, string> }[] = [];
        const textsOf = (tree: Tree): Map<string, string> =>
          new Map([...tree].map(([name, file]) => [name, file.text]));
        const forget = async (clients: readonly TestClient[]): Promise<void> => {
          for (const client of clients) {
            client.drop();
            await world.leave(client.peer);
            world.clients.splice(world.clients.indexOf(client), 1);
            for (const file of model.values()) file.clients = file.clients.filter((one) => one !== client);
          }
        };

        for (const action of steps) {
          const ended: TestClient[] = [];
          if (action.kind === 'batch') {
            let wanted: Tree | string = model;
            let refused: number | null = null;
            for (const [index, one] of action.operations.entries()) {
              wanted = applied(wanted, one, ended);
              if (typeof wanted === 'string') {
                refused = index;
                break;
              }
            }
            if (typeof wanted === 'string') {
              const error = await world.room.batch(action.operations, ids.owner).then(
                () => null,
                (thrown: unknown) => thrown,
              );
              if (!(error instanceof KilnError)) throw error ?? new Error(`not refused: ${wanted}`);
              expect([error.code, error.issues?.[0]?.path]).toEqual([wanted, `body.operations.${refused}`]);
              ended.length = 0;
            } else {
              const { results } = await world.room.batch(action.operations, ids.owner);
              expect(results).toHaveLength(action.operations.length);
              model = wanted;
            }
          } else if (action.kind === 'open') {
            const [name, file] = [...model][action.which % Math.max(1, model.size)] ?? [];
            if (name === undefined || !file || file.clients.length >= 2) continue;
            file.clients.push(await world.client(ids.editor, name));
          } else if (action.kind === 'type') {
            const client = world.clients[action.who % Math.max(1, world.clients.length)];
            const file = [...model.values()].find(({ clients }) => clients.some((one) => one === client));
            if (!client || !file) continue;
            await world.settle();
            const index = [...client.content].slice(0, action.at).join('').length;
            client.type(index, 'x');
            file.text = client.content;
            // It has reached the room, and its window is open.
            await vi.advanceTimersByTimeAsync(0);
            if (!action.settle) continue;
          } else if (action.kind === 'close') {
            const client = world.clients[action.who % Math.max(1, world.clients.length)];
            if (client) await forget([client]);
          } else if (action.kind === 'checkpoint') {
            const { id } = await world.room.history.checkpoint({
              kind: 'manual',
              name: action.named ? 'named' : undefined,
              by: ids.owner,
            });
            kept.push({ id, files: textsOf(model) });
          } else if (action.kind === 'restore') {
            const target = kept[action.which % Math.max(1, kept.length)];
            if (!target) continue;
            const before = textsOf(model);
            const { checkpoint } = await world.room.history.restore(target.id, ids.owner);
            kept.push({ id: checkpoint.id, files: before });
            for (const [name, file] of model) if (!target.files.has(name)) ended.push(...file.clients);
            model = new Map(
              [...target.files].map(([name, content]) => [
                name,
                { text: content, clients: model.get(name)?.clients ?? [] },
              ]),
            );
          } else if (action.kind === 'merge') {
            await fork.edit(action.edits);
            const next = new Map(model);
            for (const [name, content] of await fork.bringHome(world)) {
              const file = model.get(name);
              if (content !== null) next.set(name, { text: content, clients: file?.clients ?? [] });
              else if (next.delete(name)) ended.push(...(file?.clients ?? []));
            }
            model = next;
          } else if (action.kind === 'pass') await world.pass(action.ms);
          else if (action.kind === 'sleep') {
            await world.settle();
            await vi.advanceTimersByTimeAsync(limits.room.savedWindow);
            world.hibernate(world.clients.map(({ peer }) => peer));
          } else {
            await world.settle();
            world.crash();
            for (const [name, { clients }] of model)
              for (const client of clients) {
                client.path = name;
                await client.connect();
              }
          }
          await world.settle();
          expect(ended.map(({ peer }) => peer.closed)).toEqual(ended.map(() => 'not_found'));
          await forget(ended);

          for (const [name, { text: content, clients }] of model)
            for (const client of clients) expect([client.content, client.peer.closed], name).toEqual([content, null]);
          expect(await world.contents()).toEqual(Object.fromEntries(textsOf(model)));
          const entries = [...model].map(([name, { text: content }]) => ({
            path: name,
            hash: sha256(content),
            size: Buffer.byteLength(content),
            mode: 0o644,
          }));
          expect(world.room.tree().hash).toBe(hashTree(entries));
          const { events } = world.room.events(0);
          const replayed = [...replay(events)].map(([name, content]) => ({ path: name, ...content, mode: 0o644 }));
          expect(hashTree(replayed)).toBe(hashTree(entries));
          expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
        }

        await world.settle();
        expect(await world.contents()).toEqual(Object.fromEntries(textsOf(model)));
        expect(world.refusals).toEqual([]);
        const left = new Set(world.room.history.checkpoints.list({ limit: 200 }).checkpoints.map(({ id }) => id));
        for (const { id, files } of kept) {
          expect(left).toContain(id);
          const { treeHash } = world.room.history.checkpoints.get(id);
          const stored = (world.blobs.trees.get(treeHash) ?? []).map(
            ({ path: name, hash }) => [name, new TextDecoder().decode(world.blobs.blobs.get(hash))] as const,
          );
          expect(new Map(stored)).toEqual(files);
        }
        await world.room.writeIndex();
        const index = new Map<string, string>();
        for (const { changed, removed } of world.indexed) {
          for (const file of removed) index.delete(file.path);
          for (const file of changed) index.set(file.path, file.hash);
        }
        expect(index).toEqual(new Map([...textsOf(model)].map(([name, content]) => [name, sha256(content)])));
      }),
      { numRuns: 100 },
    );
  }, 30_000);
});
