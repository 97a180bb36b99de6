import type { Prebundle } from '../../contract/prebundle.ts';
import { property, readJson } from './json.ts';

/** Lock files that count, the first that is there. */
export const lockFiles = ['package-lock.json', 'npm-shrinkwrap.json'] as const;

/** The package of a bare specifier: `@scope/name/part.js` → `@scope/name`. */
export const packageOf = (spec: string): string => /^(?:@[^/]+\/)?[^/?]+/.exec(spec)?.[0] ?? spec;

/** Whether a specifier names a package rather than a path, a URL or a part of the importing package. */
export const isBare = (spec: string): boolean => /^[^./#]/.test(spec) && !/^[a-z][a-z\d+.-]*:/i.test(spec);

/** What a `package.json` asks for of a package; undefined where it does not name it. */
export function declaredRange(manifest: unknown, name: string): string | undefined {
  for (const field of ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies']) {
    const range = property(property(manifest, field), name);
    if (typeof range === 'string') return range;
  }
  return undefined;
}

/**
 * The part of a prebundle that is still what the project asks for: nothing of it when the lock file is another one,
 * and no package of which `package.json` asks for another version.
 */
export function stillMeant(
  prebundle: Prebundle,
  project: { readonly manifest: string | undefined; readonly lockFile: string | null },
): Pick<Prebundle, 'entries' | 'configs'> {
  if (prebundle.lockFile !== project.lockFile) return { entries: {}, configs: {} };
  const manifest = project.manifest === undefined ? undefined : readJson(project.manifest);
  const isMeant = (name: string): boolean => declaredRange(manifest, name) === prebundle.declared[name];
  const only = <T>(all: Readonly<Record<string, T>>, nameOf: (key: string) => string): Record<string, T> =>
    Object.fromEntries(Object.entries(all).filter(([key]) => isMeant(nameOf(key))));
  return {
    entries: only(prebundle.entries, packageOf),
    configs: only(prebundle.configs, (path) => packageOf(path.replace(/^node_modules\//, ''))),
  };
}
