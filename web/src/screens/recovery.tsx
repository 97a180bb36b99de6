import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { limits } from '../../../src/contract/limits.ts';
import { linkTo, navigate } from '../router.ts';
import { client, finishSignIn, forgetSession, session, userChanged } from '../state/session.ts';
import { describeError, toast } from '../state/toasts.ts';
import { FaultNote, Field, NewPassword } from '../ui/field.tsx';
import { Mark } from '../ui/mark.tsx';
import { useSubmit } from '../ui/use-submit.ts';
import { AuthFrame } from './auth-frame.tsx';

/** The token of a mail's link. It leaves the address at once: nobody finds it in the history. */
const tokenOfLink = (): string => {
  const token = location.hash.slice(1);
  if (token !== '') history.replaceState(null, '', location.pathname);
  return token;
};

/** Back from a provider: the cookie is there, and the page goes on. The server has checked the path; it is only ever one of this site. */
export const SignedIn = () => {
  useEffect(() => {
    const to = new URLSearchParams(location.search).get('return') ?? '/';
    void finishSignIn(/^\/(?![/\\])/.test(to) ? to : '/');
  }, []);
  return (
    <div class="splash" role="status" aria-label="Signing in">
      <Mark size={56} glowing />
    </div>
  );
};

export const ForgotScreen = () => {
  const sent = useSignal<string | undefined>(undefined);
  const { busy, fault, submit } = useSubmit(async (value) => {
    const email = value('email');
    await client.call('forgotPassword', { body: { email } });
    sent.value = email;
  });
  return (
    <AuthFrame>
      <form class="auth-form" onSubmit={submit}>
        <h1>{sent.value === undefined ? 'Forgot your password?' : 'Look at your mail'}</h1>
        {sent.value === undefined ? (
          <>
            <p class="auth-note">We send you a link to choose a new one.</p>
            <Field
              label="Email"
              name="email"
              type="email"
              autocomplete="email"
              fault={fault.value}
              maxLength={limits.auth.emailMax}
              autofocus
            />
            <FaultNote fault={fault.value} />
            <button type="submit" class="button primary large" data-testid="submit-forgot" disabled={busy.value}>
              {busy.value ? 'One moment…' : 'Send the link'}
            </button>
          </>
        ) : (
          <p class="auth-note" role="status" data-testid="forgot-sent">
            If <strong>{sent.value}</strong> has an account, a link is on its way. It works once, for an hour.
          </p>
        )}
        <p class="auth-switch">
          <a class="link" {...linkTo('/')}>
            Back to sign in
          </a>
        </p>
      </form>
    </AuthFrame>
  );
};

export const ResetScreen = () => {
  const token = useSignal(tokenOfLink());
  const { busy, fault, submit } = useSubmit(async (value) => {
    await client.call('resetPassword', { body: { token: token.value, newPassword: value('newPassword') } });
    toast({ kind: 'success', title: 'Your password is set', detail: 'Sign in with it.' });
    forgetSession();
    navigate('/', true);
  });
  return (
    <AuthFrame>
      <form class="auth-form" onSubmit={submit}>
        <h1>Choose a new password</h1>
        <p class="auth-note">It signs you out everywhere else.</p>
        <NewPassword fault={fault.value} autofocus />
        <FaultNote fault={fault.value} />
        <button type="submit" class="button primary large" data-testid="submit-reset" disabled={busy.value}>
          {busy.value ? 'One moment…' : 'Set the password'}
        </button>
        <p class="auth-switch">
          <a class="link" {...linkTo('/forgot-password')}>
            Send another link
          </a>
        </p>
      </form>
    </AuthFrame>
  );
};

type Verification =
  | { state: 'asking' }
  | { state: 'done' }
  | { state: 'failed'; title: string; detail?: string | undefined };

/** A link is followed by scanners of mail too, so nothing happens before somebody says so. */
export const VerifyScreen = () => {
  const token = useSignal(tokenOfLink());
  const current = useSignal<Verification>({ state: 'asking' });
  const verify = async () => {
    try {
      await client.call('verifyEmail', { body: { token: token.value } });
      if (session.value.state === 'signed-in') userChanged((await client.call('getMe')).user);
      current.value = { state: 'done' };
    } catch (error) {
      current.value = { state: 'failed', ...describeError(error) };
    }
  };
  const shown = current.value;
  return (
    <main class="message-page" data-testid={`verify-${shown.state}`}>
      <Mark size={56} />
      {shown.state === 'asking' && (
        <>
          <h1>Is this your address?</h1>
          <p>
            Verify it, and your account is yours beyond doubt: you can have a lost password back, and link providers.
          </p>
          <button type="button" class="button primary large" data-testid="verify" onClick={() => void verify()}>
            Verify my address
          </button>
        </>
      )}
      {shown.state === 'done' && (
        <>
          <h1>Your address is verified</h1>
          <a class="button primary large" {...linkTo('/')}>
            Go on
          </a>
        </>
      )}
      {shown.state === 'failed' && (
        <>
          <h1>{shown.title}</h1>
          <p>
            {shown.detail ??
              'It was used, has expired, or was replaced by a newer one. Your account page sends another.'}
          </p>
          <a class="button large" {...linkTo('/account')}>
            Go to your account
          </a>
        </>
      )}
    </main>
  );
};
