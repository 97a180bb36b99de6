import { describe, expect, it, vi } from 'vitest';
import { limits } from '../../../src/contract/limits.ts';
import { commitWindow, logRows, world, worldPerTest, write } from '../support/room-setup.ts';
import { ids, TestClient } from '../support/room-world.ts';

worldPerTest();

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
