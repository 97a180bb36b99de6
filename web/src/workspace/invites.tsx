import { useSignal } from '@preact/signals';
import { useCallback, useEffect } from 'preact/hooks';
import { limits } from '../../../src/contract/limits.ts';
import type { Invite } from '../../../src/contract/sharing.ts';
import { day } from '../../../src/contract/units.ts';
import { attempt, reasonOf, toastError } from '../state/toasts.ts';
import { CopyLine } from '../ui/copy-line.tsx';
import { formatAgo, plural } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { useWorkspace } from './context.ts';
import { type MemberRole, RoleSelect } from './role-select.tsx';

const lifetimes = [
  { days: 1, text: 'for a day' },
  { days: 7, text: 'for a week' },
  { days: 30, text: 'for 30 days' },
] as const;
const uses = [1, 5, limits.invite.uses, 100] as const;

/** The link of a new invite: the only time that it is shown. */
const FreshLink = ({ url, email }: { url: string; email: string | null }) => (
  <div class="fresh-link" role="status">
    <p>
      {email === null
        ? 'Pass this link on. It is shown only now.'
        : `Send this link to ${email}. Only that account can use it, and it is shown only now.`}
    </p>
    <CopyLine label="Link of the invitation" value={url} testId="invite-url" buttonTestId="invite-copy" isPrimary />
  </div>
);

const InviteRow = ({ invite, onWithdraw }: { invite: Invite; onWithdraw: () => void }) => (
  <li class="member" data-testid={`invite-${invite.id}`}>
    <span class="invite-icon">
      <Icon name={invite.kind === 'link' ? 'link' : 'mail'} />
    </span>
    <span class="member-name">
      <strong>{invite.email ?? 'Link'}</strong>
      <span class="muted">
        {invite.kind === 'link' ? `${invite.uses} of ${plural(invite.maxUses, 'use')} · ` : ''}ends{' '}
        <time dateTime={invite.expiresAt}>{formatAgo(invite.expiresAt)}</time>
      </span>
    </span>
    <span class={`badge ${invite.role}`}>{invite.role}</span>
    <button
      type="button"
      class="icon-button"
      aria-label={`Withdraw the invitation ${invite.email ?? 'by link'}`}
      title="Withdraw"
      data-testid="invite-withdraw"
      onClick={onWithdraw}
    >
      <Icon name="close" size={14} />
    </button>
  </li>
);

/** Links and addressed invitations: make one, see what is open, withdraw it. For the owner. */
export const Invites = () => {
  const { client, id, membersVersion } = useWorkspace();
  const invites = useSignal<readonly Invite[] | undefined>(undefined);
  const kind = useSignal<'link' | 'addressed'>('link');
  const email = useSignal('');
  const role = useSignal<MemberRole>('editor');
  const maxUses = useSignal<number>(limits.invite.uses);
  const days = useSignal<number>(7);
  const fresh = useSignal<{ url: string; email: string | null } | undefined>(undefined);
  const busy = useSignal(false);
  const fault = useSignal<string | undefined>(undefined);
  const version = membersVersion.value;

  const load = useCallback(async () => {
    invites.value = (await client.call('listInvites', { params: { id } })).invites;
  }, [client, id, invites]);
  // Who joins by one of them is a use.
  useEffect(() => {
    load().catch(toastError);
  }, [load, version]);

  const create = async (event: SubmitEvent) => {
    event.preventDefault();
    if (busy.value) return;
    busy.value = true;
    fault.value = undefined;
    try {
      const made = await client.call('createInvite', {
        params: { id },
        body: {
          role: role.value,
          expiresAt: new Date(Date.now() + days.value * day).toISOString(),
          ...(kind.value === 'link' ? { maxUses: maxUses.value } : { email: email.value.trim() }),
        },
      });
      fresh.value = { url: made.url, email: made.invite.email };
      email.value = '';
      await load();
    } catch (error) {
      fault.value = reasonOf(error);
    } finally {
      busy.value = false;
    }
  };

  const withdraw = (invite: Invite) =>
    attempt(async () => {
      await client.call('withdrawInvite', { params: { id, inviteId: invite.id } });
      fresh.value = undefined;
      await load();
    });

  const addressed = kind.value === 'addressed';
  return (
    <>
      <form class="invite-form" onSubmit={(event) => void create(event)}>
        <select
          class="select"
          aria-label="Who may use it"
          data-testid="invite-kind"
          value={kind.value}
          onChange={(event) => {
            kind.value = event.currentTarget.value === 'addressed' ? 'addressed' : 'link';
          }}
        >
          <option value="link">Whoever has the link</option>
          <option value="addressed">One person</option>
        </select>
        <RoleSelect
          value={role.value}
          label="Role of the invitation"
          onChange={(next) => {
            role.value = next;
          }}
        />
        {addressed ? (
          <input
            class="input"
            type="email"
            required
            placeholder="Email"
            aria-label="Email"
            data-testid="invite-email"
            autocomplete="off"
            maxLength={limits.auth.emailMax}
            value={email.value}
            onInput={(event) => {
              email.value = event.currentTarget.value;
              fault.value = undefined;
            }}
          />
        ) : (
          <select
            class="select"
            aria-label="Uses"
            data-testid="invite-uses"
            value={maxUses.value}
            onChange={(event) => {
              maxUses.value = Number(event.currentTarget.value);
            }}
          >
            {uses.map((count) => (
              <option key={count} value={count}>
                {count === 1 ? 'once' : `${count} times`}
              </option>
            ))}
          </select>
        )}
        <select
          class="select"
          aria-label="Good for"
          data-testid="invite-days"
          value={days.value}
          onChange={(event) => {
            days.value = Number(event.currentTarget.value);
          }}
        >
          {lifetimes.map((one) => (
            <option key={one.days} value={one.days}>
              {one.text}
            </option>
          ))}
        </select>
        <button type="submit" class="button primary" data-testid="invite-create" disabled={busy.value}>
          {addressed ? 'Create invitation' : 'Create link'}
        </button>
        {fault.value !== undefined && (
          <p class="field-note wrong" role="alert">
            {fault.value}
          </p>
        )}
      </form>
      {fresh.value !== undefined && <FreshLink key={fresh.value.url} {...fresh.value} />}
      <ul class="members" data-testid="invites">
        {invites.value?.map((invite) => (
          <InviteRow key={invite.id} invite={invite} onWithdraw={() => void withdraw(invite)} />
        ))}
        {invites.value === undefined && <li class="member skeleton" />}
        {invites.value?.length === 0 && <li class="list-empty">No invitation is open.</li>}
      </ul>
    </>
  );
};
