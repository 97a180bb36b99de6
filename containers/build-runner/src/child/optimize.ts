import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import type { BuildOptions } from '../../../../src/contract/builds.ts';
import { runnerLimits } from '../runner-limits.ts';
import { byText } from './order.ts';
import type { Site, SiteFile } from './package-web.ts';
import type { Project } from './project.ts';
import type { Log } from './report.ts';

export type OptimizeOptions = Pick<BuildOptions, 'compressMeshes'>;

/** Smaller bytes that mean the same; null when there are none. Throws for what it cannot read. */
export type Optimizer = (bytes: Uint8Array, options: OptimizeOptions) => Promise<Uint8Array | null>;

/** Parts lie in other files, which are not read. */
export class ElsewhereError extends Error {}

/** What can be made smaller without a loss. Each is loaded when the first file of its kind is met. */
const optimizers: Readonly<Record<string, () => Promise<Optimizer>>> = {
  '.png': async () => (await import('./optimize-png.ts')).optimizePng,
  '.svg': async () => (await import('./optimize-svg.ts')).optimizeSvg,
  '.glb': async () => (await import('./optimize-model.ts')).optimizeGlb,
};

export interface Optimizing {
  readonly project: Project;
  readonly site: Site;
  readonly options: BuildOptions;
  readonly cache: AssetCacheFolders;
  readonly log: Log;
  readonly onProgress: (done: number) => void;
}

/** Results by `assetKey`; an empty file says that nothing smaller was found. */
export interface AssetCacheFolders {
  /** Results of earlier builds of the same project; only read. */
  readonly known: string;
  /** Where new results are left for the runner to keep. */
  readonly found: string;
  /** Changes with every version of an optimiser. */
  readonly version: string;
}

export const assetKey = (sha256: string, version: string, options: BuildOptions): string =>
  `${sha256}-${version}${options.compressMeshes ? 'm' : ''}`;

/**
 * Makes the files of a site smaller, lossless unless an option says otherwise, under the names they have. The
 * same bytes in give the same bytes out. A file that cannot be read is told of and left as it is.
 */
export const optimizeSite = async (optimizing: Optimizing): Promise<Site> => {
  const { project, site, cache, log, onProgress } = optimizing;
  await mkdir(cache.found, { recursive: true });
  const result = new Map(site);
  const candidates = [...site]
    .filter(([path]) => Object.hasOwn(optimizers, extensionOf(path)))
    .sort(([a], [b]) => byText(a, b));
  let [before, after, smaller] = [0, 0, 0];
  for (const [index, [path, file]] of candidates.entries()) {
    const bytes = file instanceof Uint8Array ? file : await readFile(join(project.root, file.copyOf));
    const optimized = await optimizeFile(optimizing, path, file, bytes);
    before += bytes.byteLength;
    after += (optimized ?? bytes).byteLength;
    if (optimized !== null) {
      smaller += 1;
      result.set(path, optimized);
    }
    onProgress((index + 1) / candidates.length);
  }
  const saved = before - after;
  const share = before === 0 ? 0 : Math.round((100 * saved) / before);
  log({
    level: 'info',
    step: 'assets',
    message: `${smaller} of ${candidates.length} assets made smaller: ${saved} of ${before} bytes saved (${share} %).`,
  });
  return result;
};

const extensionOf = (path: string): string => posix.extname(path).toLowerCase();

const optimizeFile = async (
  { cache, options, log }: Optimizing,
  path: string,
  file: SiteFile,
  bytes: Uint8Array,
): Promise<Uint8Array | null> => {
  if (bytes.byteLength > runnerLimits.optimizedBytes) return null;
  const key = assetKey(createHash('sha256').update(bytes).digest('hex'), cache.version, options);
  const known = await readFile(join(cache.known, key)).catch(() => null);
  if (known !== null) return known.byteLength === 0 ? null : known;
  try {
    const optimize = await optimizers[extensionOf(path)]?.();
    const optimized = (await optimize?.(bytes, options)) ?? null;
    const better = optimized !== null && optimized.byteLength < bytes.byteLength ? optimized : null;
    await writeFile(join(cache.found, key), better ?? new Uint8Array());
    return better;
  } catch (error) {
    if (error instanceof ElsewhereError) return null;
    log({
      level: 'warn',
      step: 'assets',
      message: `${path} could not be read as what its name says. It is left as it is.`,
      file: file instanceof Uint8Array ? path : file.copyOf,
    });
    return null;
  }
};
