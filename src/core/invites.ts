import { accessOf } from './permissions.ts';

/** Everything that decides what an invite is worth to somebody. Times in milliseconds. */
export interface InviteFacts {
  readonly invite: {
    readonly role: 'editor' | 'viewer';
    readonly email: string | null;
    readonly uses: number;
    readonly maxUses: number;
    readonly invitedBy: string;
    readonly expiresAt: number;
    readonly revokedAt: number | null;
  };
  readonly project: {
    readonly ownerId: string;
    readonly isPublic: boolean;
    readonly state: string;
    readonly deletedAt: number | null;
  };
  /** What the reader is in the project already. */
  readonly membership: 'editor' | 'viewer' | null;
  /** Whether the reader was removed, or their role lowered, while the invite was open. */
  readonly excluded: boolean;
}

/**
 * `open`: accepting it makes the reader a member, or gives a member more. `member`: the reader is one
 * and gets nothing more. Anything else is why it is dead for the reader, which is for the log alone:
 * outside all of them look like a token that never was.
 */
export type InviteWorth =
  | 'open'
  | 'member'
  | 'project_gone'
  | 'withdrawn'
  | 'inviter_not_owner'
  | 'expired'
  | 'other_account'
  | 'unverified'
  | 'used_up'
  | 'excluded';

export function worthOf(
  { invite, project, membership, excluded }: InviteFacts,
  reader: { readonly id: string; readonly email: string; readonly emailVerified: boolean },
  now: number,
): InviteWorth {
  if (project.state !== 'ready' || project.deletedAt !== null) return 'project_gone';
  if (invite.revokedAt !== null) return 'withdrawn';
  if (invite.invitedBy !== project.ownerId) return 'inviter_not_owner';
  if (invite.expiresAt <= now) return 'expired';
  if (invite.email !== null && invite.email !== reader.email) return 'other_account';
  // Anybody can register an address: only who has proved it is who was meant.
  if (invite.email !== null && !reader.emailVerified) return 'unverified';
  const access = accessOf(reader.id, project, membership);
  const isMember = access !== null && access !== 'public';
  if (isMember && (access !== 'viewer' || invite.role === 'viewer')) return 'member';
  if (invite.uses >= invite.maxUses) return isMember ? 'member' : 'used_up';
  if (excluded) return isMember ? 'member' : 'excluded';
  return 'open';
}
