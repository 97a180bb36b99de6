import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inRoot } from '../../scripts/lib/paths.ts';

/** Path of a configuration in `dir` that is the Worker's own but for Cloudflare Images, as of an account that has none. */
export function configWithoutImages(dir: string): string {
  const own = readFileSync(inRoot('wrangler.toml'), 'utf8');
  const without = own
    .replace(/^\[images\]\nbinding = "IMAGES"\n/m, '')
    // Paths are relative to the configuration.
    .replace(
      /^(main|directory|image|image_build_context|migrations_dir) = "(.+)"$/gm,
      (_, name: string, path: string) => `${name} = ${JSON.stringify(inRoot(path))}`,
    );
  if (without.includes('\n[images]')) throw new Error('the binding is still there');
  const config = join(dir, 'without-images.toml');
  writeFileSync(config, without);
  copyFileSync(inRoot('.dev.vars'), join(dir, '.dev.vars'));
  return config;
}
