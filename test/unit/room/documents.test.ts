import * as encoding from 'lib0/encoding';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import * as Y from 'yjs';
import { limits } from '../../../src/contract/limits.ts';
import { etag } from '../../../src/core/etag.ts';
import { hashTree, sha256 } from '../../../src/core/tree.ts';
import { commitWindowFor } from '../../../src/durable-objects/room/live-document.ts';
import {
  awarenessPayload,
  codeOf,
  frameOf,
  ids,
  step1,
  step2,
  TestClient,
  updateOf,
  World,
} from '../support/room-world.ts';

let world: World;

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) });
  world = new World();
});
afterEach(() => {
  vi.useRealTimers();
});

const write = (path: string, text: string, options = {}) => world.room.write(path, { text }, ids.owner, options);
const logRows = (): number => world.sql.all('SELECT * FROM document_log').length;
const commitWindow = limits.room.commitWindow.max;

/** The update that inserts some text at the start of a document that a client has. */
function insertion(base: Y.Doc, text: string, index = 0): Uint8Array {
  const doc = new Y.Doc();
  Y.applyUpdate(doc, Y.encodeStateAsUpdate(base));
  const vector = Y.encodeStateVector(doc);
  doc.getText('content').insert(index, text);
  return Y.encodeStateAsUpdate(doc, vector);
}

/** State vector of a document as the room tells it to a newcomer. */
async function stateVector(path: string): Promise<Map<number, number>> {
  const peer = world.socket(ids.owner, { kind: 'document', file: world.room.documentTarget(path) });
  await world.room.join(peer);
  const [, vector] = peer.synced.find(([type]) => type === 0) ?? [];
  await world.leave(peer);
  return Y.decodeStateVector(vector ?? new Uint8Array([0]));
}

describe('Documents', () => {
  it('start with the text of their file', async () => {
    await write('a', 'hello');
    expect((await world.client(ids.editor, 'a')).content).toBe('hello');
  });

  it('start with text from the blob store when it is not hot, once, also when two come together', async () => {
    world.room.adopt([world.blobs.seed('a', 'hello')], ids.owner);
    const [one, two] = [new TestClient(world, ids.owner, 'a'), new TestClient(world, ids.editor, 'a')];
    world.clients.push(one, two);
    await Promise.all([one.connect(), two.connect()]);
    await world.settle();
    expect([one.content, two.content]).toEqual(['hello', 'hello']);
  });

  it('do not double their text when they are opened again, after a leave, a crash or a sleep', async () => {
    await write('a', 'hello');
    const client = await world.client(ids.editor, 'a');
    await world.leave(client.peer);
    await client.connect();
    await world.settle();
    world.crash();
    await client.connect();
    await world.settle();
    world.hibernate([client.peer]);
    client.type(0, '>');
    await world.settle();
    expect(client.content).toBe('>hello');
    expect(await world.text('a')).toBe('>hello');
  });

  it('are the same for all: what one types the others get', async () => {
    await write('a', '');
    const [one, two, three] = [
      await world.client(ids.owner, 'a'),
      await world.client(ids.editor, 'a'),
      await world.client(ids.viewer, 'a'),
    ];
    one.type(0, 'from one. ');
    two.type(0, 'from two. ');
    await world.settle();
    expect(two.content).toBe(one.content);
    expect(three.content).toBe(one.content);
    expect(one.content).toContain('from one. ');
    expect(one.content).toContain('from two. ');
    expect(await world.text('a')).toBe(one.content);
  });

  it('exist for text files only', async () => {
    await world.room.write('a.png', { hash: sha256('x'), size: 1 }, ids.owner);
    expect(await codeOf(() => world.room.documentTarget('a.png'))).toBe('not_a_document');
    expect(await codeOf(() => world.room.documentTarget('missing'))).toBe('not_found');
  });

  it('are not said to have moved when the last file of that path was deleted', async () => {
    const target = () => codeOf(() => world.room.documentTarget('dir/a'));
    const move = (from: string, to: string) => world.room.batch([{ op: 'move', from, to }], ids.owner);
    await write('dir/a', 'a');
    await move('dir', 'elsewhere');
    expect(await target()).toBe('moved');
    await write('dir/a', 'another');
    await world.room.delete('dir/a', ids.owner);
    expect(await target()).toBe('not_found');
    await write('dir/a', 'a third');
    await move('dir/a', 'b');
    expect(await target()).toBe('moved');
  });

  it('end with their file: deleted, or turned into bytes', async () => {
    await write('a', 'a');
    await write('b', 'b');
    const [a, b] = [await world.client(ids.editor, 'a'), await world.client(ids.editor, 'b')];
    a.type(0, 'unsaved');
    await world.room.delete('a', ids.owner);
    await world.room.write('b', { hash: sha256('x'), size: 1 }, ids.owner);
    expect([a.peer.closed, b.peer.closed]).toEqual(['not_found', 'not_a_document']);
    for (const { peer } of [a, b]) await world.leave(peer);
    expect(world.sql.all('SELECT * FROM document_log')).toEqual([]);
    expect(world.sql.all('SELECT * FROM dirty')).toEqual([]);
    expect(world.room.presence()).toEqual([]);
    // A new file of that name starts anew.
    await write('a', 'fresh');
    expect((await world.client(ids.owner, 'a')).content).toBe('fresh');
  });
});

describe('[R1] Durable before seen', () => {
  it('[R1] an update is in the log before any other peer gets it', async () => {
    await write('a', '');
    const one = await world.client(ids.owner, 'a');
    const two = await world.client(ids.editor, 'a');
    const seen: string[] = [];
    two.peer.onSend = () => {
      expect(world.sql.inTransaction).toBe(false);
      seen.push(world.durable('a'));
    };
    one.type(0, 'durable');
    await vi.advanceTimersByTimeAsync(commitWindow);
    expect(seen).toEqual(['durable']);
  });

  it('[R1] nobody is sent what is not on disk yet; then all of it comes, in its order, whatever is known first', async () => {
    await write('a', '');
    const one = await world.client(ids.owner, 'a');
    const two = await world.client(ids.editor, 'a');
    const { length } = two.peer.frames;
    const disks: PromiseWithResolvers<void>[] = [];
    for (const text of ['first ', 'second ', 'third ']) {
      const disk = Promise.withResolvers<void>();
      disks.push(disk);
      world.disk = disk;
      one.type(one.content.length, text);
      await vi.advanceTimersByTimeAsync(commitWindow);
    }
    expect(world.durable('a')).toBe('first second third ');
    expect(two.peer.frames.length).toBe(length);
    disks[1]?.resolve();
    await vi.advanceTimersByTimeAsync(0);
    expect(two.peer.frames.length).toBe(length + 2);
    await two.pump();
    expect(two.content).toBe('first second ');
    disks[0]?.resolve();
    await vi.advanceTimersByTimeAsync(0);
    expect(two.peer.frames.length).toBe(length + 2);
    disks[2]?.resolve();
    await world.settle();
    expect(two.peer.frames.length).toBe(length + 3);
    expect(two.content).toBe('first second third ');
  });

  it('[R1] a disk that fails later than the write ends the sockets, and nobody has seen the update', async () => {
    await write('a', 'before');
    const one = await world.client(ids.owner, 'a');
    const two = await world.client(ids.editor, 'a');
    const frames = two.peer.frames.length;
    world.disk = Promise.withResolvers();
    one.type(0, 'lost? ');
    await vi.advanceTimersByTimeAsync(commitWindow);
    world.disk.reject(new Error('disk I/O error'));
    await vi.advanceTimersByTimeAsync(0);
    expect(world.logged).toContain('room.commit_failed');
    expect(two.peer.frames.length).toBe(frames);
    expect([one.peer.closed, two.peer.closed]).toEqual(['unavailable', 'unavailable']);
  });

  it('[R1] a newcomer is told only what is in the log, also in the middle of a window', async () => {
    await write('a', '');
    const one = await world.client(ids.owner, 'a');
    one.type(0, 'x');
    const peer = world.socket(ids.editor, { kind: 'document', file: world.room.documentTarget('a') });
    const seen: string[] = [];
    peer.onSend = () => seen.push(world.durable('a'));
    one.type(0, 'y');
    await world.room.join(peer);
    one.type(0, 'z');
    await world.send(peer, step1(new Y.Doc()));
    expect(seen.length).toBeGreaterThanOrEqual(2);
    expect(seen[0]).toBe('yx');
    expect(seen.at(-1)).toBe('zyx');
  });

  it('[R1] a reader over REST is told only what is in the log', async () => {
    await write('a', '');
    const one = await world.client(ids.owner, 'a');
    one.type(0, 'typed');
    expect(await world.text('a')).toBe('typed');
    expect(world.durable('a')).toBe('typed');
  });

  it.each([/INSERT INTO document_log/, /INSERT INTO dirty/, /COMMIT/])(
    '[R1] when storing fails at %s, nobody sees the update and the sockets end as unavailable',
    async (statement) => {
      await write('a', 'before');
      const one = await world.client(ids.owner, 'a');
      const two = await world.client(ids.editor, 'a');
      const frames = two.peer.frames.length;
      one.type(0, 'lost? ');
      world.sql.failOnce(statement);
      vi.advanceTimersByTime(commitWindow);
      expect(world.logged).toContain('room.commit_failed');
      expect(two.peer.frames.length).toBe(frames);
      expect([one.peer.closed, two.peer.closed]).toEqual(['unavailable', 'unavailable']);
      expect(world.durable('a')).toBe('before');
    },
  );

  it('[R1] after a failure nobody who comes sees what was not stored, and the author who comes back brings it again', async () => {
    await write('a', 'before');
    const one = await world.client(ids.owner, 'a');
    const two = await world.client(ids.editor, 'a');
    one.type(0, 'kept: ');
    world.sql.failOnce(/INSERT INTO document_log/);
    vi.advanceTimersByTime(commitWindow);
    expect(world.logged).toContain('room.commit_failed');
    for (const { peer } of [one, two]) await world.leave(peer);
    expect(await world.text('a')).toBe('before');
    await two.connect();
    await world.settle();
    expect(two.content).toBe('before');
    await one.connect();
    await world.settle();
    expect([one.content, two.content]).toEqual(['kept: before', 'kept: before']);
    expect(world.durable('a')).toBe('kept: before');
    expect(await world.text('a')).toBe('kept: before');
  });

  it('[R1] after a failure a REST write is stored, not only answered', async () => {
    await write('a', 'before');
    const one = await world.client(ids.owner, 'a');
    one.type(0, 'x');
    world.sql.failOnce(/INSERT INTO document_log/);
    vi.advanceTimersByTime(commitWindow);
    expect(world.logged).toContain('room.commit_failed');
    await world.leave(one.peer);
    await write('a', 'written after the failure');
    expect(await world.text('a')).toBe('written after the failure');
    expect(world.crash().list().files[0]?.hash).toBe(sha256('written after the failure'));
  });

  it('[R1] a sender who depends on what only another client had gets it when it comes', async () => {
    await write('a', '');
    const one = await world.client(ids.owner, 'a');
    const two = await world.client(ids.editor, 'a');
    // Both are tabs of one browser and share edits beside the room; two's edit reaches the room first.
    one.online = false;
    two.online = false;
    one.type(0, 'AB');
    Y.applyUpdate(two.doc, Y.encodeStateAsUpdate(one.doc), 'server');
    const vector = Y.encodeStateVector(two.doc);
    two.type(1, '-');
    const dependent = Y.encodeStateAsUpdate(two.doc, vector);
    one.online = true;
    two.online = true;
    await world.send(two.peer, updateOf(dependent));
    await world.settle();
    await world.send(one.peer, updateOf(Y.encodeStateAsUpdate(one.doc)));
    await world.settle();
    expect(await world.text('a')).toBe('A-B');
    expect(one.content).toBe('A-B');
    expect(two.content).toBe('A-B');
  });
});

describe('[R2] Acknowledgements', () => {
  it('[R2] go to the author only, only after the commit, batched within their window', async () => {
    await write('a', '');
    const [author, other] = [await world.channel(ids.editor), await world.channel(ids.owner)];
    const client = await world.client(ids.editor, 'a');
    await world.client(ids.owner, 'a');
    author.onSend = (frame) => {
      if (String(frame).includes('"saved"')) expect(world.durable('a')).toContain('x');
    };
    for (let n = 0; n < 5; n += 1) {
      client.type(0, 'x');
      await vi.advanceTimersByTimeAsync(commitWindowFor(2));
    }
    expect(author.heard('saved')).toEqual([]);
    await vi.advanceTimersByTimeAsync(limits.room.savedWindow);
    const [saved, ...more] = author.heard('saved');
    expect(more).toEqual([]);
    expect(saved).toMatchObject({ path: 'a' });
    expect(saved?.seq).toBe(world.sql.all<{ seq: number }>('SELECT max(seq) AS seq FROM document_log')[0]?.seq);
    expect(other.heard('saved')).toEqual([]);
  });

  it('[R2] name every author of a merged window', async () => {
    await write('a', '');
    const [one, two] = [await world.channel(ids.editor), await world.channel(ids.owner)];
    const [a, b] = [await world.client(ids.editor, 'a'), await world.client(ids.owner, 'a')];
    a.type(0, 'a');
    b.type(0, 'b');
    await vi.advanceTimersByTimeAsync(commitWindow + limits.room.savedWindow);
    expect([one.heard('saved').length, two.heard('saved').length]).toEqual([1, 1]);
  });

  it('[R2] are not given for what waits for updates of others, also beside those of the same window', async () => {
    await write('a', '');
    const [waiting, told] = [await world.channel(ids.editor), await world.channel(ids.owner)];
    const [one, two] = [await world.client(ids.editor, 'a'), await world.client(ids.owner, 'a')];
    // The second update of a document whose first has not come.
    const doc = new Y.Doc();
    doc.getText('content').insert(0, 'AB');
    const first = Y.encodeStateAsUpdate(doc);
    const vector = Y.encodeStateVector(doc);
    doc.getText('content').insert(1, '-');
    two.type(0, 'x');
    await world.send(one.peer, updateOf(Y.encodeStateAsUpdate(doc, vector)));
    await vi.advanceTimersByTimeAsync(commitWindow + limits.room.savedWindow);
    expect([waiting.heard('saved').length, told.heard('saved').length]).toEqual([0, 1]);
    // What others send meanwhile is theirs, and told to them.
    two.type(0, 'y');
    await vi.advanceTimersByTimeAsync(commitWindow + limits.room.savedWindow);
    expect([waiting.heard('saved').length, told.heard('saved').length]).toEqual([0, 2]);
    await world.send(one.peer, updateOf(first));
    await vi.advanceTimersByTimeAsync(commitWindow + limits.room.savedWindow);
    expect(waiting.heard('saved').length).toBe(1);
    await world.settle();
    expect(world.durable('a')).toContain('A-B');
    expect(one.content).toBe(world.durable('a'));
    expect(two.content).toBe(world.durable('a'));
  });

  it('[R2] are not given for what could not be stored', async () => {
    await write('a', '');
    const channel = await world.channel(ids.editor);
    const client = await world.client(ids.editor, 'a');
    client.type(0, 'x');
    world.sql.failOnce(/COMMIT/);
    vi.advanceTimersByTime(commitWindow);
    expect(world.logged).toContain('room.commit_failed');
    await vi.advanceTimersByTimeAsync(10 * limits.room.savedWindow);
    expect(channel.heard('saved')).toEqual([]);
  });

  it('[R2] are not given to a viewer, whose edits are dropped', async () => {
    await write('a', '');
    const channel = await world.channel(ids.viewer);
    const client = await world.client(ids.viewer, 'a');
    client.type(0, 'x');
    await vi.advanceTimersByTimeAsync(commitWindow + limits.room.savedWindow);
    expect(channel.heard('saved')).toEqual([]);
  });
});

describe('[R3] The log', () => {
  it('[R3] is chunked below the row limit of SQLite, and gives the same document back', async () => {
    await write('a', '');
    const client = await world.client(ids.owner, 'a');
    const text = Array.from({ length: 900 }, (_, n) => `${n}`.padEnd(1000, '.')).join('\n');
    client.type(0, text);
    // The text itself is capped; beside it, one window makes the row longer than one chunk.
    client.doc.getMap('root').set('long', text);
    await vi.advanceTimersByTimeAsync(commitWindow);
    expect(client.peer.closed).toBeNull();
    const sizes = world.sql
      .all<{ size: number }>(
        'SELECT length(data) AS size FROM document_log UNION ALL SELECT length(data) FROM document_snapshots',
      )
      .map(({ size }) => size);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(limits.room.chunk);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeGreaterThan(limits.room.chunk);
    expect(world.durable('a')).toBe(text);
    const other = await new TestClient(world, ids.editor, 'a').connect();
    world.clients.push(other);
    await world.settle();
    expect(other.content).toBe(text);
  });

  it('[R3] is compacted by count, in one transaction, and numbers go on', async () => {
    await write('a', '');
    const client = await world.client(ids.owner, 'a');
    for (let n = 0; n < limits.room.logRows + 10; n += 1) {
      client.type(0, String(n % 10));
      await vi.advanceTimersByTimeAsync(commitWindow);
    }
    expect(logRows()).toBeLessThan(limits.room.logRows);
    expect(world.sql.all('SELECT * FROM document_snapshots').length).toBeGreaterThan(0);
    expect(world.durable('a')).toBe(client.content);
    const [last] = world.sql.all<{ seq: number }>('SELECT max(seq) AS seq FROM document_log');
    expect(last?.seq).toBeGreaterThan(limits.room.logRows);
    world.crash();
    await client.connect();
    await world.settle();
    client.type(0, 'after');
    await world.settle();
    expect(world.durable('a')).toBe(client.content);
    expect(world.sql.all<{ seq: number }>('SELECT max(seq) AS seq FROM document_log')[0]?.seq).toBeGreaterThan(
      last?.seq ?? 0,
    );
  });

  it('[R3] is compacted when the last one leaves, and its numbers are never used again', async () => {
    await write('a', '');
    const channel = await world.channel(ids.editor);
    const client = await world.client(ids.editor, 'a');
    const numbers: number[] = [];
    for (let visit = 0; visit < 3; visit += 1) {
      client.type(0, 'x');
      await vi.advanceTimersByTimeAsync(commitWindow + limits.room.savedWindow);
      numbers.push(channel.heard('saved').at(-1)?.seq ?? -1);
      await world.leave(client.peer);
      expect(logRows()).toBe(0);
      expect(world.durable('a')).toBe('x'.repeat(visit + 1));
      if (visit === 1) world.hibernate([channel]);
      await client.connect();
      await world.settle();
    }
    expect(new Set(numbers).size).toBe(3);
    expect([...numbers].sort((one, other) => one - other)).toEqual(numbers);
  });

  it('[R3] is compacted by bytes', async () => {
    await write('a', '');
    const client = await world.client(ids.owner, 'a');
    for (let n = 0; n < 4; n += 1) {
      client.text.delete(0, client.text.length);
      client.type(0, String(n).repeat(400_000));
      vi.advanceTimersByTime(commitWindow);
    }
    const [{ bytes } = { bytes: -1 }] = world.sql.all<{ bytes: number }>(
      'SELECT coalesce(sum(length(data)), 0) AS bytes FROM document_log',
    );
    expect(bytes).toBeLessThan(limits.room.logBytes);
    expect(world.durable('a')).toBe('3'.repeat(400_000));
  });

  it.each([/INSERT INTO document_snapshots/, /DELETE FROM document_log/])(
    '[R3] whose compaction fails at %s is as it was before that window',
    async (statement) => {
      await write('a', '');
      const client = await world.client(ids.owner, 'a');
      for (let n = 0; n < limits.room.logRows - 2; n += 1) {
        client.type(0, String(n % 10));
        await vi.advanceTimersByTimeAsync(commitWindow);
      }
      const before = world.durable('a');
      expect(before).toBe(client.content);
      world.sql.failOnce(statement);
      for (let n = 0; n < 5; n += 1) {
        client.type(0, 'x');
        await vi.advanceTimersByTimeAsync(commitWindow);
      }
      expect(world.logged).toContain('room.commit_failed');
      expect(world.durable('a').replace(/^x+/, '')).toBe(before);
      await world.leave(client.peer);
      await client.connect();
      await world.settle();
      expect(world.durable('a')).toBe(client.content);
    },
  );

  it('[R3] a text that typing made larger than a row can be is still flushed, read and opened after a restart', async () => {
    await write('a', '');
    await write('b', 'other');
    const client = await world.client(ids.owner, 'a');
    for (let n = 0; n < 3; n += 1) {
      client.type(0, String(n).repeat(800_000));
      await vi.advanceTimersByTimeAsync(commitWindow);
    }
    // Either the room refused the edit with its error, or it keeps what it took.
    if (client.peer.closed === null) {
      await vi.advanceTimersByTimeAsync(limits.room.flushAfter);
      await world.room.tick();
      expect((await world.text('a'))?.length).toBe(2_400_000);
    } else expect(client.peer.closed).toBe('payload_too_large');
    expect(await world.text('b')).toBe('other');
    expect(world.crash().list().files).toHaveLength(2);
  });

  it('[R3] a text takes no edit that would make it larger than text may be, counted in bytes', async () => {
    const room = 9;
    await write('a', '');
    const [left, right] = [await world.client(ids.owner, 'a'), await world.client(ids.editor, 'a')];
    // Three bytes each: far fewer characters than the limit has bytes.
    left.type(0, '€'.repeat(Math.floor((limits.file.textMax - room) / 3)));
    await world.settle();
    right.type(0, '€€');
    await world.settle();
    expect([left.peer.closed, right.peer.closed]).toEqual([null, null]);
    left.text.delete(0, 3);
    left.type(0, '€€€');
    await world.settle();
    expect(left.peer.closed).toBeNull();
    right.type(5, '€€€');
    await world.settle();
    expect(right.peer.closed).toBe('payload_too_large');
    await world.pass(limits.room.flushAfter);
    expect(world.room.list().files[0]?.size).toBeLessThanOrEqual(limits.file.textMax);
    expect(await world.text('a')).toBe(left.content);
  });

  it('[R3] a history over its budget takes no more edits, also after it was opened again', async () => {
    await write('a', '');
    const client = await world.client(ids.owner, 'a');
    const { documentBytes } = limits.room;
    // Deleted text leaves little; what fills a history is many small structs. Here: one client's map of large values.
    const map = client.doc.getMap('root');
    for (let n = 0; n * 1_000_000 < documentBytes + 2_000_000; n += 1) {
      map.set(String(n), 'x'.repeat(1_000_000));
      await vi.advanceTimersByTimeAsync(commitWindow);
      if (client.peer.closed) break;
    }
    expect(client.peer.closed).toBe('payload_too_large');
    await world.leave(client.peer);
    const again = new TestClient(world, ids.editor, 'a');
    await again.connect();
    world.clients.push(again);
    await world.settle();
    expect(again.peer.closed).toBeNull();
    again.type(0, 'one more');
    await world.settle();
    expect(again.peer.closed).toBe('payload_too_large');
  });
});

describe('[R5] Group commit', () => {
  it('[R5] merges the updates of a window into one row and one frame', async () => {
    await write('a', '');
    const [one, two, watcher] = [
      await world.client(ids.owner, 'a'),
      await world.client(ids.editor, 'a'),
      await world.client(ids.viewer, 'a'),
    ];
    const rows = logRows();
    const updates = watcher.peer.updates.length;
    for (let n = 0; n < 10; n += 1) {
      one.type(0, 'a');
      two.type(0, 'b');
    }
    await vi.advanceTimersByTimeAsync(commitWindowFor(3) - 1);
    expect([logRows(), watcher.peer.updates.length]).toEqual([rows, updates]);
    await vi.advanceTimersByTimeAsync(1);
    expect([logRows(), watcher.peer.updates.length]).toEqual([rows + 1, updates + 1]);
    await world.settle();
    expect(watcher.content).toHaveLength(20);
  });

  it('[R5] counts the window from its first update: typing does not put it off', async () => {
    await write('a', '');
    const client = await world.client(ids.owner, 'a');
    const rows = logRows();
    for (let ms = 0; ms < commitWindowFor(1); ms += 3) {
      client.type(0, 'x');
      await vi.advanceTimersByTimeAsync(3);
    }
    expect(logRows()).toBe(rows + 1);
  });

  it('[R5] the only sender of a window does not get its own edits back', async () => {
    await write('a', '');
    const [one, two] = [await world.client(ids.owner, 'a'), await world.client(ids.editor, 'a')];
    one.type(0, 'x');
    await vi.advanceTimersByTimeAsync(commitWindow);
    expect([one.peer.updates.length, two.peer.updates.length]).toEqual([0, 1]);
  });

  it('[R5] a read, a sync step 1 and a leave end the window first', async () => {
    await write('a', '');
    const [one, two] = [await world.client(ids.owner, 'a'), await world.client(ids.editor, 'a')];
    let rows = logRows();
    one.type(0, 'r');
    expect(await world.text('a')).toBe('r');
    expect(logRows()).toBe(++rows);
    one.type(0, 's');
    await world.send(two.peer, step1(two.doc));
    expect(logRows()).toBe(++rows);
    one.type(0, 'l');
    await world.leave(one.peer);
    expect(logRows()).toBe(++rows);
    await world.settle();
    expect(two.content).toBe('lsr');
  });
});

describe('[R6] Read-only', () => {
  const attempts: readonly (readonly [string, (update: Uint8Array) => Uint8Array])[] = [
    ['an update', updateOf],
    ['a sync step 2', step2],
    ['an update behind a step 1 in one frame', (update) => Buffer.concat([step1(new Y.Doc()), updateOf(update)])],
    [
      'an update behind awareness in one frame',
      (update) =>
        Buffer.concat([
          frameOf((encoder) => {
            encoding.writeVarUint(encoder, 1);
            encoding.writeVarUint8Array(encoder, awarenessPayload([77, 1, { cursor: 1 }]));
          }),
          updateOf(update),
        ]),
    ],
    ['three in one frame', (update) => Buffer.concat([step2(update), updateOf(update), step2(update)])],
  ];

  it.each(attempts)(
    '[R6] %s of a viewer changes nothing, and the viewer is told [hostile 59]',
    async (_name, frame) => {
      await write('a', 'text');
      const honest = await world.client(ids.editor, 'a');
      const viewer = await world.client(ids.viewer, 'a');
      const channel = await world.channel(ids.viewer);
      const vector = await stateVector('a');
      const rows = logRows();
      const update = insertion(honest.doc, 'defaced ');
      await world.send(viewer.peer, frame(update));
      await world.settle();
      expect(honest.content).toBe('text');
      expect(await world.text('a')).toBe('text');
      expect(await stateVector('a')).toEqual(vector);
      expect(logRows()).toBe(rows);
      expect(channel.heard('error')[0]).toMatchObject({ code: 'forbidden' });
      world.crash();
      expect(await stateVector('a')).toEqual(vector);
      expect(await world.text('a')).toBe('text');
    },
  );

  it('[R6] a viewer who only reads is told nothing, and gets what others type', async () => {
    await write('a', 'text');
    const channel = await world.channel(ids.viewer);
    const viewer = await world.client(ids.viewer, 'a');
    const editor = await world.client(ids.editor, 'a');
    editor.type(0, 'new ');
    await world.settle();
    expect(viewer.content).toBe('new text');
    expect(channel.heard('error')).toEqual([]);
  });

  it('[R6] [R11] an editor who becomes a viewer cannot write from then on, on the same socket', async () => {
    await write('a', 'text');
    const client = await world.client(ids.editor, 'a');
    client.type(0, '1 ');
    await world.settle();
    world.access.set(ids.editor, 'viewer');
    await world.room.membersChanged();
    expect(client.peer.closed).toBeNull();
    client.type(0, '2 ');
    await world.settle();
    expect(await world.text('a')).toBe('1 text');
    expect(client.peer.attachment.access).toBe('viewer');
  });

  it('[R6] an update that came through the awareness channel is no update', async () => {
    await write('a', 'text');
    const viewer = await world.client(ids.viewer, 'a');
    const update = insertion(viewer.doc, 'defaced ');
    await world.send(
      viewer.peer,
      frameOf((encoder) => {
        encoding.writeVarUint(encoder, 1);
        encoding.writeVarUint8Array(encoder, update);
      }),
    );
    await world.settle();
    expect(await world.text('a')).toBe('text');
  });
});

describe('[R8] REST writes into documents', () => {
  it('[R8] reach the clients, and their cursors stay', async () => {
    await write('a', 'one two three');
    const client = await world.client(ids.editor, 'a');
    const cursor = Y.createRelativePositionFromTypeIndex(client.text, 4);
    await write('a', 'zero one two three four');
    await world.settle();
    expect(client.content).toBe('zero one two three four');
    expect(Y.createAbsolutePositionFromRelativePosition(cursor, client.doc)?.index).toBe(9);
  });

  it('[R8] merge with what somebody types at the same time', async () => {
    await write('a', 'head\nbody\n');
    const client = await world.client(ids.editor, 'a');
    client.type(client.text.length, 'typed\n');
    await write('a', 'HEAD\nbody\ntyped\n');
    client.type(client.text.length, 'more\n');
    await world.settle();
    expect(client.content).toBe('HEAD\nbody\ntyped\nmore\n');
    expect(await world.text('a')).toBe(client.content);
  });

  it('[R8] onto a revision that If-Match names keep every character that was typed since', async () => {
    await write('a', 'function a() {}\n');
    const client = await world.client(ids.editor, 'a');
    client.type(0, '// base\n');
    await world.settle();
    const { file, text } = await world.room.read('a');
    expect(text).toBe('// base\nfunction a() {}\n');
    const typed = 'typed while the other one thought ';
    for (const letter of typed) {
      client.type(client.text.length, letter);
      await world.settle();
    }
    await world.pass(limits.room.flushAfter);
    const { file: merged } = await write('a', '// base\nfunction b() {}\n', { ifMatch: etag(file.hash) });
    await world.settle();
    expect(client.content).toBe(`// base\nfunction b() {}\n${typed}`);
    expect(merged.hash).toBe(sha256(client.content));
    expect(await world.text('a')).toBe(client.content);
  });

  it('[R8] onto an unknown revision are refused, and change nothing', async () => {
    await write('a', 'text');
    const client = await world.client(ids.editor, 'a');
    client.type(0, 'x');
    await world.settle();
    expect(await codeOf(write('a', 'mine', { ifMatch: etag(sha256('never seen')) }))).toBe('precondition_failed');
    await world.settle();
    expect(client.content).toBe('xtext');
  });

  it('[R8] onto a revision that is too old are refused', async () => {
    await write('a', 'text');
    const client = await world.client(ids.editor, 'a');
    client.type(0, 'x');
    const { file } = await world.room.read('a');
    client.type(0, 'y');
    await world.settle();
    await world.pass(limits.room.revisionTtl + 1);
    expect(await codeOf(write('a', 'mine', { ifMatch: etag(file.hash) }))).toBe('precondition_failed');
  });

  it.each([true, false])(
    '[R8] onto a text that is old but was read just now merge, whether somebody has it open (%s)',
    async (isOpen) => {
      await write('a', 'text\n');
      const client = await world.client(ids.editor, 'a');
      client.type(0, 'x');
      await world.settle();
      await world.pass(limits.room.flushAfter);
      if (!isOpen) {
        client.drop();
        await world.leave(client.peer);
      }
      await world.pass(limits.room.revisionTtl + 1);
      await world.pass(limits.room.flushAfter);
      const { file } = await world.room.read('a');
      if (!isOpen) await client.connect();
      client.type(client.text.length, 'typed\n');
      await world.settle();
      await write('a', 'XTEXT\n', { ifMatch: etag(file.hash) });
      expect(await world.text('a')).toBe('XTEXT\ntyped\n');
    },
  );

  it('[R8] onto the revision of before a restart merge as well', async () => {
    await write('a', 'text\n');
    const client = await world.client(ids.editor, 'a');
    client.type(0, 'x');
    const { file } = await world.room.read('a');
    client.type(client.text.length, 'typed\n');
    await world.settle();
    world.crash();
    await write('a', 'XTEXT\n', { ifMatch: etag(file.hash) });
    expect(await world.text('a')).toBe('XTEXT\ntyped\n');
  });

  it('[R8] into a document that nobody has open go into its history, so that who comes back merges', async () => {
    await write('a', 'text\n');
    const client = await world.client(ids.editor, 'a');
    client.drop();
    await world.leave(client.peer);
    client.type(client.text.length, 'offline\n');
    await write('a', 'TEXT\n');
    await client.connect();
    await world.settle();
    expect(client.content).toBe('TEXT\noffline\n');
    expect(await world.text('a')).toBe('TEXT\noffline\n');
  });

  it('[R8] two at once into a document that nobody has open are both stored: none is answered and lost', async () => {
    await write('a', 'one\ntwo\n');
    const client = await world.client(ids.editor, 'a');
    await world.leave(client.peer);
    await Promise.all([write('a', 'ONE\ntwo\n'), write('a', 'one\ntwo\nthree\n')]);
    // Without If-Match the last one wins, and there was a last one.
    expect(['ONE\ntwo\n', 'one\ntwo\nthree\n']).toContain(await world.text('a'));
    const sizes = world.room.events(0).events.filter(({ type }) => type === 'file.updated').length;
    expect(sizes).toBe(2);
  });

  it('[R8] two at once with one If-Match are merged or refused, none is answered and lost', async () => {
    await write('a', 'one\ntwo\n');
    const client = await world.client(ids.editor, 'a');
    client.type(0, 'zero\n');
    await world.settle();
    await world.leave(client.peer);
    const { file } = await world.room.read('a');
    const results = await Promise.all([
      codeOf(write('a', 'ZERO\none\ntwo\n', { ifMatch: etag(file.hash) })),
      codeOf(write('a', 'zero\none\nTWO\n', { ifMatch: etag(file.hash) })),
    ]);
    const text = await world.text('a');
    expect(text?.includes('ZERO')).toBe(results[0] === 'done');
    expect(text?.includes('TWO')).toBe(results[1] === 'done');
    expect(results).toContain('done');
  });

  it('[R8] and a client who comes at the same moment agree', async () => {
    await write('a', 'one\n');
    const before = await world.client(ids.editor, 'a');
    await world.leave(before.peer);
    for (let ticks = 0; ticks < 8; ticks += 1) {
      const client = new TestClient(world, ids.owner, 'a');
      world.clients.push(client);
      const writing = write('a', `one\nwritten ${ticks}\n`);
      for (let tick = 0; tick < ticks; tick += 1) await Promise.resolve();
      await Promise.all([writing, client.connect()]);
      await world.settle();
      client.type(0, '>');
      await world.settle();
      expect(client.peer.closed).toBeNull();
      expect(await world.text('a'), `after ${ticks} ticks`).toBe(client.content);
      expect(client.content).toBe(`>one\nwritten ${ticks}\n`);
      await world.leave(client.peer);
    }
  });
});

describe('[R9] Flush and recovery', () => {
  it('[R9] an edit is in the tree, with an event, within a second after it, without anybody asking', async () => {
    await write('a', '');
    const client = await world.client(ids.editor, 'a');
    client.type(0, 'typed');
    await vi.advanceTimersByTimeAsync(commitWindow);
    const wanted = Math.min(...world.scheduled);
    expect(wanted - Date.now()).toBeLessThanOrEqual(limits.room.flushAfter);
    await world.pass(limits.room.flushAfter);
    const [row] = world.sql.all<{ hash: string; updated_by: string }>('SELECT hash, updated_by FROM files');
    expect(row).toEqual({ hash: sha256('typed'), updated_by: ids.editor });
    expect(world.room.events(0).events.at(-1)).toMatchObject({ type: 'file.updated', by: ids.editor });
    expect(world.sql.all('SELECT * FROM dirty')).toEqual([]);
  });

  it('[R9] while somebody types on it is written now and then, and a second after the last edit', async () => {
    const { flushAfter, flushLatest, flushQuiet } = limits.room;
    await write('a', '');
    const client = await world.client(ids.editor, 'a');
    const hash = () => world.sql.all<{ hash: string }>('SELECT hash FROM files')[0]?.hash;
    const typeFor = async (ms: number): Promise<void> => {
      for (const end = Date.now() + ms; Date.now() < end; ) {
        client.type(0, 'x');
        await world.pass(flushQuiet / 2);
      }
    };
    await typeFor(flushLatest - flushQuiet);
    expect(hash()).toBe(sha256(''));
    await typeFor(2 * flushQuiet);
    const flushed = world.room.events(0).events.filter(({ type }) => type === 'file.updated');
    expect(flushed).toHaveLength(1);
    await typeFor(flushLatest / 2);
    expect(hash()).not.toBe(sha256(client.content));
    await vi.advanceTimersByTimeAsync(flushAfter - flushQuiet / 2);
    await world.alarm();
    expect(hash()).not.toBe(sha256(client.content));
    await world.pass(flushQuiet / 2 + commitWindow);
    expect(hash()).toBe(sha256(client.content));
    expect(world.sql.all('SELECT * FROM dirty')).toEqual([]);
  });

  it('[R9] the last one out flushes', async () => {
    await write('a', '');
    const client = await world.client(ids.editor, 'a');
    client.type(0, 'typed');
    await world.leave(client.peer);
    expect(world.sql.all('SELECT hash FROM files')).toEqual([{ hash: sha256('typed') }]);
  });

  it('[R9] text, row and event are one: when one cannot be stored none is, and the next flush does it', async () => {
    await write('a', '');
    const client = await world.client(ids.editor, 'a');
    client.type(0, 'typed');
    await vi.advanceTimersByTimeAsync(commitWindow + limits.room.flushQuiet);
    const before = world.sql.all('SELECT * FROM files');
    for (const statement of [
      /INSERT INTO contents/,
      /INSERT INTO events/,
      /INSERT INTO files/,
      /INSERT INTO revisions/,
      /COMMIT/,
    ]) {
      world.sql.failOnce(statement);
      world.logged.length = 0;
      await world.room.tick();
      expect(world.logged, String(statement)).toContain('room.flush_failed');
      expect(world.sql.all('SELECT * FROM files')).toEqual(before);
      expect(world.sql.all('SELECT file FROM dirty')).toHaveLength(1);
      expect(world.room.events(0).seq).toBe(1);
    }
    await world.room.tick();
    expect(await world.text('a')).toBe('typed');
    expect(world.room.events(0).seq).toBe(2);
  });

  it('[R9] a crash after the commit and before the flush loses nothing: the tree has the text when the room is back', async () => {
    await write('a', 'old');
    const one = await world.client(ids.editor, 'a');
    const two = await world.client(ids.owner, 'a');
    one.type(0, 'seen by two ');
    await world.settle();
    expect(two.content).toBe('seen by two old');
    expect(world.sql.all('SELECT hash FROM files')).toEqual([{ hash: sha256('old') }]);
    const room = world.crash();
    expect(world.sql.all('SELECT hash FROM files')).toEqual([{ hash: sha256('seen by two old') }]);
    expect(room.list().files[0]).toMatchObject({ hash: sha256('seen by two old'), updatedBy: ids.editor });
    expect(room.tree().hash).toBe(hashTree([{ path: 'a', hash: sha256('seen by two old'), size: 15, mode: 0o644 }]));
    expect(await world.text('a')).toBe('seen by two old');
    expect(room.events(0).events.at(-1)).toMatchObject({ type: 'file.updated', by: ids.editor });
    expect(world.logged).toContain('room.recovered');
  });

  it.each(['the log', 'a snapshot', 'the log after a snapshot'])(
    '[R9] what is flushed after a crash counts for who edited last, as %s says',
    async (kept) => {
      await write('a', '');
      const [first, second] = [await world.client(ids.owner, 'a'), await world.client(ids.editor, 'a')];
      const edit = async (client: TestClient) => {
        client.type(0, 'x');
        await vi.advanceTimersByTimeAsync(commitWindow);
      };
      await edit(first);
      await edit(second);
      if (kept !== 'the log') for (let row = logRows(); row < limits.room.logRows; row += 1) await edit(second);
      if (kept === 'the log after a snapshot') await edit(second);
      expect(logRows()).toBe({ 'the log': 3, 'a snapshot': 0 }[kept] ?? 1);
      expect(world.sql.all('SELECT by FROM dirty')).toEqual([{ by: ids.owner }]);
      expect(world.crash().list().files[0]?.updatedBy).toBe(ids.editor);
    },
  );

  it('[R9] nobody, after a crash, counts for an edit that nobody made', async () => {
    await write('a.txt', '{"nodes":{}}');
    const client = await world.client(ids.editor, 'a.txt');
    client.type(0, ' ');
    await world.leave(client.peer);
    await world.room.batch([{ op: 'move', from: 'a.txt', to: 'a.scene.json' }], ids.owner);
    const again = world.socket(ids.viewer, { kind: 'document', file: world.room.documentTarget('a.scene.json') });
    await world.room.join(again);
    expect(world.sql.all('SELECT by FROM dirty')).toEqual([{ by: null }]);
    expect(world.crash().list().files[0]).toMatchObject({ path: 'a.scene.json', updatedBy: null });
  });

  it('[R9] a log without authors, of an earlier release, has the author of the first edit', async () => {
    await write('a', '');
    const [first, second] = [await world.client(ids.owner, 'a'), await world.client(ids.editor, 'a')];
    first.type(0, 'x');
    await vi.advanceTimersByTimeAsync(commitWindow);
    second.type(0, 'x');
    await vi.advanceTimersByTimeAsync(commitWindow);
    world.sql.run('UPDATE document_log SET author = NULL');
    expect(world.crash().list().files[0]?.updatedBy).toBe(ids.owner);
  });

  it('[R9] a flush that would break a quota does not lock the project: edits are durable already', async () => {
    const big = sha256('big');
    world.room.adopt(
      [{ path: 'big.bin', hash: big, size: limits.project.totalSize - 10, mode: 0o644, isText: false }],
      ids.owner,
    );
    await write('a', '');
    const client = await world.client(ids.editor, 'a');
    client.type(0, 'more than ten characters');
    await world.settle();
    expect(await codeOf(() => void world.room.list())).toBe('done');
    expect(await codeOf(world.room.read('big.bin'))).toBe('done');
    expect(await codeOf(() => void world.crash())).toBe('done');
  });

  describe('[R9] in a full project', () => {
    const slack = limits.project.typingSlack;
    const max = limits.project.totalSize + slack;
    /** A project with so many bytes left for typing, and two empty files. */
    const full = async (left: number): Promise<[TestClient, TestClient]> => {
      world.room.adopt(
        [
          { path: 'big.bin', hash: sha256('big'), size: max - left, mode: 0o644, isText: false },
          { ...world.blobs.seed('a', '') },
          { ...world.blobs.seed('b', '') },
        ],
        ids.owner,
      );
      return [await world.client(ids.owner, 'a'), await world.client(ids.editor, 'b')];
    };
    const used = (): number => world.room.list().files.reduce((sum, { size }) => sum + size, 0);

    it('whole files are refused and typing goes on, as far as the slack reaches', async () => {
      const [client] = await full(slack);
      expect(await codeOf(write('c', 'x'))).toBe('quota_exceeded');
      client.type(0, 'x'.repeat(slack - 100));
      await world.settle();
      expect(client.peer.closed).toBeNull();
      expect(used()).toBe(max - 100);
    });

    it('an edit past the slack ends the socket of its author, who hears why; everybody else goes on', async () => {
      const [ada, grace] = await full(30);
      const channel = await world.channel(ids.owner);
      const [others] = [await world.channel(ids.editor)];
      ada.type(0, 'a'.repeat(25));
      await world.settle();
      grace.type(0, 'g'.repeat(5));
      await world.settle();
      expect([ada.peer.closed, grace.peer.closed]).toEqual([null, null]);
      ada.type(0, 'x');
      await world.settle();
      expect([ada.peer.closed, grace.peer.closed]).toEqual(['quota_exceeded', null]);
      expect(channel.heard('error')).toMatchObject([{ code: 'quota_exceeded' }]);
      expect(others.heard('error')).toEqual([]);
      expect(used()).toBe(max);
      expect(await world.text('a')).toBe('a'.repeat(25));
      // Who makes room may go on.
      grace.text.delete(0, 3);
      await world.settle();
      grace.type(0, 'xy');
      await world.settle();
      expect(grace.peer.closed).toBeNull();
      expect(await world.text('b')).toBe('xygg');
    });

    it('what several people type within one window is counted together', async () => {
      const [ada, grace] = await full(200);
      for (let n = 0; n < 20; n += 1) {
        if (!ada.peer.closed) ada.type(0, '0123456789');
        if (!grace.peer.closed) grace.type(0, '0123456789');
        // They have reached the room, and their window is open.
        await vi.advanceTimersByTimeAsync(0);
      }
      await world.settle();
      expect([ada.peer.closed, grace.peer.closed]).toEqual(['quota_exceeded', 'quota_exceeded']);
      expect(used()).toBe(max);
    });

    it('what was made to wait for an update is counted when that comes', async () => {
      const [ada] = await full(50_000);
      const doc = new Y.Doc();
      doc.getText('content').insert(0, 'x');
      const first = Y.encodeStateAsUpdate(doc);
      const before = Y.encodeStateVector(doc);
      doc.getText('content').insert(1, 'y'.repeat(60_000));
      await world.send(ada.peer, updateOf(Y.encodeStateAsUpdate(doc, before)));
      await world.pass(limits.room.flushAfter);
      await world.send(ada.peer, updateOf(first));
      await world.settle();
      expect(ada.peer.closed).toBe('quota_exceeded');
      expect(used()).toBeLessThanOrEqual(max);
    });

    it('may be copied as it is', async () => {
      await full(10);
      const { entries, texts } = await world.room.history.copy();
      const copy = new World(world.blobs);
      expect(copy.room.adopt(entries, ids.owner, texts)).toMatchObject({
        treeHash: world.room.tree().hash,
        totalSize: max - 10,
      });
    });
  });

  it('[R9] typing back and forth to the same text makes no event', async () => {
    await write('a', 'text');
    const client = await world.client(ids.editor, 'a');
    client.type(0, 'x');
    client.text.delete(0, 1);
    await world.settle();
    await world.pass(limits.room.flushAfter);
    expect(world.room.events(0).events.map(({ type }) => type)).toEqual(['file.created']);
  });
});

describe('[R12] What is not the protocol', () => {
  const text = 'text';
  const valid = (): Uint8Array => {
    const doc = new Y.Doc();
    doc.getText('content').insert(0, 'inserted by a cut frame');
    doc.getText('content').delete(3, 4);
    return Y.encodeStateAsUpdate(doc);
  };
  const malformed: readonly (readonly [string, () => Uint8Array | string])[] = [
    ['an unknown message type', () => new Uint8Array([9, 1, 2])],
    ['an authentication message', () => new Uint8Array([2, 0, 0])],
    ['an unknown sync message', () => new Uint8Array([0, 7, 1, 0])],
    ['a sync message without payload', () => new Uint8Array([0, 2])],
    ['a payload shorter than it says', () => new Uint8Array([0, 2, 100, 1, 2])],
    ['a length of 2^53', () => new Uint8Array([0, 2, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10])],
    ['a varint that never ends', () => new Uint8Array(50).fill(0xff)],
    ['an update of noise', () => updateOf(new Uint8Array([255, 255, 255, 255, 1, 2, 3, 4]))],
    ['a step 1 of noise', () => new Uint8Array([0, 0, 3, 255, 255, 255])],
    ['awareness of noise', () => new Uint8Array([1, 3, 255, 255, 255])],
    [
      'awareness that is no JSON',
      () =>
        frameOf((encoder) => {
          encoding.writeVarUint(encoder, 1);
          encoding.writeVarUint8Array(encoder, awarenessPayload([7, 1, '{not json']));
        }),
    ],
    [
      'awareness that is no object',
      () =>
        frameOf((encoder) => {
          encoding.writeVarUint(encoder, 1);
          encoding.writeVarUint8Array(encoder, awarenessPayload([7, 1, '"text"']));
        }),
    ],
    [
      'awareness of thousands',
      () =>
        frameOf((encoder) => {
          encoding.writeVarUint(encoder, 1);
          encoding.writeVarUint8Array(
            encoder,
            awarenessPayload(...Array.from({ length: 5000 }, (_, n) => [n, 1, {}] as const)),
          );
        }),
    ],
    ['text in place of binary', () => '{"type":"ping"}'],
    ['an update without its last byte', () => updateOf(valid().subarray(0, -1))],
    ['an update without its deletions', () => updateOf(valid().subarray(0, -4))],
  ];

  it.each(malformed)(
    '[R12] %s is refused, changes nothing, and no other socket notices [hostile 61]',
    async (_name, frame) => {
      await write('a', text);
      const attacker = await world.client(ids.editor, 'a');
      const honest = await world.client(ids.owner, 'a');
      const vector = await stateVector('a');
      const frames = honest.peer.frames.length;
      await world.send(attacker.peer, frame());
      await vi.advanceTimersByTimeAsync(10 * commitWindow);
      expect(attacker.peer.closed).toBe('malformed_request');
      expect(honest.peer.frames.length).toBe(frames);
      expect(honest.peer.closed).toBeNull();
      expect(await stateVector('a')).toEqual(vector);
      expect(await world.text('a')).toBe(text);
      honest.type(0, 'still here: ');
      await world.settle();
      expect(await world.text('a')).toBe(`still here: ${text}`);
      expect(world.durable('a')).toBe(`still here: ${text}`);
    },
  );

  it('[R12] an update cut anywhere never changes the document in part', async () => {
    await write('a', text);
    const whole = valid();
    for (let length = 0; length < whole.length; length += 1) {
      const attacker = await world.client(ids.editor, 'a');
      await world.send(attacker.peer, updateOf(whole.subarray(0, length)));
      await vi.advanceTimersByTimeAsync(commitWindow);
      await world.leave(attacker.peer);
      expect(await world.text('a'), `cut to ${length} bytes`).toBe(text);
    }
  });

  it('[R12] ten thousand frames of noise leave the document as it was', async () => {
    await write('a', text);
    const honest = await world.client(ids.owner, 'a');
    let seed = 1;
    const random = (): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return seed;
    };
    const vector = await stateVector('a');
    let refused = 0;
    for (let n = 0; n < 10_000; n += 1) {
      const peer = world.socket(ids.viewer, { kind: 'document', file: world.room.documentTarget('a') });
      await world.room.join(peer);
      await world.send(
        peer,
        Uint8Array.from({ length: random() % 24 }, () => (random() >> 8) % (n % 2 ? 256 : 4)),
      );
      if (peer.closed) refused += 1;
      await world.leave(peer);
    }
    expect(refused).toBeGreaterThan(1000);
    expect(await stateVector('a')).toEqual(vector);
    expect(await world.text('a')).toBe(text);
    expect(honest.peer.closed).toBeNull();
  });
});

describe('[R12] What breaks Yjs half-way', () => {
  /** An update that Yjs stumbles over when it is half taken in, as one that runs out of stack does. */
  async function breaking(times: number): Promise<Uint8Array> {
    await write('a', 'text');
    const update = insertion(new Y.Doc(), 'breaks');
    let left = times;
    vi.spyOn(Y.ContentString.prototype, 'integrate').mockImplementation(function (this: Y.ContentString) {
      if (this.str !== 'breaks' || left === 0) return;
      left -= 1;
      throw new RangeError('Maximum call stack size exceeded');
    });
    return updateOf(update);
  }
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it('[R12] costs its sender the socket, and nobody an edit of the same window', async () => {
    const frame = await breaking(Number.POSITIVE_INFINITY);
    const [before, after] = [await world.client(ids.owner, 'a'), await world.client(ids.owner, 'a')];
    const attacker = await world.client(ids.editor, 'a');
    before.type(0, 'before ');
    await world.send(attacker.peer, frame);
    after.type(4, ' after');
    vi.advanceTimersByTime(commitWindow);
    expect(attacker.peer.closed).toBe('malformed_request');
    expect([before.peer.closed, after.peer.closed]).toEqual(['unavailable', 'unavailable']);
    expect(world.durable('a')).toBe('before text after');
    expect(world.logged).toContain('room.commit_failed');
    for (const client of [before, after]) await client.connect();
    await world.settle();
    before.type(0, 'still ');
    await world.settle();
    expect([before.content, after.content]).toEqual(['still before text after', 'still before text after']);
    expect(await world.text('a')).toBe('still before text after');
  });

  it('[R12] is not read into a snapshot, a REST read or a newcomer that end the window', async () => {
    const frame = await breaking(Number.POSITIVE_INFINITY);
    const honest = await world.client(ids.owner, 'a');
    const attacker = await world.client(ids.editor, 'a');
    await world.send(attacker.peer, frame);
    honest.type(0, 'x');
    const newcomer = world.socket(ids.viewer, { kind: 'document', file: world.room.documentTarget('a') });
    await world.room.join(newcomer);
    expect([newcomer.closed, newcomer.synced.filter(([type]) => type !== 2)]).toEqual(['unavailable', []]);
    expect(await world.text('a')).toBe('xtext');
    await honest.connect();
    await world.settle();
    const again = await world.client(ids.editor, 'a');
    await world.send(again.peer, frame);
    honest.type(0, 'y');
    expect(await codeOf(world.text('a'))).toBe('unavailable');
    expect(again.peer.closed).toBe('malformed_request');
    expect(await world.text('a')).toBe('yxtext');
    expect(world.durable('a')).toBe('yxtext');
  });

  it('[R1] where nobody is found to blame nothing of the window is stored, and its authors bring it again', async () => {
    const frame = await breaking(1);
    const honest = await world.client(ids.owner, 'a');
    const attacker = await world.client(ids.editor, 'a');
    honest.type(0, 'x');
    await world.send(attacker.peer, frame);
    vi.advanceTimersByTime(commitWindow);
    expect([attacker.peer.closed, honest.peer.closed]).toEqual(['unavailable', 'unavailable']);
    expect(world.durable('a')).toBe('text');
    await honest.connect();
    await world.settle();
    expect(world.durable('a')).toBe('xtext');
  });
});

describe('[R12] Updates that wait for others', () => {
  it('[R12] are held up to a limit; over it their sender is closed, and the others come back to a clean document', async () => {
    await write('a', 'text');
    const honest = await world.client(ids.owner, 'a');
    const attacker = await world.client(ids.editor, 'a');
    for (let n = 0; n < 20 && attacker.peer.closed === null; n += 1) {
      // The second update of a document whose first never comes.
      const doc = new Y.Doc();
      doc.getText('content').insert(0, 'x');
      const before = Y.encodeStateVector(doc);
      doc.getText('content').insert(1, 'y'.repeat(100_000));
      await world.send(attacker.peer, updateOf(Y.encodeStateAsUpdate(doc, before)));
      await world.settle();
    }
    expect(attacker.peer.closed).toBe('payload_too_large');
    expect(honest.peer.closed).toBe('unavailable');
    expect(await world.text('a')).toBe('text');
    await honest.connect();
    await world.settle();
    honest.type(0, 'still ');
    await world.settle();
    expect(await world.text('a')).toBe('still text');
  });
});
