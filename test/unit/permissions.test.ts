import { describe, expect, it } from 'vitest';
import { endpoints } from '../../src/contract/endpoints.ts';
import { Access, type Role } from '../../src/contract/projects.ts';
import { Right } from '../../src/contract/rights.ts';
import { accessOf, allows } from '../../src/core/permissions.ts';

/** The policy, written down a second time on purpose: a change of one must be a change of both. */
const policy: Readonly<Record<Right, string>> = {
  'project.read': 'owner editor viewer public',
  'project.join': 'owner editor viewer',
  'project.comment': 'owner editor viewer',
  'project.write': 'owner editor',
  'project.manage': 'owner',
  'history.read': 'owner editor viewer',
  'project.share': 'owner',
  'members.read': 'owner editor viewer',
  'members.leave': 'owner editor viewer',
  'activity.read': 'owner editor viewer',
  'build.read': 'owner editor viewer',
  'build.create': 'owner editor viewer',
  'build.cancel': 'owner editor viewer',
  'project.publish': 'owner editor',
};

describe('Rights', () => {
  it.each(Right.options.flatMap((right) => Access.options.map((access) => [access, right] as const)))(
    'of %s on %s are as the policy says',
    (access, right) => {
      expect(allows(access, right)).toBe(policy[right].split(' ').includes(access));
    },
  );

  it('of an owner include those of an editor, and those of an editor include those of a viewer', () => {
    for (const right of Right.options) {
      if (allows('viewer', right)) expect(allows('editor', right), right).toBe(true);
      if (allows('editor', right)) expect(allows('owner', right), right).toBe(true);
    }
  });

  it('of the public are to read, and nothing else', () => {
    expect(Right.options.filter((right) => allows('public', right))).toEqual(['project.read']);
  });

  it('are all used by an endpoint: a right that nothing asks for protects nothing', () => {
    const asked = new Set<Right>();
    for (const { access } of Object.values(endpoints)) if ('right' in access) asked.add(access.right);
    expect(Right.options.filter((right) => !asked.has(right))).toEqual([]);
  });
});

describe('Writing endpoints', () => {
  it('never ask for a mere right to read', () => {
    const reading: readonly Right[] = ['project.read', 'history.read', 'members.read', 'activity.read', 'build.read'];
    // It writes into a project that the reader gets for themself.
    const { duplicateProject: _, ...others } = endpoints;
    for (const [name, { access, method }] of Object.entries(others))
      if (method !== 'GET' && 'right' in access) expect(reading, name).not.toContain(access.right);
  });
});

describe('accessOf', () => {
  const project = { ownerId: 'o', isPublic: false };
  const memberships: readonly (Exclude<Role, 'owner'> | null)[] = ['editor', 'viewer', null];

  it('makes the owner owner, whatever membership says', () => {
    for (const membership of memberships) expect(accessOf('o', project, membership)).toBe('owner');
  });

  it('gives members their role, on public projects too', () => {
    for (const isPublic of [true, false]) {
      expect(accessOf('m', { ...project, isPublic }, 'editor')).toBe('editor');
      expect(accessOf('m', { ...project, isPublic }, 'viewer')).toBe('viewer');
    }
  });

  it('lets strangers see public projects as public, and private ones not at all', () => {
    expect(accessOf('x', { ...project, isPublic: true }, null)).toBe('public');
    expect(accessOf('x', project, null)).toBeNull();
  });
});
