import { readFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { type ParseError, parse } from 'jsonc-parser';
import { BuildFailure } from '../failure.ts';
import { runnerLimits } from '../runner-limits.ts';
import { property } from './entry.ts';
import { admit, outside, type Project, resolveInProject } from './project.ts';

type CompilerOptions = Readonly<Record<string, unknown>>;

/**
 * The compiler options of the project's `tsconfig.json` (else `jsconfig.json`) with `extends` followed
 * inside the project only, and `paths` and `baseUrl` made relative to its root. esbuild and tsc get
 * these options and never read a tsconfig by themselves: they would follow `extends` anywhere, and look
 * for a file in the folders above.
 */
export const readTsconfig = async (project: Project): Promise<CompilerOptions> => {
  const path = ['tsconfig.json', 'jsconfig.json'].find((name) => project.files.has(name));
  if (path === undefined) return {};
  // Vite's templates keep the options of the sources in a file of their own.
  const own = await load(project, path, 0);
  return Object.keys(own).length === 0 && project.files.has('tsconfig.app.json')
    ? await load(project, 'tsconfig.app.json', 0)
    : own;
};

const load = async (project: Project, path: string, depth: number): Promise<CompilerOptions> => {
  if (depth > runnerLimits.tsconfigDepth) throw wrong(path, '"extends" goes too deep.');
  const problems: ParseError[] = [];
  const config: unknown = parse(await readFile(join(project.root, path), 'utf8'), problems, {
    allowTrailingComma: true,
  });
  if (problems.length > 0) throw wrong(path, 'it is not valid JSON.');
  const bases = property(config, 'extends');
  let options: CompilerOptions = {};
  for (const base of Array.isArray(bases) ? bases : bases === undefined ? [] : [bases]) {
    if (typeof base !== 'string') throw wrong(path, '"extends" must be a text.');
    const found = await findBase(project, path, base);
    // A package that is only there for development need not be installed to build.
    if (found !== null) options = { ...options, ...(await load(project, found, depth + 1)) };
  }
  const own = property(config, 'compilerOptions');
  if (typeof own === 'object' && own !== null) options = { ...options, ...rebase(project, path, own) };
  return options;
};

const findBase = async (project: Project, from: string, base: string): Promise<string | null> => {
  const isPath = base.startsWith('.') || base.startsWith('/');
  const target = resolveInProject(project, isPath ? posix.dirname(from) : 'node_modules', base);
  if (target === null || (!isPath && !target.startsWith('node_modules/'))) throw outside(base);
  for (const candidate of [target, `${target}.json`, `${target}/tsconfig.json`]) {
    const admitted = await admit(project, join(project.root, candidate));
    if (admitted?.endsWith('.json')) return admitted;
  }
  if (isPath) throw outside(base);
  return null;
};

/** Paths in a config are relative to its own folder; what we hand on is relative to the root. */
const rebase = (project: Project, path: string, options: object): CompilerOptions => {
  const folder = posix.dirname(path);
  const { baseUrl, paths, ...rest } = options as { baseUrl?: unknown; paths?: unknown } & Record<string, unknown>;
  const base = typeof baseUrl === 'string' ? resolveFolder(project, folder, baseUrl) : folder;
  const mapped: Record<string, string[]> = {};
  for (const [alias, targets] of Object.entries(typeof paths === 'object' && paths !== null ? paths : {})) {
    const texts = Array.isArray(targets) ? targets.filter((target) => typeof target === 'string') : [];
    mapped[alias] = texts.map((target) => `./${resolveFolder(project, base, target)}`);
  }
  return {
    ...rest,
    ...(typeof baseUrl === 'string' ? { baseUrl: `./${base}` } : {}),
    ...(paths === undefined ? {} : { paths: mapped }),
  };
};

const resolveFolder = (project: Project, from: string, target: string): string => {
  if (posix.join(from, target) === '.' || posix.join(from, target) === './') return '.';
  const rel = target.startsWith('/') ? null : resolveInProject(project, from, target);
  if (rel === null) throw outside(target);
  return rel;
};

const wrong = (path: string, why: string): BuildFailure =>
  new BuildFailure('user', 'build_failed', `${path} cannot be used: ${why}`);
