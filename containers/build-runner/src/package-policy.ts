import npa from 'npm-package-arg';
import * as z from 'zod';
import { parseJson, property, readJson, spotOfValue } from '../../../src/core/game/json.ts';
import type { Place } from '../../../src/core/game/said.ts';
import { BuildFailure } from './failure.ts';
import { runnerLimits } from './runner-limits.ts';

/**
 * Which dependencies a project may have: packages of the registry, named by version, range or tag. All
 * that a package.json or a lock could use to make npm run or fetch anything else (scripts, workspaces,
 * git, URLs, files, patches) is refused or left out here, before npm sees it.
 */
const Specs = z.record(z.string().max(runnerLimits.packageName), z.string().max(runnerLimits.packageSpec));

const Manifest = z.object({
  dependencies: Specs.optional(),
  devDependencies: Specs.optional(),
  optionalDependencies: Specs.optional(),
  peerDependencies: Specs.optional(),
  overrides: z.record(z.string(), z.unknown()).optional(),
});

/** The part of a package.json that npm is shown. */
export type ProjectManifest = z.infer<typeof Manifest>;

/** A lock that has been checked; only its `packages` section is kept. */
export interface Lock {
  readonly lockfileVersion: number;
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

const Locked = z.looseObject({
  version: z.string().optional(),
  resolved: z.string().optional(),
  integrity: z.string().optional(),
  link: z.boolean().optional(),
});
type LockedPackage = z.infer<typeof Locked>;

const LockFile = z.object({ lockfileVersion: z.int(), packages: z.record(z.string(), Locked) });

const refused = (message: string, place?: Place): BuildFailure =>
  new BuildFailure('user', 'dependency_failed', message, place === undefined ? {} : { place });

const dependencyFields = ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies'] as const;

/** A failure of dependencies with its place in a package.json: where the package stands that it names, if it is one of these. */
export const placedIn = (text: string, failure: BuildFailure): BuildFailure => {
  const { kind, code, message, place } = failure;
  if (code !== 'dependency_failed' || place.file !== undefined) return failure;
  const manifest = readJson(text);
  for (const field of dependencyFields) {
    const name = Object.keys(property(manifest, field) ?? {}).find((one) => message.includes(`"${one}"`));
    if (name !== undefined)
      return new BuildFailure(kind, code, message, {
        cause: failure,
        place: { file: 'package.json', ...spotOfValue(text, [field, name]) },
      });
  }
  return new BuildFailure(kind, code, message, { cause: failure, place: { file: 'package.json' } });
};

/** Reads and checks a package.json; null when it names no dependency. */
export const readManifest = (text: string): ProjectManifest | null => {
  const parsed = Manifest.safeParse(jsonOf(text, 'package.json'));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw refused(`package.json cannot be used: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`);
  }
  const {
    dependencies = {},
    devDependencies = {},
    optionalDependencies = {},
    peerDependencies = {},
    overrides,
  } = parsed.data;
  for (const specs of [dependencies, devDependencies, optionalDependencies, peerDependencies]) {
    for (const [name, spec] of Object.entries(specs)) checkSpec(name, spec);
  }
  if (overrides !== undefined) checkOverrides(overrides, 0);
  const isEmpty = [dependencies, devDependencies, optionalDependencies, peerDependencies].every(
    (specs) => Object.keys(specs).length === 0,
  );
  return isEmpty
    ? null
    : {
        dependencies,
        devDependencies,
        optionalDependencies,
        peerDependencies,
        ...(overrides === undefined ? {} : { overrides }),
      };
};

/** Reads and checks a package-lock.json. Null for formats older than npm 7, which name no exact sources. */
export const readLock = (text: string, registry: URL): Lock | null => {
  const parsed = LockFile.safeParse(jsonOf(text, 'package-lock.json'));
  if (!parsed.success) return null;
  const { lockfileVersion, packages } = parsed.data;
  for (const [path, entry] of Object.entries(packages)) {
    if (path === '') continue;
    if (!isModulePath(path) || entry.link === true)
      throw refused(`package-lock.json links "${path.slice(0, 200)}" to a folder, which a build does not have.`);
    if (entry.resolved !== undefined) checkSource(path, entry.resolved, registry);
  }
  const { '': _root, ...rest } = packages;
  return { lockfileVersion, packages: rest };
};

/** Refuses a tarball that does not lie on the registry. */
export const checkSource = (path: string, resolved: string, registry: URL): void => {
  const url = URL.canParse(resolved) ? new URL(resolved) : null;
  const isRegistry =
    url !== null &&
    (url.origin === registry.origin || url.origin === npmjs) &&
    url.username === '' &&
    url.password === '';
  if (!isRegistry)
    throw refused(
      `"${path.slice(0, 200)}" does not come from the package registry. Git, URL and file dependencies are refused.`,
    );
};

/** npm writes this origin into every lock, whichever mirror it used. */
const npmjs = 'https://registry.npmjs.org';

const registryTypes = new Set(['version', 'range', 'tag']);

const checkSpec = (name: string, spec: string): void => {
  let parsed: npa.Result;
  try {
    parsed = npa.resolve(name, spec, '/');
  } catch {
    throw refused(`The dependency "${name}": "${spec.slice(0, 200)}" is not valid.`);
  }
  const type = parsed.type === 'alias' ? (parsed as npa.AliasResult).subSpec.type : parsed.type;
  if (!registryTypes.has(type)) {
    throw refused(
      `The dependency "${name}": "${spec.slice(0, 200)}" is refused: only packages of the registry with a version, range or tag can be used.`,
    );
  }
};

/** Overrides nest: a value is a spec, a reference to a dependency of the root (`$name`), or an object of them. */
const checkOverrides = (overrides: Readonly<Record<string, unknown>>, depth: number): void => {
  if (depth > 8) throw refused('The overrides of package.json are nested too deeply.');
  for (const [key, value] of Object.entries(overrides)) {
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      checkOverrides(value as Record<string, unknown>, depth + 1);
    else if (typeof value !== 'string') throw refused('The overrides of package.json are not valid.');
    else if (!value.startsWith('$')) checkSpec(key === '.' ? 'package' : key.replace(/(?<=.)@.*$/, ''), value);
  }
};

/** `node_modules/a/node_modules/@b/c` and nothing else: a path of a lock becomes a path of our disk. */
const isModulePath = (path: string): boolean =>
  path
    .split(/(?:^|\/)node_modules\//)
    .every((name, index) => (index === 0 ? name === '' : /^(?:@[^/.\\][^/\\]*\/)?[^/.\\@][^/\\]*$/.test(name)));

const jsonOf = (text: string, file: string): unknown => {
  try {
    // npm strips a byte order mark, too.
    return JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch {
    const read = parseJson(text, 'strict');
    throw 'problem' in read
      ? refused(`${file} is not valid JSON. ${read.problem}`, { file, ...read.spot })
      : refused(`${file} is not valid JSON.`, { file });
  }
};
