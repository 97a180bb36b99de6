import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, it } from 'vitest';
import { openDatabase } from '../../src/data/open.ts';
import { createProject, eraseProjectRows, indexFiles, markDeleting, markReady } from '../../src/data/projects.ts';
import { eraseProject } from '../../src/worker/erase-project.ts';
import { sweep } from '../../src/worker/scheduled.ts';
import { newProject } from '../support/new-project.ts';
import { type Account, call, database, expectJson, roomStub, signUp } from './support.ts';

let owner: Account;
beforeAll(async () => {
  owner = await signUp('owner');
});

const db = openDatabase(env);
/** Longer ago than a transition may take. */
const longAgo = (): number => Date.now() - 600_000;

async function project(): Promise<string> {
  const created = await call('POST', '/api/projects', { as: owner, json: { name: 'P' } });
  return (await expectJson<{ project: { id: string } }>(created, 201)).project.id;
}

const write = async (id: string, path: string, content: string): Promise<void> => {
  const answer = await call('PUT', `/api/projects/${id}/files/${path}`, { as: owner, json: { content } });
  if (answer.status > 201) throw new Error(`${answer.status}`);
};

const index = async (id: string): Promise<{ path: string; hash: string; seq: number }[]> =>
  (
    await database
      .prepare('SELECT path, hash, seq FROM project_files WHERE project_id = ? ORDER BY path')
      .bind(id)
      .all<{ path: string; hash: string; seq: number }>()
  ).results;

const tree = (id: string): Promise<{ path: string; hash: string; seq: number }[]> =>
  runInDurableObject(roomStub(id), (_room, state) => [
    ...state.storage.sql.exec<{ path: string; hash: string; seq: number }>(
      'SELECT path, hash, seq FROM files ORDER BY path',
    ),
  ]);

const pending = (id: string): Promise<unknown[]> =>
  runInDurableObject(roomStub(id), (_room, state) => [...state.storage.sql.exec('SELECT * FROM index_pending')]);

/** Puts back what the room believed before the index was written: as if it had died between the two steps. */
const forgetThatItWasWritten = (id: string, rows: unknown[]): Promise<void> =>
  runInDurableObject(roomStub(id), (_room, state) => {
    for (const row of rows as { path: string; seq: number; removed: number; at: number }[])
      state.storage.sql.exec(
        'INSERT OR REPLACE INTO index_pending (path, seq, removed, at) VALUES (?, ?, ?, ?)',
        row.path,
        row.seq,
        row.removed,
        row.at,
      );
  });

describe('[R9] the index of the tree', () => {
  it('written but not known as written: the room writes it again, and nothing changes', async () => {
    const id = await project();
    await write(id, 'a.txt', 'one');
    await write(id, 'b.txt', 'two');
    await call('DELETE', `/api/projects/${id}/files/b.txt`, { as: owner });
    const before = await pending(id);
    await roomStub(id).flushIndex();
    const written = await index(id);
    expect(written).toEqual(await tree(id));
    await forgetThatItWasWritten(id, before);
    await evictDurableObject(roomStub(id));
    await roomStub(id).flushIndex();
    expect(await index(id)).toEqual(written);
    expect(await pending(id)).toEqual([]);
  });

  it('not written before the room died: the alarm of its next life does it', async () => {
    const id = await project();
    await write(id, 'a.txt', 'one');
    await runInDurableObject(roomStub(id), (_room, state) => {
      // As old as the delay: the alarm finds it due.
      state.storage.sql.exec('UPDATE index_pending SET at = at - 60000');
    });
    await evictDurableObject(roomStub(id));
    expect(await runDurableObjectAlarm(roomStub(id))).toBe(true);
    expect(await index(id)).toEqual(await tree(id));
  });

  it('a late write of an older state changes nothing: not a newer file, not one that came back', async () => {
    const id = await project();
    await write(id, 'a.txt', 'old');
    const [old] = await tree(id);
    await write(id, 'a.txt', 'new');
    await roomStub(id).flushIndex();
    const change = { fileCount: 1, totalSize: 3, treeHash: 'x', now: Date.now() };
    const stale = { ...old, path: 'a.txt', hash: old?.hash ?? '', size: 3, mimeType: 'text/plain', updatedAt: 1 };
    await indexFiles(db, id, { changed: [{ ...stale, seq: old?.seq ?? 0 }], removed: [], ...change });
    await indexFiles(db, id, { changed: [], removed: [{ path: 'a.txt', seq: old?.seq ?? 0 }], ...change });
    expect(await index(id)).toEqual(await tree(id));
  });
});

describe('[R21] the activity of a room', () => {
  interface Entry {
    id: string;
    action: string;
    at: number;
    subject: string;
    data: string;
    actor_id: string;
    request_id: string;
  }
  const entries = async (id: string): Promise<Entry[]> =>
    (
      await database
        .prepare("SELECT * FROM audit_log WHERE project_id = ? AND action LIKE 'checkpoint.%' ORDER BY id")
        .bind(id)
        .all<Entry>()
    ).results;
  const waiting = (id: string): Promise<unknown[]> =>
    runInDurableObject(roomStub(id), (_room, state) => [...state.storage.sql.exec('SELECT id FROM activity_pending')]);
  /** As the room's storage was when it died: the change was made, and the room did not know yet that it was told. */
  const untold = async (id: string, { id: entry, at, action, subject, data, ...row }: Entry): Promise<void> => {
    await runInDurableObject(roomStub(id), (_room, state) => {
      state.storage.sql.exec(
        'INSERT INTO activity_pending (id, at, action, subject, data, actor, request_id) VALUES (?, ?, ?, ?, ?, ?, ?)',
        entry,
        at,
        action,
        subject,
        data,
        row.actor_id,
        row.request_id,
      );
    });
    await evictDurableObject(roomStub(id));
  };

  it('told or not told when the room died: the alarm of its next life sees to it that it is told once', async () => {
    const id = await project();
    await write(id, 'a.txt', 'one');
    const created = await call('POST', `/api/projects/${id}/checkpoints`, { as: owner, json: { name: 'one' } });
    const { checkpoint } = await expectJson<{ checkpoint: { id: string } }>(created, 201);
    const told = await entries(id);
    expect(told).toMatchObject([{ action: 'checkpoint.created', subject: `checkpoint:${checkpoint.id}` }]);
    expect(await waiting(id)).toEqual([]);
    const [entry] = told;
    if (!entry) throw new Error('an entry');

    for (const died of ['before', 'after']) {
      if (died === 'before') await database.prepare('DELETE FROM audit_log WHERE id = ?').bind(entry.id).run();
      await untold(id, entry);
      expect(await waiting(id)).toEqual([{ id: entry.id }]);
      expect(await runDurableObjectAlarm(roomStub(id))).toBe(true);
      expect(await entries(id)).toEqual(told);
      expect(await waiting(id)).toEqual([]);
    }
  });
});

describe('projects.state', () => {
  const creating = async (): Promise<string> => {
    const half = newProject(owner.id, 'Half', longAgo());
    await createProject(db, half);
    return half.id;
  };
  const adopt = (id: string): Promise<unknown> =>
    roomStub(id).adopt([{ path: 'a.txt', hash: 'a'.repeat(64), size: 1, mode: 0o644, isText: true }], owner.id);
  const traces = async (id: string): Promise<unknown[]> => [
    await database.prepare('SELECT count(*) AS n FROM projects WHERE id = ?').bind(id).first('n'),
    await database.prepare('SELECT count(*) AS n FROM project_files WHERE project_id = ?').bind(id).first('n'),
    await runInDurableObject(roomStub(id), (_room, state) => [
      ...state.storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 'files'"),
    ]),
  ];
  const nothing = [0, 0, []];

  it('creating, died before the room or after it: invisible, and the sweep removes every trace', async () => {
    const [bare, adopted] = [await creating(), await creating()];
    await adopt(adopted);
    await roomStub(adopted).flushIndex();
    for (const id of [bare, adopted])
      expect((await call('GET', `/api/projects/${id}`, { as: owner })).status).toBe(404);
    // The index was written, but touched the row: it is as old again as the half-made project.
    await database.prepare('UPDATE projects SET updated_at = ? WHERE id = ?').bind(longAgo(), adopted).run();
    await sweep(env, Date.now());
    for (const id of [bare, adopted]) expect(await traces(id)).toEqual(nothing);
  });

  it('creating, swept while its request still runs: the request cannot make it ready any more', async () => {
    const id = await creating();
    await sweep(env, Date.now());
    await adopt(id);
    expect(await markReady(db, id, { fileCount: 1, totalSize: 1, treeHash: 'x' }, { actorId: owner.id, now: 1 })).toBe(
      false,
    );
    expect((await call('GET', `/api/projects/${id}`, { as: owner })).status).toBe(404);
    await roomStub(id).erase();
  });

  it('deleting, died after any step: the sweep ends it, and ending it twice is the same', async () => {
    const steps: ((id: string) => Promise<unknown>)[] = [
      (id) => markDeleting(db, id, longAgo()),
      async (id) => {
        await markDeleting(db, id, longAgo());
        await roomStub(id).erase();
      },
      async (id) => {
        await markDeleting(db, id, longAgo());
        await roomStub(id).erase();
        await eraseProjectRows(db, id);
      },
    ];
    for (const step of steps) {
      const id = await project();
      await write(id, 'a.txt', 'x');
      await roomStub(id).flushIndex();
      await step(id);
      // Whoever died did not tell the room, which may believe a member it has seen for five seconds more.
      await evictDurableObject(roomStub(id));
      expect((await call('GET', `/api/projects/${id}`, { as: owner })).status).toBe(404);
      await sweep(env, Date.now());
      expect(await traces(id)).toEqual(nothing);
      await eraseProject(env, db, id, Date.now());
      expect(await traces(id)).toEqual(nothing);
    }
  });
});
