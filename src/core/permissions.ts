import type { Access } from '../contract/projects.ts';
import type { Right } from '../contract/rights.ts';

/**
 * The one table of rights on a project. `public` is any signed-in user who is not a member of a
 * public project; everyone else who is not a member has no access and learns nothing (404).
 */
const holders: { readonly [R in Right]: readonly Access[] } = {
  'project.read': ['owner', 'editor', 'viewer', 'public'],
  'project.join': ['owner', 'editor', 'viewer'],
  'project.comment': ['owner', 'editor', 'viewer'],
  'project.write': ['owner', 'editor'],
  'project.manage': ['owner'],
  'history.read': ['owner', 'editor', 'viewer'],
  'project.share': ['owner'],
  'members.read': ['owner', 'editor', 'viewer'],
  'members.leave': ['owner', 'editor', 'viewer'],
  'activity.read': ['owner', 'editor', 'viewer'],
  'build.read': ['owner', 'editor', 'viewer'],
  'build.create': ['owner', 'editor', 'viewer'],
  'build.cancel': ['owner', 'editor', 'viewer'],
  'project.publish': ['owner', 'editor'],
};

export const allows = (access: Access, right: Right): boolean => holders[right].includes(access);

/** How somebody sees a project, from the facts of the database; null: not at all. */
export function accessOf(
  userId: string,
  project: { readonly ownerId: string; readonly isPublic: boolean },
  membership: 'editor' | 'viewer' | null,
): Access | null {
  if (project.ownerId === userId) return 'owner';
  if (membership) return membership;
  return project.isPublic ? 'public' : null;
}
