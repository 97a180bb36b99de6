import { beforeAll, describe, expect, it } from 'vitest';
import type { Endpoint } from '../../src/contract/endpoint.ts';
import { endpoints } from '../../src/contract/endpoints.ts';
import { newId } from '../../src/contract/ids.ts';
import type { Access } from '../../src/contract/projects.ts';
import { allows } from '../../src/core/permissions.ts';
import { type Account, call, expectJson, expectProblem, makeWorld, type World } from './support.ts';

let world: World;
let openProject: string;

beforeAll(async () => {
  world = await makeWorld({ 'index.html': '<p>hi</p>' });
  const created = await call('POST', '/api/projects', { as: world.owner, json: { name: 'Open', isPublic: true } });
  openProject = (await expectJson<{ project: { id: string } }>(created, 201)).project.id;
});

const projectEndpoints = (Object.values(endpoints) as Endpoint[]).filter(
  (endpoint) => endpoint.access.kind === 'project',
);

/** A request to an endpoint that is well formed as far as the gate needs. */
function request(endpoint: Endpoint, projectId: string, as: Account | undefined, version = ''): Promise<Response> {
  const path = endpoint.path
    .replace('/api/', `/api${version}/`)
    .replace('{id}', projectId)
    .replace('{path}', 'nothing-here.txt')
    .replace('{userId}', newId());
  const body = endpoint.body ? { name: 'x', content: 'x', role: 'viewer', userId: newId() } : undefined;
  const fitting =
    endpoint.body && body
      ? Object.fromEntries(
          Object.entries(body).filter(
            ([key]) =>
              endpoint.body?.safeParse({ ...required(endpoint), [key]: body[key as keyof typeof body] }).success,
          ),
        )
      : undefined;
  return call(endpoint.method, path, { as, json: endpoint.body ? { ...required(endpoint), ...fitting } : undefined });
}

/** The smallest body that the endpoint's schema takes. */
function required(endpoint: Endpoint): Record<string, unknown> {
  for (const candidate of [{}, { content: 'x' }, { role: 'viewer' }, { userId: newId(), role: 'viewer' }])
    if (endpoint.body?.safeParse(candidate).success) return candidate;
  throw new Error(`no body known for ${endpoint.path}`);
}

describe('#25 every route of a project', () => {
  it('asks for credentials first', async () => {
    for (const endpoint of projectEndpoints)
      expect(await expectProblem(await request(endpoint, world.projectId, undefined), 401)).toBe('unauthenticated');
  });

  it('tells a stranger the same as of a project that does not exist', async () => {
    for (const endpoint of projectEndpoints) {
      const real = await expectJson<Record<string, unknown>>(
        await request(endpoint, world.projectId, world.stranger),
        404,
      );
      const unknown = await expectJson<Record<string, unknown>>(await request(endpoint, newId(), world.stranger), 404);
      expect({ ...real, requestId: '' }).toEqual({ ...unknown, requestId: '' });
    }
  });

  it('answers 403 exactly where the table of rights says no', async () => {
    const roles: [Access, Account, string][] = [
      ['viewer', world.viewer, world.projectId],
      ['editor', world.editor, world.projectId],
      ['public', world.stranger, openProject],
    ];
    for (const endpoint of projectEndpoints) {
      if (endpoint.access.kind !== 'project') continue;
      for (const [access, account, projectId] of roles) {
        const answer = await request(endpoint, projectId, account, '/v1');
        const refused = answer.status === 403;
        // Leaving is a right of members, but only for themselves: the handler refuses the rest.
        const expected = !allows(access, endpoint.access.right) || endpoint.access.right === 'members.leave';
        expect(refused, `${endpoint.method} ${endpoint.path} as ${access}: ${answer.status}`).toBe(expected);
        await answer.body?.cancel();
      }
    }
  });
});

describe('#27 a viewer', () => {
  it('changes nothing by any writing route', async () => {
    const hash = async () =>
      (
        await expectJson<{ hash: string }>(
          await call('GET', `/api/projects/${world.projectId}/tree`, { as: world.owner }),
          200,
        )
      ).hash;
    const before = await hash();
    const files = `/api/projects/${world.projectId}/files`;
    for (const [method, path, json] of [
      ['PUT', `${files}/index.html`, { content: 'x' }],
      ['POST', `${files}/new.txt`, { content: 'x' }],
      ['DELETE', `${files}/index.html`, undefined],
      ['PATCH', `/api/projects/${world.projectId}`, { name: 'Mine' }],
      ['DELETE', `/api/projects/${world.projectId}?permanent=true`, undefined],
    ] as const)
      expect(await expectProblem(await call(method, path, { as: world.viewer, json }), 403)).toBe('forbidden');
    expect(await hash()).toBe(before);
  });
});

describe('#29 extra fields', () => {
  it('are refused on create and update, and prototypes stay clean', async () => {
    for (const field of ['ownerId', 'id', 'role', 'createdAt', 'state', 'revision']) {
      const json = JSON.parse(`{"name":"x","${field}":"y"}`);
      expect(await expectProblem(await call('POST', '/api/projects', { as: world.owner, json }), 422)).toBe(
        'validation_failed',
      );
      expect(
        await expectProblem(await call('PATCH', `/api/projects/${world.projectId}`, { as: world.owner, json }), 422),
      ).toBe('validation_failed');
    }
    const body = '{"name":"x","settings":{"__proto__":{"polluted":true}}}';
    await call('PATCH', `/api/projects/${world.projectId}`, {
      as: world.owner,
      body,
      headers: { 'content-type': 'application/json' },
    });
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

describe('#30 a member', () => {
  it('who is removed is a stranger at the next request', async () => {
    const { projectId } = world;
    await expectJson(await call('GET', `/api/projects/${projectId}/tree`, { as: world.editor }), 200);
    expect(
      (await call('DELETE', `/api/projects/${projectId}/collaborators/${world.editor.id}`, { as: world.owner })).status,
    ).toBe(204);
    expect(await expectProblem(await call('GET', `/api/projects/${projectId}/tree`, { as: world.editor }), 404)).toBe(
      'not_found',
    );
    const { projects } = await expectJson<{ projects: { id: string }[] }>(
      await call('GET', '/api/projects', { as: world.editor }),
      200,
    );
    expect(projects.map((project) => project.id)).not.toContain(projectId);
    await expectJson(
      await call('POST', `/api/projects/${projectId}/collaborators`, {
        as: world.owner,
        json: { username: world.editor.username, role: 'editor' },
      }),
      201,
    );
  });

  it('may leave, and may not remove anybody else; the owner stays', async () => {
    const path = `/api/projects/${world.projectId}/collaborators`;
    expect(await expectProblem(await call('DELETE', `${path}/${world.viewer.id}`, { as: world.editor }), 403)).toBe(
      'forbidden',
    );
    expect(await expectProblem(await call('DELETE', `${path}/${world.owner.id}`, { as: world.owner }), 409)).toBe(
      'owner_required',
    );
    expect((await call('DELETE', `${path}/${world.viewer.id}`, { as: world.viewer })).status).toBe(204);
    await expectJson(
      await call('POST', path, { as: world.owner, json: { email: world.viewer.email, role: 'viewer' } }),
      201,
    );
    expect(
      await expectProblem(
        await call('POST', path, { as: world.owner, json: { userId: world.viewer.id, role: 'editor' } }),
        409,
      ),
    ).toBe('already_member');
  });
});

describe('#40 the router', () => {
  it('knows a route only by its exact bytes', async () => {
    for (const path of [
      '/%61pi/projects',
      '/api//projects',
      '/API/projects',
      '/api/projects;x=y',
      '/api/v0/projects',
      '/api/v1/v1/projects',
      '/api/projects/',
    ])
      expect([404, 405], path).toContain((await call('GET', path, { as: world.owner })).status);
  });

  it('answers an unknown method of a known path with 405 and the methods that it has', async () => {
    const answer = await call('DELETE', '/api/projects', { as: world.owner });
    expect(answer.headers.get('allow')?.split(', ').sort()).toEqual(['GET', 'POST']);
    expect(await expectProblem(answer, 405)).toBe('method_not_allowed');
  });
});
