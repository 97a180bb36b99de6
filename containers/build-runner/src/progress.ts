import type { BuildStep } from '../../../src/contract/jobs.ts';

/** How much of an attempt each step is, from measured builds of templates with packages. Sums to 1. */
const shares: Readonly<Record<BuildStep, number>> = {
  source: 0.15,
  dependencies: 0.2,
  typecheck: 0.1,
  bundle: 0.3,
  assets: 0.05,
  package: 0.05,
  upload: 0.15,
};

const order = Object.keys(shares) as BuildStep[];

/** Progress of the whole attempt when `done` (0–1) of a step is done. */
export const overallProgress = (step: BuildStep, done: number): number => {
  const before = order.slice(0, order.indexOf(step)).reduce((sum, earlier) => sum + shares[earlier], 0);
  return before + shares[step] * Math.min(1, Math.max(0, done));
};
