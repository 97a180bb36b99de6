import { zValidator } from '@hono/zod-validator';
import type { Hono, MiddlewareHandler } from 'hono';
import type { StatusCode } from 'hono/utils/http-status';
import type { z } from 'zod';
import type { BodyOf, Endpoint, ParamsOf, QueryOf } from '../../contract/endpoint.ts';
import { type Issue, KilnError } from '../../contract/errors.ts';
import { Id, Sha256 } from '../../contract/ids.ts';
import type { Verified } from '../../core/tokens.ts';
import { type BuildRow, buildById } from '../../data/builds.ts';
import { projectRoom } from '../../durable-objects/stubs.ts';
import { authenticate, authenticateRunner } from '../auth/authenticate.ts';
import { mediaType, readJson } from './body.ts';
import type { AppContext, AppEnv, Principal } from './context.ts';
import { GatedRoom } from './gated-room.ts';
import { idempotently } from './idempotency.ts';
import { continentHint } from './location.ts';

type Kind<E extends Endpoint> = E['access']['kind'];

/** What a handler gets beside the context: validated input and whatever its access rule proved. */
export interface Input<E extends Endpoint> {
  readonly params: ParamsOf<E>;
  readonly query: QueryOf<E>;
  /** Undefined when the endpoint takes raw bytes and got them. */
  readonly body: E extends { rawBody: true } ? BodyOf<E> | undefined : BodyOf<E>;
  readonly user: Kind<E> extends 'public' | 'runner' ? null : Principal;
  readonly room: Kind<E> extends 'project' | 'body-project' ? GatedRoom : null;
  readonly build: Kind<E> extends 'build' ? BuildRow : null;
  readonly job: Kind<E> extends 'runner' ? Verified<'build'> : null;
}

type Responses<E extends Endpoint> = E['responses'];

/** A success as one of the endpoint's declared statuses, with the body that its schema describes. */
export type Reply<E extends Endpoint> = {
  [S in keyof Responses<E> & number]: {
    readonly status: S;
    readonly headers?: Readonly<Record<string, string>>;
  } & (Responses<E>[S] extends { json: infer J extends z.ZodType }
    ? { readonly body: z.input<J> }
    : { readonly body?: undefined });
}[keyof Responses<E> & number];

/** Bytes or a stream, answered as they are. */
export interface Raw {
  readonly raw: Response;
}

export type Handler<E extends Endpoint> = (c: AppContext, input: Input<E>) => Promise<Reply<E> | Raw> | Reply<E> | Raw;

/** Path parameters that are ids; any other text cannot name anything, and says so like an unknown id. */
const idParams = new Set(['id', 'userId']);

const issuesOf = (where: string, error: z.core.$ZodError): Issue[] =>
  error.issues.map((issue) => ({ path: [where, ...issue.path.map(String)].join('.'), message: issue.message }));

const queryValidator = (schema: z.ZodObject): MiddlewareHandler =>
  zValidator('query', schema, (result) => {
    if (!result.success) throw new KilnError('validation_failed', { issues: issuesOf('query', result.error) });
  });

/**
 * Puts an endpoint of the contract on the router, below /api and /api/v1. The order is fixed: who
 * are you, may you, is your input valid, was this done before, then the handler.
 */
export function mount<const E extends Endpoint>(app: Hono<AppEnv>, endpoint: E, handler: NoInfer<Handler<E>>): void {
  const template = endpoint.path.replaceAll(/\{(\w+)\}/g, ':$1');
  const pattern = endpoint.catchAll ? `${template}{.+}` : template;
  const patterns = pattern.startsWith('/api/') ? [pattern, pattern.replace('/api/', '/api/v1/')] : [pattern];
  const validators: MiddlewareHandler[] = endpoint.query ? [queryValidator(endpoint.query)] : [];
  app.on(endpoint.method, patterns, ...validators, (c) => run(c, endpoint, handler));
}

async function run<E extends Endpoint>(c: AppContext, endpoint: E, handler: Handler<E>): Promise<Response> {
  const { access } = endpoint;
  const user = access.kind === 'public' || access.kind === 'runner' ? null : await authenticate(c);
  const params = readParams(c, endpoint);
  const job = access.kind === 'runner' ? await authenticateRunner(c, params.id ?? '') : null;
  if (user) c.var.fields.user = user.userId;

  // A project's gate is in its room and needs no body; where the body names the project, it is read first.
  let build: BuildRow | null = null;
  let room: GatedRoom | null = null;
  const roomOf = (projectId: string): GatedRoom => {
    if (!user || !('right' in access)) throw new Error('a room is entered by a user with a right');
    c.var.fields.project = projectId;
    return new GatedRoom(
      projectId,
      projectRoom(c.env, projectId, continentHint(c)),
      { userId: user.userId },
      access.right,
    );
  };
  if (access.kind === 'project') room = roomOf(params.id ?? '');
  if (access.kind === 'build') {
    build = (await buildById(c.var.db, params.id ?? '')) ?? null;
    if (!build) throw new KilnError('not_found');
    c.var.fields.build = build.id;
    await roomOf(build.projectId).enter();
  }

  const body = await readBody(c, endpoint);
  if (access.kind === 'body-project') room = roomOf((body as { projectId: string }).projectId);

  const input = {
    params,
    query: endpoint.query ? c.req.valid('query' as never) : undefined,
    body,
    user,
    room,
    build,
    job,
  } as unknown as Input<E>;
  const respond = async (): Promise<Response> => {
    const reply = await handler(c, input);
    if (room && !room.entered) throw new Error(`${endpoint.method} ${endpoint.path} answered without passing the gate`);
    return 'raw' in reply ? reply.raw : toResponse(c, reply);
  };
  return endpoint.idempotent && user ? await idempotently(c, user.userId, body, respond) : await respond();
}

function readParams(c: AppContext, endpoint: Endpoint): Record<string, string> {
  const names = [...endpoint.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
  // Taken from the raw path: what was authorised is, byte for byte, what is used.
  const raw = c.req.path.split('/');
  const offset = c.req.path.startsWith('/api/v1/') ? 1 : 0;
  const segments = endpoint.path.split('/');
  const params: Record<string, string> = {};
  for (const name of names) {
    const index = segments.indexOf(`{${name}}`) + offset;
    const value = endpoint.catchAll && name === names.at(-1) ? raw.slice(index).join('/') : (raw[index] ?? '');
    if (
      (idParams.has(name) && endpoint.tag !== 'Templates' && !Id.safeParse(value).success) ||
      (name === 'hash' && !Sha256.safeParse(value).success)
    )
      throw new KilnError('not_found');
    params[name] = value;
  }
  return params;
}

async function readBody(c: AppContext, endpoint: Endpoint): Promise<unknown> {
  if (!endpoint.body) return undefined;
  const request = c.req.raw;
  if (endpoint.rawBody && mediaType(request) !== 'application/json') return undefined;
  const emptyAllowed = request.body === null && endpoint.body.safeParse({}).success;
  const parsed = endpoint.body.safeParse(emptyAllowed ? {} : await readJson(request));
  if (!parsed.success) throw new KilnError('validation_failed', { issues: issuesOf('body', parsed.error) });
  return parsed.data;
}

function toResponse(
  c: AppContext,
  reply: { readonly status: number; readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> },
): Response {
  // By the context, so that cookies set on the way are kept.
  const headers = { 'cache-control': 'private, no-store', ...reply.headers };
  if (reply.body === undefined) return c.newResponse(null, reply.status as StatusCode, headers);
  return c.newResponse(JSON.stringify(reply.body), reply.status as StatusCode, {
    ...headers,
    'content-type': 'application/json; charset=utf-8',
  });
}
