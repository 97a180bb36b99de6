import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../src/contract/ids.ts';
import { openDatabase } from '../../src/data/open.ts';
import { createProject } from '../../src/data/projects.ts';
import { sweep } from '../../src/worker/scheduled.ts';
import { newProject } from '../support/new-project.ts';
import { type Account, call, database, expectJson, expectProblem, roomStub, signUp } from './support.ts';

interface ProjectBody {
  project: { id: string; name: string; role: string; fileCount: number; totalSize: number; deletedAt: string | null };
}

let owner: Account;
beforeAll(async () => {
  owner = await signUp('owner');
});

const create = async (name: string, more: Record<string, unknown> = {}): Promise<ProjectBody['project']> =>
  (await expectJson<ProjectBody>(await call('POST', '/api/projects', { as: owner, json: { name, ...more } }), 201))
    .project;

describe('projects', () => {
  it('are created, read, changed under their ETag, and listed', async () => {
    const project = await create('First', { description: 'd', settings: { theme: 'dark' } });
    const read = await call('GET', `/api/projects/${project.id}`, { as: owner });
    const tag = read.headers.get('etag') ?? '';
    expect((await expectJson<ProjectBody>(read, 200)).project).toMatchObject({
      name: 'First',
      role: 'owner',
      fileCount: 0,
    });
    expect(
      (await call('GET', `/api/projects/${project.id}`, { as: owner, headers: { 'if-none-match': tag } })).status,
    ).toBe(304);
    await expectJson(
      await call('PATCH', `/api/projects/${project.id}`, {
        as: owner,
        json: { name: 'Second' },
        headers: { 'if-match': tag },
      }),
      200,
    );
    expect(
      await expectProblem(
        await call('PATCH', `/api/projects/${project.id}`, {
          as: owner,
          json: { name: 'Third' },
          headers: { 'if-match': tag },
        }),
        412,
      ),
    ).toBe('precondition_failed');
    expect(
      (await expectJson<ProjectBody>(await call('GET', `/api/projects/${project.id}`, { as: owner }), 200)).project
        .name,
    ).toBe('Second');
  });

  it('are listed page by page, every one once, by each order', async () => {
    const account = await signUp('lister');
    const names = ['delta', 'alpha', 'echo', 'bravo', 'charlie'];
    for (const name of names)
      await expectJson(await call('POST', '/api/projects', { as: account, json: { name } }), 201);
    for (const sort of ['name', 'createdAt', 'updatedAt']) {
      const seen: string[] = [];
      let cursor: string | null = '';
      while (cursor !== null) {
        const page: { projects: { name: string }[]; nextCursor: string | null } = await expectJson(
          await call('GET', `/api/projects?limit=2&sort=${sort}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`, {
            as: account,
          }),
          200,
        );
        seen.push(...page.projects.map((project) => project.name));
        cursor = page.nextCursor;
      }
      expect([...seen].sort()).toEqual([...names].sort());
      if (sort === 'name') expect(seen).toEqual([...names].sort());
    }
    expect(
      (await expectJson<{ projects: unknown[] }>(await call('GET', '/api/projects?q=AL', { as: account }), 200))
        .projects,
    ).toHaveLength(1);
    expect(
      (await expectJson<{ projects: unknown[] }>(await call('GET', '/api/projects?q=%25', { as: account }), 200))
        .projects,
    ).toHaveLength(0);
    expect(
      (await expectJson<{ projects: unknown[] }>(await call('GET', '/api/projects?role=viewer', { as: account }), 200))
        .projects,
    ).toHaveLength(0);
  });

  it('#34 take no cursor and no limit that they did not give', async () => {
    for (const query of [
      'limit=0',
      'limit=201',
      'limit=-1',
      'limit=x',
      'sort=ownerId',
      `cursor=${btoa('["x"]')}`,
      'cursor=%00',
    ])
      expect(await expectProblem(await call('GET', `/api/projects?${query}`, { as: owner }), 422)).toBe(
        'validation_failed',
      );
  });

  it('go to the trash, where only the owner finds them', async () => {
    const project = await create('Trashed');
    expect((await call('DELETE', `/api/projects/${project.id}`, { as: owner })).status).toBe(204);
    const list = async (query: string) =>
      (
        await expectJson<{ projects: { id: string }[] }>(
          await call('GET', `/api/projects?${query}`, { as: owner }),
          200,
        )
      ).projects.map((one) => one.id);
    expect(await list('')).not.toContain(project.id);
    expect(await list('trashed=true')).toContain(project.id);
  });

  it('in the trash are read and restored, and take no writes', async () => {
    const project = await create('Back');
    const path = `/api/projects/${project.id}`;
    await expectJson(await call('PUT', `${path}/files/a.txt`, { as: owner, json: { content: 'x' } }), 201);
    await call('DELETE', path, { as: owner });
    expect(
      await expectProblem(await call('PUT', `${path}/files/a.txt`, { as: owner, json: { content: 'y' } }), 409),
    ).toBe('conflict');
    expect(
      await expectProblem(await call('POST', '/api/builds', { as: owner, json: { projectId: project.id } }), 409),
    ).toBe('conflict');
    expect(
      (await expectJson<ProjectBody>(await call('GET', path, { as: owner }), 200)).project.deletedAt,
    ).not.toBeNull();
    const restored = await expectJson<ProjectBody>(await call('POST', `${path}/restore`, { as: owner }), 200);
    expect(restored.project).toMatchObject({ deletedAt: null, fileCount: 1 });
    await expectJson(await call('PUT', `${path}/files/a.txt`, { as: owner, json: { content: 'y' } }), 200);
  });

  it('erased for good leave nothing in the database and nothing in the room', async () => {
    const project = await create('Erased');
    await expectJson(
      await call('PUT', `/api/projects/${project.id}/files/a.txt`, { as: owner, json: { content: 'x' } }),
      201,
    );
    expect((await call('DELETE', `/api/projects/${project.id}?permanent=true`, { as: owner })).status).toBe(204);
    expect(await expectProblem(await call('GET', `/api/projects/${project.id}`, { as: owner }), 404)).toBe('not_found');
    expect(await database.prepare('SELECT count(*) AS n FROM projects WHERE id = ?').bind(project.id).first('n')).toBe(
      0,
    );
    await runInDurableObject(roomStub(project.id), async (_room, state) => {
      expect([
        ...state.storage.sql.exec("SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'files'"),
      ]).toEqual([]);
    });
  });

  it('that stopped half-way through their creation are invisible, and the sweep removes them', async () => {
    const half = newProject(owner.id, 'Half', Date.now() - 600_000);
    const { id } = half;
    await createProject(openDatabase(env), half);
    expect(await expectProblem(await call('GET', `/api/projects/${id}`, { as: owner }), 404)).toBe('not_found');
    await sweep(env, Date.now());
    expect(await database.prepare('SELECT count(*) AS n FROM projects WHERE id = ?').bind(id).first('n')).toBe(0);
  });

  it('tell their file totals from the room, and the index in the database follows', async () => {
    const project = await create('Counted');
    for (const path of ['a.txt', 'b.txt'])
      await expectJson(
        await call('PUT', `/api/projects/${project.id}/files/${path}`, { as: owner, json: { content: 'four' } }),
        201,
      );
    await call('DELETE', `/api/projects/${project.id}/files/b.txt`, { as: owner });
    const shown = (await expectJson<ProjectBody>(await call('GET', `/api/projects/${project.id}`, { as: owner }), 200))
      .project;
    expect(shown).toMatchObject({ fileCount: 1, totalSize: 4 });
    const stub = roomStub(project.id);
    await stub.flushIndex();
    await stub.flushIndex();
    expect(
      (await database.prepare('SELECT path FROM project_files WHERE project_id = ?').bind(project.id).all()).results,
    ).toEqual([{ path: 'a.txt' }]);
    expect(
      await database.prepare('SELECT file_count AS n FROM projects WHERE id = ?').bind(project.id).first('n'),
    ).toBe(1);
  });

  it('keep their tree over an eviction of the room', async () => {
    const project = await create('Evicted');
    await expectJson(
      await call('PUT', `/api/projects/${project.id}/files/a.txt`, { as: owner, json: { content: 'kept' } }),
      201,
    );
    await evictDurableObject(roomStub(project.id));
    const { file } = await expectJson<{ file: { content: string } }>(
      await call('GET', `/api/projects/${project.id}/files/a.txt`, { as: owner }),
      200,
    );
    expect(file.content).toBe('kept');
  });
});

describe('Idempotency-Key', () => {
  it('replays the first answer, and refuses another request under the same key', async () => {
    const headers = { 'idempotency-key': newId() };
    const first = await expectJson<ProjectBody>(
      await call('POST', '/api/projects', { as: owner, json: { name: 'Once' }, headers }),
      201,
    );
    const second = await call('POST', '/api/v1/projects', { as: owner, json: { name: 'Once' }, headers });
    expect(second.headers.get('idempotency-replayed')).toBe('true');
    expect((await expectJson<ProjectBody>(second, 201)).project.id).toBe(first.project.id);
    expect(
      await expectProblem(await call('POST', '/api/projects', { as: owner, json: { name: 'Other' }, headers }), 422),
    ).toBe('idempotency_key_reused');
  });

  it('lets one of ten requests at once do the work', async () => {
    const headers = { 'idempotency-key': newId() };
    const name = `Burst ${newId()}`;
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => call('POST', '/api/projects', { as: owner, json: { name }, headers })),
    );
    expect(answers.every((answer) => answer.status === 201 || answer.status === 409)).toBe(true);
    const { projects } = await expectJson<{ projects: unknown[] }>(
      await call('GET', `/api/projects?q=${encodeURIComponent(name)}`, { as: owner }),
      200,
    );
    expect(projects).toHaveLength(1);
  });

  it('is free again when the first request changed nothing', async () => {
    const headers = { 'idempotency-key': newId() };
    expect(
      await expectProblem(
        await call('POST', '/api/projects', { as: owner, json: { name: 'x', templateId: 'unknown' }, headers }),
        404,
      ),
    ).toBe('not_found');
    await expectJson(await call('POST', '/api/projects', { as: owner, json: { name: 'x' }, headers }), 201);
  });
});
