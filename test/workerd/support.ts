import { env, exports } from 'cloudflare:workers';
import type { Asset } from '../../src/contract/assets.ts';
import { newId } from '../../src/contract/ids.ts';
import type { Role } from '../../src/contract/projects.ts';

export const origin = 'http://kiln.test';

export interface Account {
  readonly id: string;
  readonly email: string;
  readonly username: string;
  readonly token: string;
  readonly refreshToken: string;
}

export interface CallOptions {
  readonly as?: Account | undefined;
  readonly json?: unknown;
  readonly body?: BodyInit;
  readonly headers?: Record<string, string>;
  readonly host?: string;
}

/** One request to the real Worker, as a client would send it. */
export async function call(method: string, path: string, options: CallOptions = {}): Promise<Response> {
  const headers = new Headers(options.headers);
  if (options.as) headers.set('authorization', `Bearer ${options.as.token}`);
  if (options.json !== undefined) headers.set('content-type', 'application/json');
  const body = options.json === undefined ? options.body : JSON.stringify(options.json);
  return await exports.default.fetch(`http://${options.host ?? 'kiln.test'}${path}`, {
    method,
    headers,
    ...(body !== undefined && { body }),
    redirect: 'manual',
  });
}

/** The JSON of an answer with this status; anything else fails with what came. */
export async function expectJson<T = Record<string, never>>(response: Response, status: number): Promise<T> {
  const text = await response.text();
  if (response.status !== status) throw new Error(`expected ${status}, got ${response.status}: ${text.slice(0, 500)}`);
  return (text === '' ? undefined : JSON.parse(text)) as T;
}

/** The problem code of a refusal with this status. */
export async function expectProblem(response: Response, status: number): Promise<string> {
  const problem = await expectJson<{ code: string; status: number; requestId: string; stack?: string }>(
    response,
    status,
  );
  if (problem.status !== status || !problem.requestId || problem.stack) throw new Error('not a problem document');
  return problem.code;
}

let number = 0;

export async function signUp(name = 'user'): Promise<Account> {
  number += 1;
  const username = `${name}-${newId().slice(-8)}${number}`;
  const email = `${username}@kiln.test`;
  const json = { email, username, password: `correct horse ${username}` };
  const session = await expectJson<{ user: { id: string }; accessToken: string; refreshToken: string }>(
    await call('POST', '/api/auth/register', { json }),
    201,
  );
  return { id: session.user.id, email, username, token: session.accessToken, refreshToken: session.refreshToken };
}

export interface World {
  readonly projectId: string;
  readonly owner: Account;
  readonly editor: Account;
  readonly viewer: Account;
  readonly stranger: Account;
}

/** A private project with one account of every kind. Sign-ups hash passwords, so a file of tests makes one and shares it. */
export async function makeWorld(files: Record<string, string> = {}): Promise<World> {
  const [owner, editor, viewer, stranger] = [
    await signUp('owner'),
    await signUp('editor'),
    await signUp('viewer'),
    await signUp('stranger'),
  ];
  const { project } = await expectJson<{ project: { id: string } }>(
    await call('POST', '/api/projects', { as: owner, json: { name: 'World' } }),
    201,
  );
  for (const [account, role] of [
    [editor, 'editor'],
    [viewer, 'viewer'],
  ] as const)
    await expectJson(
      await call('POST', `/api/projects/${project.id}/collaborators`, {
        as: owner,
        json: { userId: account.id, role: role satisfies Role },
      }),
      201,
    );
  for (const [path, content] of Object.entries(files))
    await expectJson(
      await call('PUT', `/api/projects/${project.id}/files/${path}`, { as: owner, json: { content } }),
      201,
    );
  return { projectId: project.id, owner, editor, viewer, stranger };
}

export const roomStub = (projectId: string) => env.PROJECT_ROOM.getByName(projectId);

if (!env.DB) throw new Error('these tests run on D1');
/** The relational store, for what no route shows. */
export const database: D1Database = env.DB;

/** Waits for a mail to an address, as the development mailbox has it, newest first. */
export async function mailsTo(email: string, count = 1): Promise<{ subject: string; text: string; html: string }[]> {
  for (const deadline = Date.now() + 10_000; ; ) {
    const { mails } = await expectJson<{ mails: { to: string; subject: string; text: string; html: string }[] }>(
      await call('GET', '/dev/mail', { headers: { accept: 'application/json' } }),
      200,
    );
    const own = mails.filter(({ to }) => to === email);
    if (own.length >= count) return own;
    if (Date.now() > deadline) throw new Error(`${own.length} of ${count} mails to ${email} came`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The token of the link in a mail. */
export function tokenIn(mail: { text: string } | undefined): string {
  const token = /#([\w-]+)$/m.exec(mail?.text ?? '')?.[1];
  if (token === undefined) throw new Error('no link in the mail');
  return token;
}

/** Follows the link that registration mailed. */
export async function verifyAddress(account: Account): Promise<void> {
  const token = tokenIn((await mailsTo(account.email)).at(-1));
  const answer = await call('POST', '/api/auth/email/verify', { json: { token } });
  if (answer.status !== 204) throw new Error(`expected 204, got ${answer.status}: ${await answer.text()}`);
}

/** An asset with these bytes, in a form of one file. */
export async function uploadAsset(
  as: Account,
  projectId: string,
  name: string,
  data: Uint8Array<ArrayBuffer> | string,
): Promise<Asset> {
  const body = new FormData();
  body.set('projectId', projectId);
  body.set('file', new File([data], name));
  return (await expectJson<{ asset: Asset }>(await call('POST', '/api/assets/upload', { as, body }), 201)).asset;
}
