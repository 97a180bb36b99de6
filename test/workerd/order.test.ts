import { beforeAll, describe, expect, it } from 'vitest';
import { call, expectProblem, makeWorld, type World } from './support.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld({});
});

describe('the order of checks', () => {
  it('asks who somebody is before it looks at what they sent', async () => {
    expect(await expectProblem(await call('GET', '/api/projects?limit=0'), 401)).toBe('unauthenticated');
    expect(await expectProblem(await call('POST', '/api/projects', { json: { nonsense: true } }), 401)).toBe(
      'unauthenticated',
    );
    expect(
      await expectProblem(
        await call('POST', '/api/projects', { body: '{', headers: { 'content-type': 'application/json' } }),
        401,
      ),
    ).toBe('unauthenticated');
  });

  it('tells a stranger nothing of a project by complaints about the input', async () => {
    const project = `/api/projects/${world.projectId}`;
    const as = world.stranger;
    for (const answer of [
      await call('PATCH', project, { as, json: { nonsense: true } }),
      await call('PATCH', project, { as, body: '{', headers: { 'content-type': 'application/json' } }),
      await call('PUT', `${project}/files/..%2fx`, { as, json: { content: 'x' } }),
      await call('PUT', `${project}/files/x`, { as, json: { content: 1 } }),
      await call('GET', `${project}/builds?limit=0`, { as }),
      await call('GET', `${project}/events?since=-1`, { as }),
    ])
      expect(await expectProblem(answer, 404)).toBe('not_found');
  });

  it('tells a member without the right so, whatever they sent', async () => {
    const project = `/api/projects/${world.projectId}`;
    expect(await expectProblem(await call('PATCH', project, { as: world.viewer, json: { nonsense: true } }), 403)).toBe(
      'forbidden',
    );
    expect(
      await expectProblem(
        await call('PUT', `${project}/files/..%2fx`, { as: world.viewer, json: { content: 'x' } }),
        403,
      ),
    ).toBe('forbidden');
    expect(await expectProblem(await call('PATCH', project, { as: world.owner, json: { nonsense: true } }), 422)).toBe(
      'validation_failed',
    );
  });
});
