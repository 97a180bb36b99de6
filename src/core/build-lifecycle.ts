import type { BuildStatus } from '../contract/builds.ts';

/** The legal transitions of a build. `queued` after `building` is a retry on another runner. */
const transitions: { readonly [S in BuildStatus]: readonly BuildStatus[] } = {
  queued: ['building', 'failed', 'cancelled'],
  building: ['queued', 'success', 'failed', 'cancelled'],
  success: [],
  failed: ['queued'],
  cancelled: ['queued'],
};

export const canBecome = (from: BuildStatus, to: BuildStatus): boolean => transitions[from].includes(to);

export const hasEnded = (status: BuildStatus): boolean =>
  status === 'success' || status === 'failed' || status === 'cancelled';
