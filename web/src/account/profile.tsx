import { useSignal } from '@preact/signals';
import { limits } from '../../../src/contract/limits.ts';
import type { User } from '../../../src/contract/users.ts';
import { client, userChanged } from '../state/session.ts';
import { attempt, toast } from '../state/toasts.ts';
import { Field } from '../ui/field.tsx';
import { Form } from './form.tsx';
import { Section } from './section.tsx';

const Verification = ({ user }: { user: User }) => {
  const sent = useSignal(false);
  if (user.emailVerified)
    return (
      <p class="account-email">
        {user.email} <span class="badge editor">Verified</span>
      </p>
    );
  const send = () =>
    attempt(async () => {
      await client.call('requestVerification');
      sent.value = true;
    });
  return (
    <p class="account-email" data-testid="unverified">
      {user.email} <span class="badge warn">Not verified</span>
      {sent.value ? (
        <span class="muted">A link is on its way.</span>
      ) : (
        <button type="button" class="link" data-testid="send-verification" onClick={() => void send()}>
          Send the link again
        </button>
      )}
    </p>
  );
};

export const Profile = ({ user }: { user: User }) => (
  <Section id="profile" title="Profile" lead="How others see you. Your address is seen by you alone.">
    <Verification user={user} />
    <Form
      action="Save"
      testid="save-profile"
      send={async (value) => {
        const body = { displayName: value('displayName'), username: value('username') };
        const answer = await client.call('updateMe', { body });
        userChanged(answer.user);
        toast({ kind: 'success', title: 'Saved' });
      }}
    >
      {(fault) => (
        <div class="account-pair" key={`${user.displayName} ${user.username}`}>
          <Field
            label="Name"
            name="displayName"
            defaultValue={user.displayName}
            maxLength={limits.auth.displayNameMax}
            autocomplete="name"
            fault={fault}
          />
          <Field
            label="User name"
            name="username"
            defaultValue={user.username}
            minLength={limits.auth.usernameMin}
            maxLength={limits.auth.usernameMax}
            autocapitalize="none"
            spellcheck={false}
            fault={fault}
          />
        </div>
      )}
    </Form>
  </Section>
);
