import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const inRoot = (...parts: string[]): string => join(root, ...parts);

/** What wrangler must not do on a machine without network. */
export const quietWrangler = {
  WRANGLER_SEND_METRICS: 'false',
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
  CI: '1',
  NO_COLOR: '1',
};

/** Wrangler's entry, run by the Node that the project brings. */
export const wranglerEntry = inRoot('node_modules', 'wrangler', 'bin', 'wrangler.js');
