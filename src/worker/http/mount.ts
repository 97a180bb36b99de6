import { zValidator } from '@hono/zod-validator';
import type { Hono, MiddlewareHandler } from 'hono';
import type { StatusCode } from 'hono/utils/http-status';
import type { z } from 'zod';
import type { BodyOf, Endpoint, ParamsOf, QueryOf } from '../../contract/endpoint.ts';
import { type Issue, KilnError } from '../../contract/errors.ts';
import { Id, Sha256 } from '../../contract/ids.ts';
import { limits } from '../../contract/limits.ts';
import type { Access } from '../../contract/projects.ts';
import type { Purpose, Verified } from '../../core/tokens.ts';
import { type AssetRow, assetById } from '../../data/assets.ts';
import { type BuildRow, buildById } from '../../data/builds.ts';
import { projectRoom } from '../../durable-objects/stubs.ts';
import { authenticate, authenticateRunner, authenticateSystem, refuseBeyond } from '../auth/authenticate.ts';
import { mediaType, readBytes, readJson } from './body.ts';
import type { AppContext, AppEnv, Principal, SignedIn } from './context.ts';
import { GatedRoom } from './gated-room.ts';
import { idempotently } from './idempotency.ts';
import { continentHint } from './location.ts';
import { problemResponse } from './problem.ts';
import { countAnonymous } from './rates.ts';

type Kind<E extends Endpoint> = E['access']['kind'];

/** What a handler gets beside the context: validated input and whatever its access rule proved. */
export interface Input<E extends Endpoint> {
  readonly params: ParamsOf<E>;
  readonly query: QueryOf<E>;
  /** Undefined when the endpoint takes raw bytes and got them. */
  readonly body: E extends { rawBody: true } ? BodyOf<E> | undefined : BodyOf<E>;
  /** A person wherever no API key has a scope for it. */
  readonly user: Kind<E> extends 'public' | 'runner' | 'system'
    ? null
    : E['access'] extends { scope: null }
      ? SignedIn
      : Principal;
  readonly room: Kind<E> extends 'project' | 'body-project' | 'asset' ? GatedRoom : null;
  readonly asset: Kind<E> extends 'asset' ? AssetRow : null;
  /** Passes the gate of the project that a form names. */
  readonly enter: Kind<E> extends 'form-project' ? (projectId: string) => Promise<GatedRoom> : null;
  readonly build: Kind<E> extends 'build' ? BuildRow : null;
  /** How the caller sees the project of the build. */
  readonly access: Kind<E> extends 'build' ? Access : null;
  readonly job: E['access'] extends { purpose: infer P extends Purpose } ? Verified<P> : null;
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
const idParams = new Set(['id', 'userId', 'checkpointId', 'commentId']);

const issuesOf = (where: string, error: z.core.$ZodError): Issue[] =>
  error.issues.map((issue) => ({ path: [where, ...issue.path.map(String)].join('.'), message: issue.message }));

const queryValidator = (schema: z.ZodObject): MiddlewareHandler =>
  zValidator('query', schema, (result) => {
    if (!result.success) throw new KilnError('validation_failed', { issues: issuesOf('query', result.error) });
  });

/** What the access rule proved of a request, before anything else of it was read. */
interface Proof {
  readonly params: Record<string, string>;
  readonly user: Principal | null;
  readonly job: Verified<'build' | 'optimize' | 'picture'> | null;
  readonly build: BuildRow | null;
  readonly access: Access | null;
  readonly asset: AssetRow | null;
  room: GatedRoom | null;
}

/**
 * Puts an endpoint of the contract on the router, below /api and /api/v1. The order is fixed: who
 * are you, may you, is your input valid, was this done before, then the handler.
 */
export function mount<const E extends Endpoint>(app: Hono<AppEnv>, endpoint: E, handler: NoInfer<Handler<E>>): void {
  const template = endpoint.path.replaceAll(/\{(\w+)\}/g, ':$1');
  const pattern = endpoint.catchAll ? `${template}{.+}` : template;
  const patterns = pattern.startsWith('/api/') ? [pattern, pattern.replace('/api/', '/api/v1/')] : [pattern];
  const proofs = new WeakMap<Request, Proof>();
  const identify: MiddlewareHandler<AppEnv> = async (c, next) => {
    const proof = await prove(c, endpoint);
    proofs.set(c.req.raw, proof);
    await next();
    // The gate of a project is in its room, on the way of the handler. Whoever failed before it gets its
    // answer first: a stranger must not learn from a complaint about the input that the project exists.
    if (!c.error || !proof.room || proof.room.entered) return;
    await proof.room.enter().catch((refusal: unknown) => {
      const response = problemResponse(refusal, c.var.requestId, c.var.config.appOrigin);
      c.res = undefined;
      c.res = response;
    });
  };
  const validators: MiddlewareHandler[] = endpoint.query ? [queryValidator(endpoint.query)] : [];
  app.on(endpoint.method, patterns, identify, ...validators, async (c) => {
    const proof = proofs.get(c.req.raw);
    if (!proof) throw new Error('the proof comes first');
    return await respond(c, endpoint, proof, handler);
  });
}

function roomOf(c: AppContext, { access }: Endpoint, user: Principal | null, projectId: string): GatedRoom {
  if (!user || !('right' in access)) throw new Error('a room is entered by a user with a right');
  c.var.fields.project = projectId;
  refuseBeyond(user, projectId);
  const room = projectRoom(c.env, projectId, continentHint(c));
  return new GatedRoom(projectId, room, { userId: user.userId, requestId: c.var.requestId }, access.right);
}

async function prove(c: AppContext, endpoint: Endpoint): Promise<Proof> {
  const { kind } = endpoint.access;
  const user = 'scope' in endpoint.access ? await authenticate(c, endpoint, endpoint.access.scope) : null;
  if (kind === 'system') await authenticateSystem(c);
  if (kind === 'public' && endpoint.path.startsWith('/api/')) countAnonymous(c);
  // What is of no project is beyond the one that a key is bound to.
  if (kind === 'user' && user) refuseBeyond(user, null);
  const params = readParams(c, endpoint);
  const job =
    endpoint.access.kind === 'runner'
      ? await authenticateRunner(
          c,
          endpoint.access.purpose,
          params[endpoint.access.purpose === 'picture' ? 'hash' : 'id'] ?? '',
        )
      : null;
  let build: BuildRow | null = null;
  let access: Access | null = null;
  if (kind === 'build') {
    build = (await buildById(c.var.db, params.id ?? '')) ?? null;
    // Another project's build is none to a key that is bound to its own.
    const bound = user?.key?.projectId ?? null;
    if (!build || (bound !== null && bound !== build.projectId)) throw new KilnError('not_found');
    c.var.fields.build = build.id;
    access = (await roomOf(c, endpoint, user, build.projectId).enter()).access;
  }
  let room = kind === 'project' ? roomOf(c, endpoint, user, params.id ?? '') : null;
  let asset: AssetRow | null = null;
  if (endpoint.access.kind === 'asset') {
    asset = (await assetById(c.var.db, params.id ?? '')) ?? null;
    if (!asset) throw new KilnError('not_found');
    room = roomOf(c, endpoint, user, asset.projectId);
    await room.enter();
    if (asset.deletedAt !== null && !endpoint.access.trashed) throw new KilnError('not_found');
  }
  return { params, user, job, build, access, asset, room };
}

async function respond<E extends Endpoint>(
  c: AppContext,
  endpoint: E,
  proof: Proof,
  handler: Handler<E>,
): Promise<Response> {
  const body = await readBody(c, endpoint);
  const { user } = proof;
  if (endpoint.access.kind === 'body-project')
    proof.room = roomOf(c, endpoint, user, (body as { projectId: string }).projectId);
  const query = endpoint.query ? c.req.valid('query' as never) : undefined;
  const enter = async (projectId: string): Promise<GatedRoom> => {
    proof.room = roomOf(c, endpoint, user, projectId);
    await proof.room.enter();
    return proof.room;
  };
  const work = async (): Promise<Response> => {
    const reply = await handler(c, { ...proof, query, body, enter } as unknown as Input<E>);
    if ('right' in endpoint.access && proof.build === null && !proof.room?.entered)
      throw new Error(`${endpoint.method} ${endpoint.path} answered without passing the gate`);
    return 'raw' in reply ? reply.raw : toResponse(c, reply);
  };
  return endpoint.idempotent === true && user ? await idempotently(c, user.userId, body, work) : await work();
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
  // Where nothing needs to be said, saying nothing will do.
  const nothing = mediaType(request) === '' && (await readBytes(request.clone(), limits.http.jsonBody)).length === 0;
  const parsed = endpoint.body.safeParse(nothing ? {} : await readJson(request));
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
