import { useSignal } from '@preact/signals';
import { limits } from '../../../src/contract/limits.ts';
import { day } from '../../../src/contract/units.ts';
import { navigate } from '../router.ts';
import { saveBlob } from '../state/save.ts';
import { client, forgetSession } from '../state/session.ts';
import { attempt, toast } from '../state/toasts.ts';
import { Dialog } from '../ui/dialog.tsx';
import { Field } from '../ui/field.tsx';
import { Form } from './form.tsx';
import { Section } from './section.tsx';

const graceDays = limits.account.deletionGrace / day;

export const DangerZone = ({ hasPassword }: { hasPassword: boolean }) => {
  const asking = useSignal(false);
  const exportData = () =>
    attempt(async () => {
      const text = JSON.stringify(await client.call('exportMe'), null, 2);
      saveBlob(new Blob([text], { type: 'application/json' }), 'kiln-account.json');
    });
  return (
    <Section id="delete" title="Your data" lead="Take it with you, or end it.">
      <div class="account-actions">
        <button type="button" class="button" data-testid="export-data" onClick={() => void exportData()}>
          Download my data
        </button>
        <button
          type="button"
          class="button danger"
          data-testid="delete-account"
          onClick={() => {
            asking.value = true;
          }}
        >
          Delete my account
        </button>
      </div>
      {asking.value && (
        <Dialog
          title="Delete your account?"
          lead={`You are signed out everywhere at once. Sign in again within ${graceDays} days, and nothing has happened; after that everything of your own is erased.`}
          onClose={() => {
            asking.value = false;
          }}
        >
          <Form
            action="Delete my account"
            testid="confirm-delete"
            danger
            send={async (value) => {
              const { deletion } = await client.call('deleteMe', {
                body: hasPassword ? { password: value('password') } : {},
              });
              forgetSession();
              navigate('/', true);
              toast({
                kind: 'info',
                title: 'Your account will be erased',
                detail: `On ${new Date(deletion.erasedAt).toLocaleDateString()}. Sign in before, and it stays.`,
              });
            }}
          >
            {(fault) =>
              hasPassword ? (
                <Field label="Password" name="password" type="password" autocomplete="current-password" fault={fault} />
              ) : (
                <p class="dialog-text">This takes a sign-in of the last minutes.</p>
              )
            }
          </Form>
        </Dialog>
      )}
    </Section>
  );
};
