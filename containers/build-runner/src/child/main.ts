/**
 * The isolated part of the runner: one process, one build, one asset to be made smaller, one picture, or one preview. It gets a folder with the project's files and
 * leaves one with the outputs; it has no token, no URL and no environment of its own, and is killed as a
 * group when its time is over. Nothing of the project is executed here either: no plugin, no script, no
 * configuration file that is code.
 */
import { buildProject } from './build-project.ts';
import type { AnyRequest, ChildMessage, RehearsalRequest } from './protocol.ts';
import { type Service, startService } from './service.ts';

const tell = (message: ChildMessage): Promise<void> =>
  new Promise((resolve) => {
    if (process.send === undefined) throw new Error('this program is started by the runner');
    process.send(message, undefined, undefined, () => resolve());
  });

let service: Service | undefined;
let isAsked = false;

/** Nothing is said of work that goes on without esbuild but that it is lost. */
const send = async (message: ChildMessage): Promise<void> => {
  if (!service?.gone) await tell(message);
};

// Without a parent nobody reads the result.
process.once('disconnect', () => process.exit());

/** What only this needs is not loaded for a build, which is what a process that waits is mostly for. */
const work = async (request: AnyRequest): Promise<ChildMessage> => {
  if ('optimize' in request) return await (await import('./optimize-asset.ts')).optimizeAsset(request);
  if ('picture' in request) return await (await import('./remake-picture.ts')).remakePicture(request);
  if ('preview' in request) return await (await import('./bundle-preview.ts')).bundlePreview(request);
  return await buildProject(request, (message) => void send(message));
};

const answer = async (request: AnyRequest | RehearsalRequest): Promise<void> => {
  if ('rehearse' in request) {
    await buildProject(request.rehearse, () => undefined);
    return await send({ type: 'rehearsed' });
  }
  isAsked = true;
  await send(await work(request));
  // Whoever asked ends it, which takes less than to end by itself; but for what is to be written as it ends.
  if (process.argv.length > 2) process.exit();
};

let before = Promise.resolve();
process.on('message', (request: AnyRequest | RehearsalRequest) => {
  before = before.then(() => answer(request));
});

// Without esbuild its client throws from wherever it happens to be, and why it is gone still has to be told.
process.on('uncaughtException', (error) => {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  if (!service?.gone) process.exit(1);
});

void startService().then(async (started) => {
  service = started;
  await send({ type: 'ready' });
  const end = await started.ended;
  // Whoever looks after those that wait starts another one.
  if (!isAsked) process.exit(1);
  await tell({ type: 'lost', ...end });
});
