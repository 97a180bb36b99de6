import { limits } from '../../../src/contract/limits.ts';
import { client } from '../state/session.ts';
import { toast } from '../state/toasts.ts';
import { Field, NewPassword } from '../ui/field.tsx';
import { Form } from './form.tsx';
import { Section } from './section.tsx';

interface PasswordProps {
  hasPassword: boolean;
  onChange: () => void;
}

export const PasswordSection = ({ hasPassword, onChange }: PasswordProps) => (
  <Section
    id="password"
    title="Password"
    lead={
      hasPassword
        ? 'A new one signs you out everywhere else.'
        : 'You have none: you sign in through a provider. One more way in is one less to lose.'
    }
  >
    <Form
      action={hasPassword ? 'Change the password' : 'Set a password'}
      testid="save-password"
      send={async (value) => {
        await client.call('changePassword', {
          body: {
            ...(hasPassword && { currentPassword: value('currentPassword') }),
            newPassword: value('newPassword'),
          },
        });
        toast({ kind: 'success', title: 'Your password is set' });
        onChange();
      }}
    >
      {(fault) => (
        <div class="account-pair">
          {hasPassword && (
            <Field
              label="Current password"
              name="currentPassword"
              type="password"
              autocomplete="current-password"
              maxLength={limits.auth.passwordMax}
              fault={fault}
            />
          )}
          <NewPassword fault={fault} />
        </div>
      )}
    </Form>
  </Section>
);
