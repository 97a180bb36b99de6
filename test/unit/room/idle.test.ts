import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it, vi } from 'vitest';
import { limits } from '../../../src/contract/limits.ts';
import { IdleDocuments } from '../../../src/durable-objects/room/idle-documents.ts';
import { world, worldPerTest, write } from '../support/room-setup.ts';
import { ids, step1, type TestClient, World } from '../support/room-world.ts';

const { count, bytes, ttl } = limits.room.idleDocuments;

worldPerTest();

/** Somebody opens the document, types and goes. */
async function visit(path: string, typed = '', at = world): Promise<TestClient> {
  const client = await at.client(ids.editor, path);
  if (typed) client.type(0, typed);
  await at.settle();
  await gone(client, at);
  return client;
}

async function gone(client: TestClient, at = world): Promise<void> {
  client.drop();
  await at.leave(client.peer);
  at.clients.splice(at.clients.indexOf(client), 1);
}

/** How often `work` reads a document's history. */
async function reads(work: () => Promise<unknown>, at = world): Promise<number> {
  const all = vi.spyOn(at.sql, 'all');
  await work();
  const count = all.mock.calls.filter(([query]) =>
    query.startsWith('SELECT seq, data, author, vector FROM document_snapshots'),
  ).length;
  all.mockRestore();
  return count;
}

describe('[R4] A document that nobody has open', () => {
  it('[R4] waits in memory: who comes back reads no log', async () => {
    await write('a', 'a');
    await visit('a', 'one ');
    expect(world.idle.count).toBe(1);
    expect(await reads(() => visit('a', 'two '))).toBe(0);
    expect(await world.text('a')).toBe('two one a');
    expect(world.idle.count).toBe(1);
  });

  it('[R4] is flushed and folded before it waits', async () => {
    await write('a', '');
    await visit('a', 'typed');
    expect(world.sql.all('SELECT * FROM dirty')).toEqual([]);
    expect(world.sql.all('SELECT * FROM document_log')).toEqual([]);
    expect(world.durable('a')).toBe('typed');
    world.crash();
    expect(await world.text('a')).toBe('typed');
  });

  it('[R4] is not folded again by who only looked', async () => {
    await write('a', 'a');
    await visit('a', 'typed ');
    const all = vi.spyOn(world.sql, 'all');
    await visit('a');
    expect(all.mock.calls.filter(([query]) => /(INSERT|DELETE).*document_snapshots/.test(query))).toEqual([]);
  });

  it('[R4] takes what is written through HTTP meanwhile', async () => {
    await write('a', 'a');
    await visit('a', 'typed ');
    await write('a', 'typed, and written');
    const client = await world.client(ids.owner, 'a');
    expect(client.content).toBe('typed, and written');
    expect(await reads(() => write('a', 'again'))).toBe(0);
    await world.settle();
    expect(client.content).toBe('again');
  });

  it('[R4] takes the form that its new name asks for when somebody opens it', async () => {
    await write('a.scene.json', '{"nodes":{}}');
    await visit('a.scene.json');
    await world.room.batch([{ op: 'move', from: 'a.scene.json', to: 'a.txt' }], ids.owner);
    expect(world.idle.count).toBe(1);
    const client = await world.client(ids.editor, 'a.txt');
    expect(client.content).toBe(await world.text('a.txt'));
    client.type(0, '// ');
    await world.settle();
    expect(await world.text('a.txt')).toMatch(/^\/\/ \{/);
    world.crash();
    expect(await world.text('a.txt')).toBe(client.content);
  });

  it('[R4] ends with its file', async () => {
    await write('a', 'a');
    await visit('a');
    await world.room.delete('a', ids.owner);
    expect([world.idle.count, world.idle.bytes]).toEqual([0, 0]);
  });

  it('[R4] does not wait when it could not be flushed, and loses nothing', async () => {
    await write('a', '');
    const client = await world.client(ids.editor, 'a');
    client.type(0, 'typed');
    await vi.advanceTimersByTimeAsync(limits.room.commitWindow.max);
    world.sql.failure = (query) => (query.startsWith('DELETE FROM dirty') ? new Error('the disk is full') : undefined);
    await gone(client);
    world.sql.failure = null;
    expect(world.logged).toContain('room.flush_failed');
    expect(world.idle.count).toBe(0);
    await world.pass(limits.room.flushAfter);
    expect(await world.text('a')).toBe('typed');
  });

  it('[R4] does not wait with what a client made to wait for ever', async () => {
    await write('a', 'a');
    const client = await world.client(ids.editor, 'a');
    client.online = false;
    client.type(0, 'lost');
    client.online = true;
    client.type(4, 'after');
    await world.settle();
    await gone(client);
    expect(world.idle.count).toBe(0);
    expect(await world.text('a')).toBe('a');
  });

  it('[R4] is the same one for who comes in the moment in which the last one leaves', async () => {
    await write('a', '');
    const [one, two] = [await world.client(ids.editor, 'a'), await world.client(ids.owner, 'a')];
    one.type(0, 'one');
    await world.settle();
    await gone(two);
    await Promise.all([gone(one), two.connect()]);
    world.clients.push(two);
    await world.settle();
    expect(world.idle.count).toBe(0);
    two.type(0, 'two ');
    await world.settle();
    expect(await world.text('a')).toBe('two one');
    expect((await world.client(ids.viewer, 'a')).content).toBe('two one');
  });

  it('[R4] waits also when whoever wanted it was gone before it was read', async () => {
    world.room.adopt([world.blobs.seed('a', 'cold')], ids.owner);
    const arrived = Promise.withResolvers<void>();
    world.blobs.before = (call) => (call === 'get' ? arrived.promise : undefined);
    const peer = world.socket(ids.editor, { kind: 'document', file: world.room.documentTarget('a') });
    const joining = world.room.join(peer);
    await world.leave(peer);
    arrived.resolve();
    await joining;
    expect(world.idle.count).toBe(1);
    await world.send(world.socket(ids.editor, peer.state.target), step1((await visit('a')).doc));
    expect(world.idle.count).toBe(1);
  });
});

describe('[R4] The budget of an isolate', () => {
  it('[R4] is of all its rooms: who waited longest goes, in whichever room', async () => {
    const other = new World(undefined, world.idle);
    await write('first', 'a');
    await visit('first');
    for (let n = 0; n < count; n += 1) {
      await write(`${n}`, 'x', {}, other);
      await visit(`${n}`, '', other);
    }
    expect(world.idle.count).toBe(count);
    expect(await reads(() => visit('first'))).toBe(1);
    // That was one too many again.
    expect(await reads(() => visit('0', '', other), other)).toBe(1);
    expect(await reads(() => visit(`${count - 1}`, '', other), other)).toBe(0);
  });

  it('[R4] is one of memory too, and what was unloaded is whole', async () => {
    await write('small', 'small');
    await visit('small', 'very ');
    const large = 'x'.repeat(limits.file.textMax - 100);
    const needed = Math.ceil(bytes / (2 * large.length));
    for (let n = 0; n < needed; n += 1) {
      await write(`${n}`, large);
      await visit(`${n}`, `${n}`);
    }
    expect(world.idle.bytes).toBeLessThanOrEqual(bytes);
    expect(world.idle.count).toBeLessThan(needed + 1);
    expect(await reads(() => visit('small'))).toBe(1);
    expect(await world.text('small')).toBe('very small');
  });

  it('[R4] does not touch documents in use, however many', async () => {
    const clients: TestClient[] = [];
    for (let n = 0; n <= count + 1; n += 1) {
      await write(`${n}`, 'x');
      const client = await world.client(ids.editor, `${n}`);
      world.clients.splice(0);
      clients.push(client);
    }
    await write('idle', 'x');
    await visit('idle');
    world.clients.push(...clients);
    expect(
      await reads(async () => {
        for (const [n, client] of clients.entries()) client.type(0, `${n} `);
        await world.settle();
      }),
    ).toBe(0);
    expect(clients.every(({ peer }) => peer.closed === null)).toBe(true);
    for (const n of clients.keys()) expect(await world.text(`${n}`)).toBe(`${n} x`);
  });

  it('[R4] is one of time: after that the next one who comes to any room, or the alarm, lets go of it', async () => {
    const other = new World(undefined, world.idle);
    await write('a', 'a');
    await write('b', 'b', {}, other);
    await visit('a');
    await vi.advanceTimersByTimeAsync(ttl / 2);
    await visit('b', '', other);
    expect(world.idle.count).toBe(2);
    await vi.advanceTimersByTimeAsync(ttl / 2);
    await visit('b', '', other);
    expect(world.idle.count).toBe(1);
    await vi.advanceTimersByTimeAsync(ttl);
    await other.room.tick();
    expect(world.idle.count).toBe(0);
    expect([await world.text('a'), await other.text('b')]).toEqual(['a', 'b']);
  });

  it('[R4] keeps no room alive that the platform evicted', async () => {
    vi.useRealTimers();
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const idle = new IdleDocuments();
    (() => idle.add({ unload: () => undefined }, { file: 1, bytes: 100, since: 0 }))();
    await expect
      .poll(() => {
        collect();
        idle.tidy(0);
        return [idle.count, idle.bytes];
      })
      .toEqual([0, 0]);
  });
});
