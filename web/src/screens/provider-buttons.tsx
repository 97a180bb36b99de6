import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { errors } from '../../../src/contract/errors.ts';
import type { Provider } from '../../../src/contract/oauth.ts';
import { client } from '../state/session.ts';
import type { Fault } from '../ui/field.tsx';
import { ProviderMark } from '../ui/provider-mark.tsx';

/** Why a sign-in at a provider did not work, where the address says so; it is said once. */
export const providerProblem = (): Fault | undefined => {
  const code = new URLSearchParams(location.search).get('problem') ?? '';
  if (!Object.hasOwn(errors, code)) return undefined;
  history.replaceState(null, '', location.pathname);
  const { title, help } = errors[code as keyof typeof errors];
  return { title, detail: help, fields: {} };
};

/** Ways in through the providers that are set up; nothing where there are none. */
export const ProviderButtons = () => {
  const providers = useSignal<readonly { provider: Provider; name: string }[]>([]);
  useEffect(() => {
    // Without an answer there is still the form.
    client
      .call('listProviders')
      .then((answer) => {
        providers.value = answer.providers;
      })
      .catch(() => undefined);
  }, [providers]);
  if (providers.value.length === 0) return null;
  const place = `${location.pathname}${location.search}`;
  const to = place === '/sign-in' || place === '/forgot-password' ? '/' : place;
  return (
    <div class="auth-providers">
      <p class="auth-or">or</p>
      {providers.value.map(({ provider, name }) => (
        <a
          key={provider}
          class="button large"
          data-testid={`oauth-${provider}`}
          href={`/api/auth/oauth/${provider}?return=${encodeURIComponent(to)}`}
        >
          <ProviderMark provider={provider} /> Continue with {name}
        </a>
      ))}
    </div>
  );
};
