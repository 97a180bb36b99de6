import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { InvitePreview } from '../../../src/contract/sharing.ts';
import { linkTo, navigate, projectPath } from '../router.ts';
import { client, session, signOut } from '../state/session.ts';
import { describeError, toast } from '../state/toasts.ts';
import { Mark } from '../ui/mark.tsx';

type State =
  | { state: 'loading' }
  | { state: 'failed'; title: string; detail?: string | undefined }
  | { state: 'ready'; invite: InvitePreview };

/** Whether accepting changes anything for who is a member already. */
const givesMore = ({ currentRole, role }: InvitePreview): boolean =>
  currentRole === null || (currentRole === 'viewer' && role === 'editor');

const can = { editor: 'read, edit and build', viewer: 'read and build' } as const;

/** What somebody sees who follows an invitation, once they are signed in. */
export const InviteScreen = ({ token }: { token: string }) => {
  const current = useSignal<State>({ state: 'loading' });
  const busy = useSignal(false);
  const user = session.value.state === 'signed-in' ? session.value.user : undefined;

  useEffect(() => {
    document.title = 'Invitation · Kiln';
    client
      .call('previewInvite', { params: { token } })
      .then(({ invite }) => {
        current.value = { state: 'ready', invite };
      })
      .catch((error: unknown) => {
        current.value = { state: 'failed', ...describeError(error) };
      });
  }, [token, current]);

  const accept = async () => {
    if (busy.value) return;
    busy.value = true;
    try {
      const { project } = await client.call('acceptInvite', { params: { token } });
      toast({ kind: 'success', title: `You are ${project.role} of ${project.name}` });
      // The token is used: it need not stay in the history.
      navigate(projectPath(project.id), true);
    } catch (error) {
      current.value = { state: 'failed', ...describeError(error) };
    } finally {
      busy.value = false;
    }
  };

  const shown = current.value;
  if (shown.state === 'loading')
    return (
      <div class="splash" role="status" aria-label="Looking at the invitation">
        <Mark size={56} glowing />
      </div>
    );
  if (shown.state === 'failed')
    return (
      <main class="message-page" data-testid="invite-failed">
        <Mark size={56} />
        <h1>{shown.title}</h1>
        <p>
          {shown.detail ??
            'It may have expired, been used up or withdrawn, or be meant for another account. Ask for a new one.'}
        </p>
        {user !== undefined && (
          <p class="invite-who">
            You are signed in as {user.displayName} ({user.email}).{' '}
            <button type="button" class="link" onClick={() => void signOut(location.pathname)}>
              Use another account
            </button>
          </p>
        )}
        {user !== undefined && !user.emailVerified && (
          <p class="invite-who" data-testid="invite-unverified">
            An invitation to an address opens once that address is verified.{' '}
            <a class="link" {...linkTo('/account')}>
              Verify yours
            </a>
            , then come back to this link.
          </p>
        )}
        <a class="button primary" {...linkTo('/')}>
          Go to your projects
        </a>
      </main>
    );
  const { invite } = shown;
  const { invitedBy, projectName, role } = invite;
  return (
    <main class="message-page" data-testid="invite-ready">
      <Mark size={56} />
      <h1>{projectName}</h1>
      {givesMore(invite) ? (
        <>
          <p>
            <strong>{invitedBy.displayName}</strong> (@{invitedBy.username}) invites you
            {invite.currentRole === null ? '' : `, now a ${invite.currentRole} there,`} to {can[role]} this project as{' '}
            <span class={`badge ${role}`}>{role}</span>
          </p>
          <div class="invite-actions">
            <button
              type="button"
              class="button primary large"
              data-testid="invite-accept"
              disabled={busy.value}
              aria-busy={busy.value}
              onClick={() => void accept()}
            >
              {busy.value ? 'One moment…' : 'Join the project'}
            </button>
            <a class="button large" {...linkTo('/')}>
              Not now
            </a>
          </div>
        </>
      ) : (
        <>
          <p>You are {invite.currentRole} of this project already.</p>
          <a class="button primary large" data-testid="invite-open" {...linkTo(projectPath(invite.projectId))}>
            Open the project
          </a>
        </>
      )}
    </main>
  );
};
