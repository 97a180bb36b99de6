import { describe, expect, it } from 'vitest';
import type { Build } from '../../src/contract/builds.ts';
import { newId } from '../../src/contract/ids.ts';
import type { MergeAnswer } from '../../src/contract/merge.ts';
import type { Project } from '../../src/contract/projects.ts';
import { sha256 } from '../../src/core/tree.ts';
import { batch, contents, list, newProject, peopleOfHistory, put, treeOf, world } from './history-setup.ts';
import { type Account, call, expectJson, expectProblem } from './support.ts';
import { until, YjsClient } from './yjs-client.ts';

peopleOfHistory();

describe('Forks and merges', () => {
  const fork = async (id: string, as: Account, json: object = {}): Promise<Project> =>
    (
      await expectJson<{ project: Project }>(
        await call('POST', `/api/projects/${id}/duplicate`, { as, json: { fork: true, ...json } }),
        201,
      )
    ).project;
  const merge = (id: string, json: object, as: Account = world.owner): Promise<Response> =>
    call('POST', `/api/projects/${id}/merge`, { as, json });
  const merged = async (id: string, json: object, as = world.owner): Promise<MergeAnswer> =>
    await expectJson(await merge(id, json, as), 200);

  it('leave from a checkpoint, come home, and follow', async () => {
    const home = await newProject({ 'a.txt': 'a', 'b.txt': 'b', 'old name.txt': 'moved' });
    const away = await fork(home, world.owner, { name: 'Second level' });
    expect(away).toMatchObject({
      name: 'Second level',
      forkedFrom: home,
      isPublic: false,
      role: 'owner',
      fileCount: 3,
    });
    const [left] = (await list(home)).checkpoints;
    expect(left).toMatchObject({ id: away.forkedCheckpointId, kind: 'auto', message: 'A fork left from here' });
    expect((await treeOf(away.id)).hash).toBe(left?.treeHash);

    await batch(away.id, [
      put('a.txt', 'changed in the fork'),
      put('new.txt', 'new'),
      { op: 'move', from: 'old name.txt', to: 'new name.txt' },
    ]);
    await batch(home, [put('b.txt', 'changed at home')]);
    const client = await YjsClient.open(world.editor, home, 'a.txt');

    const preview = await merged(home, { from: away.id, preview: true });
    expect(preview).toMatchObject({ applied: false, conflicts: [], checkpoint: { kind: 'auto' } });
    expect(await contents(home)).toMatchObject({ 'a.txt': 'a' });
    const { build } = await expectJson<{ build: Build }>(
      await call('POST', '/api/builds', {
        as: world.owner,
        json: { projectId: home, checkpointId: preview.checkpoint?.id },
      }),
      202,
    );
    expect(build.treeHash).toBe(preview.checkpoint?.treeHash);

    const answer = await merged(home, { from: away.id, message: 'The second level' });
    expect(answer).toEqual({
      applied: true,
      conflicts: [],
      changes: [
        { op: 'move', path: 'new name.txt', from: 'old name.txt' },
        { op: 'put', path: 'a.txt' },
        { op: 'put', path: 'new.txt' },
      ],
      checkpoint: expect.objectContaining({ message: 'The second level', treeHash: preview.checkpoint?.treeHash }),
    });
    expect(await contents(home)).toEqual({
      'a.txt': 'changed in the fork',
      'b.txt': 'changed at home',
      'new.txt': 'new',
      'new name.txt': 'moved',
    });
    await until(() => client.text.toString() === 'changed in the fork');
    client.close();
    // And the other way round.
    expect(await merged(away.id, { from: home })).toMatchObject({
      applied: true,
      conflicts: [],
      changes: [{ op: 'put', path: 'b.txt' }],
    });
    expect((await treeOf(away.id)).hash).toBe((await treeOf(home)).hash);
  });

  it('ask where both have changed the same, change nothing, and take the answers', async () => {
    const home = await newProject({ 'text.txt': 'one\n', 'gone.txt': 'g', 'fine.txt': 'f' });
    const away = await fork(home, world.owner);
    await batch(home, [put('text.txt', 'at home\n'), { op: 'delete', path: 'gone.txt' }]);
    await batch(away.id, [put('text.txt', 'in the fork\n'), put('gone.txt', 'kept'), put('fine.txt', 'finer')]);
    const before = await treeOf(home);
    const asked = await merged(home, { from: away.id });
    expect(asked).toMatchObject({ applied: false, checkpoint: null, changes: [{ op: 'put', path: 'fine.txt' }] });
    const side = (content: string) => ({
      path: 'text.txt',
      hash: sha256(content),
      size: content.length,
      isText: true,
      content,
    });
    expect(asked.conflicts).toEqual([
      {
        path: 'gone.txt',
        kind: 'delete-modify',
        base: expect.objectContaining({ content: 'g' }),
        ours: null,
        theirs: expect.objectContaining({ content: 'kept' }),
      },
      {
        path: 'text.txt',
        kind: 'text',
        base: side('one\n'),
        ours: side('at home\n'),
        theirs: side('in the fork\n'),
        merged: expect.stringContaining('<<<<<<<'),
      },
    ]);
    expect(await treeOf(home)).toEqual(before);
    for (const resolutions of [
      [{ path: 'nothing.txt', take: 'ours' }],
      [{ path: 'text.txt', take: 'both' }],
      [{ path: 'text.txt', take: { content: '\ud800' } }],
      [
        { path: 'text.txt', take: 'ours' },
        { path: 'text.txt', take: 'theirs' },
      ],
    ])
      expect(await expectProblem(await merge(home, { from: away.id, resolutions }), 422)).toBe('validation_failed');
    const half = await merged(home, { from: away.id, resolutions: [{ path: 'gone.txt', take: 'ours' }] });
    expect([half.applied, half.conflicts.map(({ path }) => path)]).toEqual([false, ['text.txt']]);
    const done = await merged(home, {
      from: away.id,
      resolutions: [{ path: 'text.txt', take: { content: 'both\n' } }],
      takeAll: 'ours',
    });
    expect(done).toMatchObject({ applied: true, conflicts: [] });
    expect(await contents(home)).toEqual({ 'text.txt': 'both\n', 'fine.txt': 'finer' });
  });

  it('#27 are for who may read the one and write the other', async () => {
    const home = await newProject({ a: '1' });
    const own = await fork(home, world.viewer);
    expect(own).toMatchObject({ role: 'owner', ownerId: world.viewer.id });
    await expectJson(
      await call('PUT', `/api/projects/${own.id}/files/a`, { as: world.viewer, json: { content: '2' } }),
      200,
    );
    // A viewer may fork and follow, not bring home; nor may an owner take from a fork that is not shared with them.
    expect(await expectProblem(await merge(home, { from: own.id }, world.viewer), 403)).toBe('forbidden');
    expect(await expectProblem(await merge(home, { from: own.id }, world.owner), 404)).toBe('not_found');
    expect(await expectProblem(await merge(home, { from: own.id }, world.stranger), 404)).toBe('not_found');
    expect(await expectProblem(await merge(own.id, { from: home }, world.owner), 404)).toBe('not_found');
    await batch(home, [put('b', 'b')]);
    expect(await merged(own.id, { from: home }, world.viewer)).toMatchObject({ applied: true });
    expect(await contents(home)).toEqual({ a: '1', b: 'b' });
    expect(await contents(own.id, world.viewer)).toEqual({ a: '2', b: 'b' });
    await expectJson(
      await call('POST', `/api/projects/${own.id}/collaborators`, {
        as: world.viewer,
        json: { userId: world.owner.id, role: 'viewer' },
      }),
      201,
    );
    expect(await merged(home, { from: own.id })).toMatchObject({ applied: true });
    expect(await contents(home)).toEqual({ a: '2', b: 'b' });
  });

  it('need something in common', async () => {
    const [one, two] = [await newProject({ a: '1' }), await newProject({ a: '1' })];
    expect(await expectProblem(await merge(one, { from: two }), 409)).toBe('conflict');
    expect(await expectProblem(await merge(one, { from: one }), 422)).toBe('validation_failed');
    expect(await expectProblem(await merge(one, { from: newId() }), 404)).toBe('not_found');
    for (const json of [
      {},
      { from: 'x' },
      { from: two, preview: 'yes' },
      { from: two, takeAll: 'both' },
      { from: two, more: 1 },
    ])
      expect(await expectProblem(await merge(one, json), 422), JSON.stringify(json)).toBe('validation_failed');
    // A copy is no fork.
    const { project } = await expectJson<{ project: Project }>(
      await call('POST', `/api/projects/${one}/duplicate`, { as: world.owner, json: {} }),
      201,
    );
    expect(await expectProblem(await merge(one, { from: project.id }), 409)).toBe('conflict');
  });

  it('of a fork whose origin was erased stays itself', async () => {
    const home = await newProject({ a: 'a' });
    const away = await fork(home, world.owner);
    expect((await call('DELETE', `/api/projects/${home}?permanent=true`, { as: world.owner })).status).toBe(204);
    expect(await contents(away.id)).toEqual({ a: 'a' });
    expect(await expectProblem(await merge(away.id, { from: home }), 404)).toBe('not_found');
    const shown = await expectJson<{ project: Project }>(
      await call('GET', `/api/projects/${away.id}`, { as: world.owner }),
      200,
    );
    expect(shown.project.forkedFrom).toBe(home);
  });
});
