import type { Config } from './config.ts';

/** Absolute URLs that the API hands out. */
export const artifactUrl = (config: Config, buildId: string, name: string): string =>
  `${config.appOrigin}/api/builds/${buildId}/artifacts/${encodeURIComponent(name)}`;

/** Where a person with an invite goes. */
export const inviteUrl = (config: Config, token: string): string => `${config.appOrigin}/invite/${token}`;

/** Every build is an origin of its own, so one game cannot touch another's storage. */
export const playUrl = (config: Config, buildId: string): string =>
  `${config.contentScheme}://${buildId}.${config.contentHost}/`;

/** The bytes of one version of an asset. */
export const assetUrl = (config: Config, assetId: string, version: number): string =>
  `${config.appOrigin}/api/assets/${assetId}/download?version=${version}`;
