/** Files that compilers read and that may name others: by these comments and calls besides their imports. */
export const isCode = (path: string): boolean => /\.(?:[cm]?[jt]sx?|css)$/i.test(path);

/**
 * Whether a file has to be read by the child itself before esbuild does. esbuild opens whatever a source map comment names, and does
 * not know `new URL('./x', import.meta.url)`; all other files of a project it may load by itself.
 */
export const isMarked = (path: string, bytes: Uint8Array): boolean => {
  if (!isCode(path)) return false;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return text.includes('sourceMappingURL=') || text.includes('import.meta.url');
};
