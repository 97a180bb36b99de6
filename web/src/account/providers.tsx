import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { errors } from '../../../src/contract/errors.ts';
import type { Identity, Provider } from '../../../src/contract/oauth.ts';
import { client } from '../state/session.ts';
import { attempt, toast } from '../state/toasts.ts';
import { Dialog } from '../ui/dialog.tsx';
import { Field } from '../ui/field.tsx';
import { formatAgo } from '../ui/format.ts';
import { ProviderMark } from '../ui/provider-mark.tsx';
import { Form } from './form.tsx';
import { Section } from './section.tsx';

/** What the address says when a provider has sent the browser back; it is said once. */
const sayOutcome = (): void => {
  const query = new URLSearchParams(location.search);
  const problem = query.get('problem') ?? '';
  if (query.has('linked')) toast({ kind: 'success', title: 'The provider is linked' });
  else if (Object.hasOwn(errors, problem)) {
    const { title, help } = errors[problem as keyof typeof errors];
    toast({ kind: 'error', title, detail: help });
  } else return;
  history.replaceState(null, '', location.pathname);
};

interface ProvidersProps {
  identities: readonly Identity[];
  hasPassword: boolean;
  onChange: () => void;
}

interface Change {
  provider: Provider;
  name: string;
  kind: 'link' | 'unlink';
}

export const Providers = ({ identities, hasPassword, onChange }: ProvidersProps) => {
  const known = useSignal<readonly { provider: Provider; name: string }[]>([]);
  const change = useSignal<Change | undefined>(undefined);
  useEffect(() => {
    sayOutcome();
    void attempt(async () => {
      known.value = (await client.call('listProviders')).providers;
    });
  }, [known]);
  if (known.value.length === 0) return null;

  const apply = async ({ provider, kind, name }: Change, password?: string) => {
    const body = password === undefined ? {} : { password };
    if (kind === 'link') location.assign((await client.call('linkIdentity', { params: { provider }, body })).url);
    else {
      await client.call('unlinkIdentity', { params: { provider }, body });
      change.value = undefined;
      toast({ kind: 'success', title: `${name} is unlinked` });
      onChange();
    }
  };
  const ask = (wanted: Change) => {
    if (hasPassword) change.value = wanted;
    else void attempt(() => apply(wanted));
  };

  return (
    <Section id="providers" title="Sign in with" lead="Providers that open this account.">
      <ul class="account-rows">
        {known.value.map(({ provider, name }) => {
          const linked = identities.find((identity) => identity.provider === provider);
          const last = linked !== undefined && identities.length === 1 && !hasPassword;
          return (
            <li key={provider} class="account-row" data-testid={`provider-${provider}`}>
              <span class="account-row-icon">
                <ProviderMark provider={provider} />
              </span>
              <span class="account-row-text">
                <strong>{name}</strong>
                <span class="muted">
                  {linked ? `${linked.email ?? 'Linked'} · since ${formatAgo(linked.linkedAt)}` : 'Not linked'}
                </span>
              </span>
              <button
                type="button"
                class="button small"
                data-testid={`${linked ? 'unlink' : 'link'}-${provider}`}
                disabled={last}
                title={last ? 'It is the only way into your account' : undefined}
                onClick={() => ask({ provider, name, kind: linked ? 'unlink' : 'link' })}
              >
                {linked ? 'Unlink' : 'Link'}
              </button>
            </li>
          );
        })}
      </ul>
      {change.value !== undefined && (
        <Dialog
          title={`${change.value.kind === 'link' ? 'Link' : 'Unlink'} ${change.value.name}`}
          lead="Your password says that it is you."
          onClose={() => {
            change.value = undefined;
          }}
        >
          <Form
            action={change.value.kind === 'link' ? `Go to ${change.value.name}` : 'Unlink'}
            testid="confirm-provider"
            send={async (value) => {
              if (change.value) await apply(change.value, value('password'));
            }}
          >
            {(fault) => (
              <Field label="Password" name="password" type="password" autocomplete="current-password" fault={fault} />
            )}
          </Form>
        </Dialog>
      )}
    </Section>
  );
};
