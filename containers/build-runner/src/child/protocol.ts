import type { PictureOrder } from '../../../../src/contract/assets.ts';
import type { BuildOptions, BuildTarget } from '../../../../src/contract/builds.ts';
import type { ErrorCode } from '../../../../src/contract/errors.ts';
import type { BuildStep, OptimizedType } from '../../../../src/contract/jobs.ts';
import type { FailureKind } from '../failure.ts';
import type { AssetCacheFolders } from './optimize.ts';

/** What the parent asks of its child: one build, after which the child exits. It names no URL and carries no secret. */
export interface ChildRequest {
  /** Absolute paths inside the child's own work folder. */
  readonly projectDir: string;
  readonly outDir: string;
  /** Project-relative paths of the files of the snapshot; nothing else in `projectDir` belongs to it. */
  readonly files: readonly string[];
  /** Those that the child reads by itself (`isMarked`). */
  readonly marked: readonly string[];
  /** Real path of the installed `node_modules`, to which `projectDir/node_modules` is a link; null without dependencies. */
  readonly modulesDir: string | null;
  /** SHA-256 of the lock of the installed packages; null without dependencies. */
  readonly lock: string | null;
  /** Absolute path of the `tsc` executable. */
  readonly compiler: string;
  /** Absolute path of the files of which packaged apps consist besides the game. */
  readonly templates: string;
  /** Absolute path of the folder of Electron's release zips; null where there is none. */
  readonly electronCache: string | null;
  readonly assetCache: AssetCacheFolders;
  readonly target: BuildTarget;
  readonly options: BuildOptions;
  readonly projectName: string;
}

/** What a child measures: its steps, and what is worth knowing of them by itself. `esbuild` is what the compiler takes of `bundle`. */
export const childPhases = ['typecheck', 'bundle', 'esbuild', 'assets', 'package', 'prebundle', 'sbom'] as const;
export type ChildPhase = (typeof childPhases)[number];

/** What the parent may ask of its child instead: to make one asset smaller. */
export interface OptimizeRequest {
  readonly optimize: OptimizedType;
  /** Absolute paths inside the child's own work folder. */
  readonly input: string;
  readonly output: string;
  readonly compressMeshes: boolean;
}

/** What the parent may ask of its child instead: to write one picture anew. */
export interface PictureRequest {
  readonly picture: PictureOrder;
  /** Absolute paths inside the child's own work folder. */
  readonly input: string;
  readonly output: string;
}

/** What the parent may ask of its child instead: to bundle one preview. */
export interface PreviewRequest {
  readonly preview: true;
  /** Absolute paths inside the child's own work folder: the order, and where the result goes. */
  readonly input: string;
  readonly output: string;
}

/** What the parent may ask of its child before: to build a page of our own, for practice. It says `rehearsed`, and waits for what it is there for. */
export interface RehearsalRequest {
  readonly rehearse: ChildRequest;
}

export type AnyRequest = ChildRequest | OptimizeRequest | PictureRequest | PreviewRequest;

/** A line of a build's log. */
export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly step: BuildStep;
  readonly message: string;
  readonly file?: string | undefined;
  /** From 1. */
  readonly line?: number | undefined;
  /** From 0, in UTF-16 units. */
  readonly column?: number | undefined;
  /** The line of the file that is meant. */
  readonly source?: string | undefined;
}

/** What the child says. The parent checks each message: a child that was taken over must not be able to do more than fail. */
export type ChildMessage =
  | { readonly type: 'ready' }
  | { readonly type: 'rehearsed' }
  | ({ readonly type: 'log' } & LogLine)
  /** `done` is the part of the step that is done, 0–1. */
  | { readonly type: 'progress'; readonly step: BuildStep; readonly done: number }
  | { readonly type: 'timing'; readonly phase: ChildPhase; readonly ms: number }
  /** The folder of the site is as it will be. */
  | { readonly type: 'written' }
  | { readonly type: 'success' }
  /** A program that it needs has ended, and why is for the parent to judge, who sees what it wrote. The last message, as those around it are. */
  | { readonly type: 'lost'; readonly code: number | null; readonly signal: string | null }
  /** There was not enough of something to go on. */
  | { readonly type: 'short'; readonly of: 'memory' | 'disk' }
  | { readonly type: 'failure'; readonly kind: FailureKind; readonly code: ErrorCode; readonly message: string };

/** Folders below `outDir`, by what the platform does with their files. */
export const outFolders = { site: 'site', download: 'downloads', report: 'reports', prebundle: 'prebundle' } as const;
