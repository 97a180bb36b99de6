import { useSignal } from '@preact/signals';
import { KilnApiError } from '../../../src/client/errors.ts';
import { limits } from '../../../src/contract/limits.ts';
import { signIn, signUp } from '../state/session.ts';
import { describeError } from '../state/toasts.ts';
import { Arches, Mark } from '../ui/mark.tsx';

type Fault = {
  title: string;
  detail?: string | undefined;
  requestId?: string | undefined;
  fields: Record<string, string>;
};

const faultOf = (error: unknown): Fault => {
  const fields: Record<string, string> = {};
  if (error instanceof KilnApiError) {
    for (const issue of error.issues) fields[issue.path.replace(/^body\./, '')] ??= issue.message;
    if (error.code === 'email_taken') fields.email = error.title;
    if (error.code === 'username_taken') fields.username = error.title;
  }
  const described = describeError(error);
  return { ...described, detail: Object.keys(fields).length > 0 ? undefined : described.detail, fields };
};

interface FieldProps {
  label: string;
  name: string;
  hint?: string;
  fault: Fault | undefined;
  [attribute: string]: unknown;
}

const Field = ({ label, name, hint, fault, ...rest }: FieldProps) => {
  const message = fault?.fields[name];
  const noteId = `${name}-note`;
  return (
    <label class="field">
      <span class="field-label">{label}</span>
      <input
        class="input"
        name={name}
        data-testid={name}
        required
        aria-invalid={message !== undefined}
        aria-describedby={noteId}
        {...rest}
      />
      <span class={message === undefined ? 'field-note' : 'field-note wrong'} id={noteId}>
        {message ?? hint ?? ''}
      </span>
    </label>
  );
};

/** `invited`: whoever signs in here follows an invitation, and finds it afterwards. */
export const AuthScreen = ({ invited }: { invited: boolean }) => {
  const mode = useSignal<'login' | 'register'>('login');
  const busy = useSignal(false);
  const fault = useSignal<Fault | undefined>(undefined);
  const registering = mode.value === 'register';

  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    if (busy.value || !(event.currentTarget instanceof HTMLFormElement)) return;
    const data = new FormData(event.currentTarget);
    const value = (name: string) => String(data.get(name) ?? '').trim();
    const password = String(data.get('password') ?? '');
    busy.value = true;
    fault.value = undefined;
    try {
      if (registering) await signUp({ email: value('email'), username: value('username'), password });
      else await signIn({ email: value('email'), password });
    } catch (error) {
      fault.value = faultOf(error);
    } finally {
      busy.value = false;
    }
  };

  const switchTo = (next: 'login' | 'register') => {
    mode.value = next;
    fault.value = undefined;
  };

  return (
    <main class="auth">
      <section class="auth-hero" aria-hidden="true">
        <Arches />
        <div class="auth-words">
          <p class="display">Fire up a game, together.</p>
          <p>Write in the same files, build in seconds, play it right there.</p>
        </div>
      </section>
      <section class="auth-panel">
        <form class="auth-form" onSubmit={(event) => void submit(event)}>
          <div class="wordmark">
            <Mark size={34} /> Kiln
          </div>
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
          {fault.value !== undefined && (
            <div class="form-error" role="alert" data-testid="auth-error">
              <strong>{fault.value.title}</strong>
              {fault.value.detail !== undefined && <span>{fault.value.detail}</span>}
              {fault.value.requestId !== undefined && <code>Request {fault.value.requestId}</code>}
            </div>
          )}
          <button
            type="submit"
            class="button primary large"
            data-testid={registering ? 'submit-register' : 'submit-login'}
            aria-busy={busy.value}
            disabled={busy.value}
          >
            {busy.value ? 'One moment…' : registering ? 'Create account' : 'Sign in'}
          </button>
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
      </section>
    </main>
  );
};
