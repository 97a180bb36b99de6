import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CompilerOptions, readTsconfig as read } from '../../../../src/core/game/tsconfig.ts';
import { admit, type Project } from './project.ts';

/**
 * The compiler options of the project, by the rules that previews have, too: of its files and its installed packages.
 * What is read of packages is noted in `ofPackages`, by path.
 */
export const readTsconfig = (project: Project, ofPackages?: Map<string, string>): Promise<CompilerOptions> =>
  read({
    read: async (path) => {
      const admitted = await admit(project, join(project.root, path));
      if (admitted === null) return undefined;
      const text = await readFile(join(project.root, admitted), 'utf8');
      if (admitted.startsWith('node_modules/')) ofPackages?.set(admitted, text);
      return text;
    },
  });
