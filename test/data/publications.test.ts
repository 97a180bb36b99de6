import { eq } from 'drizzle-orm';
import { expect, it } from 'vitest';
import { newId } from '../../src/contract/ids.ts';
import { limits } from '../../src/contract/limits.ts';
import { projectBuild, projectionOf } from '../../src/data/build-turns.ts';
import { buildById } from '../../src/data/builds.ts';
import { addCollaborator, transferProject } from '../../src/data/collaborators.ts';
import type { Database } from '../../src/data/database.ts';
import { removeBuild } from '../../src/data/old-builds.ts';
import { eraseProjectRows, markDeleting, restoreProject, trashProject } from '../../src/data/projects.ts';
import { publicationOf, publish, publishedAt, unpublish } from '../../src/data/publications.ts';
import { auditLog, slugs } from '../../src/data/schema/sqlite.ts';
import { by, now, someBuild, someProject, someUser } from './support/rows.ts';
import { onBothEngines } from './support/stores.ts';

interface Game {
  readonly id: string;
  readonly projectId: string;
  readonly projectName: string;
  readonly owner: string;
}

/** A project with a web build that has succeeded. */
async function someGame(db: Database, ownerId?: string, projectName = 'Game'): Promise<Game> {
  const owner = ownerId ?? (await someUser(db));
  const projectId = await someProject(db, owner, projectName);
  return { id: await someSuccess(db, projectId, owner), projectId, projectName, owner };
}

async function someSuccess(db: Database, projectId: string, owner: string): Promise<string> {
  const id = await someBuild(db, projectId, owner);
  const row = await buildById(db, id);
  if (!row) throw new Error('no such build');
  await projectBuild(db, id, projectionOf({ ...row, status: 'success', seq: row.seq + 1 }));
  return id;
}

const fresh = (): string => `slug-${newId().slice(-8)}`;
const put = (db: Database, game: Game, slug?: string, more: object = {}) =>
  publish(db, game, { ...(slug !== undefined && { slug }), ...more }, by(game.owner));

onBothEngines('A publication', (store) => {
  it('shows one build of a project at one slug, and moves as a whole', async () => {
    const db = store().open();
    const game = await someGame(db);
    const [first, second] = [fresh(), fresh()];
    expect(await put(db, game, first)).toMatchObject({
      slug: first,
      buildId: game.id,
      access: 'public',
      crossOriginIsolated: false,
      createdBy: game.owner,
    });
    expect(await publishedAt(db, first)).toMatchObject({ projectId: game.projectId, buildId: game.id });

    const newer = await someSuccess(db, game.projectId, game.owner);
    const later = { ...by(game.owner), now: now + 5 };
    const moved = await publish(db, { ...game, id: newer }, { slug: second, crossOriginIsolated: true }, later);
    expect(moved).toMatchObject({ slug: second, buildId: newer, createdAt: now, updatedAt: now + 5 });
    expect(await publishedAt(db, first)).toBeUndefined();
    expect(await publishedAt(db, second)).toMatchObject({ buildId: newer, crossOriginIsolated: true });

    // What is left out stays.
    expect(await publish(db, game, { access: 'link' }, by(game.owner))).toMatchObject({
      slug: second,
      buildId: game.id,
      access: 'link',
      crossOriginIsolated: true,
    });
  });

  it('says who did it, with the change or not at all', async () => {
    const db = store().open();
    const game = await someGame(db);
    const slug = fresh();
    await put(db, game, slug, { access: 'link' });
    await expect(put(db, await someGame(db), slug)).rejects.toMatchObject({ code: 'slug_taken' });
    expect(await unpublish(db, game.projectId, by(game.owner))).toBe(slug);
    expect(await unpublish(db, game.projectId, by(game.owner))).toBeUndefined();
    const entries = await db.query('test', (orm) =>
      orm.select().from(auditLog).where(eq(auditLog.projectId, game.projectId)).orderBy(auditLog.id),
    );
    expect(entries.filter(({ action }) => action.includes('publish'))).toMatchObject([
      { action: 'project.published', subject: `build:${game.id}`, data: { slug, access: 'link' } },
      { action: 'project.unpublished', actorId: game.owner },
    ]);
  });

  it('has a slug of its own, also where many ask for one at the same moment', async () => {
    const db = store().open();
    const games = await Promise.all(Array.from({ length: 6 }, () => someGame(db)));
    const slug = fresh();
    const results = await Promise.allSettled(games.map((game) => put(store().open(), game, slug)));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const result of results)
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'slug_taken' });
    const winner = games[results.findIndex(({ status }) => status === 'fulfilled')];
    expect(await publishedAt(db, slug)).toMatchObject({ buildId: winner?.id });
    const [held] = await db.query('test', (orm) => orm.select().from(slugs).where(eq(slugs.slug, slug)));
    expect(held?.projectId).toBe(winner?.projectId);
  });

  it('is one, also where one project publishes twice at the same moment', async () => {
    const db = store().open();
    const game = await someGame(db);
    const wanted = [fresh(), fresh(), fresh()];
    await Promise.all(wanted.map((slug) => put(store().open(), game, slug)));
    const shown = await Promise.all(wanted.map((slug) => publishedAt(db, slug)));
    expect(shown.filter((one) => one !== undefined)).toHaveLength(1);
    expect(wanted).toContain((await publicationOf(db, game.projectId))?.slug);
  });

  it('without a slug gets one of the project’s name, with a suffix where that is taken', async () => {
    const db = store().open();
    const name = `Star ${newId().slice(-6)}`;
    const plain = name.toLowerCase().replace(' ', '-');
    expect((await put(db, await someGame(db, undefined, name))).slug).toBe(plain);
    expect((await put(db, await someGame(db, undefined, name))).slug).toMatch(new RegExp(`^${plain}-[a-z2-9]{3}$`));
  });

  it('is of a web build that has succeeded, of this project, that is there', async () => {
    const db = store().open();
    const game = await someGame(db);
    const other = await someGame(db, game.owner);
    const queued = await someBuild(db, game.projectId, game.owner);
    for (const id of [queued, other.id, newId()])
      await expect(put(db, { ...game, id }, fresh())).rejects.toMatchObject({ code: 'not_publishable' });
    expect(await publicationOf(db, game.projectId)).toBeUndefined();
  });

  it('keeps its build from being deleted until it ends', async () => {
    const db = store().open();
    const game = await someGame(db);
    await put(db, game, fresh());
    const row = await buildById(db, game.id);
    if (!row) throw new Error('no such build');
    await expect(removeBuild(db, row, by(game.owner))).rejects.toMatchObject({ code: 'build_published' });
    expect(await buildById(db, game.id)).toBeDefined();
    await unpublish(db, game.projectId, by(game.owner));
    await removeBuild(db, row, by(game.owner));
    expect(await buildById(db, game.id)).toBeUndefined();
  });

  it('and the removal of its build never both win', async () => {
    const db = store().open();
    for (let round = 0; round < 5; round += 1) {
      const game = await someGame(db);
      const row = await buildById(db, game.id);
      if (!row) throw new Error('no such build');
      await Promise.allSettled([put(store().open(), game, fresh()), removeBuild(store().open(), row, by(game.owner))]);
      const shown = await publicationOf(db, game.projectId);
      expect((await buildById(db, game.id)) !== undefined).toBe(shown !== undefined);
    }
  });

  it('goes with its project into the trash, comes back with it, and stays with a new owner', async () => {
    const db = store().open();
    const game = await someGame(db);
    const slug = fresh();
    await put(db, game, slug);
    await trashProject(db, game.projectId, by(game.owner));
    expect(await publishedAt(db, slug)).toBeUndefined();
    await expect(put(db, await someGame(db), slug)).rejects.toMatchObject({ code: 'slug_taken' });
    await expect(put(db, game, slug)).rejects.toMatchObject({ code: 'not_found' });
    await restoreProject(db, game.projectId, by(game.owner));
    expect(await publishedAt(db, slug)).toBeDefined();

    const heir = await someUser(db);
    await addCollaborator(db, { projectId: game.projectId, userId: heir, role: 'editor' }, by(game.owner));
    await transferProject(db, { projectId: game.projectId, from: game.owner, to: heir }, by(game.owner));
    expect(await publishedAt(db, slug)).toMatchObject({ buildId: game.id });

    await markDeleting(db, game.projectId, now);
    expect(await publishedAt(db, slug)).toBeUndefined();
    await eraseProjectRows(db, game.projectId);
    expect(await publicationOf(db, game.projectId)).toBeUndefined();
  });
});

onBothEngines('A slug that was given up (#52)', (store) => {
  it('is nobody’s but the project’s, before and after its project was erased', async () => {
    const db = store().open();
    const game = await someGame(db);
    const slug = fresh();
    await put(db, game, slug);
    await unpublish(db, game.projectId, by(game.owner));
    const thief = await someGame(db);
    await expect(put(db, thief, slug)).rejects.toMatchObject({ code: 'slug_taken' });
    await put(db, game, slug);
    await eraseProjectRows(db, game.projectId);
    await expect(put(db, thief, slug)).rejects.toMatchObject({ code: 'slug_taken' });
    await expect(put(db, await someGame(db, game.owner), slug)).rejects.toMatchObject({ code: 'slug_taken' });
  });

  it('may be used by its owner in another project, once it is free, and by no editor of either', async () => {
    const db = store().open();
    const game = await someGame(db);
    const next = await someGame(db, game.owner);
    const slug = fresh();
    await put(db, game, slug);
    await expect(put(db, next, slug)).rejects.toMatchObject({ code: 'slug_taken' });
    await unpublish(db, game.projectId, by(game.owner));
    const editor = await someUser(db);
    await addCollaborator(db, { projectId: next.projectId, userId: editor, role: 'editor' }, by(game.owner));
    await expect(publish(db, next, { slug }, by(editor))).rejects.toMatchObject({ code: 'slug_taken' });
    expect(await put(db, next, slug)).toMatchObject({ slug, projectId: next.projectId });
    await expect(put(db, game, slug)).rejects.toMatchObject({ code: 'slug_taken' });
  });

  it('counts: a project cannot take all the good ones', async () => {
    const db = store().open();
    const game = await someGame(db);
    const taken: string[] = [];
    for (let n = 0; n < limits.publication.slugsPerProject; n += 1) taken.push((await put(db, game, fresh())).slug);
    await expect(put(db, game, fresh())).rejects.toMatchObject({ code: 'quota_exceeded' });
    expect((await put(db, game, taken[0])).slug).toBe(taken[0]);
  });
});
