import { createRequire } from 'node:module';

/** esbuild's own executable; npm installs it as a package of its own for each platform. */
export const esbuildProgram = createRequire(createRequire(import.meta.url).resolve('esbuild')).resolve(
  `@esbuild/${process.platform}-${process.arch}/bin/esbuild`,
);
