import { limits } from '../../contract/limits.ts';
import { within } from './paths.ts';

/** What is known of the project in which something went wrong. */
export interface Surroundings {
  /** Project-relative path of the file in which it was found; null where it is in none. */
  readonly from: string | null;
  /** Project-relative paths of all files. */
  readonly paths: Iterable<string>;
  /** Names of the packages that package.json asks for. */
  readonly packages: ReadonlySet<string>;
}

type Explain = (found: readonly string[], around: Surroundings) => string | null;

/** Modules of Node.js that games are most often written to use. */
const nodeModules = new Set(
  'assert buffer child_process cluster crypto dgram dns events fs http http2 https inspector module net os path perf_hooks process readline repl stream tls tty url util v8 vm worker_threads zlib'.split(
    ' ',
  ),
);

/** How many letters two names differ by (Levenshtein); more than `most` is not counted further. */
function distance(a: string, b: string, most: number): number {
  if (Math.abs(a.length - b.length) > most || a.length > limits.build.slipMax) return most + 1;
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1)
      next.push(
        Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)),
      );
    row = next;
  }
  return row[b.length] ?? most + 1;
}

/** The name that somebody most likely meant: a slip or two away, fewer in a short one. */
function nearest(name: string, candidates: Iterable<string>): string | null {
  const most = name.length < 4 ? 1 : 2;
  let best: { name: string; off: number } | null = null;
  for (const candidate of candidates) {
    const off = distance(name.toLowerCase(), candidate.toLowerCase(), most);
    if (off <= most && (best === null || off < best.off)) best = { name: candidate, off };
  }
  return best?.name ?? null;
}

const folderOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));
const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
const stem = (name: string): string => name.replace(/\.[^.]+$/, '');

/** As an import writes it in a file of `folder`. */
function relative(folder: string, path: string): string {
  const [from, to] = [folder === '' ? [] : folder.split('/'), path.split('/')];
  let same = 0;
  while (same < from.length && same < to.length - 1 && from[same] === to[same]) same += 1;
  return `${same === from.length ? './' : '../'.repeat(from.length - same)}${to.slice(same).join('/')}`;
}

const codeFile = /\.[cm]?[jt]sx?$/;
/** Found only with their ending. */
const namedWhole = /\.[cm][jt]s$/;

/** The import that would have found a file: with another case, a slip less, or from another folder. */
function otherSpec(spec: string, { from, paths }: Surroundings): { spec: string; byCase: boolean } | null {
  const folder = folderOf(from ?? '');
  const target = within(folder, spec.replace(/[?#].*$/, ''));
  if (target === null) return null;
  const asWritten = (path: string): string => {
    const found = relative(folder, path);
    // As the one that was wrong was written: with its extension, or without.
    return /\.\w+$/.test(nameOf(target)) || !codeFile.test(path) || namedWhole.test(path)
      ? found
      : found.replace(codeFile, '').replace(/\/index$/, '');
  };
  const all = [...paths];
  for (const path of all) {
    const rest = path.slice(target.length);
    if (path.toLowerCase().startsWith(target.toLowerCase()) && /^(?:\.[a-z]+|\/index\.[a-z]+)?$/.test(rest))
      return { spec: asWritten(path), byCase: !path.startsWith(target) };
  }
  const wanted = nameOf(target);
  const bare = !/\.\w+$/.test(wanted);
  const beside = new Map<string, string>();
  for (const path of all)
    if (folderOf(path) === folderOf(target)) beside.set(bare ? stem(nameOf(path)) : nameOf(path), path);
  const near = nearest(wanted, beside.keys());
  const elsewhere = all.find((path) => (bare && codeFile.test(path) ? stem(nameOf(path)) : nameOf(path)) === wanted);
  const path = near === null ? elsewhere : beside.get(near);
  return path === undefined ? null : { spec: asWritten(path), byCase: false };
}

/** `three/addons/x.js` → `three`, `@scope/name/x` → `@scope/name`. */
const packageOf = (spec: string): string => /^(?:@[^/]+\/)?[^/]+/.exec(spec)?.[0] ?? spec;

const unresolved: Explain = ([spec = ''], around) => {
  if (around.from === null) return null;
  const name = spec.replace(/^node:/, '');
  if (nodeModules.has(packageOf(name)) && !around.packages.has(packageOf(spec)))
    return `"${spec}" is a part of Node.js, which a browser does not have. Look for a package that works in browsers.`;
  if (/^[./]/.test(spec)) {
    const other = otherSpec(spec, around);
    const gone = `There is no file "${spec}".`;
    if (other === null) return `${gone} Look at the name; it is searched for from ${around.from}.`;
    return `${gone} Did you mean "${other.spec}"?${other.byCase ? ' Upper and lower case are different names.' : ''}`;
  }
  if (/^[#~@]\//.test(spec) || spec.startsWith('#'))
    return `"${spec}" leads to no file. A short name for a folder has to stand in "paths" of tsconfig.json, or "imports" of package.json.`;
  const wanted = packageOf(spec);
  if (around.packages.has(wanted))
    return spec === wanted
      ? `The package "${spec}" has nothing that a browser could load.`
      : `The package "${wanted}" has no "${spec.slice(wanted.length + 1)}". Look at its documentation for the right path.`;
  const near = nearest(wanted, around.packages);
  return near === null
    ? `There is no package "${wanted}" here. Add it to the dependencies of package.json: "${wanted}": "latest". For a file of yours, begin with "./".`
    : `There is no package "${wanted}" here. Did you mean "${near}", which is in the dependencies of package.json?`;
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
const isStyle = (around: Surroundings): boolean => /\.css$/i.test(around.from ?? '');
const isJson = (around: Surroundings): boolean => /\.json$/i.test(around.from ?? '');
const isPlainScript = (around: Surroundings): boolean => /\.[cm]?js$/i.test(around.from ?? '');

const expected: Explain = ([needed = '', found = ''], around) => {
  const what = `Here ${needed} is needed, and there is ${found}.`;
  if (isJson(around))
    return `${what} In JSON, names and texts are in double quotes, and a comma stands between two entries.`;
  if (isStyle(around)) return `${what} In CSS, a line is "name: value;", and rules are in braces.`;
  if (isPlainScript(around) && found === '":"')
    return `${what} Types are for TypeScript: name the file .ts, or leave the type away.`;
  return `${what} Look at what stands right before it.`;
};

const unexpected: Explain = ([found = ''], around) => {
  if (isStyle(around)) return `This ${found} is one too many, or the rule before it is not closed.`;
  if (isJson(around))
    return `JSON has no place for ${found} here. Names and texts are in double quotes; there are no comments.`;
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
  [
    /^Unexpected end of file before a closing "([^"]+)" tag/,
    ([tag = '']) => `The tag <${tag}> is never closed. Write </${tag}> where it ends.`,
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
    /^The symbol "([^"]+)" has already been declared/,
    ([name = '']) => `There are two things called "${name}" here. Give one of them another name.`,
  ],
  [
    /^Cannot assign to "([^"]+)" because it is a constant/,
    ([name = '']) =>
      `"${name}" is a constant, which keeps its value. Write "let" in place of "const" where it is made.`,
  ],
  [
    /^"await" can only be used inside an "async" function/,
    () => '"await" works in functions that are marked "async" only. Write "async" before this function.',
  ],
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

const decode = (name: string): string => {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
};

/** A message in plain words, with what to do; one that is not in the table comes back as it is. */
export function explain(text: string, around: Surroundings): string {
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
