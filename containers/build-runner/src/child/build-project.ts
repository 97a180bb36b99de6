import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { BuildTarget } from '../../../../src/contract/builds.ts';
import type { BuildStep } from '../../../../src/contract/jobs.ts';
import type { Entry } from '../../../../src/core/game/entry.ts';
import type { ImportMap } from '../../../../src/core/game/import-map.ts';
import { ProjectProblem } from '../../../../src/core/game/paths.ts';
import { BuildFailure } from '../failure.ts';
import { type Bundle, type BundleEntry, bundle, nowhere } from './bundle.ts';
import { findEntry } from './entry.ts';
import { generatePage, readPage } from './html.ts';
import { outcomeOf } from './outcome.ts';
import { type Packaging, packageWeb, type Site, type SiteFile } from './package-web.ts';
import type { Project } from './project.ts';
import type { ChildMessage, ChildRequest } from './protocol.ts';
import { type Log, timed } from './report.ts';
import { builtPage, runtimeFiles } from './runtime-files.ts';
import { writeSbom } from './sbom.ts';
import { typecheck } from './typecheck.ts';

/** The whole work of a child: from the project's files to the files of `outDir`. Never throws; the last message is the outcome. */
export const buildProject = async (
  request: ChildRequest,
  send: (message: ChildMessage) => void,
): Promise<ChildMessage> => {
  let step: BuildStep = 'bundle';
  let isTold = false;
  try {
    await build(request, (message) => {
      if ('step' in message) step = message.step;
      isTold ||= message.type === 'log' && message.level === 'error';
      send(message);
    });
    return { type: 'success' };
  } catch (error) {
    const isTheirs = error instanceof BuildFailure || error instanceof ProjectProblem;
    if (isTheirs && !isTold) send({ type: 'log', level: 'error', step, message: error.message, ...error.place });
    return outcomeOf(error, 'The build process failed unexpectedly.');
  }
};

const build = async (request: ChildRequest, send: (message: ChildMessage) => void): Promise<void> => {
  const { options, target } = request;
  const project: Project = {
    root: request.projectDir,
    files: new Set(request.files),
    marked: new Set(request.marked),
    modulesDir: request.modulesDir,
  };
  const log: Log = (line) => send({ type: 'log', ...line });
  const progress = (step: 'bundle' | 'assets' | 'package') => (done: number) => send({ type: 'progress', step, done });

  if (options.typecheck) {
    send({ type: 'progress', step: 'typecheck', done: 0 });
    await timed('typecheck', send, () =>
      typecheck({ project, compiler: request.compiler, workDir: join(request.outDir, '../tmp/typecheck'), log }),
    );
  }

  const site = await timed('bundle', send, async () => {
    const entry = await findEntry(project, options);
    log({ level: 'info', step: 'bundle', message: `Entry: ${entry.path}` });
    const context: Context = { request, project, log, onProgress: progress('bundle') };
    return entry.kind === 'html' ? await bundlePage(context, entry) : await bundleScript(context, entry);
  });
  progress('bundle')(1);
  if (site.compileMs > 0) send({ type: 'timing', phase: 'esbuild', ms: site.compileMs });

  // Beside what follows: it is for previews, and no build waits longer for it than it must.
  const packages =
    site.packages.size === 0
      ? null
      : import('./prebundle.ts').then(({ prebundle }) =>
          prebundle({ project, specifiers: site.packages, mapped: site.mapped, request, log }),
        );
  const files = !options.optimizeAssets
    ? site.files
    : await timed('assets', send, async () => {
        const { optimizeSite } = await import('./optimize.ts');
        const cache = request.assetCache;
        return await optimizeSite({ project, site: site.files, options, cache, log, onProgress: progress('assets') });
      });

  await timed('package', send, async () => {
    const workDir = join(request.outDir, '../tmp/package');
    const packaging: Packaging = {
      project,
      projectName: request.projectName,
      site: files,
      html: site.html,
      inputs: site.inputs,
      outDir: request.outDir,
      workDir,
      templates: request.templates,
      electronCache: request.electronCache,
      log,
      onWritten: () => send({ type: 'written' }),
    };
    // Packaged apps have all their files with them.
    const isOffline = options.offline === true && target === 'web';
    const offline = isOffline ? await (await import('./offline.ts')).addOffline(packaging) : packaging.site;
    await (await packagerOf(target))({ ...packaging, site: offline });
    if (packages) await timed('prebundle', send, () => packages);
    await timed('sbom', send, () => writeSbom(project, request.projectName, site.inputs, request.outDir));
  });
  progress('package')(1);
  const outputs = await readdir(request.outDir, { recursive: true, withFileTypes: true });
  log({
    level: 'info',
    step: 'package',
    message: `Packaged ${outputs.filter((output) => output.isFile()).length} files.`,
  });
};

/** What a web build does not need is not loaded for it. */
const packagerOf = async (target: BuildTarget): Promise<(packaging: Packaging) => Promise<void>> => {
  if (target === 'electron') return (await import('./package-electron.ts')).packageElectron;
  if (target === 'cordova') return (await import('./package-cordova.ts')).packageCordova;
  return packageWeb;
};

interface Context {
  readonly request: ChildRequest;
  readonly project: Project;
  readonly log: Log;
  readonly onProgress: (done: number) => void;
}

interface BuiltSite {
  readonly files: Site;
  readonly html: string;
  readonly inputs: ReadonlySet<string>;
  /** Specifiers of packages that the sources name, and what the page makes of specifiers. */
  readonly packages: ReadonlySet<string>;
  readonly mapped: ImportMap;
  readonly compileMs: number;
}

const nothing: Bundle = {
  files: new Map(),
  entries: new Map(),
  inputs: new Set(),
  packages: new Set(),
  compileMs: 0,
  alone: () => Promise.reject(new Error('a page without modules has nothing that is bundled')),
};

const bundlePage = async (context: Context, entry: Entry): Promise<BuiltSite> => {
  const { request, project, log } = context;
  const page = await readPage(project, entry.path, log);
  const bundled =
    page.entries.length === 0 && !page.hasModules
      ? nothing
      : await bundle({ ...context, options: request.options, entries: page.entries, mapped: page.mapped });
  const { html, copies } = await page.finish(bundled.entries);
  const files = await runtimeFiles({ project, entry, isBundled: page.hasModules, ...bundled, copies, log });
  return { ...ofBundle(files, bundled, html), mapped: page.mapped };
};

const bundleScript = async (context: Context, entry: Entry): Promise<BuiltSite> => {
  const { request, project, log } = context;
  const main: BundleEntry = { id: 'main', path: entry.path };
  const bundled = await bundle({ ...context, options: request.options, entries: [main], mapped: () => undefined });
  const html = generatePage(request.projectName, bundled.entries.get(main.id) ?? nowhere);
  const files = await runtimeFiles({ project, entry, isBundled: true, ...bundled, copies: new Map(), log });
  return { ...ofBundle(files, bundled, html), mapped: () => undefined };
};

const ofBundle = (files: Map<string, SiteFile>, bundled: Bundle, html: string): Omit<BuiltSite, 'mapped'> => {
  for (const [path, bytes] of bundled.files) files.set(path, bytes);
  files.set(builtPage, Buffer.from(html));
  const { inputs, packages, compileMs } = bundled;
  return { files, html, inputs, packages, compileMs };
};
