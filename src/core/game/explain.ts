import { conflict, isConflictMark } from './conflict.ts';
import { inFolder, meantBy, missingFile, nearest } from './meant.ts';
import { packageOf } from './packages.ts';

/** What is known of the project in which something went wrong. */
export interface Surroundings {
  /** Project-relative path of the file in which it was found; null where it is in none. */
  readonly from: string | null;
  /** Project-relative paths of all files. */
  readonly paths: Iterable<string>;
  /** Names of the packages that package.json asks for. */
  readonly packages: ReadonlySet<string>;
  /** The line in which it was found. */
  readonly line?: string | undefined;
  /** It is CSS, though the name of the file does not say so. */
  readonly isStyle?: boolean | undefined;
}

type Explain = (found: readonly (string | undefined)[], around: Surroundings) => string | null;

/** Modules of Node.js that games are most often written to use. */
const nodeModules = new Set(
  'assert buffer child_process cluster crypto dgram dns events fs http http2 https inspector module net os path perf_hooks process readline repl stream tls tty url util v8 vm worker_threads zlib'.split(
    ' ',
  ),
);

const unresolved: Explain = ([spec = ''], around) => {
  if (around.from === null) return null;
  const name = spec.replace(/^node:/, '');
  if (nodeModules.has(packageOf(name)) && !around.packages.has(packageOf(spec)))
    return `"${spec}" is a part of Node.js, which a browser does not have. Look for a package that works in browsers.`;
  // A stylesheet names files without "./", too.
  if (/^[./]/.test(spec) || (isStyle(around) && !around.packages.has(packageOf(spec)))) {
    const search = { from: around.from, paths: around.paths, manner: isStyle(around) ? 'url' : 'import' } as const;
    const inside = inFolder(spec, search);
    if (inside === null) return missingFile(spec, search);
    return `"${spec}" is a folder. Name a file in it, such as "${inside}", or make an index file there that exports what is needed.`;
  }
  if (/^[#~@]\//.test(spec) || spec.startsWith('#'))
    return `"${spec}" leads to no file. A short name for a folder has to stand in "paths" of tsconfig.json, or "imports" of package.json.`;
  const wanted = packageOf(spec);
  if (around.packages.has(wanted))
    return spec === wanted
      ? `The package "${spec}" has nothing that a browser could load.`
      : `The package "${wanted}" has no "${spec.slice(wanted.length + 1)}". Look at its documentation for the right path.`;
  const own = meantBy(`./${spec}`, { from: around.from, paths: around.paths, manner: 'import' });
  if (own?.spec.endsWith(`/${spec}`))
    return `There is no package "${wanted}" here. Did you mean your file "${own.spec}"?`;
  const near = nearest(wanted, around.packages);
  if (near !== null)
    return `There is no package "${wanted}" here. Did you mean "${near}", which is in the dependencies of package.json?`;
  return `There is no package "${wanted}" here. Add it to the dependencies of package.json: "${wanted}": "latest". For a file of yours, begin with "./".`;
};

const missingExport: Explain = ([file = '', name = '', meant]) => {
  if (name === 'default')
    return `"${file}" has no default export. Import what you need by its name, in braces, or write "export default" there.`;
  const near =
    meant === undefined || meant === ''
      ? ` Write "export" before it there, or look at its name.`
      : ` Did you mean "${meant}"?`;
  return `"${file}" exports no "${name}".${near}`;
};

/** Where words are about languages, they depend on the file's. */
const isStyle = (around: Surroundings): boolean => around.isStyle ?? /\.css$/i.test(around.from ?? '');
const isJson = (around: Surroundings): boolean => /\.json$/i.test(around.from ?? '');
const isPlainScript = (around: Surroundings): boolean => /\.[cm]?js$/i.test(around.from ?? '');

/** A line that only TypeScript has, or a word that does. */
const typeLine = /^\s*(?:export\s+)?(?:declare|interface|enum|type|abstract|namespace)\s+\w/;
const typeWord = /^"(?::|\?|!|as|satisfies|implements|enum)"$/;
const typesElsewhere = 'Types are for TypeScript: name the file .ts, or leave the type away.';

/** Words of the compiler for parts of a text. */
const parts: Readonly<Record<string, string>> = {
  identifier: 'a name',
  string: 'a text in quotes',
  whitespace: 'a blank',
};
const part = (said: string): string => parts[said] ?? said;

const expected: Explain = ([needed = '', found = ''], around) => {
  const what = `Here ${part(needed)} is needed, and there is ${part(found)}.`;
  if (isJson(around))
    return `${what} In JSON, names and texts are in double quotes, and a comma stands between two entries.`;
  if (isStyle(around)) return `${what} In CSS, a line is "name: value;", and rules are in braces.`;
  if (isPlainScript(around) && (typeWord.test(found) || typeLine.test(around.line ?? '')))
    return `${what} ${typesElsewhere}`;
  return `${what} Look at what stands right before it.`;
};

const unexpected: Explain = ([found = ''], around) => {
  if (isStyle(around)) return `This ${found} is one too many, or the rule before it is not closed.`;
  if (isJson(around))
    return `JSON has no place for ${found} here. Names and texts are in double quotes; there are no comments.`;
  if (isPlainScript(around) && typeWord.test(found)) return `${found} cannot stand here. ${typesElsewhere}`;
  return `Nothing goes on with ${found} here. Something before it is missing, or it is one too many.`;
};

/**
 * What esbuild and npm say, and what it means to somebody who makes a game: what is wrong, and what to do about it. The first that
 * fits is used. Messages that are not here are clear as they are.
 */
const table: readonly (readonly [pattern: RegExp, explain: Explain])[] = [
  [/^Could not resolve "([^"]+)"/, unresolved],
  [/^No matching export in "([^"]+)" for import "([^"]+)"(?:.*Did you mean to import "([^"]+)")?/s, missingExport],
  [
    /^No loader is configured for "([^"]*)" files/,
    ([extension = '']) =>
      `The bundler cannot read "${extension}" files. Put the file into "public/" and load it by its address, or import it with "?url" at the end.`,
  ],
  [
    /^JSON does not support trailing commas/,
    () => 'There is a comma after the last entry. JSON has none there: take it away.',
  ],
  [/^JSON does not support comments/, () => 'JSON has no comments: take it away.'],
  [/^JSON strings must use double quotes/, () => 'JSON has texts in double quotes only: write " in place of \'.'],
  [
    /^Unexpected end of file before a closing "([^"]+)" tag/,
    ([tag = '']) => `The tag <${tag}> is never closed. Write </${tag}> where it ends.`,
  ],
  [
    /^Unexpected closing (?:("[^"]+")|fragment) tag does not match opening (?:("[^"]+")|fragment) tag(?:.* in line (\d+)\.)?/,
    ([closing, opening, line]) =>
      `Here ${asTag(closing, '/')} stands before ${asTag(opening)}${line === undefined ? '' : ` of line ${line}`} is closed. Write ${asTag(opening, '/')} first.`,
  ],
  [
    /^The character ("[>}]") is not valid inside a JSX element/,
    ([character = '']) =>
      `This ${character} stands between tags, where it is text. It is one too many, or the tag before it is not closed.`,
  ],
  [
    /^Unexpected end of file|but found end of file/,
    (_, around) =>
      isJson(around) || isStyle(around)
        ? 'The file ends before everything is closed. Look for a missing } or ].'
        : 'The file ends before everything is closed. Look for a missing }, ) or ].',
  ],
  [
    /^Unterminated (?:string literal|string token|template literal)/,
    () => 'A text begins here and does not end. Close it with the same quote.',
  ],
  [
    /^Unterminated regular expression/,
    () => 'A "/" begins a pattern here that does not end. Was a comment ("//") meant?',
  ],
  [/terminate multi-line comment/, () => 'A comment begins with "/*" and does not end. Write "*/" where it does.'],
  [/^Expected (.+?) (?:in JSON )?but found (".*?"|[^ ]+)(?: |$)/s, expected],
  [/^Expected (":"|"\{"|";")$/, ([needed = ''], around) => expected([needed, 'something else'], around)],
  [/^Unexpected (".*?")/s, unexpected],
  [
    /^The symbol "([^"]+)" has already been declared(?:.* in line (\d+)\.)?/,
    ([name = '', line]) =>
      `There are two things called "${name}"${line === undefined ? ' here' : `: this, and one in line ${line}`}. Give one of them another name.`,
  ],
  [
    /^Cannot assign to "([^"]+)" because it is a constant(?:.* in line (\d+)\.)?/,
    ([name = '', line]) =>
      `"${name}" is a constant, which keeps its value. Write "let" in place of "const" where it is made${line === undefined ? '' : `, in line ${line}`}.`,
  ],
  [
    /^Cannot assign to import "([^"]+)"/,
    ([name = '']) =>
      `"${name}" belongs to the file that it comes from, and only that file can give it another value. Export a function there that does.`,
  ],
  [
    /^The constant "([^"]+)" must be initialized/,
    ([name = '']) => `"${name}" is a constant and needs a value: write "= …" behind it.`,
  ],
  [
    /^"await" can only be used inside an "async" function/,
    () => '"await" works in functions that are marked "async" only. Write "async" before this function.',
  ],
  [
    /^Top-level await is currently not supported with the "iife" output format/,
    () =>
      'This worker is a classic one, which cannot "await" outside of a function. Start it with { type: \'module\' }, or put this into an async function.',
  ],
  [
    /^Parameter decorators only work when experimental decorators are enabled/,
    () => 'Decorators of parameters need "experimentalDecorators": true in the "compilerOptions" of tsconfig.json.',
  ],
  [/^Cannot use (".*") (?:as an identifier )?here:?$/, ([what = '']) => `${what} has no place here.`],
  [
    /^The JSX syntax extension is not currently enabled/,
    () => 'Tags such as <div> are understood in .jsx and .tsx files only. Rename the file.',
  ],
  [
    /^E404: .*? GET \S*?\/((?:@[\w.-]+(?:%2[fF]|\/))?[\w.-]+)(?:\s|$)/,
    ([name = '']) => `There is no package "${decode(name)}" in the registry. Look at its name in package.json. (E404)`,
  ],
  [/^E404/, () => 'A package of package.json is not in the registry. Look at the names there. (E404)'],
  [
    /^ETARGET:? No matching version found for ((?:@[^/@]+\/)?[^@]+)@([^ ]*?)\.?(?: |$)/,
    ([name = '', version = '']) =>
      `The registry has no version "${version}" of "${name}". Write one that it has in package.json, or "latest". (ETARGET)`,
  ],
  [
    /^ERESOLVE/,
    () =>
      'Two packages want different versions of a third one. Take newer versions of them in package.json, or one of them out. (ERESOLVE)',
  ],
  [
    /^EINTEGRITY/,
    () =>
      'A package is not what package-lock.json says it was. Delete package-lock.json to have it made anew, if you trust the package. (EINTEGRITY)',
  ],
];

/** `"div"` → `<div>`; a fragment has no name. */
const asTag = (quoted = '""', before = ''): string => `<${before}${quoted.slice(1, -1)}>`;

const decode = (name: string): string => {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
};

/** A message in plain words, with what to do; one that is not in the table comes back as it is. */
export function explain(text: string, around: Surroundings): string {
  if (isConflictMark(around.line)) return conflict;
  for (const [pattern, words] of table) {
    const found = pattern.exec(text);
    if (found === null) continue;
    return words(found.slice(1), around) ?? text;
  }
  return text;
}

/** Names of the packages that a package.json asks for; none where it cannot be read. */
export function packagesOf(manifest: unknown): ReadonlySet<string> {
  const names = new Set<string>();
  if (typeof manifest !== 'object' || manifest === null) return names;
  for (const key of ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies']) {
    const specs: unknown = (manifest as Record<string, unknown>)[key];
    if (typeof specs === 'object' && specs !== null) for (const name of Object.keys(specs)) names.add(name);
  }
  return names;
}
