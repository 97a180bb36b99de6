import { realpath } from 'node:fs/promises';
import { isAbsolute, join, posix, relative, resolve } from 'node:path';
import { outsideMessage, publicFolder } from '../../../../src/core/game/paths.ts';
import { BuildFailure } from '../failure.ts';

/** The files of one snapshot, and the only way from a path to bytes. */
export interface Project {
  /** Real absolute path. */
  readonly root: string;
  /** Project-relative POSIX paths. */
  readonly files: ReadonlySet<string>;
  /** Those that are read here before esbuild sees them (`isMarked`). */
  readonly marked: ReadonlySet<string>;
  /** Real path of the installed packages, or null. */
  readonly modulesDir: string | null;
}

/** The project-relative path of an absolute one, or null when it is not below the root. Looks at text only, never at the disk. */
export const toRelative = (project: Project, path: string): string | null => {
  const rel = relative(project.root, path);
  return rel === '' || rel === '..' || rel.startsWith('../') || isAbsolute(rel) ? null : rel;
};

/** Where `spec`, seen from the project-relative folder `from`, points; null when that is outside. A leading slash means the root. */
export const resolveInProject = (project: Project, from: string, spec: string): string | null =>
  toRelative(project, spec.startsWith('/') ? join(project.root, spec) : resolve(project.root, from, spec));

/** A public file by its URL path, such as `/logo.png`; its path in the site, or null. */
export const findPublic = (project: Project, urlPath: string): string | null => {
  const path = posix.normalize(urlPath).replace(/^\/+/, '');
  return project.files.has(`${publicFolder}/${path}`) ? path : null;
};

/**
 * The check that every byte passes before it may enter a bundle: the path is a file of the snapshot, or a
 * real file of an installed package. Whatever a resolver believed (package.json fields, tsconfig paths,
 * globs, links, `..`) is believed no longer here. Returns the project-relative path, or null.
 */
export const admit = async (project: Project, path: string): Promise<string | null> => {
  const rel = toRelative(project, path);
  if (rel === null) return null;
  if (!rel.startsWith('node_modules/')) return project.files.has(rel) ? rel : null;
  if (project.modulesDir === null) return null;
  const real = await realpath(path).catch(() => null);
  return real?.startsWith(`${project.modulesDir}/`) ? rel : null;
};

/** The failure for anything outside, in the words of `outsideMessage`. */
export const outside = (spec: string): BuildFailure => new BuildFailure('user', 'build_failed', outsideMessage(spec));
