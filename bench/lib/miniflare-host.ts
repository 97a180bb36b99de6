/**
 * A process of its own around bare Miniflare, so that the CPU of the server can be told from that of
 * the load. Started by miniflare.ts with an IPC channel; ends with it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join } from 'node:path';
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare, Response, type V4WorkerOptions } from 'miniflare';
import { unstable_getMiniflareWorkerOptions as workerOptionsOf } from 'wrangler';
import { inRoot } from '../../scripts/lib/paths.ts';
import type { HostAnswer, HostCommand, HostOrder } from './miniflare.ts';

/** Statements of a migration as drizzle-kit writes them. */
const breakpoint = '--> statement-breakpoint';

/**
 * Miniflare evicts an object by a call that blocks this process. A workerd that waits until its log is read, which happens here, would
 * never answer it.
 */
const silence = "for (const level of ['log', 'info', 'warn', 'error']) console[level] = () => undefined;\n";

const answer = (message: HostAnswer): void => {
  process.send?.(message);
};

/** The modules of the bundler's bundle: its script and the compiler. */
const bundlerModules = (folder: string) =>
  readdirSync(folder)
    .filter((name) => /\.(?:js|wasm)$/.test(name))
    .sort((a, b) => Number(b === 'index.js') - Number(a === 'index.js'))
    .map((name) => ({
      type: name.endsWith('.wasm') ? ('CompiledWasm' as const) : ('ESModule' as const),
      path: inRoot(name),
      contents: readFileSync(join(folder, name)),
    }));

async function migrate(database: D1Database, migrations: readonly string[]): Promise<void> {
  // A host that takes over what another one stored finds the tables there.
  const { results } = await database.prepare("SELECT name FROM sqlite_master WHERE name = 'users'").all();
  for (const file of results.length > 0 ? [] : migrations)
    for (const statement of readFileSync(file, 'utf8').split(breakpoint))
      if (statement.trim()) await database.prepare(statement).run();
}

async function start(order: HostOrder): Promise<void> {
  const { workerOptions } = workerOptionsOf(inRoot('wrangler.toml'));
  const source = readFileSync(order.script, 'utf8');
  const { compatibilityDate = '', compatibilityFlags = [] } = workerOptions as Partial<V4WorkerOptions>;
  const bundlerNamed = (name: string): V4WorkerOptions[] =>
    order.bundler === null
      ? []
      : [{ name, compatibilityDate, compatibilityFlags, modules: bundlerModules(order.bundler) }];
  const alone = order.bundler !== null && dirname(order.script) === order.bundler;
  const origin = `http://localhost:${order.port}`;
  const services = workerOptions.serviceBindings as Record<string, string> | undefined;
  // Without it previews are refused.
  const refuse = async () => new Response(null, { status: 503 });
  /**
   * The port is a socket straight at the server, as the platform has it. Miniflare's own entry, and its emulation of static assets, are Workers
   * in front of it, through which every request and every frame would go as through a proxy. The socket belongs to a Worker of its own, since
   * one of a Worker with static assets leads into their emulation.
   */
  const door: V4WorkerOptions = {
    name: 'door',
    compatibilityDate,
    modules: [{ type: 'ESModule', path: inRoot('door.js'), contents: 'export default {};' }],
    unsafeDirectSockets: [{ host: '127.0.0.1', port: order.port, serviceName: 'server' }],
  };
  const server: V4WorkerOptions = {
    ...workerOptions,
    name: 'server',
    modules: [
      {
        type: 'ESModule',
        // A name only; workerd refuses one outside the options' root.
        path: inRoot('server.js'),
        contents:
          (order.silent ? silence : '') + (order.script.endsWith('.ts') ? stripTypeScriptTypes(source) : source),
      },
    ],
    serviceBindings: { ...services, BUNDLER: order.bundler === null ? refuse : 'bundler' },
    bindings: {
      ...(workerOptions.bindings as Record<string, string> | undefined),
      APP_ORIGIN: origin,
      CONTENT_HOST: `localhost:${order.port}`,
      ...order.vars,
    },
  };
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: '127.0.0.1',
      port: 0,
      resourcePersistencePath: order.state,
      resourceTmpPath: `${order.state}-tmp`,
      cf: false,
      // For what the platform does every minute.
      unsafeTriggerHandlers: true,
      log: new Log(LogLevel.NONE),
      // One line per request, as everywhere; what it says is of no interest here.
      handleStructuredLogs: order.verbose ? ({ message }) => process.stderr.write(`${message}\n`) : () => undefined,
      ...(order.inspect && { inspectorPort: 0 }),
      workers: [...(alone ? bundlerNamed('server') : [server, ...bundlerNamed('bundler')]), door],
    }),
  );
  process.once('disconnect', () => void miniflare.dispose().finally(() => process.exit(0)));
  const entry = await miniflare.ready;
  if (order.migrations.length > 0) await migrate(await miniflare.getD1Database('DB'), order.migrations);
  process.on('message', ({ evict }: HostCommand) => {
    // A room that is gone already is what was asked for.
    miniflare
      .unsafeEvictDurableObject('server', 'ProjectRoom', { name: evict, webSockets: 'hibernate' })
      .catch(() => undefined);
  });
  answer({
    ready: true,
    platform: entry.origin,
    inspector: order.inspect ? String(await miniflare.getInspectorURL()) : null,
  });
}

process.once('message', (order: HostOrder) => {
  start(order).catch((error: unknown) => {
    answer({ ready: false, reason: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    process.exit(1);
  });
});
