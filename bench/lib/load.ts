import { Client } from 'undici';
import { read, type Usage, usage } from './machine.ts';
import { type Summary, summarise } from './print.ts';

/** A request as a shape describes it. */
export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  readonly token?: string;
  /** Sent as JSON. */
  readonly body?: unknown;
}

/** One kind of request of a mix. */
export interface Route<User> {
  readonly name: string;
  readonly weight: number;
  call(user: User): Call;
}

export interface LoadOptions {
  /** Seconds that count, and seconds before them that do not. */
  readonly duration: number;
  readonly warmup: number;
  /** Milliseconds between two requests of one user; null: the next one as soon as the last is answered. */
  readonly interval: number | null;
  /** Head of the server's process tree; null when it is not known. */
  readonly serverPid: number | null;
}

export interface LoadResult {
  readonly perSecond: number;
  readonly all: Summary;
  readonly routes: ReadonlyMap<string, Summary>;
  /** `route: what went wrong` → how often. */
  readonly errors: ReadonlyMap<string, number>;
  readonly failed: number;
  /** Server CPU milliseconds by request. */
  readonly cpuPerRequest: number | null;
  readonly usage: Usage;
}

const timeout = 30_000;
/** Pause of a user whose connection failed, so that a dead server is not hammered. Milliseconds. */
const errorPause = 20;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));

/** One keep-alive connection, one request at a time on it, as a browser tab's. */
export const connect = (origin: string): Client =>
  new Client(origin, { pipelining: 1, headersTimeout: timeout, bodyTimeout: timeout, keepAliveTimeout: 120_000 });

function send(client: Client, { method, path, token, body }: Call): ReturnType<Client['request']> {
  const headers: Record<string, string> = { accept: 'application/json' };
  if (token !== undefined) headers.authorization = `Bearer ${token}`;
  if (body === undefined) return client.request({ method, path, headers });
  headers['content-type'] = 'application/json';
  return client.request({ method, path, headers, body: JSON.stringify(body) });
}

/** For setting up: the JSON of a success. */
export async function sendJson(client: Client, call: Call): Promise<unknown> {
  const response = await send(client, call);
  const text = await response.body.text();
  if (response.statusCode >= 300)
    throw new Error(`${call.method} ${call.path}: ${response.statusCode} ${text.slice(0, 300)}`);
  return text === '' ? undefined : JSON.parse(text);
}

/** A route by its weight. */
function picker<User>(routes: readonly Route<User>[]): () => Route<User> {
  const deck = routes.flatMap((route) => new Array<Route<User>>(route.weight).fill(route));
  return () => {
    const route = deck[Math.floor(Math.random() * deck.length)];
    if (!route) throw new Error('a mix has routes');
    return route;
  };
}

/**
 * Runs a mix with every user on a connection of its own. Closed loop: saturation. Paced: each user sends
 * on its own jittered clock, and latency counts from the moment a request was *due*, so that a server
 * that falls behind cannot hide it by slowing its clients (coordinated omission). The same algorithm as
 * the conventional peer's load.mjs.
 */
export async function runLoad<User>(
  origin: string,
  users: readonly User[],
  routes: readonly Route<User>[],
  { duration, warmup, interval, serverPid }: LoadOptions,
): Promise<LoadResult> {
  const pick = picker(routes);
  const samples = new Map<string, number[]>(routes.map(({ name }) => [name, []]));
  const errors = new Map<string, number>();
  const clients = users.map(() => connect(origin));
  const begin = performance.now();
  const from = begin + warmup * 1000;
  const until = from + duration * 1000;

  const marks = Promise.all([
    sleep(warmup * 1000).then(() => read(serverPid)),
    sleep((warmup + duration) * 1000).then(() => read(serverPid)),
  ]);

  const live = async (client: Client, user: User): Promise<void> => {
    let due = begin + (interval === null ? 0 : Math.random() * interval);
    for (;;) {
      if (interval !== null && due < until) await sleep(due - performance.now());
      const start = interval === null ? performance.now() : due;
      if (start >= until) return;
      const route = pick();
      const counted = start >= from;
      const fail = (what: string): void => {
        if (!counted) return;
        const key = `${route.name}: ${what}`;
        errors.set(key, (errors.get(key) ?? 0) + 1);
      };
      try {
        const { statusCode, body } = await send(client, route.call(user));
        await body.dump({ limit: Number.MAX_SAFE_INTEGER });
        const end = performance.now();
        if (statusCode < 200 || statusCode >= 300) fail(String(statusCode));
        // In a closed loop, the answer must come inside the window too, or the rate would count work after it.
        else if (counted && (interval !== null || end <= until)) samples.get(route.name)?.push(end - start);
      } catch (error) {
        fail(error instanceof Error ? ('code' in error ? String(error.code) : error.message) : String(error));
        await sleep(errorPause);
      }
      if (interval !== null) due += interval * (0.5 + Math.random());
    }
  };
  await Promise.all(clients.map((client, index) => live(client, users[index] as User)));
  const [first, last] = await marks;
  await Promise.all(clients.map((client) => client.destroy()));

  const used = usage(first, last);
  const all = [...samples.values()].flat();
  const failed = [...errors.values()].reduce((sum, count) => sum + count, 0);
  return {
    perSecond: all.length / duration,
    all: summarise(all),
    routes: new Map([...samples].map(([name, list]) => [name, summarise(list)])),
    errors,
    failed,
    cpuPerRequest: used.serverCpu === null ? null : (used.serverCpu * 1000) / Math.max(1, all.length + failed),
    usage: used,
  };
}
