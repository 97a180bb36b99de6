import { previewPrefix } from '../contract/publications.ts';
import type { Config } from './config.ts';

/** Absolute URLs that the API hands out. */
export const artifactUrl = (config: Config, buildId: string, name: string): string =>
  `${config.appOrigin}/api/builds/${buildId}/artifacts/${encodeURIComponent(name)}`;

/** Where a person with an invite goes. */
export const inviteUrl = (config: Config, token: string): string => `${config.appOrigin}/invite/${token}`;

/** Every build is an origin of its own, so one game cannot touch another's storage. */
export const playUrl = (config: Config, buildId: string): string =>
  `${config.contentScheme}://${buildId}.${config.contentHost}/`;

/** The origin at which a project's game is published. */
export const slugUrl = (config: Config, slug: string): string =>
  `${config.contentScheme}://${slug}.${config.contentHost}/`;

/** Where the newest state of a project is played; `key` opens it. */
export const previewUrl = (config: Config, projectId: string, key: string): string =>
  `${config.contentScheme}://${previewPrefix}${projectId}.${config.contentHost}/preview/${projectId}/?${keyParameter}=${key}`;

/** The query parameter of a signed link into an origin of the content host, which turns it into a cookie there. */
export const keyParameter = 'kiln-key';

/** Links in mails. The token is in the fragment: no server, log or `Referer` ever gets it. */
export const verifyUrl = (config: Config, token: string): string => `${config.appOrigin}/verify-email#${token}`;
export const resetUrl = (config: Config, token: string): string => `${config.appOrigin}/reset-password#${token}`;
/** The label below the content host at which assets are; no build and no publication can have it. */
export const assetLabel = 'cdn';

/** One version of an asset; `token` opens it where its project is private. */
export const cdnUrl = (
  config: Config,
  asset: { readonly id: string; readonly version: number; readonly name: string },
  token: string | null,
): string =>
  `${config.contentScheme}://${assetLabel}.${config.contentHost}/cdn/${asset.id}/${asset.version}/${encodeURIComponent(asset.name)}${token === null ? '' : `?token=${token}`}`;

/** The same picture, made small for lists. */
export const thumbnailUrl = (url: string): string => `${url}${url.includes('?') ? '&' : '?'}w=256&format=webp`;

/** Where a part of an upload is sent. */
export const uploadPartUrl = (config: Config, uploadId: string, number: number, token: string): string =>
  `${config.appOrigin}/api/assets/uploads/${uploadId}/parts/${number}?token=${token}`;
