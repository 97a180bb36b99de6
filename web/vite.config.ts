import { defineConfig } from 'vite';

export default defineConfig({
  root: import.meta.dirname,
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  // One copy, or documents made by one are strangers to the other.
  resolve: { dedupe: ['yjs', 'preact', '@codemirror/state', '@codemirror/view'] },
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2023',
    sourcemap: false,
    // The content security policy names no `data:` for fonts and styles.
    assetsInlineLimit: 0,
    // Every target browser preloads modules itself.
    modulePreload: { polyfill: false },
    // The code editor is one chunk by nature, and loads only with a project.
    chunkSizeWarningLimit: 900,
  },
  server: {
    port: 5173,
    proxy: { '/api': { target: 'http://localhost:8787', ws: true, changeOrigin: false } },
  },
});
