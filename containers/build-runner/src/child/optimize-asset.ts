import { readFile, writeFile } from 'node:fs/promises';
import type { OptimizedType } from '../../../../src/contract/jobs.ts';
import type { Optimizer } from './optimize.ts';
import type { ChildMessage, OptimizeRequest } from './protocol.ts';

const optimizers: Readonly<Record<OptimizedType, () => Promise<Optimizer>>> = {
  'image/svg+xml': async () => (await import('./optimize-svg.ts')).optimizeSvg,
  'model/gltf-binary': async () => (await import('./optimize-model.ts')).optimizeGlb,
  'model/gltf+json': async () => (await import('./optimize-model.ts')).optimizeGltf,
};

/** Makes one asset smaller. It leaves the result where it was told to, and nothing there when it found none. */
export const optimizeAsset = async (request: OptimizeRequest): Promise<ChildMessage> => {
  const { optimize: type, input, output, compressMeshes } = request;
  try {
    const bytes = await readFile(input);
    const optimized = await (await optimizers[type]())(bytes, { compressMeshes });
    if (optimized !== null && optimized.byteLength < bytes.byteLength) await writeFile(output, optimized);
    return { type: 'success' };
  } catch (error) {
    // Memory that there is not is asked for by a number in the file.
    const tooLarge = error instanceof RangeError && /allocation failed/i.test(error.message);
    return {
      type: 'failure',
      kind: tooLarge ? 'limit' : 'user',
      code: tooLarge ? 'payload_too_large' : 'asset_broken',
      message: 'The asset could not be read.',
    };
  }
};
