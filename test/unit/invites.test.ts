import { describe, expect, it } from 'vitest';
import { type InviteFacts, type InviteWorth, worthOf } from '../../src/core/invites.ts';

const now = 1000;
const reader = { id: 'reader', email: 'reader@kiln.test', emailVerified: true };

type Change = { [K in keyof InviteFacts]?: Partial<InviteFacts[K]> | InviteFacts[K] };
const facts = ({ invite, project, membership = null, excluded = false }: Change = {}): InviteFacts => ({
  invite: {
    role: 'editor',
    email: null,
    uses: 0,
    maxUses: 1,
    invitedBy: 'owner',
    expiresAt: now + 1,
    revokedAt: null,
    ...invite,
  },
  project: { ownerId: 'owner', isPublic: false, state: 'ready', deletedAt: null, ...project },
  membership: membership as InviteFacts['membership'],
  excluded: excluded as boolean,
});

describe('An invite', () => {
  it.each<[string, Change, InviteWorth]>([
    ['that nobody used', {}, 'open'],
    ['to a public project', { project: { isPublic: true } }, 'open'],
    ['addressed to the reader', { invite: { email: reader.email } }, 'open'],
    ['that gives a viewer more', { membership: 'viewer' }, 'open'],
    ['for viewers, to a viewer', { membership: 'viewer', invite: { role: 'viewer' } }, 'member'],
    ['for editors, to an editor', { membership: 'editor' }, 'member'],
    ['for viewers, to an editor', { membership: 'editor', invite: { role: 'viewer' } }, 'member'],
    ['of the reader’s own', { project: { ownerId: 'reader' }, invite: { invitedBy: 'reader' } }, 'member'],
    ['that a member used up', { membership: 'editor', invite: { uses: 1 } }, 'member'],
    ['used up, to a viewer', { membership: 'viewer', invite: { uses: 1 } }, 'member'],
    ['to a viewer whose role was lowered', { membership: 'viewer', excluded: true }, 'member'],
    ['used up', { invite: { uses: 1 } }, 'used_up'],
    ['used more often than it may be', { invite: { uses: 7, maxUses: 5 } }, 'used_up'],
    ['to somebody who was removed', { excluded: true }, 'excluded'],
    ['at the moment it expires', { invite: { expiresAt: now } }, 'expired'],
    ['addressed to somebody else', { invite: { email: 'other@kiln.test' } }, 'other_account'],
    ['withdrawn', { invite: { revokedAt: 1 } }, 'withdrawn'],
    ['by who owns the project no more', { invite: { invitedBy: 'former' } }, 'inviter_not_owner'],
    ['to a project in the trash', { project: { deletedAt: 1 } }, 'project_gone'],
    ['to a project that is being erased', { project: { state: 'deleting' } }, 'project_gone'],
    // Nothing that is dead comes alive by being a member.
    ['expired, to a member', { membership: 'editor', invite: { expiresAt: now } }, 'expired'],
    ['withdrawn, to a member', { membership: 'viewer', invite: { revokedAt: 1 } }, 'withdrawn'],
    [
      'of another account, to a member',
      { membership: 'viewer', invite: { email: 'other@kiln.test' } },
      'other_account',
    ],
  ])('%s', (_, change, worth) => {
    expect(worthOf(facts(change), reader, now)).toBe(worth);
  });

  it('that is addressed is open to who has verified the address alone, a link to anybody', () => {
    const unverified = { ...reader, emailVerified: false };
    expect(worthOf(facts({ invite: { email: reader.email } }), unverified, now)).toBe('unverified');
    expect(worthOf(facts(), unverified, now)).toBe('open');
  });
});
