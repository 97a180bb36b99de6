import { isSource } from '../../../../src/contract/loaders.ts';
import type { Entry } from '../../../../src/core/game/entry.ts';
import { property } from '../../../../src/core/game/json.ts';
import { folderOf, publicFolder, within } from '../../../../src/core/game/paths.ts';
import {
  fileServed,
  isAside,
  isMedia,
  isTileset,
  isTooling,
  placesOf,
  rootsOf,
} from '../../../../src/core/game/served.ts';
import { BuildFailure } from '../failure.ts';
import { readJson } from './entry.ts';
import { NamesInTexts } from './names-in-texts.ts';
import { byText } from './order.ts';
import type { SiteFile } from './package-web.ts';
import type { Project } from './project.ts';
import type { Log } from './report.ts';

/**
 * Which files of a project are in its game besides what is bundled: those that a page loads by their paths at run time. Nothing in
 * the sources says for sure which these are, so what is media goes out wherever it lies, and what could as well be something else
 * when the game names it (docs/decisions/0034).
 */

export interface RuntimeRequest {
  readonly project: Project;
  readonly entry: Entry;
  /** Whether the page has modules that are bundled; one without is a site already, and served as it is. */
  readonly isBundled: boolean;
  /** Project-relative paths of all that is in the bundle; `alone` adds to it. */
  readonly inputs: ReadonlySet<string>;
  /** What the page itself asks for, by its path in the site. */
  readonly copies: ReadonlyMap<string, string>;
  /** One text of a script and all that it imports, for its path in the site. */
  readonly alone: (path: string, place: string) => Promise<Uint8Array>;
  readonly log: Log;
}

/** A file, and a path of the site at which the game finds it if it asks. */
interface Candidate {
  readonly path: string;
  readonly place: string;
  /** The bundle or the page has it already, at another address. */
  readonly isTaken: boolean;
}

/** The page of the site, which is made from whatever starts the game: no file of the project is ever found there. */
export const builtPage = 'index.html';
/** Folders of which everything goes out but sources. */
const mediaFolders = /^(?:assets|static)\//;
/** Texts with data: worth a word when they stay behind. */
const isData = (path: string): boolean => /\.(?:json|xml|csv|tsv|ya?ml|toml|txt)$/i.test(path);
const isCode = (path: string): boolean => /\.(?:[cm]?js|html?)$/i.test(path);

export const runtimeFiles = async (request: RuntimeRequest): Promise<Map<string, SiteFile>> => {
  const { project, entry, isBundled, inputs, copies, alone, log } = request;
  const roots = rootsOf(entry);
  const home = entry.kind === 'html' ? folderOf(entry.path) : '';
  const isExcluded = await excludedFrom(project);
  const isTaken = (path: string): boolean => inputs.has(path) || path === entry.path || asked.has(path);
  const asked = new Set(copies.values());
  const names = new NamesInTexts(project);
  const site = new Map<string, SiteFile>([...copies].map(([place, path]) => [place, { copyOf: path }]));

  /** Whether a file is in the game without being named. */
  const goesOut = (path: string, isTiles: boolean): boolean => {
    if (path.startsWith(`${publicFolder}/`)) return true;
    if (!isBundled && (home === '' || path.startsWith(`${home}/`))) return true;
    if (isTaken(path)) return false;
    return (mediaFolders.test(path) && !isSource(path)) || ((isTiles || isMedia(path)) && !isAside(path));
  };

  const candidates: Candidate[] = [];
  const refused: Candidate[] = [];
  const found: string[] = [];
  for (const path of [...project.files].sort(byText)) {
    const isPublic = path.startsWith(`${publicFolder}/`);
    const isTiles = !isPublic && /\.tsx$/i.test(path) && !isTaken(path) && isTileset(path, names.headOf(path));
    const isRefused =
      isExcluded(path) || (!isPublic && !isTiles && (isTooling(path) || (isBundled && /\.jsx$/i.test(path))));
    const root = isPublic ? publicFolder : home !== '' && path.startsWith(`${home}/`) ? home : '';
    const natural = root === '' ? path : path.slice(root.length + 1);
    const isOut = !isRefused && goesOut(path, isTiles);
    for (const place of placesOf(path, roots)) {
      if (place === builtPage || site.has(place) || fileServed(project.files, roots, place) !== path) continue;
      const candidate = { path, place, isTaken: isTaken(path) };
      if (isRefused) refused.push(candidate);
      else if (isOut && place === natural) {
        site.set(place, { copyOf: path });
        if (isBundled && !isPublic && !mediaFolders.test(path)) found.push(path);
      } else candidates.push(candidate);
    }
  }

  names.lookFor([...candidates, ...refused.filter((one) => !one.isTaken)].map(({ place }) => place));
  if (entry.kind === 'html') names.read(entry.path);
  for (const path of inputs) if (project.files.has(path)) names.read(path);
  for (const [place, file] of site) if ('copyOf' in file) names.read(file.copyOf, place);

  let open = candidates;
  for (let more = true; more; ) {
    more = false;
    const rest: Candidate[] = [];
    for (const candidate of open) {
      const { path, place } = candidate;
      if (!names.has(place, candidate.isTaken ? 'loads' : isCode(path) ? 'whole' : 'any')) {
        rest.push(candidate);
        continue;
      }
      more = true;
      found.push(path);
      // Modules that a bundler resolves are no files that a browser finds.
      if (isBundled && names.isModule(path)) {
        const before = new Set(inputs);
        site.set(place, await alone(path, place));
        for (const input of inputs) if (!before.has(input) && project.files.has(input)) names.read(input);
      } else {
        site.set(place, { copyOf: path });
        names.read(path, place);
      }
    }
    open = rest;
  }

  tell({ names, found, refused, open, isBundled, log });
  return site;
};

/** Whether `exclude` of kiln.json names a file, or a folder that it is in. */
const excludedFrom = async (project: Project): Promise<(path: string) => boolean> => {
  const value = property(await readJson(project, 'kiln.json'), 'exclude') ?? [];
  const named = Array.isArray(value) ? value.map((one) => (typeof one === 'string' ? within('', one) : null)) : [null];
  if (named.some((one) => one === null || one === ''))
    throw new BuildFailure(
      'user',
      'build_failed',
      'exclude of kiln.json must be a list of files and folders of the project, such as ["art/raw"].',
    );
  return (path) => named.some((one) => path === one || path.startsWith(`${one}/`));
};

interface Told {
  readonly names: NamesInTexts;
  readonly found: readonly string[];
  readonly refused: readonly Candidate[];
  readonly open: readonly Candidate[];
  readonly isBundled: boolean;
  readonly log: Log;
}

/** What went out beside the bundle, and what did not though it may be meant. */
const tell = ({ names, found, refused, open, isBundled, log }: Told): void => {
  const say = (level: 'info' | 'warn', message: string, place?: { file: string; line: number }): void =>
    log({ level, step: 'bundle', message, ...place });
  if (isBundled && found.length > 0)
    say('info', `Loaded by their paths, so they are in the game as they are: ${inFolders(found)}.`);
  for (const { path, place } of refused) {
    const where = names.whereWhole(place);
    if (where === undefined) continue;
    const why = /\.(?:[cm]?tsx?|jsx)$/i.test(path)
      ? 'is a source, of which a build has no such file. A worker is started by new Worker(new URL(…, import.meta.url)), with the path from the file that starts it'
      : isTooling(path)
        ? 'is never part of a game'
        : 'is left out by exclude in kiln.json';
    say('warn', `"${path}" ${why}.`, where);
  }
  const left = open.filter(({ path, isTaken }) => !isTaken && !isCode(path) && !isAside(path));
  for (const [text, { where, files }] of names.loosely(
    left.map(({ place }) => place),
    found,
  )) {
    const others = files.length > 1 ? ` and ${files.length - 1} more` : '';
    say(
      'warn',
      `It cannot be seen which files "${text}" means, so "${files[0]}"${others} is not in the game. Put it into ${publicFolder}/.`,
      where,
    );
  }
  const data = [...new Set(left.flatMap(({ path }) => (isData(path) && !/^[^/]*\.txt$/.test(path) ? [path] : [])))];
  if (isBundled && data.length > 0) say('info', `Not in the game, as nothing in it names them: ${inFolders(data)}.`);
};

/** Files by the folder at the top that they are in: `img (9 files), intro.ogg`. */
const inFolders = (paths: readonly string[]): string => {
  const groups = Map.groupBy([...new Set(paths)].sort(byText), (path) =>
    path.includes('/') ? (path.split('/', 1)[0] ?? '') : path,
  );
  const shown = [...groups].map(([name, files]) =>
    files.length === 1 ? (files[0] ?? name) : `${name} (${files.length} files)`,
  );
  return shown.length > 12 ? `${shown.slice(0, 12).join(', ')} and ${shown.length - 12} more` : shown.join(', ');
};
