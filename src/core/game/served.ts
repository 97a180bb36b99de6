import { kinds } from './asset-kinds.ts';
import type { Entry } from './entry.ts';
import { folderOf, publicFolder } from './paths.ts';

/**
 * What a game finds at the addresses of its site besides what is bundled. A preview answers by these rules as it is asked, and a
 * build places files by them beforehand, so both show the same file at one address, or none.
 */

/** Folders whose files stand at the root of the site, the first that has one wins: public/, the project itself, the folder of the page, and src/. */
export function rootsOf({ path }: Entry): readonly string[] {
  return [...new Set([publicFolder, '', folderOf(path), 'src'])];
}

const below = (root: string, path: string): string => (root === '' ? path : `${root}/${path}`);

/** The file at a path of the site; undefined where there is none. */
export const fileServed = (
  paths: Pick<ReadonlySet<string>, 'has'>,
  roots: readonly string[],
  place: string,
): string | undefined => {
  for (const root of roots) {
    const path = below(root, place);
    if (paths.has(path)) return path;
  }
};

/** Paths of the site at which a file may be found: its own, and without each of the roots. */
export const placesOf = (path: string, roots: readonly string[]): string[] =>
  roots.flatMap((root) => (root === '' ? [path] : path.startsWith(`${root}/`) ? [path.slice(root.length + 1)] : []));

const extensionOf = (path: string): string => /[^/]\.([^./]+)$/.exec(path)?.[1]?.toLowerCase() ?? '';

/** Formats that only games and what they are made with have, besides those that are media by their type. */
const gameFormats = new Set(
  'tmx tmj tsj ldtk atlas fnt skel bvh vtt bin dat data pck wasm glsl vert frag vs fs wgsl'.split(' '),
);

/** Whether the name of a file says that it is something which a game shows, plays or reads, and neither source nor settings. */
export function isMedia(path: string): boolean {
  const extension = extensionOf(path);
  const type = kinds[extension]?.type;
  return gameFormats.has(extension) || (type !== undefined && type !== 'data' && type !== 'other');
}

/** A tileset of Tiled has the ending of TypeScript with JSX. `head`: how its text begins. */
export const isTileset = (path: string, head: string): boolean =>
  /\.tsx$/i.test(path) && /^\ufeff?\s*<(?:\?xml|!doctype|tileset)\b/i.test(head);

/** What only tools read, wherever it lies, and what a game is made from. Tilesets are for whoever has looked into the file. */
const tooling: readonly RegExp[] = [
  /(?:^|\/)(?:\.|node_modules\/)/,
  /\.[cm]?tsx?$/i,
  /(?:^|\/)(?:package(?:-lock)?|npm-shrinkwrap|[jt]sconfig[^/]*|deno|biome)\.jsonc?$/i,
  /(?:^|\/)(?:yarn\.lock|pnpm-(?:lock|workspace)\.yaml|bun\.lockb?|deno\.lock)$/i,
  /^kiln\.json$/,
  /\.config\.[cm]?js$/i,
  /\.(?:test|spec)\.[cm]?jsx?$/i,
  /\.(?:[cm]?js|css)\.map$/i,
];

/** Whether a file is never a part of a game, whatever names it; of those outside of public/. */
export const isTooling = (path: string): boolean => tooling.some((pattern) => pattern.test(path));

/** Folders that hold tests, pages about the game, or what another tool made of it. */
const aside = /^(?:tests?|e2e|cypress|coverage|docs?|dist|build|out)\/|(?:^|\/)__(?:tests|mocks|snapshots)__\//i;

/** Whether a file lies where a game has nothing that it loads, unless it says so. */
export const isAside = (path: string): boolean => aside.test(path);
