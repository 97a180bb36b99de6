import { assetsLimits } from './limits/assets.ts';
import { buildsLimits } from './limits/builds.ts';
import { clientLimits } from './limits/client.ts';
import { identityLimits } from './limits/identity.ts';
import { platformLimits } from './limits/platform.ts';
import { projectsLimits } from './limits/projects.ts';
import { roomLimits } from './limits/room.ts';

/**
 * Every cap, timeout and size of Kiln, once, each with its reason; by area in `limits/`, and read from here. Sizes are bytes,
 * times are milliseconds unless the name says otherwise. Nothing else in the code base may hold such a number.
 */
export const limits = {
  ...identityLimits,
  ...platformLimits,
  ...projectsLimits,
  ...roomLimits,
  ...assetsLimits,
  ...buildsLimits,
  ...clientLimits,
} as const;
