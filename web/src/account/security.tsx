import { useSignal } from '@preact/signals';
import { useCallback, useEffect } from 'preact/hooks';
import type { SecurityEvent } from '../../../src/contract/accounts.ts';
import { limits } from '../../../src/contract/limits.ts';
import { client } from '../state/session.ts';
import { attempt } from '../state/toasts.ts';
import { formatAgo } from '../ui/format.ts';
import { Section } from './section.tsx';

/** `auth.api_key_created` as a person says it: Api key created. */
const wordsOf = (action: string): string => {
  const words = action.replace(/^\w+\./, '').replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
};

export const SecurityActivity = () => {
  const events = useSignal<readonly SecurityEvent[]>([]);
  const next = useSignal<string | null>(null);
  const load = useCallback(
    (cursor?: string) =>
      attempt(async () => {
        const page = await client.call('listSecurityEvents', {
          query: { limit: limits.workspace.securityEvents, cursor },
        });
        events.value = cursor === undefined ? page.events : [...events.value, ...page.events];
        next.value = page.nextCursor;
      }),
    [events, next],
  );
  useEffect(() => void load(), [load]);
  return (
    <Section
      id="security"
      title="Security activity"
      lead="What happened to your account. If it was not you, change the password."
    >
      <ul class="account-events">
        {events.value.map((event) => (
          <li key={event.id}>
            <span>{wordsOf(event.action)}</span>
            <time class="faint" dateTime={event.at}>
              {formatAgo(event.at)}
            </time>
          </li>
        ))}
      </ul>
      {next.value !== null && (
        <button type="button" class="button small" onClick={() => void load(next.value ?? undefined)}>
          Show more
        </button>
      )}
    </Section>
  );
};
