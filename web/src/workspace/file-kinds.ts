import { limits } from '../../../src/contract/limits.ts';

/**
 * How a file is shown.
 * - `live`: text in the room, edited together
 * - `static`: text that is read, not typed: structured documents, and projects that one may only read
 * - `image`: a picture
 * - `info`: anything else
 */
export type FileKind = 'live' | 'static' | 'image' | 'info';

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
  // Scenes are maps, not text: typing JSON over them would fight the scene editor of others.
  return joins && !path.endsWith('.scene.json') ? 'live' : 'static';
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
