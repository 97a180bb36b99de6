import { beforeAll, describe, expect, it } from 'vitest';
import type { Build } from '../../src/contract/builds.ts';
import { type HeardMessage, readFrame } from '../../src/contract/room.ts';
import { type Account, call, expectJson, expectProblem, makeWorld, signUp, type World } from './support.ts';
import { openSocket, until, YjsClient } from './yjs-client.ts';

let world: World;
/** A project of the stranger's own. */
let theirs: string;
beforeAll(async () => {
  world = await makeWorld({ 'index.html': '<p>hi</p>', 'secret.txt': 'of the world' });
  theirs = await newProject(world.stranger);
});

async function newProject(as: Account, isPublic = false): Promise<string> {
  const created = await call('POST', '/api/projects', { as, json: { name: 'Another', isPublic } });
  return (await expectJson<{ project: { id: string } }>(created, 201)).project.id;
}

async function newBuild(as: Account, projectId = world.projectId): Promise<Build> {
  const made = await call('POST', '/api/builds', { as, json: { projectId } });
  return (await expectJson<{ build: Build }>(made, 202)).build;
}

const add = async (account: Account, role: 'editor' | 'viewer', projectId = world.projectId): Promise<void> => {
  const json = { userId: account.id, role };
  await expectJson(await call('POST', `/api/projects/${projectId}/collaborators`, { as: world.owner, json }), 201);
};

describe('#26 mixed ids', () => {
  it('find nothing: a child is looked up through its parent', async () => {
    const { stranger, owner, projectId } = world;
    const build = await newBuild(owner);
    const invite = await expectJson<{ invite: { id: string } }>(
      await call('POST', `/api/projects/${projectId}/invites`, { as: owner, json: { role: 'viewer' } }),
      201,
    );
    const refusals: [string, string][] = [
      ['GET', `/api/projects/${theirs}/files/secret.txt?project=${projectId}`],
      ['GET', `/api/projects/${theirs}/files/secret.txt?id=${projectId}&projectId=${projectId}`],
      ['DELETE', `/api/projects/${theirs}/invites/${invite.invite.id}`],
      ['DELETE', `/api/projects/${theirs}/collaborators/${world.editor.id}`],
      ['GET', `/api/builds/${build.id}?projectId=${theirs}`],
      ['GET', `/api/builds/${build.id}/logs`],
      ['GET', `/api/builds/${build.id}/artifacts`],
      ['DELETE', `/api/builds/${build.id}`],
      ['POST', `/api/builds/${build.id}/retry`],
      ['GET', `/api/builds/${projectId}`],
      ['GET', `/api/projects/${build.id}`],
    ];
    for (const [method, path] of refusals)
      expect(await expectProblem(await call(method, path, { as: stranger }), 404), `${method} ${path}`).toBe(
        'not_found',
      );
    for (const path of [
      `/api/projects/${theirs}/builds?projectId=${projectId}`,
      `/api/projects/${theirs}/activity?project=${projectId}`,
      `/api/projects/${theirs}/activity?actor=${owner.id}`,
      `/api/projects/${theirs}/files?project=${projectId}`,
    ]) {
      const text = await (await call('GET', path, { as: stranger })).text();
      for (const foreign of [projectId, owner.id, build.id, 'secret.txt']) expect(text, path).not.toContain(foreign);
    }
    const { invites } = await expectJson<{ invites: unknown[] }>(
      await call('GET', `/api/projects/${projectId}/invites`, { as: owner }),
      200,
    );
    expect(invites).toHaveLength(1);
    expect(
      (await expectJson<{ build: Build }>(await call('GET', `/api/builds/${build.id}`, { as: owner }), 200)).build
        .status,
    ).toBe('queued');
  });

  it('in the body are the ones that count, once', async () => {
    const { stranger, projectId } = world;
    const twice = `{"projectId":"${theirs}","projectId":"${projectId}"}`;
    const answer = await call('POST', '/api/builds', {
      as: stranger,
      body: twice,
      headers: { 'content-type': 'application/json' },
    });
    expect(await expectProblem(answer, 404)).toBe('not_found');
  });
});

describe('#27 a viewer', () => {
  it('stops builds of their own, and nobody else’s', async () => {
    const { viewer, owner } = world;
    const [mine, others] = [await newBuild(viewer), await newBuild(owner)];
    expect((await call('DELETE', `/api/builds/${mine.id}`, { as: viewer })).status).toBe(204);
    expect(await expectProblem(await call('DELETE', `/api/builds/${others.id}`, { as: viewer }), 403)).toBe(
      'forbidden',
    );
    // What has ended belongs to the project.
    expect(await expectProblem(await call('DELETE', `/api/builds/${mine.id}`, { as: viewer }), 403)).toBe('forbidden');
    expect((await call('DELETE', `/api/builds/${mine.id}`, { as: world.editor })).status).toBe(204);
  });

  it('removes nobody but themself', async () => {
    const path = `/api/projects/${world.projectId}/collaborators`;
    for (const target of [world.editor, world.owner])
      expect(await expectProblem(await call('DELETE', `${path}/${target.id}`, { as: world.viewer }), 403)).toBe(
        'forbidden',
      );
    expect((await call('DELETE', `${path}/${world.viewer.id}`, { as: world.viewer })).status).toBe(204);
    await add(world.viewer, 'viewer');
  });
});

describe('#29 settings', () => {
  it('take keys that mean something to an engine as plain keys', async () => {
    const body = '{"settings":{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}}';
    await call('PATCH', `/api/projects/${world.projectId}`, {
      as: world.owner,
      body,
      headers: { 'content-type': 'application/json' },
    });
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    await expectJson(await call('GET', `/api/projects/${world.projectId}`, { as: world.owner }), 200);
  });
});

describe('#30 a member who is connected', () => {
  /** A project with one more editor, who has the room and a document open. */
  const connected = async () => {
    const projectId = await newProject(world.owner);
    const member = await signUp('member');
    const file = `/api/projects/${projectId}/files/a.txt`;
    await expectJson(await call('PUT', file, { as: world.owner, json: { content: 'mine' } }), 201);
    await add(member, 'editor', projectId);
    const build = await newBuild(member, projectId);
    const channel = await openSocket(member, projectId, 'room');
    const messages: HeardMessage[] = [];
    const closes: number[] = [];
    channel.addEventListener('message', ({ data }) => {
      messages.push(...readFrame(String(data)));
    });
    channel.addEventListener('close', ({ code }) => {
      closes.push(code);
    });
    channel.accept();
    const document = await YjsClient.open(member, projectId, 'a.txt');
    const ticket = await call('POST', `/api/projects/${projectId}/room/ticket`, { as: member });
    const spare = (await expectJson<{ ticket: string }>(ticket, 200)).ticket;
    return { projectId, member, file, build, channel, messages, closes, document, spare };
  };
  const listed = async (as: Account): Promise<{ id: string; role: string }[]> =>
    (await expectJson<{ projects: { id: string; role: string }[] }>(await call('GET', '/api/projects', { as }), 200))
      .projects;

  it('and removed is out of everything at once, and is told of nothing more', async () => {
    const { projectId, member, file, build, messages, closes, document, spare } = await connected();
    const path = `/api/projects/${projectId}`;
    expect((await listed(member)).map(({ id }) => id)).toContain(projectId);
    expect((await call('DELETE', `${path}/collaborators/${member.id}`, { as: world.owner })).status).toBe(204);
    for (const [method, at] of [
      ['GET', path],
      ['GET', file],
      ['PUT', file],
      ['GET', `${path}/tree`],
      ['GET', `${path}/activity`],
      ['GET', `${path}/events`],
      ['GET', `${path}/builds`],
      ['GET', `/api/builds/${build.id}`],
      ['GET', `/api/builds/${build.id}/logs`],
      ['DELETE', `/api/builds/${build.id}`],
      ['POST', `${path}/room/ticket`],
    ] as const)
      expect(
        await expectProblem(
          await call(method, at, { as: member, ...(method === 'PUT' && { json: { content: 'x' } }) }),
          404,
        ),
      ).toBe('not_found');
    expect(await listed(member)).toEqual([]);
    expect(await (await call('GET', '/api/projects?q=Another', { as: member })).text()).not.toContain(projectId);
    await until(() => document.closed !== null && closes.length > 0);
    expect([document.closed, closes]).toEqual([4403, [4403]]);
    // A ticket from before opens nothing.
    const upgrade = await call('GET', `${path}/room?ticket=${spare}`, { headers: { upgrade: 'websocket' } });
    expect(upgrade.status).toBe(404);
    const heard = messages.length;
    await call('PUT', file, { as: world.owner, json: { content: 'after' } });
    expect(messages).toHaveLength(heard);
  });

  it('and demoted writes nothing more, by any way, and reads on', async () => {
    const { projectId, member, file, closes, document } = await connected();
    const path = `/api/projects/${projectId}/collaborators/${member.id}`;
    await expectJson(await call('PUT', path, { as: world.owner, json: { role: 'viewer' } }), 200);
    document.text.insert(0, 'not ');
    expect(await expectProblem(await call('PUT', file, { as: member, json: { content: 'x' } }), 403)).toBe('forbidden');
    const read = await call('GET', file, { as: member });
    expect((await expectJson<{ file: { content: string } }>(read, 200)).file.content).toBe('mine');
    expect((await listed(member)).find(({ id }) => id === projectId)?.role).toBe('viewer');
    expect([document.closed, closes]).toEqual([null, []]);
    document.close();
  });
});

describe('#35 what everybody is shown', () => {
  const fields = (value: unknown): string[] => Object.keys(value as object).sort();
  const person = ['avatarUrl', 'displayName', 'userId', 'username'];
  const lists = {
    project: [
      'createdAt',
      'deletedAt',
      'description',
      'fileCount',
      'forkedCheckpointId',
      'forkedFrom',
      'id',
      'isPublic',
      'name',
      'ownerId',
      'role',
      'settings',
      'thumbnailUrl',
      'totalSize',
      'updatedAt',
    ],
    collaborator: ['addedAt', ...person, 'role'].sort(),
    activity: ['action', 'actor', 'at', 'data', 'id', 'person', 'subject'],
    file: ['hash', 'isText', 'mimeType', 'path', 'seq', 'size', 'updatedAt', 'updatedBy'],
    event: ['at', 'by', 'data', 'seq', 'type'],
    build: [
      'artifactSize',
      'artifactUrl',
      'attempt',
      'cached',
      'checkpointId',
      'completedAt',
      'createdAt',
      'errorCode',
      'errorMessage',
      'id',
      'options',
      'playUrl',
      'progress',
      'projectId',
      'startedAt',
      'status',
      'step',
      'target',
      'timings',
      'treeHash',
      'userId',
    ],
    invite: ['createdAt', 'email', 'expiresAt', 'id', 'kind', 'maxUses', 'role', 'uses'],
    preview: ['currentRole', 'expiresAt', 'invitedBy', 'projectId', 'projectName', 'role'],
  } as const;

  it.each(['owner', 'editor', 'viewer'] as const)(
    'as %s has the fields of the list and nobody’s address',
    async (role) => {
      const as = world[role];
      await newBuild(as);
      const get = async <T>(path: string): Promise<T> => {
        const answer = await call('GET', path, { as });
        const text = await answer.clone().text();
        for (const other of [world.owner, world.editor, world.viewer, world.stranger])
          if (other !== as) expect(text, path).not.toContain(other.email);
        return await expectJson<T>(answer, 200);
      };
      const path = `/api/projects/${world.projectId}`;
      expect(fields((await get<{ project: object }>(path)).project)).toEqual(lists.project);
      const { projects } = await get<{ projects: object[] }>('/api/projects');
      for (const one of projects) expect(fields(one)).toEqual(lists.project);
      const { collaborators } = await get<{ collaborators: object[] }>(`${path}/collaborators`);
      for (const one of collaborators) expect(fields(one)).toEqual(lists.collaborator);
      const { activity } = await get<{ activity: { actor: object | null; person: object | null }[] }>(
        `${path}/activity`,
      );
      expect(activity.length).toBeGreaterThan(3);
      for (const one of activity) {
        expect(fields(one)).toEqual(lists.activity);
        for (const who of [one.actor, one.person]) if (who) expect(fields(who)).toEqual(person);
      }
      const { files } = await get<{ files: object[] }>(`${path}/files`);
      for (const one of files) expect(fields(one)).toEqual(lists.file);
      const { events } = await get<{ events: object[] }>(`${path}/events`);
      for (const one of events) expect(fields(one)).toEqual(lists.event);
      const { builds } = await get<{ builds: object[] }>(`${path}/builds`);
      for (const one of builds) expect(fields(one)).toEqual(lists.build);
    },
  );

  it('of an invite is no token and no hash, once it is made', async () => {
    const path = `/api/projects/${world.projectId}/invites`;
    const made = await expectJson<{ invite: object; token: string }>(
      await call('POST', path, { as: world.owner, json: { role: 'viewer' } }),
      201,
    );
    expect(fields(made)).toEqual(['invite', 'token', 'url']);
    expect(fields(made.invite)).toEqual(lists.invite);
    const list = await (await call('GET', path, { as: world.owner })).text();
    expect(list).not.toContain(made.token);
    const preview = await expectJson<{ invite: { invitedBy: object } }>(
      await call('GET', `/api/invites/${made.token}`, { as: world.stranger }),
      200,
    );
    expect(fields(preview.invite)).toEqual(lists.preview);
    expect(fields(preview.invite.invitedBy)).toEqual(person);
    expect(JSON.stringify(preview)).not.toContain(world.owner.email);
  });

  it('of a public project as a stranger is the project and its files', async () => {
    const projectId = await newProject(world.owner, true);
    await call('PUT', `/api/projects/${projectId}/files/a.txt`, { as: world.owner, json: { content: 'x' } });
    const project = await call('GET', `/api/projects/${projectId}`, { as: world.stranger });
    const shown = (await expectJson<{ project: { role: string } }>(project, 200)).project;
    expect(fields(shown)).toEqual(lists.project);
    expect(shown.role).toBe('public');
    for (const part of ['collaborators', 'activity', 'events', 'presence', 'invites', 'builds'])
      expect(
        await expectProblem(await call('GET', `/api/projects/${projectId}/${part}`, { as: world.stranger }), 403),
      ).toBe('forbidden');
  });
});
