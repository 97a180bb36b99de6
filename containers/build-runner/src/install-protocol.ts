import type { Lock, ProjectManifest } from './package-policy.ts';

/** What the installer process is asked. */
export interface InstallRequest {
  readonly manifest: ProjectManifest;
  readonly lock: Lock | null;
  readonly registry: string;
  /** Absolute paths: npm's content cache, finished trees by key, and a folder of its own to work in. */
  readonly npmCache: string;
  readonly trees: string;
  readonly staging: string;
}

/** What it answers, once. `error` is `user` for what the project asked, `infra` for what the network did, `disk` where there was no room. */
export type InstallAnswer =
  | { readonly type: 'installed'; readonly key: string; readonly bytes: number; readonly packages: number }
  | { readonly type: 'error'; readonly kind: 'user' | 'limit' | 'infra' | 'disk'; readonly message: string };

/** Inside a finished tree: the packages, and the lock that says what they are. Written before the tree appears under its key. */
export const treeFiles = { modules: 'node_modules', lock: 'package-lock.json', info: 'tree.json' } as const;
