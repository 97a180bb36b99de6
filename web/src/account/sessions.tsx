import { useSignal } from '@preact/signals';
import { useCallback, useEffect } from 'preact/hooks';
import type { SessionInfo } from '../../../src/contract/accounts.ts';
import { client, signOut } from '../state/session.ts';
import { attempt, toast } from '../state/toasts.ts';
import { formatAgo } from '../ui/format.ts';
import { Section } from './section.tsx';

const systems = [
  [/iPhone|iPad/, 'iOS'],
  [/Android/, 'Android'],
  [/Windows/, 'Windows'],
  [/Mac OS/, 'macOS'],
  [/Linux/, 'Linux'],
] as const;
const browsers = [
  [/Edg\//, 'Edge'],
  [/Firefox\//, 'Firefox'],
  [/Chrome\//, 'Chrome'],
  [/Safari\//, 'Safari'],
] as const;

/** A browser as people call it; anything else as it calls itself. */
const deviceOf = (userAgent: string): string => {
  const browser = browsers.find(([pattern]) => pattern.test(userAgent))?.[1];
  const system = systems.find(([pattern]) => pattern.test(userAgent))?.[1];
  if (browser === undefined) return userAgent.slice(0, 60) || 'Unknown program';
  return system === undefined ? browser : `${browser} on ${system}`;
};

export const Sessions = () => {
  const sessions = useSignal<readonly SessionInfo[]>([]);
  const load = useCallback(
    () =>
      attempt(async () => {
        sessions.value = (await client.call('listSessions')).sessions;
      }),
    [sessions],
  );
  useEffect(() => void load(), [load]);

  const end = (info: SessionInfo) =>
    info.current
      ? signOut()
      : attempt(async () => {
          await client.call('revokeSession', { params: { id: info.id } });
          toast({ kind: 'success', title: 'Signed out there', detail: deviceOf(info.userAgent) });
          await load();
        });

  return (
    <Section id="sessions" title="Sessions" lead="Where you are signed in. One that you do not know is one to end.">
      <ul class="account-rows">
        {sessions.value.map((info) => (
          <li key={info.id} class="account-row" data-testid={info.current ? 'session-current' : 'session-other'}>
            <span class="account-row-text">
              <strong>
                {deviceOf(info.userAgent)} {info.current && <span class="badge editor">This one</span>}
              </strong>
              <span class="muted">
                used {formatAgo(info.lastUsedAt)} · signed in {formatAgo(info.createdAt)}
              </span>
            </span>
            <button type="button" class="button small" data-testid="end-session" onClick={() => void end(info)}>
              Sign out
            </button>
          </li>
        ))}
      </ul>
    </Section>
  );
};
