import { readFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { property } from '../../../../src/core/game/json.ts';
import { BuildFailure } from '../failure.ts';
import { runnerLimits } from '../runner-limits.ts';
import { readJson } from './entry.ts';
import type { Project } from './project.ts';

/** How a packaged game calls itself. */
export interface AppInfo {
  /** As people read it. */
  readonly title: string;
  /** As npm allows it: lower-case letters, digits and dashes. */
  readonly slug: string;
  /** Reverse domain name, as app stores want it. */
  readonly id: string;
  readonly version: string;
  readonly icon: Uint8Array;
}

/** Where a game keeps its icon, when kiln.json does not say. */
const iconPaths = ['public/icon.png', 'icon.png', 'assets/icon.png', 'src/icon.png'];

const isPng = (bytes: Uint8Array): boolean =>
  Buffer.from(bytes.subarray(0, 8)).equals(Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]));

/** https://developer.android.com/build/configure-app-module#set-application-id, which iOS' rules contain but for `_`. */
const isAppId = (id: string): boolean =>
  /^[a-zA-Z][a-zA-Z\d]*(?:\.[a-zA-Z][a-zA-Z\d]*)+$/.test(id) && id.length <= runnerLimits.appId;

/** Reads name, version and icon from the project: `appId` and `icon` of kiln.json, `version` of package.json. */
export const readAppInfo = async (project: Project, projectName: string, templates: string): Promise<AppInfo> => {
  const settings = await readJson(project, 'kiln.json');
  const version = property(await readJson(project, 'package.json'), 'version');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: no format of a name may hold them
  const title = projectName.replace(/[\u0000-\u001F\u007F\uFFFE\uFFFF]|\p{Surrogate}/gu, '').trim() || 'Game';
  const slug = title
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z\d]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 60);
  const appId = property(settings, 'appId');
  if (appId !== undefined && (typeof appId !== 'string' || !isAppId(appId)))
    throw new BuildFailure(
      'user',
      'build_failed',
      'appId of kiln.json must be a reverse domain name of letters and digits, such as "com.example.game".',
    );
  return {
    title,
    slug: slug === '' ? 'game' : slug,
    id: appId ?? `app.kiln.g${slug.replaceAll('-', '')}`,
    version: typeof version === 'string' && /^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version) ? version : '1.0.0',
    icon: await readIcon(project, property(settings, 'icon'), templates),
  };
};

const readIcon = async (project: Project, named: unknown, templates: string): Promise<Uint8Array> => {
  const wanted = typeof named === 'string' ? posix.normalize(named.replace(/^\.?\/+/, '')) : undefined;
  const path = wanted ?? iconPaths.find((candidate) => project.files.has(candidate));
  if (path === undefined) return await readFile(join(templates, 'icon.png'));
  const bytes = project.files.has(path) ? await readFile(join(project.root, path)) : new Uint8Array();
  if (isPng(bytes)) return bytes;
  throw new BuildFailure('user', 'build_failed', `The icon "${path.slice(0, 200)}" is not a PNG file of this project.`);
};
