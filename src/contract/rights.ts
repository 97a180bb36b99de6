import * as z from 'zod';

/** Everything that a role may allow. Who holds which right is said in `src/core/permissions.ts`. */
export const Right = z.enum([
  'project.read',
  'project.join',
  'project.comment',
  'project.write',
  'project.manage',
  'history.read',
  'project.share',
  'members.read',
  'members.leave',
  'activity.read',
  'build.read',
  'build.create',
  'build.cancel',
  'project.publish',
]);
export type Right = z.infer<typeof Right>;
