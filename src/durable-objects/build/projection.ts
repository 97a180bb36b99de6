/**
 * How the row in the database follows a build. The object is the truth and the row a copy, which may be late: it is written after
 * the state, and the build may have gone on while it was. These say when it is due, and what is left to write afterwards.
 */
import { limits } from '../../contract/limits.ts';
import type { BuildState } from './state.ts';

/** Whether the row cannot wait any longer: progress alone waits for its interval. */
export const isDue = (state: BuildState, at: number): boolean =>
  state.status !== 'building' || state.seq <= 1 || at - state.projectedAt >= limits.build.projectionInterval;

/** A build of which the row has `written`, an earlier state of it or the same. */
export const afterWriting = (current: BuildState, written: BuildState, at: number): BuildState => ({
  ...current,
  entries: (current.entries ?? []).filter(({ id }) => !written.entries?.some((entry) => entry.id === id)),
  projectedAt: at,
  projected: current.attempt === written.attempt && current.seq === written.seq && current.status === written.status,
});
