import type { z } from 'zod';
import type { ErrorCode } from './errors.ts';
import type { Right } from './rights.ts';
import type { Scope } from './scopes.ts';

/**
 * Who may call an endpoint. There is no default: an endpoint without a rule does not compile, and
 * the router mounts nothing that is not an endpoint. `scope` is what an API key needs; null: keys do
 * not open it.
 */
export type AccessRule =
  /** Anyone. */
  | { readonly kind: 'public' }
  /** Anyone signed in; the handler only touches what is the caller's own. */
  | { readonly kind: 'user'; readonly scope: Scope | null }
  /** A right on the project that the path parameter `id` names. */
  | { readonly kind: 'project'; readonly right: Right; readonly scope: Scope | null }
  /** A right on the project of the build that `id` names. */
  | { readonly kind: 'build'; readonly right: Right; readonly scope: Scope | null }
  /** A right on the project that the body's `projectId` names. */
  | { readonly kind: 'body-project'; readonly right: Right; readonly scope: Scope | null }
  /** A right on the project of the asset that `id` names. */
  | { readonly kind: 'asset'; readonly right: Right; readonly scope: Scope | null; readonly trashed: boolean }
  /** A right on the project that the form's field `projectId` names. */
  | { readonly kind: 'form-project'; readonly right: Right; readonly scope: Scope | null }
  /** The runner that holds the token of the build or the optimization that `id` names, or of the picture that `hash` names. */
  | { readonly kind: 'runner'; readonly purpose: 'build' | 'optimize' | 'picture' }
  /** The operator: whoever can sign with the deployment's keys. */
  | { readonly kind: 'system' };

export type Method = 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';

/** What a success looks like. `json: null` is an empty or a binary body. */
export interface ResponseSpec {
  readonly description: string;
  readonly json?: z.ZodType;
  readonly contentType?: string;
}

export interface Endpoint {
  readonly method: Method;
  /** OpenAPI form, below `/api` mounted twice: there and below `/api/v1`. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly access: AccessRule;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  /** The body may also be raw bytes of any other content type. */
  readonly rawBody?: true;
  /** Fields of a `multipart/form-data` body, which the handler reads as it comes. */
  readonly form?: z.ZodObject;
  /** The content types of raw bytes, where they matter; a client that names none sends the first. */
  readonly rawTypes?: readonly [string, ...string[]];
  /** What it counts as for who calls it too often: a read when it is a GET, else a write, unless said. */
  readonly rate?: 'build' | 'upload';
  /** Honours `Idempotency-Key`. `streamed`: the handler asks for the key itself, once the body has gone by and its hash is known. */
  readonly idempotent?: true | 'streamed';
  /** The last path parameter takes the rest of the path, slashes included. */
  readonly catchAll?: true;
  readonly responses: { readonly [status: number]: ResponseSpec };
  /** Error codes beyond those that every endpoint of its kind may answer. */
  readonly errors?: readonly ErrorCode[];
}

/** Keeps the literal types of an endpoint, so that handler and client know its shapes. */
export const endpoint = <const E extends Endpoint>(definition: E): E => definition;

type Output<T> = T extends z.ZodType ? z.output<T> : undefined;
type Input<T> = T extends z.ZodType ? z.input<T> : undefined;

/** What a handler receives, after validation. */
export type QueryOf<E extends Endpoint> = Output<E['query']>;
export type BodyOf<E extends Endpoint> = Output<E['body']>;
/** What a client sends. */
export type QueryInput<E extends Endpoint> = Input<E['query']>;
export type BodyInput<E extends Endpoint> = Input<E['body']>;
/** What a success carries: the union over its statuses. */
export type ResponseOf<E extends Endpoint> = {
  [S in keyof E['responses']]: E['responses'][S] extends { json: infer J } ? Output<J> : never;
}[keyof E['responses']];

type ParamNames<P extends string> = P extends `${string}{${infer Name}}${infer Rest}` ? Name | ParamNames<Rest> : never;
/** Path parameters of an endpoint, by name. */
export type ParamsOf<E extends Endpoint> = { readonly [K in ParamNames<E['path']>]: string };
