import { limits } from '../../../src/contract/limits.ts';
import { isScenePath } from '../../../src/contract/scene.ts';

/**
 * How a file is shown.
 * - `live`: text in the room, edited together
 * - `scene`: nodes in the room, edited together
 * - `static`: text that is read, not typed: projects that one may only read
 * - `image`: a picture
 * - `info`: anything else
 */
export type FileKind = 'live' | 'scene' | 'static' | 'image' | 'info';

const images = new Set(['png', 'jpg', 'jpeg', 'gif', 'webp', 'avif', 'bmp', 'ico']);
const binaries = new Set(
  'mp3 ogg wav flac m4a aac mp4 webm mov woff woff2 ttf otf glb bin wasm zip gz pdf ktx2 basis dds psd blend fbx'.split(
    ' ',
  ),
);

export const extensionOf = (path: string): string => /\.([^./]+)$/.exec(path)?.[1]?.toLowerCase() ?? '';

/** A guess by name and size; the room has the last word, by refusing a document (`not_a_document`). */
export const guessKind = (path: string, size: number, joins: boolean): FileKind => {
  const extension = extensionOf(path);
  if (images.has(extension)) return 'image';
  if (binaries.has(extension) || size > limits.file.textMax) return 'info';
  if (!joins) return 'static';
  return isScenePath(path) ? 'scene' : 'live';
};

const tints: Record<string, string> = {
  ts: 'blue',
  tsx: 'blue',
  js: 'yellow',
  jsx: 'yellow',
  mjs: 'yellow',
  html: 'ember',
  css: 'violet',
  json: 'green',
  md: 'plain',
  glsl: 'violet',
  vert: 'violet',
  frag: 'violet',
  svg: 'rose',
};

/** Colour of a file's icon, by what it is. */
export const tintOf = (path: string): string => {
  const extension = extensionOf(path);
  return images.has(extension) ? 'rose' : binaries.has(extension) ? 'rose' : (tints[extension] ?? 'plain');
};
