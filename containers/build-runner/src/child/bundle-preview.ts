import { readFile, writeFile } from 'node:fs/promises';
import { build } from 'esbuild';
import { bundle } from '../../../../src/bundler/bundle.ts';
import { limits } from '../../../../src/contract/limits.ts';
import { RunnerOrder } from '../../../../src/contract/preview.ts';
import { outcomeOf } from './outcome.ts';
import type { ChildMessage, PreviewRequest } from './protocol.ts';

/**
 * Bundles the order of a preview by the same code as at the edge, with the native compiler. Nothing of the project is
 * on this disk: its files are the texts of the order, and what else the compiler might find fails the bundle.
 */
export const bundlePreview = async ({ input, output }: PreviewRequest): Promise<ChildMessage> => {
  try {
    const { packages, ...order } = RunnerOrder.parse(JSON.parse(await readFile(input, 'utf8')));
    const result = await bundle(
      { ...order, ...(packages === undefined ? {} : { packages }) },
      build,
      limits.preview.runner.outputBytes,
    );
    await writeFile(output, JSON.stringify(result));
    return { type: 'success' };
  } catch (error) {
    return outcomeOf(error, 'The preview could not be bundled.');
  }
};
