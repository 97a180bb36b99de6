import { describe, expect, it } from 'vitest';
import * as Y from 'yjs';
import { limits } from '../../src/contract/limits.ts';
import { hashTree, sha256 } from '../../src/core/tree.ts';
import type { ManifestEntry } from '../../src/data/objects.ts';
import type { BlobStore } from '../../src/durable-objects/room/contents.ts';
import { Flow } from '../../src/durable-objects/room/flow.ts';
import { IdleDocuments } from '../../src/durable-objects/room/idle-documents.ts';
import { Members } from '../../src/durable-objects/room/members.ts';
import type { Peer, PeerTarget } from '../../src/durable-objects/room/peer.ts';
import { updateFrame } from '../../src/durable-objects/room/protocol.ts';
import { Room } from '../../src/durable-objects/room/room.ts';
import { bytesOf, type Sql } from '../../src/durable-objects/sql.ts';
import { replay } from './replay.ts';

/** Runs some work on a storage that nobody has used. */
export type OnFreshStorage = (work: (sql: Sql) => void | Promise<void>) => Promise<void>;

/** What every `Sql` keeps its word on, and the core of a room on top of it. */
export function describeSql(onFreshStorage: OnFreshStorage): void {
  const on = (title: string, work: (sql: Sql) => void | Promise<void>): void => {
    it(title, () => onFreshStorage(work));
  };
  const withTable = (title: string, work: (sql: Sql) => void): void => {
    on(title, (sql) => {
      sql.run('CREATE TABLE t (id INTEGER PRIMARY KEY, v, u TEXT UNIQUE)');
      work(sql);
    });
  };
  const values = (sql: Sql): unknown[] => sql.all<{ v: unknown }>('SELECT v FROM t ORDER BY id').map(({ v }) => v);

  describe('values', () => {
    withTable('come back as they were: null, numbers, texts', (sql) => {
      const given = [
        null,
        0,
        -1,
        1.5,
        2 ** 31,
        Number.MAX_SAFE_INTEGER,
        Number.MIN_SAFE_INTEGER,
        '',
        'é😀\n',
        '1',
        "'",
      ];
      for (const v of given) sql.run('INSERT INTO t (v) VALUES (?)', v);
      expect(values(sql)).toEqual(given);
    });

    withTable('come back as they were: bytes, none, some, as many as a chunk has, and a part of others', (sql) => {
      const chunk = new Uint8Array(limits.room.chunk).map((_, index) => (index * 31) % 256);
      const given = [new Uint8Array(), new Uint8Array([0, 255, 128, 0]), chunk, chunk.subarray(100, 200)];
      for (const v of given) sql.run('INSERT INTO t (v) VALUES (?)', v);
      const back = values(sql).map((v) => bytesOf(v as ArrayBuffer | Uint8Array));
      expect(back.map(({ length }) => length)).toEqual(given.map(({ length }) => length));
      for (const [index, data] of given.entries()) expect(sha256(back[index] ?? '')).toBe(sha256(data));
      expect(sql.all('SELECT sum(length(v)) AS n FROM t')).toEqual([{ n: 104 + limits.room.chunk }]);
    });

    withTable('may be a text of the largest file', (sql) => {
      const text = 'é'.repeat(limits.file.textMax / 2);
      sql.run('INSERT INTO t (v) VALUES (?)', text);
      expect(values(sql)[0]).toBe(text);
    });

    withTable('are bound by place or by number, a hundred at most, and are never SQL', (sql) => {
      sql.run('INSERT INTO t (v, u) VALUES (?2, ?1)', "x'); DROP TABLE t; --", 'second');
      expect(sql.all('SELECT v, u FROM t WHERE v = ?1 OR u = ?1', 'second')).toMatchObject([
        { v: 'second', u: "x'); DROP TABLE t; --" },
      ]);
      const hundred = Array.from({ length: 100 }, (_, index) => index);
      const [row] = sql.all<{ n: number }>(`SELECT ${hundred.map(() => '?').join(' + ')} AS n`, ...hundred);
      expect(row?.n).toBe(4950);
    });
  });

  describe('statements', () => {
    withTable('answer every row, by column, or none', (sql) => {
      expect(sql.all('SELECT * FROM t')).toEqual([]);
      for (let id = 1; id <= 3000; id += 1) sql.run('INSERT INTO t (id, v) VALUES (?, ?)', id, -id);
      const rows = sql.all<{ id: number; v: number; u: null }>('SELECT * FROM t ORDER BY id DESC');
      expect(rows).toHaveLength(3000);
      expect({ ...rows[0] }).toEqual({ id: 3000, v: -3000, u: null });
      expect(sql.all('SELECT max(id) AS m, min(v) AS n FROM t WHERE id > 5000')).toMatchObject([{ m: null, n: null }]);
    });

    withTable('return what they wrote: RETURNING, upserts, generated ids that are never used again', (sql) => {
      expect(sql.all('INSERT INTO t (v, u) VALUES (?, ?) RETURNING id, v', 1, 'a')).toMatchObject([{ id: 1, v: 1 }]);
      const upsert =
        'INSERT INTO t (v, u) VALUES (?, ?) ON CONFLICT (u) DO UPDATE SET v = v + excluded.v RETURNING id, v';
      expect(sql.all(upsert, 10, 'a')).toMatchObject([{ id: 1, v: 11 }]);
      expect(sql.all('INSERT INTO t (u) VALUES (?) ON CONFLICT DO NOTHING RETURNING id', 'a')).toEqual([]);
      expect(sql.all('DELETE FROM t WHERE v > ? RETURNING u', 10)).toMatchObject([{ u: 'a' }]);
      sql.run('CREATE TABLE ids (id INTEGER PRIMARY KEY AUTOINCREMENT)');
      const next = (): unknown => sql.all<{ id: number }>('INSERT INTO ids DEFAULT VALUES RETURNING id')[0]?.id;
      expect([next(), next()]).toEqual([1, 2]);
      sql.run('DELETE FROM ids');
      expect(next()).toBe(3);
    });

    withTable('read lists from one JSON parameter, as long as the largest project', (sql) => {
      const hashes = Array.from({ length: limits.project.filesMax }, (_, index) => sha256(String(index)));
      sql.run(
        'INSERT INTO t (u, v) SELECT value, 1 FROM json_each(?) WHERE true ON CONFLICT (u) DO UPDATE SET v = v + 1',
        JSON.stringify(hashes),
      );
      sql.run(
        'UPDATE t SET v = v + 1 WHERE u IN (SELECT value FROM json_each(?))',
        JSON.stringify(hashes.slice(0, 10)),
      );
      expect(sql.all('SELECT v, count(*) AS n FROM t GROUP BY v ORDER BY v')).toMatchObject([
        { v: 1, n: limits.project.filesMax - 10 },
        { v: 2, n: 10 },
      ]);
      expect(sql.all(`SELECT json_extract(?, '$.a.b') AS b`, '{"a":{"b":"é"}}')).toMatchObject([{ b: 'é' }]);
    });

    withTable('that fail throw, and change nothing', (sql) => {
      sql.run('INSERT INTO t (v, u) VALUES (1, ?)', 'a');
      expect(() => sql.run('INSERT INTO t (v, u) VALUES (2, ?)', 'a')).toThrow(/UNIQUE/);
      expect(() => sql.run("INSERT INTO t (v, u) VALUES (2, 'b'), (3, 'a')")).toThrow(/UNIQUE/);
      expect(() => sql.run('INSERT INTO nowhere VALUES (1)')).toThrow(/no such table/);
      expect(() => sql.all('SELEKT')).toThrow(/syntax/);
      expect(values(sql)).toEqual([1]);
    });
  });

  describe('a transaction', () => {
    withTable('is all of it, and returns what its work does', (sql) => {
      const result = sql.transaction(() => {
        sql.run('INSERT INTO t (v) VALUES (1)');
        sql.run('INSERT INTO t (v) VALUES (2)');
        return values(sql);
      });
      expect(result).toEqual([1, 2]);
      expect(values(sql)).toEqual([1, 2]);
    });

    withTable('is nothing when its work throws: rows, tables and generated ids; the error is the work’s own', (sql) => {
      sql.run('CREATE TABLE ids (id INTEGER PRIMARY KEY AUTOINCREMENT)');
      sql.run('INSERT INTO t (v) VALUES (0)');
      const error = new Error('enough');
      let thrown: unknown;
      try {
        sql.transaction(() => {
          sql.run('INSERT INTO t (v) VALUES (1)');
          sql.run('UPDATE t SET v = 9');
          sql.run('INSERT INTO ids DEFAULT VALUES');
          sql.run('CREATE TABLE more (id)');
          throw error;
        });
      } catch (caught) {
        thrown = caught;
      }
      expect(thrown).toBe(error);
      expect(values(sql)).toEqual([0]);
      expect(() => sql.all('SELECT * FROM more')).toThrow(/no such table/);
      expect(sql.all('INSERT INTO ids DEFAULT VALUES RETURNING id')).toMatchObject([{ id: 1 }]);
    });

    withTable('goes on after a statement whose failure was caught', (sql) => {
      sql.transaction(() => {
        sql.run("INSERT INTO t (v, u) VALUES (1, 'a')");
        expect(() => sql.run("INSERT INTO t (v, u) VALUES (2, 'a')")).toThrow(/UNIQUE/);
        sql.run("INSERT INTO t (v, u) VALUES (3, 'b')");
      });
      expect(values(sql)).toEqual([1, 3]);
    });

    withTable('follows another, whatever became of that', (sql) => {
      for (let n = 0; n < 3; n += 1) {
        sql.transaction(() => sql.run('INSERT INTO t (v) VALUES (?)', n));
        expect(() =>
          sql.transaction(() => {
            sql.run('INSERT INTO t (v) VALUES (?)', -n);
            throw new Error('no');
          }),
        ).toThrow('no');
      }
      expect(values(sql)).toEqual([0, 1, 2]);
    });
  });

  describe('the core of a room', () => {
    on('writes, batches, types, keeps and restores, and is itself again in the next life', async (sql) => {
      const stage = new Stage(sql);
      let { room } = stage;
      const by = 'somebody';
      room.adopt([stage.seed('a', 'adopted')], by);
      await room.write('b', { text: 'written' }, by);
      const peer = stage.peer({ kind: 'document', file: room.documentTarget('a') }, by);
      await room.join(peer);
      // Sync step 1 of a client that has nothing.
      await room.receive(peer, new Uint8Array([0, 0, 1, 0]));
      const first = await room.history.checkpoint({ kind: 'manual', name: 'First', by });
      await room.receive(peer, inserted(peer, 0, 'typed and '));
      await room.batch(
        [
          { op: 'move', from: 'b', to: 'dir/b' },
          { op: 'copy', from: 'a', to: 'dir/a' },
          { op: 'put', path: 'a', content: { text: 'typed and merged' } },
        ],
        by,
        'A batch',
      );
      const wanted = { a: 'typed and merged', 'dir/a': 'typed and adopted', 'dir/b': 'written' };
      expect(await stage.contents()).toEqual(wanted);
      expect(textOf(peer)).toBe('typed and merged');
      await expect(
        room.batch(
          [
            { op: 'delete', path: 'a' },
            { op: 'delete', path: 'a' },
          ],
          by,
        ),
      ).rejects.toMatchObject({ code: 'not_found' });
      expect(await stage.contents()).toEqual(wanted);
      expect(peer.closed).toBeNull();

      room = stage.restart();
      expect(await stage.contents()).toEqual(wanted);
      const { checkpoint } = await room.history.restore(first.id, by);
      expect(await stage.contents()).toEqual({ a: 'adopted', b: 'written' });
      expect(room.tree().hash).toBe(first.treeHash);
      await room.history.restore(checkpoint.id, by);
      expect(await stage.contents()).toEqual(wanted);

      const { events } = room.events(0);
      expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
      const start = new Map([['a', { hash: sha256('adopted'), size: 7 }]]);
      const replayed = [...replay(events, start)].map(([path, file]) => ({ path, ...file, mode: 0o644 }));
      expect(hashTree(replayed)).toBe(room.tree().hash);
      expect(room.held([first.treeHash, sha256('adopted'), sha256('never')]).sort()).toEqual(
        [first.treeHash, sha256('adopted')].sort(),
      );
      for (const { id } of room.history.checkpoints.list({ limit: 9 }).checkpoints)
        room.history.checkpoints.delete(id, by);
      await room.tick();
      expect(sql.all('SELECT * FROM kept_trees')).toEqual([]);
      expect(sql.all('SELECT * FROM kept_blobs')).toEqual([]);
      await room.leave(peer);
    });
  });
}

/** A socket that takes in what it gets and answers nothing. */
interface StagePeer extends Peer {
  readonly doc: Y.Doc;
  closed: string | null;
}

const textOf = ({ doc }: StagePeer): string => doc.getText('content').toString();

/** The frame that inserts a text, made on what the room has sent so far. */
function inserted(peer: StagePeer, index: number, text: string): Uint8Array {
  const vector = Y.encodeStateVector(peer.doc);
  peer.doc.getText('content').insert(index, text);
  return updateFrame(Y.encodeStateAsUpdate(peer.doc, vector));
}

/** All that a room needs around its storage, in memory and platform-free. */
class Stage {
  readonly #sql: Sql;
  readonly #blobs = new Map<string, Uint8Array>();
  readonly #trees = new Map<string, readonly ManifestEntry[]>();
  room: Room;

  constructor(sql: Sql) {
    this.#sql = sql;
    this.room = this.restart();
  }

  restart(): Room {
    const blobs: BlobStore = {
      put: async (hash, data) => void this.#blobs.set(hash, data.slice()),
      get: async (hash) => this.#blobs.get(hash) ?? null,
      putTree: async (hash, entries) => void this.#trees.set(hash, entries),
      getTree: async (hash) => this.#trees.get(hash) ?? null,
      pause: async () => {},
    };
    this.room = new Room({
      sql: this.#sql,
      blobs,
      members: new Members(
        {
          access: async () => null,
          accessOfAll: async () => new Map(),
          people: async () => new Map(),
          endedSessions: async () => new Set<string>(),
        },
        Date.now,
      ),
      index: { write: async () => undefined },
      activity: { add: async () => undefined },
      assets: {
        mark: async ({ state }) => ({ state, count: 0, size: 0, isNew: true }),
        keep: async () => undefined,
        check: async () => undefined,
        revert: async () => null,
      },
      idle: new IdleDocuments(),
      now: Date.now,
      schedule: () => undefined,
      durable: () => null,
      log: () => undefined,
    });
    return this.room;
  }

  seed(path: string, text: string): ManifestEntry {
    const data = new TextEncoder().encode(text);
    this.#blobs.set(sha256(data), data);
    return { path, hash: sha256(data), size: data.length, mode: 0o644, isText: true };
  }

  async contents(): Promise<Record<string, string | null>> {
    const found: Record<string, string | null> = {};
    for (const { path } of this.room.list().files) found[path] = (await this.room.read(path)).text;
    return found;
  }

  peer(target: PeerTarget, userId: string): StagePeer {
    const doc = new Y.Doc();
    const peer: StagePeer = {
      doc,
      closed: null,
      flow: new Flow(),
      heardAt: 0,
      pingedAt: Date.now,
      state: {
        id: 'socket',
        user: { userId, username: userId, displayName: userId, color: '#000000' },
        target,
        access: 'editor',
        since: Date.now(),
        awareness: [],
        path: null,
      },
      send: (frame) => {
        // Sync step 2 and updates: [0, 1 or 2, length, update].
        if (typeof frame === 'string' || frame[0] !== 0 || frame[1] === 0) return;
        let at = 2;
        while ((frame[at] ?? 0) >= 128) at += 1;
        Y.applyUpdate(doc, frame.subarray(at + 1));
      },
      close: (code) => {
        peer.closed ??= code;
      },
      drop: (code) => peer.close(code),
      persist: () => undefined,
    };
    return peer;
  }
}
