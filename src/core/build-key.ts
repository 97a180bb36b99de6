import type { BuildOptions, BuildTarget } from '../contract/builds.ts';
import { canonicalJson } from './canonical-json.ts';
import { sha256 } from './tree.ts';

/** Raised whenever the runner would make other bytes of the same input. */
export const toolchainVersion = 'kiln-7';

/**
 * Of the packages that a runner is installed with (`dependencies` of containers/build-runner/package.json). Whoever changes them is
 * made to think of `toolchainVersion`: another compiler makes other bytes.
 */
export const toolchainPackages = '47384892c4c2d014f2dca1fe5b128a3380e5e361503894bd484f17c83c7de398';

/** What a build is made of; equal keys within a project mean equal artifacts. */
export const buildKey = (input: {
  /** Name of the project: it stands in pages, manifests, packages and bills of materials. */
  name: string;
  treeHash: string;
  target: BuildTarget;
  options: BuildOptions;
  lock: string | null;
}): string => sha256(canonicalJson({ ...input, toolchain: toolchainVersion }));
