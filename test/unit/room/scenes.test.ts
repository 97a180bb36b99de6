import { describe, expect, it } from 'vitest';
import type * as Y from 'yjs';
import { limits } from '../../../src/contract/limits.ts';
import { etag } from '../../../src/core/etag.ts';
import { sha256 } from '../../../src/core/tree.ts';
import { newWorld, world, worldPerTest } from '../support/room-setup.ts';
import { ids, type TestClient } from '../support/room-world.ts';

const path = 'level.scene.json';

worldPerTest({ [path]: '{"nodes":{"a":{"parent":null,"hp":1},"b":{"parent":null}}}' });

const root = (client: TestClient): Y.Map<unknown> => client.doc.getMap('root');
const node = (client: TestClient, id: string): Y.Map<unknown> =>
  (root(client).get('nodes') as Y.Map<Y.Map<unknown>>).get(id) as Y.Map<unknown>;
const scene = async (at = path): Promise<unknown> => JSON.parse((await world.text(at)) ?? '');
const put = (text: string, options = {}, at = path) => world.room.write(at, { text }, ids.owner, options);
const checks = (): unknown[] =>
  world.room
    .events(0)
    .events.filter(({ type }) => type === 'document.checked')
    .map(({ data }) => data);

describe('[R22] A scene in a room', () => {
  it('is a shared map for those who have it open, and canonical JSON in the tree', async () => {
    const [one, two] = [await world.client(ids.editor, path), await world.client(ids.owner, path)];
    expect(root(one).toJSON()).toEqual({ nodes: { a: { hp: 1, parent: null }, b: { parent: null } } });
    node(one, 'a').set('hp', 2);
    node(two, 'b').set('parent', 'a');
    await world.settle();
    expect(root(one).toJSON()).toEqual(root(two).toJSON());
    await world.pass(limits.room.flushAfter);
    expect(await world.text(path)).toBe(
      '{\n  "nodes": {\n    "a": {\n      "hp": 2,\n      "parent": null\n    },\n    "b": {\n      "parent": "a"\n    }\n  }\n}\n',
    );
  });

  it('[R8] takes a write through HTTP as changes of fields: what others do to other fields stays', async () => {
    const client = await world.client(ids.editor, path);
    const { hash } = (await world.room.read(path)).file;
    node(client, 'a').set('hp', 7);
    await world.settle();
    await put('{"nodes":{"a":{"parent":"b","hp":1},"b":{"parent":null},"c":{}}}', { ifMatch: etag(hash) });
    await world.settle();
    const expected = { nodes: { a: { parent: 'b', hp: 7 }, b: { parent: null }, c: {} } };
    expect(root(client).toJSON()).toEqual(expected);
    expect(await scene()).toEqual(expected);
  });

  it('reads back what was written as it was laid out, until somebody edits it', async () => {
    const client = await world.client(ids.editor, path);
    const text = '{ "nodes": { "a": { "hp": 5 } } }';
    await put(text);
    expect(await world.text(path)).toBe(text);
    await world.settle();
    node(client, 'a').set('hp', 6);
    await world.settle();
    expect(await world.text(path)).toBe('{\n  "nodes": {\n    "a": {\n      "hp": 6\n    }\n  }\n}\n');
  });

  it('is looked at when it is written, and when it is opened first, so that its problems are known before anybody edits', async () => {
    const bad = '{"nodes":{"n":{"parent":7}}}';
    await put(bad, {}, 'written.scene.json');
    await world.room.batch([{ op: 'copy', from: 'written.scene.json', to: 'copied.scene.json' }], ids.owner);
    expect(world.room.problems().map((one) => one.path)).toEqual(['written.scene.json']);
    await world.client(ids.viewer, 'copied.scene.json');
    expect(world.room.problems().map((one) => one.path)).toEqual(['written.scene.json', 'copied.scene.json']);
    await world.room.batch([{ op: 'move', from: 'written.scene.json', to: 'no-scene.json' }], ids.owner);
    expect(world.room.problems().map((one) => one.path)).toEqual(['copied.scene.json']);
    await world.room.batch([{ op: 'move', from: 'no-scene.json', to: 'again.scene.json' }], ids.owner);
    await put('{"nodes":{}}', {}, 'again.scene.json');
    expect(world.room.problems().map((one) => one.path)).toEqual(['copied.scene.json']);
    await put(bad, {}, 'again.scene.json');
    await world.room.write('again.scene.json', { hash: sha256('x'), size: 1 }, ids.owner);
    expect(world.room.problems().map((one) => one.path)).toEqual(['copied.scene.json']);
    expect(checks().at(-1)).toEqual({ path: 'again.scene.json', form: 'scene', issues: [] });
  });

  it('is mended by the rule when two moves made a circle, for all and in the file', async () => {
    const [one, two] = [await world.client(ids.editor, path), await world.client(ids.owner, path)];
    one.drop();
    two.drop();
    node(one, 'a').set('parent', 'b');
    node(two, 'b').set('parent', 'a');
    await world.leave(one.peer);
    await world.leave(two.peer);
    await one.connect();
    await two.connect();
    await world.settle();
    await world.pass(limits.room.flushAfter);
    await world.settle();
    const expected = { nodes: { a: { parent: null, hp: 1 }, b: { parent: 'a' } } };
    expect(await scene()).toEqual(expected);
    for (const client of [one, two]) expect(root(client).toJSON()).toEqual(expected);
  });

  it('is mended as well when nobody has it open any more', async () => {
    const [one, two] = [await world.client(ids.editor, path), await world.client(ids.owner, path)];
    one.drop();
    node(one, 'a').set('parent', 'b');
    node(two, 'b').set('parent', 'a');
    await world.settle();
    await world.leave(one.peer);
    await one.connect();
    await world.settle();
    world.crash();
    expect(await scene()).toEqual({ nodes: { a: { parent: null, hp: 1 }, b: { parent: 'a' } } });
    world.crash();
    const late = await world.client(ids.viewer, path);
    expect(root(late).toJSON()).toEqual(await scene());
  });

  it('that does not fit its schema is told to everybody, kept, and told again when it fits', async () => {
    const [client, channel] = [await world.client(ids.editor, path), await world.channel(ids.viewer)];
    node(client, 'a').set('parent', 5);
    await world.settle();
    await world.pass(limits.room.flushAfter);
    expect(await scene()).toMatchObject({ nodes: { a: { parent: 5 } } });
    const issues = [{ pointer: '/nodes/a/parent', message: expect.any(String) }];
    expect(world.room.problems()).toEqual([{ path, form: 'scene', issues }]);
    expect(channel.heard('event').at(-2)?.event).toMatchObject({
      type: 'document.checked',
      by: ids.editor,
      data: { path, issues },
    });
    node(client, 'a').set('parent', null);
    await world.settle();
    expect(world.room.problems()).toEqual([]);
    expect(checks()).toHaveLength(2);
    await world.room.delete(path, ids.owner);
    expect(world.dump().document_problems).toEqual([]);
  });

  it('that is no JSON is text, so that it can be mended, and a scene when it is opened the next time', async () => {
    await put('{"nodes": {', {}, 'broken.scene.json');
    const client = await world.client(ids.editor, 'broken.scene.json');
    expect(client.content).toBe('{"nodes": {');
    client.type(client.content.length, '}}');
    await world.settle();
    expect(await world.text('broken.scene.json')).toBe('{"nodes": {}}');
    expect(world.room.problems()).toMatchObject([{ path: 'broken.scene.json', form: 'text' }]);
    await world.leave(client.peer);
    world.clients.splice(0);
    const next = await world.client(ids.editor, 'broken.scene.json');
    expect(root(next).toJSON()).toEqual({ nodes: {} });
    await world.pass(limits.room.flushAfter);
    expect(await world.text('broken.scene.json')).toBe('{\n  "nodes": {}\n}\n');
    expect(world.room.problems()).toEqual([]);
  });

  it('becomes text at once for those in it when HTTP writes something else', async () => {
    const client = await world.client(ids.editor, path);
    await put('<<<<<<< ours');
    await world.settle();
    expect(client.doc.getMap('kiln').get('form')).toBe('text');
    expect(client.content).toBe('<<<<<<< ours');
    expect(await world.text(path)).toBe('<<<<<<< ours');
  });

  it('made of a text by its new name stays text for those in it, also over a sleep, and is a scene for the next', async () => {
    await put('{"nodes":{"n":{}}}', {}, 'draft.txt');
    const client = await world.client(ids.editor, 'draft.txt');
    client.type(client.content.length, '\n');
    await world.settle();
    await world.room.batch([{ op: 'move', from: 'draft.txt', to: 'draft.scene.json' }], ids.owner);
    client.path = 'draft.scene.json';
    client.type(0, ' ');
    await world.settle();
    world.hibernate([client.peer]);
    client.type(0, ' ');
    await world.settle();
    expect(await world.text('draft.scene.json')).toBe('  {"nodes":{"n":{}}}\n');
    await world.leave(client.peer);
    world.clients.splice(0);
    const next = await world.client(ids.owner, 'draft.scene.json');
    expect(root(next).toJSON()).toEqual({ nodes: { n: {} } });
    // And back again.
    await world.room.batch([{ op: 'move', from: 'draft.scene.json', to: 'draft.txt' }], ids.owner);
    (root(next).get('nodes') as Y.Map<unknown>).set('m', 1);
    await world.settle();
    expect(await scene('draft.txt')).toEqual({ nodes: { m: 1, n: {} } });
    await world.leave(next.peer);
    world.clients.splice(0);
    expect((await world.client(ids.owner, 'draft.txt')).content).toBe(await world.text('draft.txt'));
  });

  it('comes back from a checkpoint field by field, while it is open', async () => {
    const kept = await world.room.history.checkpoint({ kind: 'manual', by: ids.owner });
    const client = await world.client(ids.editor, path);
    node(client, 'a').set('hp', 99);
    await world.settle();
    const { treeHash } = await world.room.history.restore(kept.id, ids.owner);
    await world.settle();
    expect(treeHash).toBe(kept.treeHash);
    expect(root(client).toJSON()).toEqual({ nodes: { a: { hp: 1, parent: null }, b: { parent: null } } });
  });

  it('[R3] takes no edit that would make its file too large, and goes on for the others', async () => {
    const [one, two] = [await world.client(ids.editor, path), await world.client(ids.owner, path)];
    root(one).set(
      'big',
      Array.from({ length: 300_000 }, () => 1),
    );
    await world.settle();
    expect(one.peer.closed).toBe('payload_too_large');
    root(two).set('small', 1);
    await world.settle();
    expect(two.peer.closed).toBeNull();
    expect(await scene()).toMatchObject({ small: 1 });
  });

  it('[R9] counts against the size of the project as it is laid out, from its first edit on', async () => {
    const ones = Array.from({ length: 20_000 }, () => 1);
    const written = JSON.stringify({ ones });
    const max = limits.project.totalSize + limits.project.typingSlack;
    for (const [left, closed] of [
      [10_000, 'quota_exceeded'],
      [200_000, null],
    ] as const) {
      newWorld();
      world.room.adopt(
        [
          { path: 'big.bin', hash: sha256('big'), size: max - left - written.length, mode: 0o644, isText: false },
          world.blobs.seed(path, written),
        ],
        ids.owner,
      );
      const client = await world.client(ids.editor, path);
      root(client).set('hp', 1);
      await world.settle();
      expect(client.peer.closed).toBe(closed);
      const sizes = world.room.list().files.map(({ size }) => size);
      expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(max);
      expect(await scene()).toEqual(closed === null ? { ones, hp: 1 } : { ones });
    }
  });

  it('[R6] is not changed by a viewer', async () => {
    const viewer = await world.client(ids.viewer, path);
    node(viewer, 'a').set('hp', 0);
    await world.settle();
    expect(await scene()).toMatchObject({ nodes: { a: { hp: 1 } } });
  });
});
