import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ChildRequest } from './child/protocol.ts';
import type { WorkDir } from './children.ts';
import { compiler } from './compiler.ts';
import { templates } from './templates.ts';

/** What most games have: a page, a style, modules. */
const files: Readonly<Record<string, string>> = {
  'index.html':
    '<!doctype html><html><head><title>Rehearsal</title><link rel="stylesheet" href="/src/main.css"></head><body><script type="module" src="/src/main.ts"></script></body></html>',
  'src/main.css': 'body { margin: 0 }',
  'src/main.ts': "import { speed } from './game/speed';\nconsole.info(speed);",
  'src/game/speed.ts': "import { base } from '../base';\nexport const speed: number = base * 2;",
  'src/base.ts': 'export const base = 1;',
};

/** Writes a page of our own below these folders, and answers what to ask of a child that is to build it. */
export const prepareRehearsal = async ({ project, out, tmp }: Omit<WorkDir, 'root'>): Promise<ChildRequest> => {
  for (const path of [project, out, tmp]) await mkdir(path, { recursive: true });
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(project, path)), { recursive: true });
    await writeFile(join(project, path), text);
  }
  return {
    projectDir: project,
    outDir: out,
    files: Object.keys(files),
    marked: [],
    modulesDir: null,
    lock: null,
    compiler,
    templates,
    electronCache: null,
    assetCache: { known: tmp, found: tmp, version: '' },
    target: 'web',
    options: { minify: true, sourcemap: false, typecheck: false, optimizeAssets: false, define: {} },
    projectName: 'Rehearsal',
  };
};
