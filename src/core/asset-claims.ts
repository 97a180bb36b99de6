import { bytesOfNoType, kinds, svg, textual } from './game/asset-kinds.ts';

/**
 * What senders say that bytes are. A browser says it by the extension of a file, in the words of its system, so a
 * format has many names. A name that we know must be one of what the bytes are; one that we do not know says nothing.
 */

/** Other names of a format, by the type that its bytes are recognised as. */
const names: Readonly<Record<string, readonly string[]>> = {
  'image/png': ['image/x-png'],
  'image/apng': ['image/vnd.mozilla.apng'],
  'image/jpeg': ['image/jpg', 'image/pjpeg'],
  'image/bmp': ['image/x-bmp', 'image/x-ms-bmp'],
  'image/x-icon': ['image/vnd.microsoft.icon', 'image/ico', 'image/x-win-bitmap'],
  'image/vnd.radiance': ['image/hdr', 'image/x-hdr'],
  'image/x-exr': ['image/aces', 'image/exr'],
  'image/vnd.ms-dds': ['image/dds', 'image/x-dds'],
  'image/x-tga': ['image/tga', 'image/targa', 'image/x-targa'],
  'image/vnd.adobe.photoshop': ['image/psd', 'image/x-psd', 'application/photoshop', 'application/x-photoshop'],
  'image/x-aseprite': ['application/x-aseprite'],
  'audio/mpeg': ['audio/mp3', 'audio/x-mp3', 'audio/mpeg3', 'audio/x-mpeg'],
  'audio/wav': ['audio/x-wav', 'audio/wave', 'audio/vnd.wave', 'audio/x-pn-wav'],
  'audio/ogg': ['application/ogg', 'audio/opus', 'audio/vorbis', 'video/ogg'],
  'video/ogg': ['application/ogg', 'audio/ogg'],
  'audio/flac': ['audio/x-flac'],
  'audio/aac': ['audio/aacp', 'audio/x-aac', 'audio/vnd.dlna.adts'],
  'audio/x-m4a': ['audio/m4a', 'audio/mp4', 'video/mp4'],
  'audio/mp4': ['audio/m4a', 'audio/x-m4a', 'video/mp4'],
  'audio/midi': ['audio/mid', 'audio/x-midi'],
  'video/mp4': ['application/mp4', 'audio/mp4', 'audio/m4a', 'audio/x-m4a', 'video/x-m4v'],
  'video/x-m4v': ['video/mp4', 'application/mp4'],
  'video/webm': ['audio/webm'],
  'font/woff': ['application/font-woff', 'application/x-font-woff'],
  'font/woff2': ['application/font-woff2', 'application/x-font-woff2'],
  'font/ttf': ['font/sfnt', 'application/font-sfnt', 'application/x-font-ttf', 'application/x-font-truetype'],
  'font/otf': ['font/sfnt', 'application/font-sfnt', 'font/opentype', 'application/x-font-otf'],
  'application/vnd.ms-fontobject': ['font/eot'],
  'model/gltf-binary': ['application/gltf-binary', 'model/vrm'],
  'model/stl': ['application/sla', 'application/vnd.ms-pki.stl'],
  'model/ply': ['application/ply', 'application/x-ply', 'model/x-ply'],
  'model/vnd.usdz+zip': ['application/zip', 'application/x-zip-compressed', 'model/usd'],
  'application/x-ft-fbx': ['application/vnd.autodesk.fbx', 'model/fbx'],
  'application/x-ft-draco': ['model/draco'],
  [svg]: ['application/xml', 'text/xml', 'text/plain'],
};

/** Names of text beside those of the kinds. Bytes do not tell one of them from another. */
const namesOfText = ['text/xml', 'text/json', 'text/yaml', 'text/x-yaml', 'application/x-yaml', 'text/x-markdown'];

/** Formats of which there are no assets: whatever is one has been taken for something else. */
const namesOfOthers = [
  ...['text/html', 'application/xhtml+xml', 'text/css', 'application/pdf', 'application/wasm'],
  ...['text/javascript', 'application/javascript', 'application/x-javascript', 'application/ecmascript'],
  ...['application/zip', 'application/x-zip-compressed', 'application/x-zip', 'application/gzip', 'application/x-gzip'],
  ...['application/x-tar', 'application/x-7z-compressed', 'application/vnd.rar', 'application/x-rar-compressed'],
  ...['application/x-msdownload', 'application/x-executable', 'application/java-archive', 'application/rtf'],
  ...['image/tiff', 'image/heic', 'image/heif', 'image/jxl', 'video/x-msvideo', 'video/x-matroska', 'audio/aiff'],
];

const unrecognised = 'unrecognised';

/** What bytes may be recognised as that are called so. */
const meanings: ReadonlyMap<string, ReadonlySet<string>> = (() => {
  const all = new Map<string, Set<string>>(namesOfOthers.map((name) => [name, new Set<string>()]));
  const add = (name: string, ...found: string[]): void => {
    const known = all.get(name) ?? new Set<string>();
    for (const one of found) known.add(one);
    all.set(name, known);
  };
  for (const { by, mimes, serves } of Object.values(kinds)) {
    const called = mimes.flatMap((mime) => [mime, ...(names[mime] ?? [])]);
    for (const name of [...called, ...(serves === undefined ? [] : [serves])])
      if (by === 'text') add(name, 'text', ...textual);
      else add(name, ...mimes, ...(by === 'opaque' ? ['text', unrecognised] : []));
  }
  for (const name of namesOfText) add(name, 'text', ...textual);
  for (const [found, others] of Object.entries(names)) for (const name of others) add(name, found);
  return all;
})();

/** Types that say nothing: whoever sends them does not know. */
const saysNothing = new Set(['', bytesOfNoType, 'binary/octet-stream', 'application/x-binary', 'application/unknown']);

export interface Claim {
  /** `right`: one of the types that the bytes are, or it says nothing. `wrong`: another format. `unknown`: no format that we know. */
  readonly is: 'right' | 'wrong' | 'unknown';
  /** What was said, without its parameters. */
  readonly name: string;
}

/** Judges a content type. `found`: what the bytes are recognised as, `text`, or null where nothing is known of them. */
export function judgeClaim(claim: string, found: string | null): Claim {
  const name = (claim.split(';')[0] ?? '').trim().toLowerCase();
  if (saysNothing.has(name)) return { is: 'right', name };
  const meant = meanings.get(name);
  if (!meant) return { is: 'unknown', name };
  return { is: meant.has(found ?? unrecognised) ? 'right' : 'wrong', name };
}
