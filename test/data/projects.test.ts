import { asc, eq } from 'drizzle-orm';
import { expect, it } from 'vitest';
import { newId } from '../../src/contract/ids.ts';
import { limits } from '../../src/contract/limits.ts';
import { ProjectQuery } from '../../src/contract/projects.ts';
import { addCollaborator, listCollaborators, removeCollaborator, setRole } from '../../src/data/collaborators.ts';
import type { Database } from '../../src/data/database.ts';
import { claimKey, earlierClaim, type HeldKey } from '../../src/data/idempotency.ts';
import {
  createProject,
  eraseProjectRows,
  expiredTrash,
  indexFiles,
  listProjects,
  markDeleting,
  markReady,
  projectAccess,
  stalledProjects,
  trashProject,
  updateProject,
} from '../../src/data/projects.ts';
import { collaborators, projectFiles, projects } from '../../src/data/schema/sqlite.ts';
import { by, now, someProject, someUser } from './support/rows.ts';
import { onBothEngines } from './support/stores.ts';

const query = (fields: Record<string, unknown> = {}) => ProjectQuery.parse(fields);

/** Every page of a list, `between` called after each. */
async function allPages(
  db: Database,
  userId: string,
  fields: Record<string, unknown>,
  between: () => Promise<void> = async () => undefined,
): Promise<string[]> {
  const names: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await listProjects(db, userId, query({ ...fields, cursor }));
    names.push(...page.projects.map(({ name }) => name));
    cursor = page.nextCursor ?? undefined;
    await between();
  } while (cursor !== undefined);
  return names;
}

onBothEngines('Projects', (store) => {
  it('are seen by nobody until they are ready, then by their members, each with their access', async () => {
    const db = store().open();
    const [owner, editor, stranger] = [await someUser(db), await someUser(db), await someUser(db)];
    const id = newId();
    const settings = { theme: 'dark', nested: [1, true, null, 'ä'] };
    const fields = {
      id,
      ownerId: owner,
      name: 'Game',
      description: 'd',
      isPublic: false,
      templateId: null,
      forkedFrom: null,
      forkedCheckpoint: null,
      now,
    };
    await createProject(db, { ...fields, settings });
    expect(await projectAccess(db, id, owner)).toBeNull();
    expect(await markReady(db, id, { fileCount: 2, totalSize: 3_000_000_000, treeHash: 'h' }, by(owner))).toBe(true);
    expect((await projectAccess(db, id, owner))?.row).toMatchObject({
      state: 'ready',
      totalSize: 3_000_000_000,
      isPublic: false,
      settings,
    });
    expect(await markReady(db, id, { fileCount: 0, totalSize: 0, treeHash: '' }, by(owner))).toBe(false);
    await addCollaborator(db, { projectId: id, userId: editor, role: 'editor' }, by(owner));
    expect((await projectAccess(db, id, owner))?.access).toBe('owner');
    expect((await projectAccess(db, id, editor))?.access).toBe('editor');
    expect(await projectAccess(db, id, stranger)).toBeNull();
    await updateProject(db, id, { isPublic: true }, null, by(owner));
    expect(await projectAccess(db, id, stranger)).toMatchObject({
      access: 'public',
      row: { isPublic: true, settings },
    });
    await trashProject(db, id, by(owner));
    expect(await projectAccess(db, id, editor)).toBeNull();
    expect((await projectAccess(db, id, owner))?.row.deletedAt).toBe(now);
  });

  it('of 10 changes at one revision, exactly one is made', async () => {
    const db = store().open();
    const id = await someProject(db, await someUser(db));
    const results = await Promise.all(
      Array.from({ length: 10 }, (_, n) => updateProject(store().open(), id, { name: `name ${n}` }, 1, by(null))),
    );
    expect(results.filter((row) => row !== undefined)).toHaveLength(1);
    expect(results.find((row) => row !== undefined)?.revision).toBe(2);
  });

  it('are there together with the answer to the request that made them, or not at all', async () => {
    const db = store().open();
    const owner = await someUser(db);
    const tree = { fileCount: 0, totalSize: 0, treeHash: '' };
    const request = (key: string, holder: string) => ({ userId: owner, key, holder, requestHash: 'h', now });
    const make = async (keys: readonly HeldKey[]): Promise<boolean> => {
      const id = newId();
      const fields = { id, ownerId: owner, name: 'Once', description: '', isPublic: false, settings: {}, now };
      await createProject(db, { ...fields, templateId: null, forkedFrom: null, forkedCheckpoint: null });
      return await markReady(db, id, tree, by(owner), {}, { keys, body: id });
    };
    const names = async () => (await listProjects(db, owner, query())).projects.map(({ id }) => id);
    const [slow, quick, other] = [request('k', 'slow'), request('k', 'quick'), request('other', 'quick')];
    for (const claim of [slow, { ...quick, now: now + limits.http.idempotencyLease + 1 }, other])
      expect(await claimKey(db, claim)).toEqual({ outcome: 'first' });
    // Another request has taken over one of its keys.
    for (const keys of [[slow], [slow, other], [other, slow]]) expect(await make(keys)).toBe(false);
    expect(await names()).toEqual([]);
    expect(await make([quick, other])).toBe(true);
    const [id] = await names();
    for (const claim of [slow, other])
      expect(await earlierClaim(db, claim)).toEqual({ outcome: 'replay', status: 201, body: id });
    expect(await make([quick, other])).toBe(false);
    expect(await names()).toEqual([id]);
  });

  it.each(['name', 'createdAt', 'updatedAt'])(
    'list by %s in pages that neither repeat nor skip while others are made',
    async (sort) => {
      const db = store().open();
      const owner = await someUser(db);
      const names = ['b', 'a', 'B', 'ä', 'Z', 'a', '界', 'z', '_', '10', '9'];
      for (const [n, name] of names.entries()) await someProject(db, owner, name, now + Math.floor(n / 3));
      let inserted = 0;
      const listed = await allPages(db, owner, { sort, limit: 2 }, async () => {
        // Sorts before everything that is still to come.
        inserted += 1;
        await someProject(db, owner, sort === 'name' ? '!' : 'new', now + 1000 + inserted);
      });
      expect([...listed].sort()).toEqual([...names].sort());
      // Byte order on both engines.
      if (sort === 'name')
        expect(listed).toEqual([...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
    },
  );

  it('refuse a cursor of another sorting', async () => {
    const db = store().open();
    const owner = await someUser(db);
    for (const name of ['a', 'b']) await someProject(db, owner, name);
    const { nextCursor } = await listProjects(db, owner, query({ sort: 'name', limit: 1 }));
    await expect(listProjects(db, owner, query({ sort: 'updatedAt', cursor: nextCursor ?? '' }))).rejects.toMatchObject(
      { code: 'validation_failed' },
    );
  });

  it('are searched by any part of the name, A–Z in any case, and no character is a pattern', async () => {
    const db = store().open();
    const owner = await someUser(db);
    for (const name of ['Space Race', '100% PURE', 'a_b', 'back\\slash', "O'Neil", 'ÉCOLE', 'x'.repeat(120)])
      await someProject(db, owner, name);
    const found = async (q: string) => (await allPages(db, owner, { q })).sort();
    expect(await found('sPACE r')).toEqual(['Space Race']);
    expect(await found('%')).toEqual(['100% PURE']);
    expect(await found('_')).toEqual(['a_b']);
    expect(await found('\\')).toEqual(['back\\slash']);
    expect(await found("'")).toEqual(["O'Neil"]);
    expect(await found('École')).toEqual(['ÉCOLE']);
    // D1 takes LIKE patterns of 50 bytes at most.
    expect(await found('X'.repeat(100))).toHaveLength(1);
    expect(await found('nothing')).toEqual([]);
  });

  it('list own, shared and trashed ones apart', async () => {
    const db = store().open();
    const [ada, grace] = [await someUser(db), await someUser(db)];
    const own = await someProject(db, ada, 'own');
    const shared = await someProject(db, grace, 'shared');
    const trashed = await someProject(db, ada, 'trashed');
    await someProject(db, grace, 'hidden');
    await addCollaborator(db, { projectId: shared, userId: ada, role: 'viewer' }, by(grace));
    await trashProject(db, trashed, by(ada));
    expect(await allPages(db, ada, { sort: 'name' })).toEqual(['own', 'shared']);
    expect(await allPages(db, ada, { role: 'owner' })).toEqual(['own']);
    expect(await allPages(db, ada, { role: 'viewer' })).toEqual(['shared']);
    expect(await allPages(db, ada, { role: 'editor' })).toEqual([]);
    expect(await allPages(db, ada, { trashed: 'true' })).toEqual(['trashed']);
    expect(own).not.toBe(shared);
  });

  it('that got stuck or were in the trash too long are found, and erased with every row', async () => {
    const db = store().open();
    const owner = await someUser(db);
    const [gone, old] = [await someProject(db, owner), await someProject(db, owner)];
    await markDeleting(db, gone, now - 10_000);
    await trashProject(db, old, { actorId: owner, now: now - 10_000 });
    expect((await stalledProjects(db, now, 100)).map(({ id }) => id)).toContain(gone);
    expect((await expiredTrash(db, now, 100)).map(({ id }) => id)).toEqual([old]);
    await addCollaborator(db, { projectId: old, userId: await someUser(db), role: 'viewer' }, by(owner));
    for (const id of [gone, old]) await eraseProjectRows(db, id);
    expect(await db.query('test', (orm) => orm.select().from(projects).where(eq(projects.id, old)))).toEqual([]);
    expect(await listCollaborators(db, old)).toEqual([]);
  });
});

onBothEngines('Collaborators', (store) => {
  it('are listed owner first, and nobody is one twice, also when asked twice at once', async () => {
    const db = store().open();
    const [owner, member] = [await someUser(db), await someUser(db)];
    const projectId = await someProject(db, owner);
    const results = await Promise.allSettled(
      Array.from({ length: 10 }, () =>
        addCollaborator(store().open(), { projectId, userId: member, role: 'editor' }, by(owner)),
      ),
    );
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
    for (const result of results)
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'already_member' });
    expect((await listCollaborators(db, projectId)).map(({ userId, role }) => [userId, role])).toEqual([
      [owner, 'owner'],
      [member, 'editor'],
    ]);
  });

  it('are never more than the limit, also when the last places are asked for at once', async () => {
    const db = store().open();
    const owner = await someUser(db);
    const projectId = await someProject(db, owner);
    const free = 3;
    for (let at = 0; at < limits.project.collaboratorsMax - free; at += 10)
      await db.query('test', (orm) =>
        orm.insert(collaborators).values(
          Array.from({ length: Math.min(10, limits.project.collaboratorsMax - free - at) }, (_, n) => ({
            projectId,
            userId: `filler-${at + n}`,
            role: 'viewer' as const,
            addedBy: owner,
            createdAt: now,
          })),
        ),
      );
    const results = await Promise.allSettled(
      Array.from({ length: 10 }, (_, n) =>
        addCollaborator(store().open(), { projectId, userId: `late-${n}`, role: 'editor' }, by(owner)),
      ),
    );
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(free);
    for (const result of results)
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'quota_exceeded' });
    const rows = await db.query('test', (orm) =>
      orm.select().from(collaborators).where(eq(collaborators.projectId, projectId)),
    );
    expect(rows).toHaveLength(limits.project.collaboratorsMax);
  });

  it('two owners’ hands at once: a role changed while the member is removed ends removed, and once', async () => {
    const db = store().open();
    const owner = await someUser(db);
    const projectId = await someProject(db, owner);
    for (let round = 0; round < 5; round += 1) {
      const member = await someUser(db);
      await addCollaborator(db, { projectId, userId: member, role: 'editor' }, by(owner));
      const [, removed, twice] = await Promise.all([
        setRole(store().open(), { projectId, userId: member, role: 'viewer' }, by(owner)),
        removeCollaborator(store().open(), { projectId, userId: member }, by(owner)),
        removeCollaborator(store().open(), { projectId, userId: member }, by(owner)),
      ]);
      expect([removed, twice].sort()).toEqual([false, true]);
      expect((await projectAccess(db, projectId, member))?.access).toBeUndefined();
      expect(await setRole(db, { projectId, userId: member, role: 'editor' }, by(owner))).toBe(false);
    }
  });

  it('of many role changes at once, the one that is kept is one that was asked for', async () => {
    const db = store().open();
    const [owner, member] = [await someUser(db), await someUser(db)];
    const projectId = await someProject(db, owner);
    await addCollaborator(db, { projectId, userId: member, role: 'editor' }, by(owner));
    const roles = ['editor', 'viewer'] as const;
    const done = await Promise.all(
      Array.from({ length: 10 }, (_, n) =>
        setRole(store().open(), { projectId, userId: member, role: roles[n % 2] ?? 'editor' }, by(owner)),
      ),
    );
    expect(done).toEqual(Array(10).fill(true));
    expect(roles).toContain((await projectAccess(db, projectId, member))?.access);
  });
});

onBothEngines('The index of files', (store) => {
  const file = (path: string, seq: number, size = 1) => ({
    path,
    hash: `hash of ${path} ${seq}`,
    size,
    mimeType: 'text/plain',
    seq,
    updatedAt: now,
  });
  const totals = { fileCount: 0, totalSize: 0, treeHash: 't', now };

  it('takes many rows at once, repeats and late calls change nothing, removed rows go', async () => {
    const db = store().open();
    const projectId = await someProject(db, await someUser(db));
    const seen = async () =>
      (
        await db.query('test', (orm) =>
          orm
            .select({ path: projectFiles.path, seq: projectFiles.seq, size: projectFiles.size })
            .from(projectFiles)
            .where(eq(projectFiles.projectId, projectId))
            .orderBy(asc(projectFiles.path)),
        )
      ).map(({ path, seq, size }) => `${path} ${seq} ${size}`);
    const many = Array.from({ length: 500 }, (_, n) => file(`many/${n}.txt`, n + 1));
    await indexFiles(db, projectId, { ...totals, changed: many, removed: [], fileCount: 500, totalSize: 5e9 });
    await indexFiles(db, projectId, { ...totals, changed: many, removed: [], fileCount: 500, totalSize: 5e9 });
    expect(await seen()).toHaveLength(500);
    expect((await projectAccess(db, projectId, 'x')) ?? null).toBeNull();
    await indexFiles(db, projectId, {
      ...totals,
      changed: [],
      removed: many.map(({ path }) => ({ path, seq: 1000 })),
    });
    expect(await seen()).toEqual([]);

    const changed = [file(`it's "ä" ?.txt`, 5, 3_000_000_000), file('b', 6)];
    await indexFiles(db, projectId, { ...totals, changed, removed: [] });
    await indexFiles(db, projectId, { ...totals, changed: [file('b', 4, 99)], removed: [{ path: 'b', seq: 5 }] });
    expect(await seen()).toEqual(['b 6 1', `it's "ä" ?.txt 5 3000000000`]);
    await indexFiles(db, projectId, { ...totals, changed: [file('b', 8, 2)], removed: [] });
    expect(await seen()).toEqual(['b 8 2', `it's "ä" ?.txt 5 3000000000`]);
    const [row] = await db.query('test', (orm) => orm.select().from(projects).where(eq(projects.id, projectId)));
    expect(row).toMatchObject({ treeHash: 't', fileCount: 0 });
  });
});
