import type { Place } from './said.ts';

/** Joins and normalises project-relative paths; a leading slash means the root. Null for what leads outside. */
export function within(folder: string, path: string): string | null {
  if (/[\\\0]/.test(path)) return null;
  const parts: string[] = [];
  for (const part of [...(path.startsWith('/') ? [] : folder.split('/')), ...path.split('/')]) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) return null;
  }
  return parts.join('/');
}

/** The folder of a path; empty for the root. */
export const folderOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

/** A path as part of a URL. */
export const encodePath = (path: string): string => path.split('/').map(encodeURIComponent).join('/');

/** Folder of the project whose files are served as they are, at the root of the site. */
export const publicFolder = 'public';

/** The words for anything outside of a project: the same whether something is there or not. `spec` is the project's own text. */
export const outsideMessage = (spec: string): string => `"${spec.slice(0, 200)}" is not a file of this project.`;

/** What is wrong with a project, in words that its owner may read. */
export class ProjectProblem extends Error {
  readonly place: Place;

  constructor(message: string, place: Place) {
    super(message);
    this.name = 'ProjectProblem';
    this.place = place;
  }
}
