import { useSignal } from '@preact/signals';
import { useCallback, useEffect } from 'preact/hooks';
import type { ApiKey } from '../../../src/contract/accounts.ts';
import { limits } from '../../../src/contract/limits.ts';
import { Scope } from '../../../src/contract/scopes.ts';
import { day } from '../../../src/contract/units.ts';
import { client } from '../state/session.ts';
import { attempt, toast } from '../state/toasts.ts';
import { confirm } from '../ui/confirm.tsx';
import { CopyLine } from '../ui/copy-line.tsx';
import { Field } from '../ui/field.tsx';
import { formatAgo } from '../ui/format.ts';
import { Form } from './form.tsx';
import { Section } from './section.tsx';

const lives = [
  [30, '30 days'],
  [90, '90 days'],
  [365, 'a year'],
] as const;

const Fresh = ({ secret }: { secret: string }) => (
  <div class="fresh-link" role="status" data-testid="fresh-key">
    <p>Copy it now: it is shown this once, and only its hash is kept.</p>
    <CopyLine label="The new key" value={secret} testId="key-secret" buttonTestId="copy-key" />
  </div>
);

export const ApiKeys = () => {
  const keys = useSignal<readonly ApiKey[]>([]);
  const secret = useSignal<string | undefined>(undefined);
  const load = useCallback(
    () =>
      attempt(async () => {
        keys.value = (await client.call('listApiKeys')).apiKeys;
      }),
    [keys],
  );
  useEffect(() => void load(), [load]);

  const create = async (value: (name: string) => string) => {
    const scopes = Scope.options.filter((scope) => value(scope) === 'on');
    const expiresAt = new Date(Date.now() + Number(value('life')) * day).toISOString();
    const made = await client.call('createApiKey', { body: { name: value('name'), scopes, expiresAt } });
    secret.value = made.secret;
    await load();
  };

  const revoke = async (key: ApiKey) => {
    const yes = await confirm({
      title: `Revoke “${key.name}”?`,
      text: 'Whatever uses it stops working within five seconds.',
      action: 'Revoke',
    });
    if (!yes) return;
    await attempt(async () => {
      await client.call('revokeApiKey', { params: { id: key.id } });
      toast({ kind: 'success', title: 'Revoked', detail: key.name });
      await load();
    });
  };

  return (
    <Section id="api-keys" title="API keys" lead="For programs that act for you, such as a CI job.">
      {secret.value !== undefined && <Fresh key={secret.value} secret={secret.value} />}
      {keys.value.length > 0 && (
        <ul class="account-rows">
          {keys.value.map((key) => (
            <li key={key.id} class="account-row" data-testid={`key-${key.name}`}>
              <span class="account-row-text">
                <strong>
                  {key.name} <code>{key.prefix}…</code>
                </strong>
                <span class="muted">
                  {key.scopes.join(', ')} ·{' '}
                  {key.lastUsedAt === null ? 'never used' : `used ${formatAgo(key.lastUsedAt)}`}
                  {key.expiresAt !== null && ` · until ${new Date(key.expiresAt).toLocaleDateString()}`}
                </span>
              </span>
              <button type="button" class="button small" onClick={() => void revoke(key)}>
                Revoke
              </button>
            </li>
          ))}
        </ul>
      )}
      <Form action="Make a key" testid="create-key" send={create}>
        {(fault) => (
          <>
            <div class="account-pair">
              <Field label="Name" name="name" maxLength={limits.apiKey.nameMax} placeholder="CI" fault={fault} />
              <label class="field">
                <span class="field-label">Lives for</span>
                <select class="select" name="life" data-testid="key-life">
                  {lives.map(([days, label]) => (
                    <option key={days} value={days}>
                      {label}
                    </option>
                  ))}
                </select>
              </label>
            </div>
            <fieldset class="scopes">
              <legend class="field-label">May</legend>
              {Scope.options.map((scope) => (
                <label key={scope} class="check">
                  <input type="checkbox" name={scope} data-testid={scope} defaultChecked={scope.endsWith(':read')} />
                  <code>{scope}</code>
                </label>
              ))}
              {fault?.fields.scopes !== undefined && <span class="field-note wrong">{fault.fields.scopes}</span>}
            </fieldset>
          </>
        )}
      </Form>
    </Section>
  );
};
