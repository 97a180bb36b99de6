import { useSignal } from '@preact/signals';
import { useCallback, useEffect } from 'preact/hooks';
import type { Identity } from '../../../src/contract/oauth.ts';
import { ApiKeys } from '../account/api-keys.tsx';
import { DangerZone } from '../account/danger.tsx';
import { PasswordSection } from '../account/password.tsx';
import { Profile } from '../account/profile.tsx';
import { Providers } from '../account/providers.tsx';
import { SecurityActivity } from '../account/security.tsx';
import { Sessions } from '../account/sessions.tsx';
import { UsageSection } from '../account/usage.tsx';
import { client, session } from '../state/session.ts';
import { attempt } from '../state/toasts.ts';
import { SiteHead } from '../ui/site-head.tsx';

/** Everything that a person may do with their own account. */
export const AccountScreen = () => {
  const ways = useSignal<{ identities: Identity[]; hasPassword: boolean } | undefined>(undefined);
  const load = useCallback(
    () =>
      attempt(async () => {
        ways.value = await client.call('listIdentities');
      }),
    [ways],
  );
  useEffect(() => {
    document.title = 'Account · Kiln';
    void load();
  }, [load]);
  if (session.value.state !== 'signed-in') return null;
  const { user } = session.value;
  return (
    <div class="page">
      <SiteHead />
      <main class="account-page" data-testid="account-page">
        <h1>Account</h1>
        <Profile user={user} />
        {ways.value !== undefined && (
          <>
            <PasswordSection hasPassword={ways.value.hasPassword} onChange={() => void load()} />
            <Providers {...ways.value} onChange={() => void load()} />
          </>
        )}
        <UsageSection />
        <Sessions />
        <ApiKeys />
        <SecurityActivity />
        {ways.value !== undefined && <DangerZone hasPassword={ways.value.hasPassword} />}
      </main>
    </div>
  );
};
