/** The names that esbuild has for how a file is read. */
export type Loader = 'js' | 'jsx' | 'ts' | 'tsx' | 'json' | 'css' | 'local-css' | 'text';

const extensionOf = (path: string): string => (/[^/](\.[^./]*)$/.exec(path)?.[1] ?? '').toLowerCase();

/** How files are read, by the end of their name in small letters. */
export const byExtension: Readonly<Record<string, Loader>> = {
  '.js': 'js',
  '.mjs': 'js',
  '.cjs': 'js',
  '.jsx': 'jsx',
  '.ts': 'ts',
  '.mts': 'ts',
  '.cts': 'ts',
  '.tsx': 'tsx',
  '.json': 'json',
  '.css': 'css',
  '.txt': 'text',
  '.glsl': 'text',
  '.vert': 'text',
  '.frag': 'text',
  '.vs': 'text',
  '.fs': 'text',
  '.wgsl': 'text',
};

/** Images, sounds, video, fonts, models, data of game tools: what a page loads by its URL. */
export const assetExtensions = [
  ...[
    'png',
    'jpg',
    'jpeg',
    'jfif',
    'gif',
    'webp',
    'avif',
    'svg',
    'ico',
    'bmp',
    'cur',
    'ktx',
    'ktx2',
    'basis',
    'dds',
    'hdr',
    'exr',
    'tga',
  ],
  ...['mp3', 'ogg', 'oga', 'wav', 'flac', 'aac', 'opus', 'm4a', 'mp4', 'webm', 'ogv', 'mov', 'vtt', 'mid'],
  ...['woff', 'woff2', 'ttf', 'otf', 'eot', 'fnt'],
  ...['glb', 'gltf', 'bin', 'obj', 'mtl', 'fbx', 'dae', 'stl', 'ply', 'vrm', 'usdz', 'babylon', 'drc'],
  ...[
    'wasm',
    'data',
    'pck',
    'atlas',
    'skel',
    'xml',
    'tmx',
    'tsx-map',
    'tmj',
    'ldtk',
    'aseprite',
    'pdf',
    'zip',
    'webmanifest',
  ],
] as const;

/** Sources of compilers that would be code of the project's choice, which nothing here executes. */
const needsCompiler = new Set(['.scss', '.sass', '.less', '.styl', '.vue', '.svelte', '.astro', '.coffee', '.elm']);

export type FileKind = { readonly loader: Loader } | 'asset' | 'needs-compiler';

/** How a file is taken into a bundle, by its name. What is unknown is an asset: games bring formats of their own. */
export const kindOf = (path: string): FileKind => {
  const extension = extensionOf(path);
  if (needsCompiler.has(extension)) return 'needs-compiler';
  if (path.endsWith('.module.css')) return { loader: 'local-css' };
  const loader = byExtension[extension];
  return loader === undefined ? 'asset' : { loader };
};

/** Whether a file is source that a compiler reads rather than something that a page loads. */
export const isSource = (path: string): boolean => /\.(?:[cm]?[jt]sx?|css|html?)$/i.test(path);
