import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { BuildFailure } from '../failure.ts';
import { runnerLimits } from '../runner-limits.ts';
import { ProgramLost } from './outcome.ts';
import { admit, outside, type Project, resolveInProject, toRelative } from './project.ts';
import type { Log } from './report.ts';
import { readTsconfig } from './tsconfig.ts';

export interface TypecheckRequest {
  readonly project: Project;
  /** The compiler's executable and the folder with its own declarations. */
  readonly compiler: string;
  /** Folder for the generated configuration. */
  readonly workDir: string;
  readonly log: Log;
}

/** Names that Vite gives to imports which TypeScript does not know by itself. */
const ambient = `
interface ImportMetaEnv { readonly MODE: string; readonly PROD: boolean; readonly DEV: boolean; readonly SSR: boolean; readonly BASE_URL: string; readonly [name: string]: unknown }
interface ImportMeta { readonly env: ImportMetaEnv; readonly url: string }
declare module '*.module.css' { const classes: Readonly<Record<string, string>>; export default classes }
declare module '*.css' {}
declare module '*?raw' { const text: string; export default text }
declare module '*?url' { const url: string; export default url }
declare module '*?inline' { const text: string; export default text }
declare module '*?worker' { const make: (options?: { name?: string }) => Worker; export default make }
`;

const texts = ['txt', 'glsl', 'vert', 'frag', 'vs', 'fs', 'wgsl'];

/** Options that decide what is emitted or where; nothing is emitted here. */
const dropped = new Set([
  ...[
    'outDir',
    'outFile',
    'rootDir',
    'rootDirs',
    'declaration',
    'declarationDir',
    'declarationMap',
    'emitDeclarationOnly',
    'composite',
    'incremental',
  ],
  ...[
    'tsBuildInfoFile',
    'sourceMap',
    'inlineSourceMap',
    'inlineSources',
    'sourceRoot',
    'mapRoot',
    'plugins',
    'typeRoots',
    'baseUrl',
    'noEmit',
  ],
  ...[
    'generateTrace',
    'generateCpuProfile',
    'traceResolution',
    'listFiles',
    'explainFiles',
    'diagnostics',
    'extendedDiagnostics',
    'pretty',
    'project',
  ],
  ...[
    'moduleResolution',
    'module',
    'esModuleInterop',
    'allowSyntheticDefaultImports',
    'downlevelIteration',
    'isolatedDeclarations',
    'paths',
  ],
]);

/**
 * Checks types with the native compiler over the project's sources. The compiler follows references
 * anywhere, so it says which files it read, and nothing that it says is believed or shown once one of them
 * lies outside: a type that is quoted in a message would give the content away.
 */
export const typecheck = async (request: TypecheckRequest): Promise<void> => {
  const { project, compiler, workDir, log } = request;
  const sources = [...project.files].filter(
    (path) => /\.[cm]?tsx?$/.test(path) && !/(?:^|\/)[^/]*\.config\.[cm]?ts$/.test(path),
  );
  if (sources.length === 0) {
    log({ level: 'info', step: 'typecheck', message: 'There is no TypeScript to check.' });
    return;
  }
  await mkdir(workDir, { recursive: true });
  const declarations = join(workDir, 'kiln-env.d.ts');
  const config = join(workDir, 'tsconfig.json');
  const assets = [...project.files]
    .map((path) => posix.extname(path))
    .filter((extension) => /^\.[\w-]+$/.test(extension) && !/^\.(?:[cm]?[jt]sx?|json|css)$/.test(extension));
  const modules = [...new Set([...assets, ...texts.map((text) => `.${text}`)])].map(
    (extension) => `declare module '*${extension}' { const url: string; export default url }`,
  );
  await writeFile(declarations, ambient + modules.join('\n'));
  const own = await readTsconfig(project);
  await writeFile(
    config,
    JSON.stringify({
      compilerOptions: compilerOptions(project, own),
      files: [declarations, ...sources.map((path) => join(project.root, path))],
    }),
  );

  const { code, output } = await run(compiler, ['--project', config, '--pretty', 'false', '--listFiles'], project.root);
  const lines = output.split('\n');
  // What Vite would declare is declared above, also where Vite is not installed.
  const problems = lines
    .flatMap((line) => parseDiagnostic(line) ?? [])
    .filter(({ text }) => !/^TS2688: .*'vite\//.test(text))
    .map((problem) => neutralise(project, problem));
  await assertConfined(request, lines, workDir);
  if (code !== 0 && !lines.some((line) => parseDiagnostic(line) !== null))
    throw new BuildFailure('user', 'build_failed', 'The type checker cannot use the project’s tsconfig.json.', {
      place: { file: 'tsconfig.json' },
    });

  for (const { file, line, column, text } of problems.slice(0, runnerLimits.diagnostics)) {
    log({ level: 'error', step: 'typecheck', message: text, ...(file === null ? {} : { file, line, column }) });
  }
  const [first] = problems;
  if (first !== undefined) {
    const place = first.file === null ? '' : `${first.file}:${first.line}:${first.column}: `;
    const more = problems.length > 1 ? ` (and ${problems.length - 1} more, see the log)` : '';
    throw new BuildFailure('user', 'build_failed', `${place}${first.text}${more}`);
  }
};

/**
 * A problem as it may be shown: places of the project only. One that names a path outside ends the check in the
 * words of `assertConfined`, so that a missing file cannot be told from one that is there.
 */
const neutralise = (project: Project, problem: Diagnostic): Diagnostic => {
  // A place outside is our generated tsconfig: the option is the project's all the same.
  const file = problem.file === null ? null : toRelative(project, join(project.root, problem.file));
  const text = problem.text.replaceAll(`${project.root}/`, '');
  for (const [, path = ''] of text.matchAll(/['"](\.{0,2}\/[^'"]*)['"]/g)) {
    // Messages about files count from the root, messages about modules from the file that names them.
    const folder = text.startsWith('TS60') || file === null ? '.' : posix.dirname(file);
    if (path.startsWith('/') || resolveInProject(project, folder, path) === null) throw outside(reference);
  }
  return { ...problem, file, text };
};

const reference = 'A reference of the type checker';

const compilerOptions = (project: Project, own: Readonly<Record<string, unknown>>): Record<string, unknown> => {
  const base = typeof own.baseUrl === 'string' ? own.baseUrl : null;
  const paths = typeof own.paths === 'object' && own.paths !== null ? (own.paths as Record<string, string[]>) : {};
  const absolute = Object.entries(paths).map(([alias, targets]) => [
    alias,
    targets.map((target) => join(project.root, target)),
  ]);
  return {
    target: 'es2022',
    lib: ['es2022', 'dom', 'dom.iterable'],
    jsx: 'react-jsx',
    strict: false,
    resolveJsonModule: true,
    allowImportingTsExtensions: true,
    types: [],
    ...Object.fromEntries(Object.entries(own).filter(([name]) => !dropped.has(name))),
    // TypeScript 7 knows no baseUrl any more; this is what it meant.
    paths: { ...Object.fromEntries(absolute), ...(base === null ? {} : { '*': [join(project.root, base, '*')] }) },
    noEmit: true,
    // Our own declarations repeat some of Vite's.
    skipLibCheck: true,
    module: 'preserve',
    moduleResolution: 'bundler',
    preserveSymlinks: true,
    typeRoots: [join(project.root, 'node_modules/@types')],
  };
};

const run = async (
  compiler: string,
  args: readonly string[],
  cwd: string,
): Promise<{ code: number | null; output: string }> => {
  const child = spawn(compiler, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env } });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  // It has nothing to say there but why it cannot go on, and then its code may be that of a project with mistakes.
  let isBroken = false;
  child.stderr.on('data', (chunk: Buffer) => {
    isBroken = true;
    process.stderr.write(chunk);
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  if (code === null || (code !== 0 && isBroken)) throw new ProgramLost(code, signal);
  return { code, output: Buffer.concat(chunks).toString('utf8') };
};

interface Diagnostic {
  readonly file: string | null;
  readonly line: number;
  readonly column: number;
  readonly text: string;
}

/** `src/a.ts(3,7): error TS2322: …`, or `error TS5023: …` without a place. Columns count from 1 there and from 0 here. */
const parseDiagnostic = (line: string): Diagnostic | null => {
  const placed = /^(?<file>.+?)\((?<line>\d+),(?<column>\d+)\): error (?<text>TS\d+: .*)$/.exec(line)?.groups;
  if (placed !== undefined)
    return {
      file: placed.file ?? '',
      line: Number(placed.line),
      column: Number(placed.column) - 1,
      text: placed.text ?? '',
    };
  const bare = /^error (?<text>TS\d+: .*)$/.exec(line)?.groups;
  return bare === undefined ? null : { file: null, line: 1, column: 0, text: bare.text ?? '' };
};

const assertConfined = async (request: TypecheckRequest, lines: readonly string[], workDir: string): Promise<void> => {
  const { project, compiler } = request;
  const ownLibraries = posix.dirname(compiler);
  for (const line of lines) {
    // Continuation lines of messages are indented; file lines are absolute paths alone on their line.
    if (!line.startsWith('/')) continue;
    if (
      line.startsWith(`${ownLibraries}/`) ||
      line.startsWith(`${workDir}/`) ||
      /^\/.*\(\d+,\d+\): error TS/.test(line)
    )
      continue;
    if ((await admit(project, line)) === null) throw outside(reference);
  }
};
