/**
 * The isolated part of the runner: one process, one build, one asset to be made smaller, one picture, or one preview. It gets a folder with the project's files and
 * leaves one with the outputs; it has no token, no URL and no environment of its own, and is killed as a
 * group when its time is over. Nothing of the project is executed here either: no plugin, no script, no
 * configuration file that is code.
 */
import { transform } from 'esbuild';
import { buildProject } from './build-project.ts';
import type { AnyRequest, ChildMessage, RehearsalRequest } from './protocol.ts';

const send = (message: ChildMessage): Promise<void> =>
  new Promise((resolve) => {
    if (process.send === undefined) throw new Error('this program is started by the runner');
    process.send(message, undefined, undefined, () => resolve());
  });

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
  await send(await work(request));
  // Whoever asked ends it, which takes less than to end by itself; but for what is to be written as it ends.
  if (process.argv.length > 2) process.exit();
};

let before = Promise.resolve();
process.on('message', (request: AnyRequest | RehearsalRequest) => {
  before = before.then(() => answer(request));
});

// Starts esbuild's own process now rather than within somebody's build.
void transform('').then(() => send({ type: 'ready' }));
