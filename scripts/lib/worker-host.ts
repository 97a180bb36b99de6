/**
 * A process of its own around bare Miniflare: the Worker as it is deployed, without the server of `wrangler dev` in front of it.
 * Reads its order, the options of Miniflare with the folders of bundles in place of modules, from the standard input.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import {
  convertV4MiniflareOptions,
  Log,
  LogLevel,
  Miniflare,
  Response,
  type V4MiniflareOptions,
  type V4WorkerOptions,
} from 'miniflare';
import { root } from './paths.ts';
import type { HostOrder } from './worker.ts';

/** Modules of a bundle, its script first. */
const modulesOf = (folder: string, rootPath: string) =>
  readdirSync(folder)
    .sort((a, b) => Number(b === 'index.js') - Number(a === 'index.js'))
    .map((name) => ({
      type: name.endsWith('.wasm') ? ('CompiledWasm' as const) : ('ESModule' as const),
      // A name only; workerd refuses one outside the options' root.
      path: join(rootPath, name),
      contents: readFileSync(join(folder, name)),
    }));

const { port, state, inspectorPort, workers, missing } = JSON.parse(await text(process.stdin)) as HostOrder;
const refuse = async () => new Response(null, { status: 503 });
const options: V4MiniflareOptions = {
  host: '127.0.0.1',
  port,
  resourcePersistencePath: join(state, 'v3'),
  resourceTmpPath: join(state, 'tmp'),
  cf: false,
  // For what the platform does every minute.
  unsafeTriggerHandlers: true,
  ...(inspectorPort !== null && { inspectorPort }),
  logRequests: false,
  log: new Log(LogLevel.WARN),
  handleStructuredLogs: ({ message }) => process.stdout.write(`${message}\n`),
  workers: workers.map(
    ({ bundle, ...worker }): V4WorkerOptions => ({
      ...worker,
      serviceBindings: {
        ...worker.serviceBindings,
        ...Object.fromEntries(missing.map((name) => [name, refuse])),
      },
      modules: modulesOf(bundle, worker.rootPath ?? root),
    }),
  ),
};
const miniflare = new Miniflare(convertV4MiniflareOptions(options));
process.once('SIGTERM', () => void miniflare.dispose().finally(() => process.exit(0)));
await miniflare.ready;
