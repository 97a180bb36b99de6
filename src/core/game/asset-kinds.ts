import type { AssetType } from '../../contract/assets.ts';

/** What is known of the assets with one extension. */
export interface Kind {
  readonly type: AssetType;
  /** Types that bytes of this kind are recognised as; for text the one that it is served as. */
  readonly mimes: readonly [string, ...string[]];
  /** `magic`: known by its first bytes. `text`: UTF-8. `opaque`: bytes that nothing recognises, text, or one of `mimes`. */
  readonly by: 'magic' | 'text' | 'opaque';
  /** The type that it is served as, where that is not the one that it is recognised as. */
  readonly serves?: string;
  /** Says of the first bytes that they are of this kind, for formats that file-type does not know or takes for another. */
  readonly begins?: (head: Uint8Array) => boolean;
}

const magic = (type: AssetType, ...mimes: [string, ...string[]]): Kind => ({ type, mimes, by: 'magic' });
const text = (type: AssetType, mime: string): Kind => ({ type, mimes: [mime], by: 'text' });
const opaque = (type: AssetType, ...mimes: [string, ...string[]]): Kind => ({ type, mimes, by: 'opaque' });
const signed = (type: AssetType, mime: string, begins: (head: Uint8Array) => boolean): Kind => ({
  ...magic(type, mime),
  begins,
});

export const bytesOfNoType = 'application/octet-stream';

const ascii = (head: Uint8Array, from: number, length: number): string =>
  String.fromCharCode(...head.subarray(from, from + length));

const startsWith =
  (...starts: string[]) =>
  (head: Uint8Array): boolean =>
    starts.some((start) => ascii(head, 0, start.length) === start);

const u16 = (head: Uint8Array, at: number): number => (head[at] ?? 0) + 256 * (head[at + 1] ?? 0);

/** A Targa picture has no magic number, but few headers make sense. */
const isTarga = (head: Uint8Array): boolean =>
  head.length > 18 &&
  (head[1] === 0 || head[1] === 1) &&
  [1, 2, 3, 9, 10, 11].includes(head[2] ?? 0) &&
  u16(head, 12) > 0 &&
  u16(head, 14) > 0 &&
  [8, 15, 16, 24, 32].includes(head[16] ?? 0);

/** A zip without compression whose first entry is the scene, as the format demands. */
const isUsdz = (head: Uint8Array): boolean =>
  startsWith('PK\x03\x04')(head) && u16(head, 8) === 0 && /\.usd[ac]?$/i.test(ascii(head, 30, u16(head, 26)));

export const svg = 'image/svg+xml';
export const photoshop = 'image/vnd.adobe.photoshop';

/** Every extension that an asset may have. */
export const kinds: Readonly<Record<string, Kind>> = {
  png: magic('image', 'image/png', 'image/apng'),
  apng: magic('image', 'image/apng', 'image/png'),
  jpg: magic('image', 'image/jpeg'),
  jpeg: magic('image', 'image/jpeg'),
  jfif: magic('image', 'image/jpeg'),
  gif: magic('image', 'image/gif'),
  webp: magic('image', 'image/webp'),
  avif: magic('image', 'image/avif'),
  bmp: magic('image', 'image/bmp'),
  ico: magic('image', 'image/x-icon'),
  cur: magic('image', 'image/x-icon'),
  svg: magic('image', svg),
  ktx: magic('image', 'image/ktx'),
  ktx2: opaque('image', 'image/ktx2'),
  basis: opaque('image', bytesOfNoType),
  hdr: signed('image', 'image/vnd.radiance', startsWith('#?RADIANCE', '#?RGBE')),
  exr: signed('image', 'image/x-exr', startsWith('\x76\x2f\x31\x01')),
  dds: signed('image', 'image/vnd.ms-dds', startsWith('DDS \x7c\0\0\0')),
  tga: signed('image', 'image/x-tga', isTarga),
  psd: magic('other', photoshop),
  aseprite: signed('other', 'image/x-aseprite', (head) => u16(head, 4) === 0xa5e0),
  ase: signed('other', 'image/x-aseprite', (head) => u16(head, 4) === 0xa5e0),
  mp3: magic('audio', 'audio/mpeg'),
  wav: magic('audio', 'audio/wav'),
  ogg: magic('audio', 'audio/ogg', 'video/ogg'),
  oga: magic('audio', 'audio/ogg'),
  opus: magic('audio', 'audio/ogg'),
  flac: magic('audio', 'audio/flac'),
  aac: magic('audio', 'audio/aac'),
  m4a: magic('audio', 'audio/x-m4a', 'audio/mp4', 'video/mp4'),
  mid: magic('audio', 'audio/midi'),
  midi: magic('audio', 'audio/midi'),
  mp4: magic('video', 'video/mp4'),
  m4v: magic('video', 'video/x-m4v', 'video/mp4'),
  webm: magic('video', 'video/webm'),
  weba: magic('audio', 'video/webm'),
  ogv: magic('video', 'video/ogg', 'audio/ogg'),
  mov: magic('video', 'video/quicktime'),
  woff: magic('font', 'font/woff'),
  woff2: magic('font', 'font/woff2'),
  ttf: magic('font', 'font/ttf'),
  otf: magic('font', 'font/otf'),
  eot: magic('font', 'application/vnd.ms-fontobject'),
  glb: magic('model', 'model/gltf-binary'),
  gltf: text('model', 'model/gltf+json'),
  vrm: magic('model', 'model/gltf-binary'),
  obj: text('model', 'model/obj'),
  mtl: text('model', 'model/mtl'),
  dae: text('model', 'model/vnd.collada+xml'),
  babylon: text('model', 'application/json'),
  stl: opaque('model', 'model/stl'),
  ply: signed('model', 'model/ply', startsWith('ply\n', 'ply\r')),
  drc: { ...magic('model', 'application/x-ft-draco'), serves: bytesOfNoType },
  usdz: signed('model', 'model/vnd.usdz+zip', isUsdz),
  fbx: { ...opaque('model', 'application/x-ft-fbx'), serves: bytesOfNoType },
  bvh: text('data', 'text/plain'),
  json: text('data', 'application/json'),
  tmj: text('data', 'application/json'),
  tsj: text('data', 'application/json'),
  ldtk: text('data', 'application/json'),
  atlas: text('data', 'text/plain'),
  fnt: text('data', 'text/plain'),
  txt: text('data', 'text/plain'),
  md: text('data', 'text/markdown'),
  csv: text('data', 'text/csv'),
  tsv: text('data', 'text/tab-separated-values'),
  vtt: magic('data', 'text/vtt'),
  xml: text('data', 'application/xml'),
  tmx: text('data', 'application/xml'),
  tsx: text('data', 'application/xml'),
  yaml: text('data', 'application/yaml'),
  yml: text('data', 'application/yaml'),
  toml: text('data', 'application/toml'),
  glsl: text('data', 'text/plain'),
  vert: text('data', 'text/plain'),
  frag: text('data', 'text/plain'),
  vs: text('data', 'text/plain'),
  fs: text('data', 'text/plain'),
  wgsl: text('data', 'text/wgsl'),
  skel: opaque('data', bytesOfNoType),
  bin: opaque('data', bytesOfNoType),
  dat: opaque('data', bytesOfNoType),
  data: opaque('data', bytesOfNoType),
  pck: opaque('data', bytesOfNoType),
};

/** Formats that are recognised and may be read as text as well. */
export const textual: ReadonlySet<string> = new Set(['model/stl', 'model/ply', 'text/vtt']);

/** Signatures that mean their format whatever a file is called. A Targa header is too little for that. */
export const signatures: readonly Kind[] = ['hdr', 'exr', 'dds', 'ply', 'usdz', 'aseprite'].flatMap(
  (extension) => kinds[extension] ?? [],
);

/** A container of sound alone is served as sound: browsers play it in `<audio>`. */
export const servedAs = ({ type, serves }: Kind, found: string): string =>
  serves ?? (type === 'audio' && found.startsWith('video/') ? found.replace('video/', 'audio/') : found);
