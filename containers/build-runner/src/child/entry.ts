import { readFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { type ParseError, parse } from 'jsonc-parser';
import type { BuildOptions } from '../../../../src/contract/builds.ts';
import { BuildFailure } from '../failure.ts';
import type { Project } from './project.ts';

export interface Entry {
  readonly kind: 'html' | 'script';
  /** Project-relative path. */
  readonly path: string;
}

const scripts = ['main', 'game', 'index'].flatMap((name) =>
  ['ts', 'tsx', 'js', 'jsx'].map((ext) => `src/${name}.${ext}`),
);

/** What is tried, in this order, when nothing names the entry. */
const conventions = ['index.html', 'src/index.html', ...scripts];

const isHtml = (path: string): boolean => /\.html?$/i.test(path);
const isScript = (path: string): boolean => /\.[cm]?[jt]sx?$/i.test(path) && !/\.d\.[cm]?ts$/i.test(path);

/**
 * Finds where the game starts: `options.entry`, else `entry` of kiln.json, else `kiln.entry` of
 * package.json, else the conventions. A name that is given but wrong is an error, not a reason to guess.
 */
export const findEntry = async (project: Project, options: BuildOptions): Promise<Entry> => {
  const named: [source: string, value: unknown][] = [
    ['options.entry', options.entry],
    ['entry of kiln.json', property(await readJson(project, 'kiln.json'), 'entry')],
    ['kiln.entry of package.json', property(property(await readJson(project, 'package.json'), 'kiln'), 'entry')],
  ];
  for (const [source, value] of named) {
    if (value === undefined) continue;
    if (typeof value !== 'string') throw notFound(`${source} must be a text.`);
    const path = posix.normalize(value.replace(/^\.?\/+/, ''));
    if (!project.files.has(path))
      throw notFound(`${source} names "${value.slice(0, 200)}", which is not a file of this project.`);
    if (isHtml(path)) return { kind: 'html', path };
    if (isScript(path)) return { kind: 'script', path };
    throw notFound(`${source} names "${path}", which is neither HTML nor a script.`);
  }
  const path = conventions.find((candidate) => project.files.has(candidate));
  if (path === undefined) {
    throw notFound(
      'The project has no index.html, no src/index.html, and none of src/{main,game,index}.{ts,tsx,js,jsx}.',
    );
  }
  return { kind: isHtml(path) ? 'html' : 'script', path };
};

const notFound = (message: string): BuildFailure => new BuildFailure('user', 'entry_not_found', message);

/** A JSON file of the project, comments allowed; undefined when it is not there. */
export const readJson = async (project: Project, path: string): Promise<unknown> => {
  if (!project.files.has(path)) return undefined;
  const problems: ParseError[] = [];
  const value: unknown = parse(await readFile(join(project.root, path), 'utf8'), problems, {
    allowTrailingComma: true,
  });
  if (problems.length > 0) throw new BuildFailure('user', 'build_failed', `${path} is not valid JSON.`);
  return value;
};

/** A property of what may be an object. */
export const property = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;
