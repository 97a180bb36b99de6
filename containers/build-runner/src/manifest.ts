import type { JobManifest } from '../../../src/contract/jobs.ts';
import { limits } from '../../../src/contract/limits.ts';
import { BuildFailure } from './failure.ts';

export type ManifestFile = JobManifest['files'][number];

/**
 * The files of a manifest that are built. The platform has checked paths before; here they become paths of
 * a real disk, so what could leave the work folder is refused once more. Packages come from the
 * registry only, so a `node_modules` in the project is left out, as git would.
 */
export const filesToBuild = (named: readonly ManifestFile[]): { files: ManifestFile[]; skipped: number } => {
  if (named.length > limits.project.filesMax) {
    throw new BuildFailure('limit', 'build_too_large', `A project may have ${limits.project.filesMax} files.`);
  }
  const files = named.filter(({ path }) => !path.split('/').includes('node_modules'));
  for (const { path } of files) {
    const segments = path.split('/');
    if (segments.some((segment) => segment === '' || segment === '.' || segment === '..') || /[\0\\]/.test(path)) {
      throw new BuildFailure('infra', 'internal', 'The manifest names a file that cannot be written.');
    }
  }
  return { files, skipped: named.length - files.length };
};
