import { createExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { limits } from '../../src/contract/limits.ts';
import { type HeardMessage, readFrame } from '../../src/contract/room.ts';
import type { Activity, Invite, InvitePreview, Usage } from '../../src/contract/sharing.ts';
import { sha256 } from '../../src/core/tree.ts';
import { buildPolicy, giveBuildBack, takeBuild } from '../../src/durable-objects/build/quota.ts';
import { createApp } from '../../src/worker/app.ts';
import { sweep } from '../../src/worker/scheduled.ts';
import {
  type Account,
  call,
  database,
  expectJson,
  expectProblem,
  makeWorld,
  signUp,
  verifyAddress,
  type World,
} from './support.ts';
import { openSocket, until, YjsClient } from './yjs-client.ts';

let world: World;
let path: string;
beforeAll(async () => {
  world = await makeWorld({ 'a.txt': 'text' });
  path = `/api/projects/${world.projectId}`;
});
afterEach(() => {
  vi.restoreAllMocks();
});

interface Made {
  readonly invite: Invite;
  readonly token: string;
  readonly url: string;
}

const invite = async (json: Record<string, unknown> = { role: 'editor' }, at = path): Promise<Made> =>
  await expectJson<Made>(await call('POST', `${at}/invites`, { as: world.owner, json }), 201);
const accept = (token: string, as: Account): Promise<Response> => call('POST', `/api/invites/${token}/accept`, { as });
const open = async (at = path): Promise<Invite[]> =>
  (await expectJson<{ invites: Invite[] }>(await call('GET', `${at}/invites`, { as: world.owner }), 200)).invites;
const roleOf = async (account: Account, at = path): Promise<string | undefined> => {
  const answer = await call('GET', `${at}/collaborators`, { as: world.owner });
  const { collaborators } = await expectJson<{ collaborators: { userId: string; role: string }[] }>(answer, 200);
  return collaborators.find(({ userId }) => userId === account.id)?.role;
};
const remove = async (account: Account, at = path): Promise<void> => {
  expect((await call('DELETE', `${at}/collaborators/${account.id}`, { as: world.owner })).status).toBe(204);
};
const freshProject = async (as: Account = world.owner): Promise<string> => {
  const created = await call('POST', '/api/projects', { as, json: { name: 'Fresh' } });
  return `/api/projects/${(await expectJson<{ project: { id: string } }>(created, 201)).project.id}`;
};
const activityOf = async (at: string, query = '', as: Account = world.owner): Promise<Activity[]> =>
  (await expectJson<{ activity: Activity[] }>(await call('GET', `${at}/activity?${query}`, { as }), 200)).activity;

/** What the Worker logged while something ran. */
async function logged(work: () => Promise<unknown>): Promise<Record<string, unknown>[]> {
  const lines: string[] = [];
  for (const level of ['info', 'warn', 'error'] as const)
    vi.spyOn(console, level).mockImplementation((line: unknown) => {
      lines.push(String(line));
    });
  await work();
  vi.restoreAllMocks();
  return lines.map((line) => JSON.parse(line));
}

describe('an invite', () => {
  it('by a link lets people in with its role, as often as it says', async () => {
    const made = await invite({ role: 'viewer', maxUses: 1 });
    expect(made.invite).toMatchObject({ kind: 'link', role: 'viewer', email: null, uses: 0, maxUses: 1 });
    expect(made.url).toBe(`http://kiln.test/invite/${made.token}`);
    const guest = await signUp('guest');
    const preview = await call('GET', `/api/invites/${made.token}`, { as: guest });
    expect((await expectJson<{ invite: InvitePreview }>(preview, 200)).invite).toMatchObject({
      projectId: world.projectId,
      projectName: 'World',
      role: 'viewer',
      invitedBy: { userId: world.owner.id, username: world.owner.username },
      currentRole: null,
    });
    const joined = await expectJson<{ project: { id: string; role: string } }>(await accept(made.token, guest), 200);
    expect(joined.project).toMatchObject({ id: world.projectId, role: 'viewer', fileCount: 1 });
    await expectJson(await call('GET', `${path}/tree`, { as: guest }), 200);
    expect(await expectProblem(await accept(made.token, world.stranger), 404)).toBe('invite_invalid');
    // Once more by the same person: harmless.
    expect((await expectJson<{ project: { role: string } }>(await accept(made.token, guest), 200)).project.role).toBe(
      'viewer',
    );
    expect((await open()).map(({ id }) => id)).not.toContain(made.invite.id);
    await remove(guest);
  });

  it('is good for a week and 25 uses unless it says otherwise, and not for ever', async () => {
    const before = Date.now();
    const { invite: made } = await invite();
    expect(made.maxUses).toBe(limits.invite.uses);
    expect(Date.parse(made.expiresAt)).toBeGreaterThanOrEqual(before + limits.invite.ttl);
    const later = new Date(before + limits.invite.ttlMax - 60_000).toISOString();
    expect((await invite({ role: 'viewer', expiresAt: later, maxUses: 200 })).invite.expiresAt).toBe(later);
    for (const json of [
      { role: 'owner' },
      { role: 'public' },
      {},
      { role: 'viewer', maxUses: 0 },
      { role: 'viewer', maxUses: 201 },
      { role: 'viewer', maxUses: 1.5 },
      { role: 'viewer', email: 'nobody' },
      { role: 'viewer', email: 'a@kiln.test', maxUses: 2 },
      { role: 'viewer', expiresAt: new Date(before - 1).toISOString() },
      { role: 'viewer', expiresAt: new Date(before + 2 * limits.invite.ttlMax).toISOString() },
      { role: 'viewer', expiresAt: 'tomorrow' },
      { role: 'viewer', token: 'mine' },
      { role: 'viewer', hash: 'mine' },
    ])
      expect(await expectProblem(await call('POST', `${path}/invites`, { as: world.owner, json }), 422)).toBe(
        'validation_failed',
      );
  });

  it('to an address of a member is refused, for they are in', async () => {
    for (const { email } of [world.editor, world.viewer, world.owner])
      expect(
        await expectProblem(
          await call('POST', `${path}/invites`, {
            as: world.owner,
            json: { role: 'viewer', email: email.toUpperCase() },
          }),
          409,
        ),
      ).toBe('already_member');
  });

  it('gives a member more, and never less', async () => {
    const [more, less] = [await invite({ role: 'editor' }), await invite({ role: 'viewer' })];
    const { viewer, editor } = world;
    const preview = await call('GET', `/api/invites/${more.token}`, { as: viewer });
    expect((await expectJson<{ invite: InvitePreview }>(preview, 200)).invite.currentRole).toBe('viewer');
    await expectJson(await accept(less.token, editor), 200);
    expect(await roleOf(editor)).toBe('editor');
    await expectJson(await accept(more.token, viewer), 200);
    expect(await roleOf(viewer)).toBe('editor');
    await expectJson(
      await call('PUT', `${path}/collaborators/${viewer.id}`, { as: world.owner, json: { role: 'viewer' } }),
      200,
    );
    const uses = new Map((await open()).map((one) => [one.id, one.uses]));
    expect([uses.get(more.invite.id), uses.get(less.invite.id)]).toEqual([1, 0]);
  });

  it('that is accepted is heard of in the room, and opens it at once', async () => {
    const socket = await openSocket(world.editor, world.projectId, 'room');
    const messages: HeardMessage[] = [];
    socket.addEventListener('message', ({ data }) => {
      messages.push(...readFrame(String(data)));
    });
    socket.accept();
    const guest = await signUp('guest');
    // The room remembers for five seconds that this is a stranger, unless it is told.
    expect((await call('GET', `${path}/tree`, { as: guest })).status).toBe(404);
    await expectJson(await accept((await invite({ role: 'editor' })).token, guest), 200);
    const document = await YjsClient.open(guest, world.projectId, 'a.txt');
    document.text.insert(0, 'guest: ');
    await until(async () =>
      (await (await call('GET', `${path}/files/a.txt`, { as: world.owner })).text()).includes('guest: '),
    );
    await until(() =>
      messages.some(
        (message) =>
          message.type === 'event' && message.event.type === 'member.added' && message.event.data.userId === guest.id,
      ),
    );
    await remove(guest);
    await until(() => document.closed !== null);
    expect(document.closed).toBe(4403);
    socket.close();
  });

  it('of one use that four people accept at once lets one in', async () => {
    const { token } = await invite({ role: 'viewer', maxUses: 1 });
    const guests = await Promise.all(Array.from({ length: 4 }, () => signUp('racer')));
    const answers = await Promise.all(guests.map((guest) => accept(token, guest)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 404, 404, 404]);
    const roles = await Promise.all(guests.map((guest) => roleOf(guest)));
    expect(roles.filter((role) => role !== undefined)).toEqual(['viewer']);
    await remove(guests[answers.findIndex(({ status }) => status === 200)] as Account);
  });

  it('that has ended is swept away', async () => {
    const { invite: made } = await invite();
    await database.prepare('UPDATE invites SET expires_at = 1 WHERE id = ?').bind(made.id).run();
    await sweep(env, Date.now());
    expect(await database.prepare('SELECT count(*) AS n FROM invites WHERE id = ?').bind(made.id).first('n')).toBe(0);
    expect((await open()).length).toBeGreaterThan(0);
  });
});

describe('#32 an invite is refused', () => {
  /** Every dead token looks like this one to whoever has it. */
  const unknown = async (as: Account): Promise<unknown> => ({
    ...(await (await accept('A'.repeat(43), as)).json<object>()),
    requestId: '',
  });
  const expectDead = async (token: string, as: Account): Promise<void> => {
    for (const answer of [await accept(token, as), await call('GET', `/api/invites/${token}`, { as })]) {
      expect(answer.status).toBe(404);
      expect({ ...(await answer.json<object>()), requestId: '' }).toEqual(await unknown(as));
    }
    expect(await roleOf(as)).toBe(as.id === world.owner.id ? 'owner' : undefined);
  };

  it('to another account than the one it is addressed to; the address may come in any case', async () => {
    const guest = await signUp('guest');
    const { token, invite: made } = await invite({ role: 'viewer', email: ` ${guest.email.toUpperCase()} ` });
    expect(made).toMatchObject({ kind: 'addressed', email: guest.email, maxUses: 1 });
    await expectDead(token, world.stranger);
    await verifyAddress(guest);
    await expectJson(await accept(token, guest), 200);
    await remove(guest);
  });

  it('to who registered the address and has not proved it, until they have', async () => {
    const guest = await signUp('guest');
    const { token } = await invite({ role: 'viewer', email: guest.email });
    await expectDead(token, guest);
    await verifyAddress(guest);
    await expectJson(await accept(token, guest), 200);
    await remove(guest);
  });

  it('the second time', async () => {
    const guest = await signUp('guest');
    const { token } = await invite({ role: 'viewer', email: guest.email });
    await verifyAddress(guest);
    await expectJson(await accept(token, guest), 200);
    expect((await call('DELETE', `${path}/collaborators/${guest.id}`, { as: guest })).status).toBe(204);
    await expectDead(token, guest);
  });

  it('after it was withdrawn', async () => {
    const { token, invite: made } = await invite();
    const at = `${path}/invites/${made.id}`;
    expect((await call('DELETE', at, { as: world.owner })).status).toBe(204);
    await expectDead(token, world.stranger);
    expect(await expectProblem(await call('DELETE', at, { as: world.owner }), 404)).toBe('not_found');
  });

  it('after it expired', async () => {
    const { token, invite: made } = await invite();
    await database.prepare('UPDATE invites SET expires_at = ? WHERE id = ?').bind(Date.now(), made.id).run();
    await expectDead(token, world.stranger);
  });

  it('after who made it lost the right to, also when they have it back', async () => {
    const at = await freshProject();
    const { editor, owner, stranger } = world;
    await expectJson(
      await call('POST', `${at}/collaborators`, { as: owner, json: { userId: editor.id, role: 'editor' } }),
      201,
    );
    const { token } = await invite({ role: 'editor' }, at);
    await expectJson(await call('POST', `${at}/transfer`, { as: owner, json: { userId: editor.id } }), 200);
    await expectDead(token, stranger);
    await expectJson(await call('POST', `${at}/transfer`, { as: editor, json: { userId: owner.id } }), 200);
    await expectDead(token, stranger);
    expect(await open(at)).toEqual([]);
  });

  it('after its project went to the trash, or is no more', async () => {
    for (const query of ['', '?permanent=true']) {
      const at = await freshProject();
      const { token } = await invite({ role: 'editor' }, at);
      expect((await call('DELETE', `${at}${query}`, { as: world.owner })).status).toBe(204);
      await expectDead(token, world.stranger);
      if (query === '') {
        expect(
          await expectProblem(await call('POST', `${at}/invites`, { as: world.owner, json: { role: 'viewer' } }), 409),
        ).toBe('conflict');
        await expectJson(await call('POST', `${at}/restore`, { as: world.owner }), 200);
        await expectDead(token, world.stranger);
      }
    }
  });

  it('to who was removed while it was open, and raises nobody whose role was lowered', async () => {
    const guest = await signUp('guest');
    const { token } = await invite({ role: 'editor' });
    await expectJson(await accept(token, guest), 200);
    await expectJson(
      await call('PUT', `${path}/collaborators/${guest.id}`, { as: world.owner, json: { role: 'viewer' } }),
      200,
    );
    await expectJson(await accept(token, guest), 200);
    expect(await roleOf(guest)).toBe('viewer');
    await remove(guest);
    await expectDead(token, guest);
    await expectJson(await accept((await invite()).token, guest), 200);
    await remove(guest);
  });

  it('with an edited link: role, project and address are the server’s', async () => {
    const { token } = await invite({ role: 'viewer' });
    const guest = await signUp('guest');
    for (const edited of [
      `${token}x`,
      token.slice(0, -1),
      token.toUpperCase(),
      `${token}%00`,
      `${token}/..`,
      sha256(token),
    ])
      expect([404, 405], edited).toContain((await accept(edited, guest)).status);
    const at = `/api/invites/${token}/accept?role=editor&projectId=${world.projectId}&email=x`;
    const json = { role: 'owner', userId: world.owner.id };
    await expectJson(await call('POST', at, { as: guest, json }), 200);
    expect(await roleOf(guest)).toBe('viewer');
    await remove(guest);
  });

  it('to nobody in particular: without signing in, nothing is shown', async () => {
    const { token } = await invite();
    expect(await expectProblem(await call('GET', `/api/invites/${token}`), 401)).toBe('unauthenticated');
    expect(await expectProblem(await call('POST', `/api/invites/${token}/accept`), 401)).toBe('unauthenticated');
  });

  it('and made by owners alone', async () => {
    for (const [as, status] of [
      [world.editor, 403],
      [world.viewer, 403],
      [world.stranger, 404],
    ] as const) {
      expect((await call('POST', `${path}/invites`, { as, json: { role: 'viewer' } })).status).toBe(status);
      expect((await call('GET', `${path}/invites`, { as })).status).toBe(status);
    }
  });

  it('token is 256 bits, kept as a hash, and in no line of the log, which names who was refused and why', async () => {
    const { token, invite: made } = await invite({ role: 'viewer', email: 'somebody@kiln.test' });
    expect(token).toMatch(/^[\w-]{43}$/);
    const row = await database.prepare('SELECT * FROM invites WHERE id = ?').bind(made.id).first();
    expect(row?.hash).toBe(sha256(token));
    expect(JSON.stringify(row)).not.toContain(token);
    const lines = await logged(async () => {
      await accept(token, world.stranger);
      await call('GET', `/api/v1/invites/${token}`, { as: world.stranger });
      await call('GET', `/invite/${token}`);
      await call('GET', `/api/invites/${token}/other`, { as: world.stranger });
    });
    expect(lines.filter(({ event }) => event === 'request')).toHaveLength(4);
    expect(lines.find(({ event }) => event === 'request')).toMatchObject({
      path: '/api/invites/…/accept',
      status: 404,
      code: 'invite_invalid',
      user: world.stranger.id,
      invite: made.id,
      refused: 'other_account',
    });
    expect(JSON.stringify(lines)).not.toContain(token);
  });
});

describe('a transfer', () => {
  it('swaps the roles at once, on open sockets too', async () => {
    const at = await freshProject();
    const projectId = at.split('/').at(-1) ?? '';
    const { owner, editor, viewer } = world;
    await expectJson(await call('PUT', `${at}/files/a.txt`, { as: owner, json: { content: 'x' } }), 201);
    for (const [account, role] of [
      [editor, 'editor'],
      [viewer, 'viewer'],
    ] as const)
      await expectJson(
        await call('POST', `${at}/collaborators`, { as: owner, json: { userId: account.id, role } }),
        201,
      );
    const socket = await openSocket(owner, projectId, 'room');
    const messages: HeardMessage[] = [];
    socket.addEventListener('message', ({ data }) => {
      messages.push(...readFrame(String(data)));
    });
    socket.accept();
    const [documentOfOwner, documentOfViewer] = [
      await YjsClient.open(owner, projectId, 'a.txt'),
      await YjsClient.open(viewer, projectId, 'a.txt'),
    ];
    const answer = await call('POST', `${at}/transfer`, { as: owner, json: { userId: viewer.id } });
    expect((await expectJson<{ project: { role: string; ownerId: string } }>(answer, 200)).project).toMatchObject({
      role: 'editor',
      ownerId: viewer.id,
    });
    await until(() =>
      messages.some((message) => message.type === 'event' && message.event.type === 'project.transferred'),
    );
    // The former owner writes on as an editor; the new one may write on the socket that was a viewer's.
    documentOfViewer.text.insert(0, 'new owner ');
    documentOfOwner.text.insert(0, 'editor ');
    const text = async () =>
      (await expectJson<{ file: { content: string } }>(await call('GET', `${at}/files/a.txt`, { as: editor }), 200))
        .file.content;
    await until(async () => (await text()).includes('editor ') && (await text()).includes('new owner '));
    expect(await expectProblem(await call('PATCH', at, { as: owner, json: { name: 'Mine' } }), 403)).toBe('forbidden');
    expect(await expectProblem(await call('DELETE', at, { as: owner }), 403)).toBe('forbidden');
    expect(
      await expectProblem(await call('POST', `${at}/transfer`, { as: owner, json: { userId: editor.id } }), 403),
    ).toBe('forbidden');
    const presence = await call('GET', `${at}/presence`, { as: viewer });
    const { users } = await expectJson<{ users: { userId: string; role: string }[] }>(presence, 200);
    expect(Object.fromEntries(users.map(({ userId, role }) => [userId, role]))).toEqual({
      [owner.id]: 'editor',
      [viewer.id]: 'owner',
    });
    await expectJson(await call('PATCH', at, { as: viewer, json: { name: 'Ours' } }), 200);
    // The former owner may leave now; the new one may not.
    expect(await expectProblem(await call('DELETE', `${at}/collaborators/${viewer.id}`, { as: viewer }), 409)).toBe(
      'owner_required',
    );
    expect((await call('DELETE', `${at}/collaborators/${owner.id}`, { as: owner })).status).toBe(204);
    await until(() => documentOfOwner.closed !== null);
    expect(documentOfOwner.closed).toBe(4403);
    documentOfViewer.close();
    socket.close();
  });

  it('goes to a member alone, and not out of the trash', async () => {
    const at = await freshProject();
    const attempt = (userId: string) => call('POST', `${at}/transfer`, { as: world.owner, json: { userId } });
    expect(await expectProblem(await attempt(world.stranger.id), 404)).toBe('not_found');
    expect(await expectProblem(await attempt(world.owner.id), 422)).toBe('validation_failed');
    expect(await expectProblem(await attempt('nobody'), 422)).toBe('validation_failed');
    await expectJson(
      await call('POST', `${at}/collaborators`, { as: world.owner, json: { userId: world.editor.id, role: 'viewer' } }),
      201,
    );
    await call('DELETE', at, { as: world.owner });
    expect(await expectProblem(await attempt(world.editor.id), 409)).toBe('conflict');
  });

  it('the owner who would leave is told of', async () => {
    const answer = await call('DELETE', `${path}/collaborators/${world.owner.id}`, { as: world.owner });
    const problem = await expectJson<{ code: string; type: string }>(answer, 409);
    expect(problem.code).toBe('owner_required');
    expect(await (await call('GET', new URL(problem.type).pathname)).text()).toMatch(
      /owner_required[\s\S]*?Transfer the project/,
    );
  });
});

describe('a change of the members', () => {
  it('stands when the room cannot be told of it, and is not answered as if it had failed', async () => {
    const guest = await signUp('guest');
    await expectJson(await accept((await invite()).token, guest), 200);
    const deaf = <T extends object>(target: T): T =>
      new Proxy(target, {
        get: (object, name) => {
          if (name === 'membersChanged') return () => Promise.reject(new Error('internal error; reference = x'));
          const value: unknown = Reflect.get(object, name, object);
          if (name === 'get')
            return (...args: unknown[]) => deaf((value as (...args: unknown[]) => object).apply(object, args));
          return typeof value === 'function' && name === 'idFromName' ? value.bind(object) : value;
        },
      });
    const bindings = { ...env, PROJECT_ROOM: deaf(env.PROJECT_ROOM) };
    const init = { method: 'DELETE', headers: { authorization: `Bearer ${world.owner.token}` } };
    let status = 0;
    const lines = await logged(async () => {
      const url = `http://kiln.test${path}/collaborators/${guest.id}`;
      status = (await createApp().request(url, init, bindings, createExecutionContext())).status;
    });
    expect(status).toBe(204);
    expect(lines.find(({ event }) => event === 'room.not_told')).toMatchObject({
      level: 'warn',
      project: world.projectId,
      type: 'member.removed',
    });
    expect(await roleOf(guest)).toBeUndefined();
    expect((await activityOf(path, 'action=member.removed&limit=1'))[0]?.person?.userId).toBe(guest.id);
  });
});

describe('activity', () => {
  it('has every change, by whom, to whom; newest first, by page and by filter', async () => {
    const at = await freshProject();
    const { owner, editor } = world;
    const guest = await signUp('guest');
    const members = `${at}/collaborators`;
    const steps: [string, () => Promise<Response>][] = [
      ['project.updated', () => call('PATCH', at, { as: owner, json: { name: 'Renamed', isPublic: true } })],
      ['member.added', () => call('POST', members, { as: owner, json: { userId: editor.id, role: 'viewer' } })],
      ['member.changed', () => call('PUT', `${members}/${editor.id}`, { as: owner, json: { role: 'editor' } })],
      ['invite.created', () => call('POST', `${at}/invites`, { as: owner, json: { role: 'viewer' } })],
      ['invite.withdrawn', async () => call('DELETE', `${at}/invites/${(await open(at))[0]?.id}`, { as: owner })],
      ['project.transferred', () => call('POST', `${at}/transfer`, { as: owner, json: { userId: editor.id } })],
      ['project.transferred', () => call('POST', `${at}/transfer`, { as: editor, json: { userId: owner.id } })],
      ['member.removed', () => call('DELETE', `${members}/${editor.id}`, { as: editor })],
      ['project.trashed', () => call('DELETE', at, { as: owner })],
      ['project.restored', () => call('POST', `${at}/restore`, { as: owner })],
      ['build.created', () => call('POST', '/api/builds', { as: owner, json: { projectId: at.split('/').at(-1) } })],
    ];
    for (const [action, step] of steps) expect((await step()).status, action).toBeLessThan(300);
    const made = await invite({ role: 'editor', email: guest.email }, at);
    await verifyAddress(guest);
    await expectJson(await accept(made.token, guest), 200);
    const { builds } = await expectJson<{ builds: { id: string }[] }>(
      await call('GET', `${at}/builds`, { as: owner }),
      200,
    );
    const build = `/api/builds/${builds[0]?.id}`;
    expect((await call('DELETE', build, { as: owner })).status).toBe(204);
    expect((await call('POST', `${build}/retry`, { as: guest })).status).toBe(202);
    expect((await call('DELETE', build, { as: owner })).status).toBe(204);
    expect((await call('DELETE', build, { as: owner })).status).toBe(204);

    const all = await activityOf(at);
    expect(all.map(({ action }) => action).reverse()).toEqual([
      'project.created',
      ...steps.map(([action]) => action),
      'invite.created',
      'invite.accepted',
      'build.cancelled',
      'build.retried',
      'build.cancelled',
      'build.deleted',
    ]);
    const by = (action: string) => all.find((entry) => entry.action === action);
    expect(by('project.updated')?.data).toEqual({ fields: ['name', 'isPublic'], isPublic: true });
    expect(by('member.added')).toMatchObject({
      actor: { userId: owner.id },
      person: { userId: editor.id },
      data: { role: 'viewer' },
    });
    expect(by('member.removed')).toMatchObject({ actor: { userId: editor.id }, person: { userId: editor.id } });
    expect(by('invite.accepted')).toMatchObject({
      actor: { userId: guest.id },
      subject: `invite:${made.invite.id}`,
      data: { role: 'editor' },
    });
    expect(by('build.retried')?.actor).toMatchObject({ userId: guest.id, username: guest.username });
    const text = JSON.stringify(all);
    for (const secret of [guest.email, owner.email, editor.email, made.token, sha256(made.token)])
      expect(text).not.toContain(secret);

    const paged: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const answer: Response = await call('GET', `${at}/activity?limit=4${cursor && `&cursor=${cursor}`}`, {
        as: guest,
      });
      const page: { activity: Activity[]; nextCursor: string | null } = await expectJson(answer, 200);
      paged.push(...page.activity.map(({ id }) => id));
      cursor = page.nextCursor;
    }
    expect(paged).toEqual(all.map(({ id }) => id));
    expect((await activityOf(at, 'action=build')).map(({ action }) => action)).toHaveLength(5);
    expect(await activityOf(at, `actor=${guest.id}`)).toHaveLength(2);
    expect(await activityOf(at, `actor=${guest.id}&action=invite.accepted`)).toHaveLength(1);
    for (const query of ['action=%25', 'action=member.', 'action=MEMBER', 'actor=me', 'action=a.b.c'])
      expect(await expectProblem(await call('GET', `${at}/activity?${query}`, { as: owner }), 422)).toBe(
        'validation_failed',
      );
  });

  it('is there for members, and for the owner of a project in the trash', async () => {
    for (const as of [world.owner, world.editor, world.viewer])
      expect((await activityOf(path, '', as)).length).toBeGreaterThan(2);
    expect(await expectProblem(await call('GET', `${path}/activity`, { as: world.stranger }), 404)).toBe('not_found');
    const at = await freshProject();
    await call('DELETE', at, { as: world.owner });
    expect((await activityOf(at)).map(({ action }) => action)).toEqual(['project.trashed', 'project.created']);
  });

  it('of a project that was erased is kept, by the person or by the trash', async () => {
    const [now, later] = [await freshProject(), await freshProject()];
    expect((await call('DELETE', `${now}?permanent=true`, { as: world.owner })).status).toBe(204);
    await call('DELETE', later, { as: world.owner });
    const idOf = (at: string) => at.split('/').at(-1) ?? '';
    await database.prepare('UPDATE projects SET deleted_at = 1 WHERE id = ?').bind(idOf(later)).run();
    await sweep(env, Date.now());
    const erased = async (at: string) =>
      (
        await database
          .prepare("SELECT actor_id, data FROM audit_log WHERE project_id = ? AND action = 'project.erased'")
          .bind(idOf(at))
          .all()
      ).results;
    expect(await erased(now)).toEqual([{ actor_id: world.owner.id, data: '{}' }]);
    expect(await erased(later)).toEqual([{ actor_id: null, data: '{"expired":true}' }]);
  });
});

describe('usage', () => {
  it('says what one has and may have', async () => {
    const account = await signUp('counted');
    const usage = async (): Promise<Usage> =>
      (await expectJson<{ usage: Usage }>(await call('GET', '/api/usage', { as: account }), 200)).usage;
    expect(await usage()).toMatchObject({
      projects: { used: 0, limit: limits.project.perUser },
      builds: { today: 0, day: { used: 0, resetsAt: null } },
    });
    const at = await freshProject(account);
    await expectJson(
      await call('POST', '/api/builds', { as: account, json: { projectId: at.split('/').at(-1) } }),
      202,
    );
    expect(await usage()).toMatchObject({
      projects: { used: 1 },
      builds: { today: 1, queued: { used: 1, limit: limits.build.queuedPerUser } },
    });
    await call('DELETE', at, { as: account });
    expect(await usage()).toMatchObject({ projects: { used: 1 } });
    await call('DELETE', `${at}?permanent=true`, { as: account });
    expect(await usage()).toMatchObject({ projects: { used: 0 } });
  });

  it('says how many builds of a day are used, as they are counted, and when all are free again', async () => {
    const account = await signUp('builder');
    // As in production: the tests' own share of builds comes back within seconds.
    const strict: Env = { ...env, RATE_LIMIT_SCALE: '1' };
    const day = async (): Promise<Usage['builds']['day']> => {
      const init = { headers: { authorization: `Bearer ${account.token}` } };
      const answer = await createApp().request('http://kiln.test/api/usage', init, strict, createExecutionContext());
      return (await expectJson<{ usage: Usage }>(answer, 200)).usage.builds.day;
    };
    const { limit, window } = buildPolicy(strict);
    expect(await day()).toEqual({ used: 0, limit, resetsAt: null });
    for (let build = 0; build < 3; build += 1) await takeBuild(strict, account.id);
    const { used, resetsAt } = await day();
    expect(used).toBe(3);
    expect(Date.parse(resetsAt ?? '') - Date.now()).toBeLessThanOrEqual((3 * window) / limit + 1000);
    await giveBuildBack(strict, account.id);
    expect(await day()).toMatchObject({ used: 2, limit });
  });

  it('#49 ends at a hundred projects, with an error that says so', async () => {
    const account = await signUp('crowded');
    await freshProject(account);
    const copies = Array.from({ length: limits.project.perUser - 1 }, () =>
      database
        .prepare(
          `INSERT INTO projects (id, owner_id, name, description, is_public, settings, state, revision, file_count, total_size, created_at, updated_at)
           SELECT lower(hex(randomblob(16))), owner_id, name, description, is_public, settings, state, revision, file_count, total_size, created_at, updated_at
           FROM projects WHERE owner_id = ? LIMIT 1`,
        )
        .bind(account.id),
    );
    await database.batch(copies);
    const answer = await call('POST', '/api/projects', { as: account, json: { name: 'One too many' } });
    const problem = await expectJson<{ code: string; detail: string }>(answer, 413);
    expect(problem.code).toBe('quota_exceeded');
    expect(problem.detail).toContain(String(limits.project.perUser));
  });
});
