import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BuildOptions } from '../../../../src/contract/builds.ts';
import { type Entry, entryFiles, findEntry as find } from '../../../../src/core/game/entry.ts';
import { parseJson } from '../../../../src/core/game/json.ts';
import { BuildFailure } from '../failure.ts';
import type { Project } from './project.ts';

/** Finds where the game starts, by the rules that previews have, too. */
export const findEntry = async (project: Project, options: BuildOptions): Promise<Entry> => {
  const texts: Partial<Record<(typeof entryFiles)[number], string>> = {};
  for (const name of entryFiles)
    if (project.files.has(name)) texts[name] = await readFile(join(project.root, name), 'utf8');
  const found = find({ paths: project.files, texts, option: options.entry });
  if ('problem' in found) throw new BuildFailure('user', 'entry_not_found', found.problem, { place: found.place });
  return found;
};

/** A JSON file of the project, comments allowed; undefined when it is not there. */
export const readJson = async (project: Project, path: string): Promise<unknown> => {
  if (!project.files.has(path)) return undefined;
  const read = parseJson(await readFile(join(project.root, path), 'utf8'));
  if ('problem' in read)
    throw new BuildFailure('user', 'build_failed', `${path} is not valid JSON. ${read.problem}`, {
      place: { file: path, ...read.spot },
    });
  return read.value;
};
