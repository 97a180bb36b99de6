import { type Config, optimize } from 'svgo';
import type { Optimizer } from './optimize.ts';

/** Steps that a game could notice are off: it may look for ids, classes and elements of its pictures. */
const config: Config = {
  multipass: true,
  // Finer than a pixel of a drawing that is thousands of pixels wide.
  floatPrecision: 5,
  plugins: [
    {
      name: 'preset-default',
      params: {
        overrides: {
          cleanupIds: false,
          collapseGroups: false,
          inlineStyles: false,
          mergePaths: false,
          minifyStyles: false,
          removeHiddenElems: false,
          removeUnknownsAndDefaults: false,
        },
      },
    },
  ],
};

export const optimizeSvg: Optimizer = async (bytes) => {
  const text = Buffer.from(bytes).toString('utf8');
  // Entities can grow without bound while they are read.
  if (/<!ENTITY/i.test(text)) return null;
  return Buffer.from(optimize(text, config).data);
};
