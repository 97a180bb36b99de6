import type { Build, BuildStatus, BuildTarget } from '../../../src/contract/builds.ts';
import { formatDuration } from '../ui/format.ts';

export const statusNames: Readonly<Record<BuildStatus, string>> = {
  queued: 'Queued',
  building: 'Building',
  success: 'Success',
  failed: 'Failed',
  cancelled: 'Cancelled',
};

export const targetNames: Readonly<Record<BuildTarget, string>> = {
  web: 'Web',
  electron: 'Desktop',
  cordova: 'Mobile',
};

/** How long a build took; undefined for one that was not started, or has not ended. */
export const durationOf = (build: Build): string | undefined => {
  if (build.timings.total !== undefined) return formatDuration(build.timings.total);
  if (build.startedAt === null || build.completedAt === null) return undefined;
  return formatDuration(Date.parse(build.completedAt) - Date.parse(build.startedAt));
};

/** Whether the same files fail again: something has to be changed before it is worth another build. */
export const isFinalFault = ({ errorCode }: Build): boolean =>
  errorCode === 'build_failed' || errorCode === 'entry_not_found' || errorCode === 'build_too_large';
