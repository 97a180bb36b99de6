/**
 * The process that may talk to the package registry, and to nothing else of interest: it has no token and
 * no project, only the checked names of packages. It is a process of its own so that it can be killed at
 * any moment. No script of a package runs, no configuration file is read, no link is left in the tree.
 */
import { createHash } from 'node:crypto';
import { access, lstat, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Arborist from '@npmcli/arborist';
import { explain } from '../../../src/core/game/explain.ts';
import { BuildFailure, isDiskFull } from './failure.ts';
import { type InstallAnswer, type InstallRequest, treeFiles } from './install-protocol.ts';
import { describeError } from './log.ts';
import { checkSource } from './package-policy.ts';
import { runnerLimits } from './runner-limits.ts';

const install = async (request: InstallRequest): Promise<InstallAnswer> => {
  const { staging, trees } = request;
  await mkdir(staging, { recursive: true });
  await writeFile(join(staging, 'package.json'), JSON.stringify(request.manifest));
  if (request.lock !== null) {
    await writeFile(
      join(staging, 'package-lock.json'),
      JSON.stringify({ ...request.lock, packages: { '': request.manifest, ...request.lock.packages } }),
    );
  }

  const arborist = new Arborist(optionsOf(request));
  const tree = await arborist.buildIdealTree();
  const registry = new URL(request.registry);
  for (const node of tree.inventory.values()) {
    if (node.isRoot) continue;
    if (node.isLink)
      throw new BuildFailure(
        'user',
        'dependency_failed',
        `"${node.name}" is a link to a folder, which a build does not have.`,
      );
    // Bundled packages come inside the tarball of another one.
    if (typeof node.resolved === 'string') checkSource(node.location, node.resolved, registry);
  }

  // `meta` is what npm would write as package-lock.json, and the same for the same tree.
  const lock = String(tree.meta);
  const key = createHash('sha256').update(lock).digest('hex');
  const target = join(trees, key);
  const known = await readFile(join(target, treeFiles.info), 'utf8').catch(() => null);
  if (known !== null)
    return { type: 'installed', key, bytes: JSON.parse(known).bytes, packages: tree.inventory.size - 1 };

  await arborist.reify({ save: false });
  const modules = join(staging, treeFiles.modules);
  await mkdir(modules, { recursive: true });
  const bytes = await measure(modules);
  await writeFile(join(staging, treeFiles.lock), lock);
  await rm(join(staging, 'package.json'));
  await writeFile(join(staging, treeFiles.info), JSON.stringify({ bytes }));
  await rename(staging, target).catch(async (error: unknown) => {
    // Another job has just put the same tree there.
    if (!(await exists(join(target, treeFiles.info)))) throw error;
  });
  return { type: 'installed', key, bytes, packages: tree.inventory.size - 1 };
};

const optionsOf = (request: InstallRequest): Arborist.Options => {
  const options = {
    path: request.staging,
    cache: request.npmCache,
    registry: request.registry,
    ignoreScripts: true,
    binLinks: false,
    audit: false,
    fund: false,
    progress: false,
    // Native helpers for other programs; a page cannot load them. They stay in the lock.
    omit: ['optional'],
    allowGit: 'none',
    allowRemote: 'none',
    allowFile: 'none',
    allowDirectory: 'none',
    installLinks: true,
    fetchRetries: 2,
    timeout: runnerLimits.requestTimeout,
  };
  return options as Arborist.Options;
};

/** Sums the tree up and refuses what only a hostile package holds: links and special files. */
const measure = async (root: string): Promise<number> => {
  let bytes = 0;
  let files = 0;
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) continue;
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile()) {
      await rm(path, { force: true });
      continue;
    }
    bytes += (await lstat(path)).size;
    files += 1;
  }
  if (bytes > runnerLimits.modulesBytes || files > runnerLimits.modulesFiles) {
    throw new BuildFailure('limit', 'build_too_large', 'The dependencies are too large for a build.');
  }
  return bytes;
};

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

const networkCodes =
  /^(?:E5\d\d|E429|E408|ENOTFOUND|EAI_AGAIN|ECONN\w+|ETIMEDOUT|EPIPE|EHOSTUNREACH|ENETUNREACH|ERR_SOCKET_TIMEOUT|FETCH_ERROR|UND_ERR\w*|EMFILE|EIO|ENOMEM|EACCES|EPERM)$/;

/** What is wrong with packages is in no file of the project but package.json. */
const nowhere = { from: null, paths: [], packages: new Set<string>() };

const answerOf = (error: unknown, staging: string): InstallAnswer => {
  if (error instanceof BuildFailure) return { type: 'error', kind: error.kind, message: error.message };
  if (isDiskFull(error)) return { type: 'error', kind: 'disk', message: '' };
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === '' || networkCodes.test(code)) {
    process.stderr.write(`${describeError(error)}\n`);
    return { type: 'error', kind: 'infra', message: 'The package registry could not be reached.' };
  }
  const about = error instanceof Error && 'package' in error ? ` (${String(error.package)})` : '';
  const text = code.startsWith('EALLOW')
    ? `A package asks for another one that is not on the registry${about}. Git, URL and file dependencies are refused.`
    : explain(`${code}: ${error instanceof Error ? error.message.replaceAll(staging, '.') : ''}`, nowhere);
  return { type: 'error', kind: 'user', message: text.slice(0, runnerLimits.npmMessage) };
};

process.once('disconnect', () => process.exit());
process.once('message', (request: InstallRequest) => {
  install(request)
    .catch((error: unknown) => answerOf(error, request.staging))
    .then((answer) => {
      process.send?.(answer, undefined, undefined, () => process.exit());
    });
});
