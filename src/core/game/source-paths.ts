const extensions = ['', '.tsx', '.ts', '.jsx', '.js', '.css', '.json'] as const;
/** TypeScript's way of naming what a source will become. */
const written: Readonly<Record<string, readonly string[]>> = {
  '.js': ['.ts', '.tsx'],
  '.jsx': ['.ts', '.tsx'],
  '.mjs': ['.mts'],
  '.cjs': ['.cts'],
};

/** The file that an import of this path means, found as esbuild finds it on a disk; undefined where there is none. */
export function fileAt(paths: ReadonlySet<string>, path: string): string | undefined {
  for (const extension of extensions) if (paths.has(path + extension)) return path + extension;
  const [, stem = '', ending = ''] = /^(.*)(\.[cm]?jsx?)$/.exec(path) ?? [];
  for (const extension of written[ending] ?? []) if (paths.has(stem + extension)) return stem + extension;
  for (const extension of extensions.slice(1)) {
    const index = path === '' ? `index${extension}` : `${path}/index${extension}`;
    if (paths.has(index)) return index;
  }
  return undefined;
}
