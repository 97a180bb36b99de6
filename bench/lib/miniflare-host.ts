/**
 * A process of its own around bare Miniflare, so that the CPU of the server can be told from that of
 * the load. Started by miniflare.ts with an IPC channel; ends with it.
 */
import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare';
import { unstable_getMiniflareWorkerOptions as workerOptionsOf } from 'wrangler';
import { inRoot } from '../../scripts/lib/paths.ts';
import type { HostAnswer, HostCommand, HostOrder } from './miniflare.ts';

/** Statements of a migration as drizzle-kit writes them. */
const breakpoint = '--> statement-breakpoint';

const answer = (message: HostAnswer): void => {
  process.send?.(message);
};

async function start(order: HostOrder): Promise<void> {
  const { workerOptions } = workerOptionsOf(inRoot('wrangler.toml'));
  if (!order.assets) delete workerOptions.assets;
  const source = readFileSync(order.script, 'utf8');
  const origin = `http://localhost:${order.port}`;
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: '127.0.0.1',
      port: order.port,
      resourcePersistencePath: order.state,
      resourceTmpPath: `${order.state}-tmp`,
      cf: false,
      log: new Log(LogLevel.NONE),
      // One line per request, as everywhere; what it says is of no interest here.
      handleStructuredLogs: order.verbose ? ({ message }) => process.stderr.write(`${message}\n`) : () => undefined,
      ...(order.inspect && { inspectorPort: 0 }),
      workers: [
        {
          ...workerOptions,
          name: 'server',
          modules: [
            {
              type: 'ESModule',
              // A name only; workerd refuses one outside the options' root.
              path: inRoot('server.js'),
              contents: order.script.endsWith('.ts') ? stripTypeScriptTypes(source) : source,
            },
          ],
          // Previews are measured with the bundler alone: bench/preview.ts.
          serviceBindings: {
            ...(workerOptions.serviceBindings as Record<string, string> | undefined),
            BUNDLER: () => new Response(null, { status: 503 }),
          },
          bindings: {
            ...(workerOptions.bindings as Record<string, string> | undefined),
            APP_ORIGIN: origin,
            CONTENT_HOST: `localhost:${order.port}`,
          },
        },
      ],
    }),
  );
  process.once('disconnect', () => void miniflare.dispose().finally(() => process.exit(0)));
  await miniflare.ready;
  const database = await miniflare.getD1Database('DB');
  // A host that takes over what another one stored finds the tables there.
  const { results } = await database.prepare("SELECT name FROM sqlite_master WHERE name = 'users'").all();
  for (const file of results.length > 0 ? [] : order.migrations)
    for (const statement of readFileSync(file, 'utf8').split(breakpoint))
      if (statement.trim()) await database.prepare(statement).run();
  const evict = (name: string): Promise<void> =>
    miniflare
      .unsafeEvictDurableObject('server', 'ProjectRoom', { name, webSockets: 'hibernate' })
      // A room that is gone already is what was asked for.
      .catch(() => undefined);
  // Miniflare makes the first call of a kind synchronously. Under load it would wait for a workerd that waits until its log is read, here.
  await evict('nobody');
  process.on('message', (command: HostCommand) => void evict(command.evict));
  answer({ ready: true, inspector: order.inspect ? String(await miniflare.getInspectorURL()) : null });
}

process.once('message', (order: HostOrder) => {
  start(order).catch((error: unknown) => {
    answer({ ready: false, reason: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    process.exit(1);
  });
});
