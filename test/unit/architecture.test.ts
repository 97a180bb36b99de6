import { readdirSync, readFileSync, statSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');

/** What each layer may import of the others; nothing else. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  'src/contract': [],
  'src/core/game': ['src/contract'],
  'src/core': ['src/contract', 'src/core/game'],
  'src/data': ['src/contract', 'src/core'],
  'src/durable-objects': ['src/contract', 'src/core', 'src/data'],
  'src/queues': ['src/contract', 'src/core', 'src/data', 'src/durable-objects'],
  'src/worker': ['src/contract', 'src/core/game', 'src/core', 'src/data', 'src/durable-objects', 'src/queues'],
  'src/bundler': ['src/contract', 'src/core/game'],
  'src/client': ['src/contract'],
  'containers/build-runner/src': ['src/contract', 'src/core/game', 'src/bundler'],
  'web/src': ['src/contract', 'src/client'],
};

const allowedBuiltins = new Set(['node:crypto', 'node:buffer', 'node:zlib']);

interface Module {
  /** Relative to the repository, with forward slashes. */
  readonly file: string;
  readonly imports: readonly string[];
}

const withoutComments = (source: string): string =>
  source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1');

/** Specifiers of static, type, re-exporting, side-effect and dynamic imports. */
function importsOf(source: string): string[] {
  const pattern =
    /(?:^|[\s;}])(?:import|export)\s[^'"`;]*?from\s*(['"])([^'"]+)\1|(?:^|[\s;}])import\s*(['"])([^'"]+)\3|\bimport\(\s*(['"`])([^'"`]+)\5/g;
  return [...withoutComments(source).matchAll(pattern)].map((match) => match[2] ?? match[4] ?? match[6] ?? '');
}

const layerOf = (file: string): string | undefined =>
  Object.keys(mayImport).find((layer) => file.startsWith(`${layer}/`));

/** Every import that points the wrong way, as `file → target`. */
function backward(modules: readonly Module[]): string[] {
  const found: string[] = [];
  for (const { file, imports } of modules) {
    const layer = layerOf(file);
    if (!layer) continue;
    for (const specifier of imports) {
      if (!specifier.startsWith('.')) continue;
      const target = relative('/', resolve('/', dirname(file), specifier))
        .split(sep)
        .join('/');
      const targetLayer = layerOf(target);
      // Whatever is in no layer (package.json, a build file) is judged by whether it is source of ours.
      if (targetLayer === undefined) {
        if (target.startsWith('src/') || /^(test|scripts|bench)\//.test(target)) found.push(`${file} → ${target}`);
      } else if (targetLayer !== layer && !mayImport[layer]?.includes(targetLayer)) found.push(`${file} → ${target}`);
    }
  }
  return found;
}

function sources(directory: string): Module[] {
  const found: Module[] = [];
  const visit = (path: string): void => {
    for (const name of readdirSync(path)) {
      if (name === 'node_modules' || name === 'dist') continue;
      const inner = join(path, name);
      if (statSync(inner).isDirectory()) visit(inner);
      else if (/\.[cm]?[jt]sx?$/.test(name))
        found.push({
          file: relative(root, inner).split(sep).join('/'),
          imports: importsOf(readFileSync(inner, 'utf8')),
        });
    }
  };
  visit(join(root, directory));
  return found;
}

const everything = Object.keys(mayImport).flatMap(sources);

describe('The import scanner', () => {
  it('sees every form of import', () => {
    expect(
      importsOf(`
        import a from './a.ts';
        import type { B } from "./b.ts";
        import {
          c,
        } from './c.ts';
        export { d } from './d.ts';
        export * from './e.ts';
        import './f.css';
        const g = await import('./g.ts');
        type H = import('./h.ts').H;
      `).sort(),
    ).toEqual(['./a.ts', './b.ts', './c.ts', './d.ts', './e.ts', './f.css', './g.ts', './h.ts']);
  });

  it('does not see what stands in a comment', () => {
    expect(importsOf("// import a from './a.ts'\n/* import b from './b.ts' */\nconst url = 'http://x';")).toEqual([]);
  });

  it('finds a backward import, also as a type, over several levels and between tiers', () => {
    const bad: Module[] = [
      { file: 'src/contract/ids.ts', imports: ['../core/tree.ts'] },
      { file: 'src/core/paths.ts', imports: ['../data/objects.ts'] },
      { file: 'src/durable-objects/room/room.ts', imports: ['../../queues/index.ts', '../../worker/app.ts'] },
      { file: 'src/data/users.ts', imports: ['../durable-objects/sql.ts'] },
      { file: 'src/client/api.ts', imports: ['../core/etag.ts'] },
      { file: 'web/src/workspace/model.ts', imports: ['../../../src/worker/app.ts'] },
      { file: 'containers/build-runner/src/child/entry.ts', imports: ['../../../../src/client/index.ts'] },
      { file: 'src/worker/app.ts', imports: ['../client/index.ts', '../../test/unit/x.ts'] },
    ];
    expect(backward(bad)).toHaveLength(10);
  });

  it('accepts imports that point forward', () => {
    const good: Module[] = [
      { file: 'src/core/paths.ts', imports: ['../contract/limits.ts', './tree.ts', 'zod'] },
      { file: 'src/queues/index.ts', imports: ['../durable-objects/stubs.ts'] },
      { file: 'src/worker/index.ts', imports: ['../queues/index.ts', '../durable-objects/project-room.ts'] },
      { file: 'web/src/app.tsx', imports: ['../../src/client/index.ts', '../../src/contract/ids.ts', './router.ts'] },
    ];
    expect(backward(good)).toEqual([]);
  });
});

describe('The architecture', () => {
  it('has source in every layer', () => {
    for (const layer of Object.keys(mayImport))
      expect(
        everything.filter(({ file }) => file.startsWith(`${layer}/`)),
        layer,
      ).not.toEqual([]);
  });

  it('leaves no source file of src/ outside the layers', () => {
    const unknown = sources('src').filter(({ file }) => layerOf(file) === undefined);
    expect(unknown.map(({ file }) => file)).toEqual([]);
  });

  it('imports one way: contract ← core ← data ← durable-objects ← queues ← worker; client and web see the contract only, bundler and runner the rules of a game as well, and the runner the bundler', () => {
    expect(backward(everything)).toEqual([]);
  });

  it('imports only files that exist', () => {
    const missing = everything.flatMap(({ file, imports }) =>
      imports
        .filter((specifier) => specifier.startsWith('.'))
        .filter((specifier) => {
          try {
            return !statSync(resolve(root, dirname(file), specifier.replace(/\?.*$/, ''))).isFile();
          } catch {
            return true;
          }
        })
        .map((specifier) => `${file} → ${specifier}`),
    );
    expect(missing).toEqual([]);
  });

  it('keeps Node out of what runs in workerd: only node:crypto, node:buffer and node:zlib', () => {
    const builtins = new Set(builtinModules.map((name) => name.replace(/^node:/, '').split('/')[0]));
    const used = sources('src').flatMap(({ file, imports }) =>
      imports
        .filter((specifier) => specifier.startsWith('node:') || builtins.has(specifier.split('/')[0] ?? ''))
        .filter((specifier) => !allowedBuiltins.has(specifier))
        .map((specifier) => `${file} → ${specifier}`),
    );
    expect(used).toEqual([]);
  });

  it('keeps the contract free of everything but zod, ids and fractional indexes, so that any client can carry it', () => {
    const packages = new Set(
      sources('src/contract').flatMap(({ imports }) => imports.filter((specifier) => !specifier.startsWith('.'))),
    );
    expect([...packages].sort()).toEqual(['fractional-indexing', 'uuidv7', 'zod']);
  });

  it('keeps the platform out of the cores: nothing in core/, room/ or build/ imports cloudflare:*', () => {
    const used = ['src/contract', 'src/core', 'src/durable-objects/room', 'src/durable-objects/build']
      .flatMap(sources)
      .filter(({ imports }) => imports.some((specifier) => specifier.startsWith('cloudflare:')));
    expect(used.map(({ file }) => file)).toEqual([]);
  });
});
