import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, it } from 'vitest';
import type { AccountExport, SecurityEvent, SessionInfo } from '../../src/contract/accounts.ts';
import type { Build } from '../../src/contract/builds.ts';
import { newId } from '../../src/contract/ids.ts';
import { limits } from '../../src/contract/limits.ts';
import type { Publication } from '../../src/contract/publications.ts';
import { configOf } from '../../src/core/config.ts';
import { signToken } from '../../src/core/tokens.ts';
import { sweep } from '../../src/worker/scheduled.ts';
import { finishedBuild, page } from './built.ts';
import { type Account, call, database, expectJson, expectProblem, makeWorld, signUp, type World } from './support.ts';
import { openSocket } from './yjs-client.ts';

const passwordOf = (account: Account): string => `correct horse ${account.username}`;

/** Another device of somebody. */
async function signInAgain(account: Account, userAgent = 'another device'): Promise<Account> {
  const session = await expectJson<{ accessToken: string; refreshToken: string }>(
    await call('POST', '/api/auth/login', {
      json: { email: account.email, password: passwordOf(account) },
      headers: { 'user-agent': userAgent },
    }),
    200,
  );
  return { ...account, token: session.accessToken, refreshToken: session.refreshToken };
}

const me = (as: Account): Promise<Response> => call('GET', '/api/auth/me', { as });
const refresh = (refreshToken: string): Promise<Response> =>
  call('POST', '/api/auth/refresh', { json: { refreshToken } });

const sessionsOf = async (as: Account): Promise<SessionInfo[]> =>
  (await expectJson<{ sessions: SessionInfo[] }>(await call('GET', '/api/auth/sessions', { as }), 200)).sessions;

/** The close code of a socket, once it has one. */
const closeOf = (socket: WebSocket): Promise<number> =>
  new Promise((resolve) => {
    socket.accept();
    socket.addEventListener('close', ({ code }) => resolve(code));
  });

/** The operator's token, as `npm run accounts` signs it. */
const operator = async (path: string, json: object): Promise<Response> => {
  const token = await signToken(configOf(env), 'system', { sub: 'operator' }, 60_000);
  return await call('POST', `/api/system/accounts/${path}`, { json, headers: { authorization: `Bearer ${token}` } });
};

let world: World;
beforeAll(async () => {
  world = await makeWorld({ 'index.html': '<p>hi</p>' });
});

describe('sessions', () => {
  it('are listed with the device and the one that asks, and end one by one', async () => {
    const first = await signUp();
    const second = await signInAgain(first, 'Lynx/2.9');
    const sessions = await sessionsOf(second);
    expect(sessions.map(({ userAgent, current }) => [userAgent, current])).toEqual([
      ['Lynx/2.9', true],
      ['', false],
    ]);
    await expectJson(await me(first), 200);
    const other = sessions.find(({ current }) => !current)?.id;
    expect((await call('DELETE', `/api/auth/sessions/${other}`, { as: second })).status).toBe(204);
    expect(await expectProblem(await me(first), 401)).toBe('unauthenticated');
    expect(await expectProblem(await refresh(first.refreshToken), 401)).toBe('refresh_token_invalid');
    await expectJson(await me(second), 200);
    expect(await sessionsOf(second)).toHaveLength(1);
  });

  it('of somebody else are not there', async () => {
    const [mine, theirs] = [await signUp(), await signUp()];
    const [session] = await sessionsOf(theirs);
    expect(await expectProblem(await call('DELETE', `/api/auth/sessions/${session?.id}`, { as: mine }), 404)).toBe(
      'not_found',
    );
    await expectJson(await me(theirs), 200);
  });

  it('[R11] take their open sockets with them at once, and no others', async () => {
    const second = await signInAgain(world.editor);
    const [lost, kept] = [
      await openSocket(second, world.projectId, 'room'),
      await openSocket(world.editor, world.projectId, 'room'),
    ];
    const closed = closeOf(lost);
    let stillOpen = true;
    void closeOf(kept).then(() => {
      stillOpen = false;
    });
    const mine = (await sessionsOf(second)).find(({ current }) => current)?.id;
    expect((await call('DELETE', `/api/auth/sessions/${mine}`, { as: world.editor })).status).toBe(204);
    expect(await closed).toBe(4401);
    expect(stillOpen).toBe(true);
    await expectJson(await me(world.editor), 200);
  });

  it('open no socket with a ticket that they left behind', async () => {
    const second = await signInAgain(world.viewer);
    const { ticket } = await expectJson<{ ticket: string }>(
      await call('POST', `/api/projects/${world.projectId}/room/ticket`, { as: second }),
      200,
    );
    await call('POST', '/api/auth/logout', { as: second });
    const answer = await call('GET', `/api/projects/${world.projectId}/room?ticket=${ticket}`, {
      headers: { upgrade: 'websocket' },
    });
    expect(await expectProblem(answer, 401)).toBe('unauthenticated');
  });

  it('#8 of a family whose refresh token was used twice lose their access tokens too', async () => {
    const account = await signUp();
    const next = await expectJson<{ accessToken: string }>(await refresh(account.refreshToken), 200);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await expectProblem(await refresh(account.refreshToken), 401)).toBe('refresh_token_reused');
    for (const token of [account.token, next.accessToken])
      expect(await expectProblem(await me({ ...account, token }), 401)).toBe('unauthenticated');
  });

  it('#12 end with signing out: access token, refresh token and cookie are dead', async () => {
    const account = await signUp();
    const answer = await call('POST', '/api/auth/logout', { as: account });
    expect(answer.status).toBe(204);
    expect(answer.headers.get('set-cookie')).toMatch(/^__Host-kiln_refresh=; .*HttpOnly; Secure; SameSite=Strict$/);
    expect(await expectProblem(await me(account), 401)).toBe('unauthenticated');
    expect(await expectProblem(await refresh(account.refreshToken), 401)).toBe('refresh_token_invalid');
    const cookie = `__Host-kiln_refresh=${account.refreshToken}`;
    expect(await expectProblem(await call('POST', '/api/auth/refresh', { headers: { cookie } }), 401)).toBe(
      'refresh_token_invalid',
    );
  });

  it('#12 have an absolute end that no rotation moves', async () => {
    const account = await signUp();
    const over = Date.now() - 1;
    await database.prepare('UPDATE sessions SET expires_at = ? WHERE user_id = ?').bind(over, account.id).run();
    expect(await expectProblem(await refresh(account.refreshToken), 401)).toBe('refresh_token_invalid');
    const { results } = await database
      .prepare('SELECT expires_at FROM sessions WHERE user_id = ?')
      .bind(account.id)
      .all<{ expires_at: number }>();
    expect(results).toEqual([{ expires_at: over }]);
  });
});

describe('passwords', () => {
  it('change for who knows the old one, and end every other session', async () => {
    const account = await signUp();
    const other = await signInAgain(account);
    const change = (currentPassword: string, newPassword: string) =>
      call('POST', '/api/auth/password', { as: account, json: { currentPassword, newPassword } });
    expect(await expectProblem(await change('not it at all', 'a wholly new phrase'), 401)).toBe('invalid_credentials');
    expect(await expectProblem(await change(passwordOf(account), 'password123'), 422)).toBe('validation_failed');
    expect((await change(passwordOf(account), 'a wholly new phrase')).status).toBe(204);
    await expectJson(await me(account), 200);
    expect(await expectProblem(await me(other), 401)).toBe('unauthenticated');
    const login = (password: string) => call('POST', '/api/auth/login', { json: { email: account.email, password } });
    expect(await expectProblem(await login(passwordOf(account)), 401)).toBe('invalid_credentials');
    await expectJson(await login('a wholly new phrase'), 200);
  });

  it('#15 that are short, common, one’s own or endless are refused before they are hashed', async () => {
    const username = `weak-${newId().slice(-8)}`;
    const register = (password: string) =>
      call('POST', '/api/auth/register', { json: { email: `${username}@kiln.test`, username, password } });
    for (const password of [
      '7 chars',
      'password123',
      `${username}@kiln.test`,
      username,
      `${'x'.repeat(250)} too long`,
    ]) {
      const problem = await expectJson<{ code: string; issues: { path: string }[] }>(await register(password), 422);
      expect([problem.code, problem.issues[0]?.path]).toEqual(['validation_failed', 'body.password']);
    }
    expect(await expectProblem(await register('x'.repeat(1024 * 1024)), 422)).toBe('validation_failed');
  });

  it('#15 of 64 and 200 characters count to the last one, and are one in any Unicode form', async () => {
    for (const password of [`${'k3 '.repeat(21)}e`, `${'é7-'.repeat(66)}Å`]) {
      const username = `long-${newId().slice(-8)}`;
      const json = { email: `${username}@kiln.test`, username, password: password.normalize('NFD') };
      await expectJson(await call('POST', '/api/auth/register', { json }), 201);
      const login = (given: string) =>
        call('POST', '/api/auth/login', { json: { email: json.email, password: given } });
      await expectJson(await login(password.normalize('NFC')), 200);
      expect(await expectProblem(await login(password.slice(0, -1)), 401)).toBe('invalid_credentials');
    }
  });

  it('hashed with yesterday’s parameters are hashed anew at the next sign-in', async () => {
    const account = await signUp();
    const { scrypt } = await import('node:crypto');
    const salt = new Uint8Array(16);
    const key = await new Promise<Uint8Array>((resolve, reject) =>
      scrypt(passwordOf(account), salt, 32, { N: 1024, r: 8, p: 1 }, (error, made) =>
        error ? reject(error) : resolve(made),
      ),
    );
    const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');
    const old = `scrypt$1024$8$1$${text(salt)}$${text(key)}`;
    await database.prepare('UPDATE users SET password_hash = ? WHERE id = ?').bind(old, account.id).run();
    await signInAgain(account);
    const stored = await database
      .prepare('SELECT password_hash AS hash FROM users WHERE id = ?')
      .bind(account.id)
      .first<{ hash: string }>();
    expect(stored?.hash).toMatch(/^scrypt\$16384\$8\$5\$/);
    await signInAgain(account);
  });
});

describe('what happened to an account', () => {
  it('can be read by its owner, in pages, without anything secret', async () => {
    const account = await signUp();
    await call('POST', '/api/auth/login', { json: { email: account.email, password: 'not it' } });
    await signInAgain(account);
    const events: SecurityEvent[] = [];
    let cursor: string | null = null;
    do {
      const page: { events: SecurityEvent[]; nextCursor: string | null } = await expectJson(
        await call('GET', `/api/auth/activity?limit=1${cursor ? `&cursor=${cursor}` : ''}`, { as: account }),
        200,
      );
      events.push(...page.events);
      cursor = page.nextCursor;
    } while (cursor);
    expect(events.map(({ action }) => action)).toEqual(['auth.signed_in', 'auth.sign_in_failed', 'auth.registered']);
    expect(JSON.stringify(events)).not.toContain('not it');
  });
});

describe('#11 an account that the operator disables', () => {
  it('loses tokens, keys, sockets and builds within five seconds, and comes back whole', async () => {
    const { editor: account, projectId, owner } = await makeWorld({ 'index.html': '<p>hi</p>' });
    const { secret } = await expectJson<{ secret: string }>(
      await call('POST', '/api/auth/api-keys', { as: account, json: { name: 'ci', scopes: ['projects:read'] } }),
      201,
    );
    const { build } = await expectJson<{ build: Build }>(
      await call('POST', '/api/builds', { as: account, json: { projectId } }),
      202,
    );
    const closed = closeOf(await openSocket(account, projectId, 'room'));
    const byKey = () => call('GET', '/api/projects', { headers: { authorization: `Bearer ${secret}` } });
    await expectJson(await byKey(), 200);
    const { account: after } = await expectJson<{ account: object }>(
      await operator('disable', { account: account.email, reason: 'a test' }),
      200,
    );
    const disabled = Date.now();
    expect(after).toMatchObject({ id: account.id, state: 'disabled', endedSessions: 1, cancelledBuilds: 1 });
    expect(await closed).toBe(4401);
    expect(await expectProblem(await me(account), 401)).toBe('unauthenticated');
    // What this isolate remembers of the key is trusted for as long as the contract says, and no longer.
    for (;;) {
      const asked = Date.now();
      if ((await byKey()).status === 401) break;
      expect(asked - disabled).toBeLessThan(limits.guard.trusted);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    const shown = await expectJson<{ build: Build }>(await call('GET', `/api/builds/${build.id}`, { as: owner }), 200);
    expect(shown.build.status).toBe('cancelled');
    expect(await expectProblem(await refresh(account.refreshToken), 401)).toBe('refresh_token_invalid');
    const login = () =>
      call('POST', '/api/auth/login', { json: { email: account.email, password: passwordOf(account) } });
    expect(await expectProblem(await login(), 403)).toBe('account_disabled');
    await expectJson(await operator('enable', { account: account.username }), 200);
    await expectJson(await login(), 200);
    await expect.poll(async () => (await byKey()).status).toBe(200);
    expect(await expectProblem(await me(account), 401)).toBe('unauthenticated');
  });

  it('shows none of its games meanwhile, at their slugs and at the addresses of their builds; others keep theirs', async () => {
    const [{ owner, editor, projectId }, other] = [await makeWorld(), await makeWorld()];
    const script = { name: 'main.js', mimeType: 'text/javascript', content: "document.title = 'game';" };
    const shownBy = async (as: Account, id: string): Promise<string[]> => {
      const build = await finishedBuild(as, id, [page('<h1>game</h1>'), script]);
      const made = await call('POST', `/api/builds/${build.id}/publish`, { as, json: {} });
      const { publication } = await expectJson<{ publication: Publication }>(made, 200);
      return [publication.slug, build.id];
    };
    // Whose project it is decides, and not who built or published.
    const [theirs, guests, others] = [
      await shownBy(owner, projectId),
      await finishedBuild(editor, projectId, [page('<h1>by a guest</h1>')]).then(({ id }) => [id]),
      await shownBy(other.owner, other.projectId),
    ];
    const stands = async (labels: readonly string[], path = '/') =>
      await Promise.all(labels.map(async (label) => (await call('GET', path, { host: `${label}.play.test` })).status));
    expect(await stands([...theirs, ...guests, ...others])).toEqual([200, 200, 200, 200, 200]);
    expect(await stands(theirs, '/main.js')).toEqual([200, 200]);

    await expectJson(await operator('disable', { account: owner.id, reason: 'spam' }), 200);
    expect(await stands([...theirs, ...guests, ...others])).toEqual([404, 404, 404, 200, 200]);
    expect(await stands(theirs, '/main.js')).toEqual([404, 404]);
    // Whoever publishes for them meanwhile shows nothing, either.
    const again = await finishedBuild(editor, projectId, [page('<h1>again</h1>')]);
    await expectJson(await call('POST', `/api/builds/${again.id}/publish`, { as: editor, json: {} }), 200);
    expect(await stands([theirs[0] ?? '', again.id])).toEqual([404, 404]);
    // A disabled guest takes nobody's game along.
    await expectJson(await operator('enable', { account: owner.id }), 200);
    await expectJson(await operator('disable', { account: editor.id }), 200);
    expect(await stands([...theirs, ...guests, again.id])).toEqual([200, 200, 200, 200]);
    expect(await stands(theirs, '/main.js')).toEqual([404, 200]);
  });

  it('is named by its id, email or user name, and by nobody but the operator', async () => {
    expect(await expectProblem(await operator('disable', { account: newId() }), 404)).toBe('not_found');
    const json = { account: world.stranger.email };
    expect(
      await expectProblem(await call('POST', '/api/system/accounts/disable', { as: world.owner, json }), 401),
    ).toBe('unauthenticated');
  });
});

describe('#11 an account that its owner deletes', () => {
  it('is shut at once, and opens again for a sign-in within the grace', async () => {
    const account = await signUp();
    const remove = (password: string) => call('DELETE', '/api/auth/me', { as: account, json: { password } });
    expect(await expectProblem(await remove('not it at all'), 401)).toBe('invalid_credentials');
    await expectJson(await me(account), 200);
    const { deletion } = await expectJson<{ deletion: { requestedAt: string; erasedAt: string } }>(
      await remove(passwordOf(account)),
      202,
    );
    expect(Date.parse(deletion.erasedAt) - Date.parse(deletion.requestedAt)).toBe(limits.account.deletionGrace);
    expect(await expectProblem(await me(account), 401)).toBe('unauthenticated');
    expect(await expectProblem(await refresh(account.refreshToken), 401)).toBe('refresh_token_invalid');
    await sweep(env, Date.now());
    const back = await signInAgain(account);
    await expectJson(await me(back), 200);
    await sweep(env, Date.now() + limits.account.deletionGrace + 60_000);
    await expectJson(await me(back), 200);
  });

  it('is erased after it: shared projects pass to the oldest editor, the rest ends', async () => {
    const { owner, editor, projectId } = await makeWorld({ 'index.html': '<p>shared</p>' });
    const create = async (name: string): Promise<string> =>
      (
        await expectJson<{ project: { id: string } }>(
          await call('POST', '/api/projects', { as: owner, json: { name } }),
          201,
        )
      ).project.id;
    const alone = await create('Alone');
    await call('POST', '/api/auth/api-keys', { as: owner, json: { name: 'k', scopes: ['builds:read'] } });
    await expectJson(await call('DELETE', '/api/auth/me', { as: owner, json: { password: passwordOf(owner) } }), 202);
    await sweep(env, Date.now() + limits.account.deletionGrace + 60_000);
    const { project } = await expectJson<{ project: { ownerId: string; role: string } }>(
      await call('GET', `/api/projects/${projectId}`, { as: editor }),
      200,
    );
    expect(project).toMatchObject({ ownerId: editor.id, role: 'owner' });
    const { file } = await expectJson<{ file: { content: string } }>(
      await call('GET', `/api/projects/${projectId}/files/index.html`, { as: editor }),
      200,
    );
    expect(file.content).toBe('<p>shared</p>');
    const left = async (sql: string, ...values: string[]): Promise<number> =>
      (
        await database
          .prepare(`SELECT count(*) AS n FROM ${sql}`)
          .bind(...values)
          .first<{ n: number }>()
      )?.n ?? -1;
    expect(await left('projects WHERE id = ?', alone)).toBe(0);
    for (const table of ['sessions', 'api_keys', 'collaborators', 'idempotency_keys'])
      expect(await left(`${table} WHERE user_id = ?`, owner.id), table).toBe(0);
    expect(await left('users WHERE id = ?', owner.id)).toBe(0);
    expect(await left('audit_log WHERE actor_id = ? AND project_id IS NULL', owner.id)).toBe(0);
    const json = { email: owner.email, password: passwordOf(owner) };
    expect(await expectProblem(await call('POST', '/api/auth/login', { json }), 401)).toBe('invalid_credentials');
    // Address and name are free again.
    const again = { ...json, username: owner.username };
    await expectJson(await call('POST', '/api/auth/register', { json: again }), 201);
  });

  it('gives out what is kept of it, and of nobody else', async () => {
    const { owner, projectId, editor } = await makeWorld();
    const answer = await call('GET', '/api/auth/me/export', { as: owner });
    expect(answer.headers.get('content-disposition')).toContain('attachment');
    const text = await answer.text();
    const data = JSON.parse(text) as AccountExport;
    expect(data.user.email).toBe(owner.email);
    expect(data.projects.map(({ id, role }) => [id, role])).toEqual([[projectId, 'owner']]);
    expect(data.sessions).toHaveLength(1);
    expect(data.activity.map(({ action }) => action)).toContain('member.added');
    expect(text).not.toContain(editor.email);
    expect(text).not.toContain('scrypt');
  });
});
