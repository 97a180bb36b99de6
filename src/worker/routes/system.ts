import { sql } from 'drizzle-orm';
import type { Hono } from 'hono';
import { endpoints } from '../../contract/endpoints.ts';
import { limits } from '../../contract/limits.ts';
import type { Readiness } from '../../contract/system.ts';
import { describeSchema } from '../../core/migrations.ts';
import { publicKeys } from '../../core/tokens.ts';
import { within } from '../../core/within.ts';
import { schemaState } from '../../data/migrations.ts';
import { oldestOutbox } from '../../data/outbox.ts';
import { accountGuard, projectRoom } from '../../durable-objects/stubs.ts';
import { runnerHealth } from '../../queues/runner.ts';
import { keptFor } from '../http/caching.ts';
import type { AppContext, AppEnv } from '../http/context.ts';
import { mount } from '../http/mount.ts';
import { version } from '../version.ts';

/** What is wrong with a part, or what an operator should know of one that is well; undefined when there is nothing to say. */
type Finding = string | { ok: boolean; detail: string } | undefined;
type Check = () => Promise<Finding>;

/** Set when this isolate has seen the schema of its own release: a database never goes back. */
let schemaSeen = false;

async function check(work: Check): Promise<Readiness['checks'][string]> {
  const start = Date.now();
  try {
    const found = await within(limits.http.readinessPatience, work(), () => new Error('no answer in time'));
    const told = typeof found === 'string' ? { ok: false, detail: found } : (found ?? { ok: true });
    return { ...told, ms: Date.now() - start };
  } catch {
    return { ok: false, ms: Date.now() - start, detail: 'does not answer' };
  }
}

const checksOf = (c: AppContext): Record<string, Check> => ({
  database: async () => {
    await c.var.db.query('system.ping', (orm) => orm.get(sql`SELECT count(*) FROM templates`));
    return undefined;
  },
  schema: async () => {
    if (schemaSeen) return undefined;
    const schema = await schemaState(c.var.db);
    schemaSeen = schema.state === 'same';
    const detail = describeSchema(schema);
    return detail === undefined ? undefined : { ok: schema.state !== 'behind', detail };
  },
  storage: async () => {
    await Promise.all([c.env.ASSETS.head('health'), c.env.BUILDS.head('health'), c.env.EXPORTS.head('health')]);
    return undefined;
  },
  cache: async () => {
    await c.env.CACHE.get('health');
    return undefined;
  },
  accounts: async () => ((await accountGuard(c.env, 'health').ping()) ? undefined : 'does not answer'),
  rooms: async () => ((await projectRoom(c.env, 'health').ping()) ? undefined : 'does not answer'),
  queue: async () => {
    const oldest = await oldestOutbox(c.var.db, 'builds');
    return oldest !== null && oldest < Date.now() - limits.outbox.overdue ? 'messages are not taken' : undefined;
  },
  runner: () => runnerHealth(c.env),
  bundler: async () => {
    const { status } = await c.env.BUNDLER.fetch('https://bundler/', { method: 'HEAD' });
    return status === 204 ? undefined : `answers ${status}`;
  },
});

/** Parts without which the rest goes on: an instance without them is no worse than the others. */
const dispensable = new Set(['bundler']);

export function systemRoutes(app: Hono<AppEnv>): void {
  mount(app, endpoints.health, () => ({ status: 200, body: { status: 'ok', version } }));

  mount(app, endpoints.readiness, async (c) => {
    const results = await Promise.all(
      Object.entries(checksOf(c)).map(async ([name, work]) => [name, await check(work)] as const),
    );
    const away = results.flatMap(([name, { ok }]) => (ok ? [] : [name]));
    const serves = away.every((name) => dispensable.has(name));
    const status = away.length === 0 ? 'ready' : serves ? 'degraded' : 'unready';
    const body: Readiness = { status, version, checks: Object.fromEntries(results) };
    return { status: serves ? 200 : 503, body };
  });

  mount(app, endpoints.jwks, (c) => ({
    status: 200,
    headers: { 'cache-control': keptFor('public', limits.http.documentAge) },
    body: { keys: publicKeys(c.var.config) as Record<string, unknown>[] },
  }));
}
