import type { z } from 'zod';
import type { BodyInput, Endpoint, ParamsOf, QueryInput, ResponseOf } from '../contract/endpoint.ts';
import { type EndpointName, endpoints } from '../contract/endpoints.ts';
import { limits } from '../contract/limits.ts';
import type { LoginBody, RegisterBody, Session } from '../contract/users.ts';
import { backoffDelay, sleep } from './backoff.ts';
import { errorFromResponse, KilnApiError } from './errors.ts';

const { requestRetries } = limits.client;

type Endpoints = typeof endpoints;

/** Bytes for an endpoint that takes them instead of JSON. */
export type RawBody = Uint8Array<ArrayBuffer> | ArrayBuffer | Blob;

/** A query value may be written as what it means (`true`, 20) where the schema reads it from text. */
type QueryValue<V> = unknown extends V
  ? string | number | boolean | undefined
  : string extends V
    ? V | number | boolean
    : V;

type WithParams<E extends Endpoint> = keyof ParamsOf<E> extends never
  ? { params?: undefined }
  : { params: ParamsOf<E> };
type WithQuery<E extends Endpoint> =
  QueryInput<E> extends object
    ? { query?: { [K in keyof QueryInput<E>]?: QueryValue<QueryInput<E>[K]> | undefined } }
    : { query?: undefined };
type WithBody<E extends Endpoint> = E['form'] extends z.ZodObject
  ? { body: FormData }
  : E['rawBody'] extends true
    ? { body: (BodyInput<E> extends undefined ? never : BodyInput<E>) | RawBody }
    : BodyInput<E> extends undefined
      ? { body?: undefined }
      : { body: BodyInput<E> };

/** What a call of the endpoint takes, from its entry in the contract. */
export type CallArgs<N extends EndpointName> = WithParams<Endpoints[N]> &
  WithQuery<Endpoints[N]> &
  WithBody<Endpoints[N]> & {
    headers?: Record<string, string>;
    /** For endpoints that are `idempotent`: the same key gets the first answer again. */
    idempotencyKey?: string;
    signal?: AbortSignal;
    /** Sends this one call, in place of the client's own: to watch an upload, for one. */
    fetch?: ClientOptions['fetch'];
  };

/** What a call resolves to: the union over the endpoint's JSON successes; `undefined` for an empty one. */
export type CallResult<N extends EndpointName> = [ResponseOf<Endpoints[N]>] extends [never]
  ? undefined
  : ResponseOf<Endpoints[N]>;

/** Arguments may be left out where none is required. */
type ArgsTuple<N extends EndpointName> =
  Record<never, never> extends CallArgs<N> ? [args?: CallArgs<N>] : [args: CallArgs<N>];

/** Credentials as the client keeps them. A browser keeps no refresh token: the `__Host-` cookie holds it. */
export interface Tokens {
  accessToken: string;
  refreshToken?: string | undefined;
}

/** Where the tokens live. `set(undefined)` forgets them. */
export interface AuthStore {
  get(): Tokens | undefined;
  set(tokens: Tokens | undefined): void;
}

/** Tokens in memory, gone with the page or the process. */
export const memoryAuth = (tokens?: Tokens): AuthStore => {
  let current = tokens;
  return {
    get: () => current,
    set: (next) => {
      current = next;
    },
  };
};

export interface ClientOptions {
  /** Origin of Kiln, as `https://kiln.example`. */
  baseUrl: string;
  /** Defaults to the global `fetch`. */
  fetch?: (input: string, init: RequestInit) => Promise<Response>;
  /** Defaults to memory. */
  auth?: AuthStore;
  /** Whether a cookie carries the refresh token. Defaults to true in a browser. */
  cookies?: boolean;
  /** The session is over: refreshing was refused. Not called by {@link KilnClient.logout}. */
  onSignedOut?: (error: KilnApiError) => void;
}

export interface KilnClient {
  readonly baseUrl: string;
  /**
   * Calls an endpoint of the contract by name and returns its validated body.
   * Where no answer came, what only reads or has an `idempotencyKey` is sent again, `limits.client.requestRetries` times.
   * @throws {KilnApiError} for every answer of 400 and above.
   * @throws {TypeError} where no answer came, as `fetch` does.
   */
  call<N extends EndpointName>(name: N, ...args: ArgsTuple<N>): Promise<CallResult<N>>;
  /** Like `call`, for bytes and streams: the successful (or 304) answer, its body unread. */
  raw<N extends EndpointName>(name: N, ...args: ArgsTuple<N>): Promise<Response>;
  /** Signs in and keeps the tokens. */
  login(body: z.input<typeof LoginBody>): Promise<Session>;
  /** Creates an account and keeps its tokens. */
  register(body: z.input<typeof RegisterBody>): Promise<Session>;
  /** Rotates the refresh token now; concurrent callers share one rotation. Restores a session from the cookie at start. */
  refresh(): Promise<Session>;
  /** Revokes the session where it can, and forgets the tokens in any case. */
  logout(): Promise<void>;
}

/** What the Web Locks API offers, seen structurally: neither Workers types nor old Nodes know it. */
interface Locks {
  request<T>(name: string, work: () => Promise<T>): Promise<T>;
}

const locks = (): Locks | undefined => (globalThis as unknown as { navigator?: { locks?: Locks } }).navigator?.locks;

/**
 * The URL of a call. Every segment of a parameter is percent-encoded; the slashes of a catch-all one stay.
 * @throws {KilnApiError} `invalid_path` for `.` and `..` segments: URL parsers would resolve them, in any encoding, to another endpoint.
 */
export const buildUrl = (
  baseUrl: string,
  endpoint: Pick<Endpoint, 'path' | 'catchAll'>,
  params: Readonly<Record<string, string>> = {},
  query: Readonly<Record<string, unknown>> = {},
): string => {
  const names = [...endpoint.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
  const path = endpoint.path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = params[name];
    const isPath = endpoint.catchAll === true && name === names.at(-1);
    const segments = value === undefined ? [] : isPath ? value.split('/') : [value];
    if (segments.length === 0 || segments.some((segment) => segment === '' || segment === '.' || segment === '..')) {
      throw new KilnApiError(isPath ? 'invalid_path' : 'malformed_request', {
        detail: `“${value ?? ''}” cannot be ${name}`,
      });
    }
    return segments.map(encodeURIComponent).join('/');
  });
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value !== undefined) search.set(key, String(value));
  const text = search.toString();
  return `${baseUrl.replace(/\/+$/, '')}${path}${text === '' ? '' : `?${text}`}`;
};

interface LooseArgs {
  params?: Record<string, string>;
  query?: Record<string, unknown>;
  body?: unknown;
  headers?: Record<string, string>;
  idempotencyKey?: string;
  signal?: AbortSignal;
  fetch?: ClientOptions['fetch'];
}

const isRaw = (body: unknown): body is RawBody =>
  body instanceof Uint8Array || body instanceof ArrayBuffer || body instanceof Blob;

const bookmarkHeader = 'x-kiln-bookmark';

/** The later of two bookmarks: answers overtake each other. Bookmarks of one database sort by time, and are of one length. */
const later = (known: string | undefined, next: string | null): string | undefined =>
  next === null || (known?.length === next.length && known > next) ? known : next;

/** Sends, and sends again where no answer came: `fetch` says so by a TypeError. */
const answerOf = async (
  sendOnce: () => Promise<Response>,
  retries: number,
  signal: AbortSignal | undefined,
): Promise<Response> => {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await sendOnce();
    } catch (error) {
      if (!(error instanceof TypeError) || attempt >= retries) throw error;
      await sleep(backoffDelay(attempt), signal);
      signal?.throwIfAborted();
    }
  }
};

/** Makes a client. It holds no connection, and may be shared by everything that acts for one user. */
export const createClient = (options: ClientOptions): KilnClient => {
  const send = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
  const store = options.auth ?? memoryAuth();
  const cookies = options.cookies ?? 'document' in globalThis;
  let refreshing: Promise<Session> | undefined;
  /** Where the database was after this client's last call: sent along, it keeps older copies of it from answering. */
  let bookmark: string | undefined;

  const request = async (name: EndpointName, args: LooseArgs, accessToken: string | undefined): Promise<Response> => {
    const endpoint: Endpoint = endpoints[name];
    const headers = new Headers({ accept: 'application/json', ...args.headers });
    if (accessToken !== undefined) headers.set('authorization', `Bearer ${accessToken}`);
    if (bookmark !== undefined) headers.set(bookmarkHeader, bookmark);
    if (args.idempotencyKey !== undefined) headers.set('idempotency-key', args.idempotencyKey);
    const init: RequestInit = { method: endpoint.method, headers };
    // Only where cookies matter: the Workers fetch knows no `credentials`.
    if (cookies) Object.assign(init, { credentials: 'same-origin' });
    if (args.signal !== undefined) init.signal = args.signal;
    if (isRaw(args.body)) {
      if (!headers.has('content-type'))
        headers.set('content-type', endpoint.rawTypes?.[0] ?? 'application/octet-stream');
      init.body = args.body;
    } else if (args.body instanceof FormData) {
      init.body = args.body;
    } else if (args.body !== undefined) {
      headers.set('content-type', 'application/json');
      init.body = JSON.stringify(args.body);
    }
    const url = buildUrl(options.baseUrl, endpoint, args.params, args.query);
    // A call with its own way of sending has its own way of trying again.
    const harmless = args.fetch === undefined && (endpoint.method === 'GET' || args.idempotencyKey !== undefined);
    const response = await answerOf(() => (args.fetch ?? send)(url, init), harmless ? requestRetries : 0, args.signal);
    bookmark = later(bookmark, response.headers.get(bookmarkHeader));
    if (response.ok || response.status === 304) return response;
    throw await errorFromResponse(response);
  };

  const parse = async (name: EndpointName, response: Response): Promise<unknown> => {
    const endpoint: Endpoint = endpoints[name];
    const schema = endpoint.responses[response.status]?.json;
    if (schema === undefined) return undefined;
    const result = schema.safeParse(await response.json().catch(() => undefined));
    if (result.success) return result.data;
    throw new KilnApiError('internal', {
      detail: `The answer of ${name} does not have the shape of the contract`,
      requestId: response.headers.get('x-request-id') ?? undefined,
      cause: result.error,
    });
  };

  const keep = (session: Session): Session => {
    store.set(
      cookies
        ? { accessToken: session.accessToken }
        : { accessToken: session.accessToken, refreshToken: session.refreshToken },
    );
    return session;
  };

  const rotate = async (): Promise<Session> => {
    const refreshToken = store.get()?.refreshToken;
    if (refreshToken === undefined && !cookies) throw new KilnApiError('unauthenticated');
    try {
      const response = await request(
        'refresh',
        { body: refreshToken === undefined ? {} : { refreshToken } },
        undefined,
      );
      return keep((await parse('refresh', response)) as Session);
    } catch (error) {
      if (error instanceof KilnApiError && error.status === 401) {
        const signedIn = store.get() !== undefined;
        store.set(undefined);
        if (signedIn) options.onSignedOut?.(error);
      }
      throw error;
    }
  };

  /**
   * One rotation at a time: in this client by the shared promise, across the tabs of a browser by a lock. Two uses of one refresh
   * token would look like theft, and end the session.
   */
  const refresh = (): Promise<Session> => {
    refreshing ??= (locks()?.request(`kiln.refresh ${options.baseUrl}`, rotate) ?? rotate()).finally(() => {
      refreshing = undefined;
    });
    return refreshing;
  };

  const authorized = async (name: EndpointName, args: LooseArgs): Promise<Response> => {
    const endpoint: Endpoint = endpoints[name];
    if (endpoint.access.kind === 'public')
      return request(name, args, name === 'logout' ? store.get()?.accessToken : undefined);
    const token = store.get()?.accessToken;
    try {
      return await request(name, args, token);
    } catch (error) {
      if (!(error instanceof KilnApiError) || error.code !== 'unauthenticated') throw error;
      args.signal?.throwIfAborted();
      // Another call may have refreshed while this one was on its way.
      if (store.get()?.accessToken === token) {
        if (token === undefined && !cookies) throw error;
        await refresh();
      }
      return request(name, args, store.get()?.accessToken);
    }
  };

  return {
    baseUrl: options.baseUrl,
    call: async (name, ...[args]) =>
      (await parse(name, await authorized(name, (args ?? {}) as LooseArgs))) as CallResult<typeof name>,
    raw: (name, ...[args]) => authorized(name, (args ?? {}) as LooseArgs),
    login: async (body) => keep((await parse('login', await request('login', { body }, undefined))) as Session),
    register: async (body) =>
      keep((await parse('register', await request('register', { body }, undefined))) as Session),
    refresh,
    logout: async () => {
      const tokens = store.get();
      store.set(undefined);
      const body = tokens?.refreshToken === undefined ? {} : { refreshToken: tokens.refreshToken };
      await request('logout', { body }, tokens?.accessToken).catch((error: unknown) => {
        // An expired access token must not keep the session alive: the refresh token alone names it too.
        if (error instanceof KilnApiError && error.status === 401 && tokens !== undefined)
          return request('logout', { body }, undefined);
        throw error;
      });
    },
  };
};
