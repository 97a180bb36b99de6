import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CompilerOptions, readTsconfig as read } from '../../../../src/core/game/tsconfig.ts';
import { admit, type Project } from './project.ts';

/** The compiler options of the project, by the rules that previews have, too: of its files and its installed packages. */
export const readTsconfig = (project: Project): Promise<CompilerOptions> =>
  read({
    read: async (path) => {
      const admitted = await admit(project, join(project.root, path));
      return admitted === null ? undefined : await readFile(join(project.root, admitted), 'utf8');
    },
  });
