import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** The native TypeScript compiler; npm installs it as a package of its own for each platform. */
export const compiler = join(
  dirname(
    createRequire(createRequire(import.meta.url).resolve('typescript/package.json')).resolve(
      `@typescript/typescript-${process.platform}-${process.arch}/package.json`,
    ),
  ),
  'lib',
  'tsc',
);
