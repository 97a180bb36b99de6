import { useSignal } from '@preact/signals';
import { limits } from '../../../src/contract/limits.ts';
import { linkTo, navigate } from '../router.ts';
import { signIn, signUp } from '../state/session.ts';
import { FaultNote, Field } from '../ui/field.tsx';
import { useSubmit } from '../ui/use-submit.ts';
import { AuthFrame } from './auth-frame.tsx';
import { ProviderButtons, providerProblem } from './provider-buttons.tsx';

/** `invited`: whoever signs in here follows an invitation, and finds it afterwards. */
export const AuthScreen = ({ invited }: { invited: boolean }) => {
  const mode = useSignal<'login' | 'register'>('login');
  const registering = mode.value === 'register';
  const { busy, fault, submit } = useSubmit(async (value) => {
    const email = value('email').trim();
    const password = value('password');
    if (registering) await signUp({ email, username: value('username').trim(), password });
    else await signIn({ email, password });
    if (location.pathname === '/sign-in') navigate('/', true);
  }, providerProblem());

  const switchTo = (next: 'login' | 'register') => {
    mode.value = next;
    fault.value = undefined;
  };

  return (
    <AuthFrame>
      <form class="auth-form" onSubmit={submit}>
        <h1>{registering ? 'Create your account' : 'Welcome back'}</h1>
        {invited && (
          <p class="auth-note" data-testid="auth-invited">
            You are invited to a project. {registering ? 'Create an account' : 'Sign in'} to see it.
          </p>
        )}
        <Field
          label="Email"
          name="email"
          type="email"
          autocomplete="email"
          fault={fault.value}
          maxLength={limits.auth.emailMax}
          autofocus
        />
        {registering && (
          <Field
            label="User name"
            name="username"
            autocomplete="username"
            autocapitalize="none"
            spellcheck={false}
            minLength={limits.auth.usernameMin}
            maxLength={limits.auth.usernameMax}
            hint="Others add you to their projects by it."
            fault={fault.value}
          />
        )}
        <Field
          label="Password"
          name="password"
          type="password"
          autocomplete={registering ? 'new-password' : 'current-password'}
          minLength={registering ? limits.auth.passwordMin : 1}
          maxLength={limits.auth.passwordMax}
          {...(registering ? { hint: `At least ${limits.auth.passwordMin} characters.` } : {})}
          fault={fault.value}
        />
        {!registering && (
          <a class="link auth-forgot" data-testid="forgot" {...linkTo('/forgot-password')}>
            Forgot your password?
          </a>
        )}
        <FaultNote fault={fault.value} />
        <button
          type="submit"
          class="button primary large"
          data-testid={registering ? 'submit-register' : 'submit-login'}
          aria-busy={busy.value}
          disabled={busy.value}
        >
          {busy.value ? 'One moment…' : registering ? 'Create account' : 'Sign in'}
        </button>
        <ProviderButtons />
        <p class="auth-switch">
          {registering ? 'Have an account?' : 'New to Kiln?'}{' '}
          <button
            type="button"
            class="link"
            data-testid={registering ? 'switch-login' : 'switch-register'}
            onClick={() => switchTo(registering ? 'login' : 'register')}
          >
            {registering ? 'Sign in' : 'Create an account'}
          </button>
        </p>
      </form>
    </AuthFrame>
  );
};
