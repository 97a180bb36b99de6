import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { limits } from '../../../../src/contract/limits.ts';
import { type Prebundle, type PrebundleEntry, prebundleIndex } from '../../../../src/contract/prebundle.ts';
import { MiB } from '../../../../src/contract/units.ts';
import type { ImportMap } from '../../../../src/core/game/import-map.ts';
import { declaredRange, lockFiles, packageOf } from '../../../../src/core/game/packages.ts';
import { type BundledEntry, bundle } from './bundle.ts';
import { readJson } from './entry.ts';
import { byText } from './order.ts';
import type { Project } from './project.ts';
import { type ChildRequest, outFolders } from './protocol.ts';
import type { Log } from './report.ts';
import { readTsconfig } from './tsconfig.ts';

export interface PrebundleRequest {
  readonly project: Project;
  /** As the sources of the project write them. */
  readonly specifiers: ReadonlySet<string>;
  readonly mapped: ImportMap;
  readonly request: Pick<ChildRequest, 'lock' | 'outDir'>;
  readonly log: Log;
}

/** Raised whenever other files would be made of the same packages. */
const toolchain = 'kiln-packages-1';

/**
 * Writes the packages that the sources name as modules for previews: each specifier an entry, what they share in
 * chunks, so that a package is there once however it is reached. A build is none the worse without them: whatever goes
 * wrong is told and no more.
 */
export const prebundle = async (asked: PrebundleRequest): Promise<void> => {
  const { specifiers, log } = asked;
  if (specifiers.size === 0) return;
  try {
    const told = await write(asked, [...specifiers].sort(byText));
    log({ level: 'info', step: 'package', message: told });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    log({ level: 'warn', step: 'package', message: `Previews will not have the packages: ${why}` });
  }
};

const write = async (asked: PrebundleRequest, specifiers: readonly string[]): Promise<string> => {
  const { project, mapped, request, log } = asked;
  if (specifiers.length > limits.preview.packages)
    return `Previews have no packages of projects that import more than ${limits.preview.packages} parts of them.`;
  const made = await bundle({
    project,
    // What a build defines is its own; these are the same for every build of one lock.
    options: { minify: true, sourcemap: false, typecheck: false, optimizeAssets: false, define: {} },
    entries: specifiers.map((spec, index) => ({ id: spec, spec, path: `p${index}-${slug(spec)}` })),
    mapped,
    // Warnings about packages were told by the build itself.
    log: (line) => (line.level === 'error' ? log({ ...line, level: 'warn', step: 'package' }) : undefined),
    onProgress: () => undefined,
  });
  const bytes = [...made.files.values()].reduce((sum, one) => sum + one.byteLength, 0);
  if (bytes > limits.preview.packageBytes || made.files.size > limits.preview.packageFiles)
    return `Previews do not have the packages: they are ${Math.ceil(bytes / MiB)} MiB, of ${limits.preview.packageBytes / MiB} at most.`;

  const entries: Record<string, PrebundleEntry> = {};
  for (const spec of specifiers) {
    const entry = made.entries.get(spec);
    if (entry !== undefined) entries[spec] = describe(entry);
  }
  const folder = join(request.outDir, outFolders.prebundle);
  for (const [path, content] of made.files) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  const list = await listOf(asked, specifiers, entries);
  await writeFile(join(folder, prebundleIndex), `${JSON.stringify(list)}\n`);
  const ready = specifiers.length === 1 ? '1 import of a package is' : `${specifiers.length} imports of packages are`;
  return `${ready} ready for previews, ${Math.ceil(bytes / 1024)} KiB.`;
};

const describe = ({ script, style, isModule, exports }: BundledEntry): PrebundleEntry => ({
  ...(script === null ? {} : { script }),
  ...(style === null ? {} : { style }),
  format: isModule ? 'module' : 'value',
  hasDefault: exports.includes('default'),
});

const listOf = async (
  { project, request }: PrebundleRequest,
  specifiers: readonly string[],
  entries: Prebundle['entries'],
): Promise<Prebundle> => {
  const configs = new Map<string, string>();
  await readTsconfig(project, configs);
  const manifest = await readJson(project, 'package.json');
  const declared: Record<string, string> = {};
  for (const name of [
    ...specifiers.map(packageOf),
    ...[...configs.keys()].map((path) => packageOf(path.slice('node_modules/'.length))),
  ].sort(byText)) {
    const range = declaredRange(manifest, name);
    if (range !== undefined) declared[name] = range;
  }
  const lockFile = lockFiles.find((path) => project.files.has(path));
  const hash = createHash('sha256');
  return {
    v: 1,
    lock: request.lock,
    toolchain,
    declared,
    lockFile: lockFile === undefined ? null : hash.update(await readFile(join(project.root, lockFile))).digest('hex'),
    entries,
    configs: Object.fromEntries([...configs].sort(([a], [b]) => byText(a, b))),
  };
};

/** A name of a file that says what it is. */
const slug = (spec: string): string =>
  spec
    .replace(/\.[cm]?js$/, '')
    .replace(/[^\w-]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 80);
