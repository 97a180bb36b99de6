import type { ComponentChildren } from 'preact';
import { type Fault, FaultNote } from '../ui/field.tsx';
import { useSubmit } from '../ui/use-submit.ts';

interface FormProps {
  action: string;
  testid: string;
  danger?: boolean;
  /** What to send; what it throws is shown at the fields. */
  send: (value: (name: string) => string) => Promise<void>;
  children: (fault: Fault | undefined) => ComponentChildren;
}

/** A form of the account page: fields, what is wrong with them, one button. It is empty again after a success. */
export const Form = ({ action, testid, danger = false, send, children }: FormProps) => {
  const { busy, fault, submit } = useSubmit(async (value, form) => {
    await send(value);
    form.reset();
  });
  return (
    <form class="account-form" onSubmit={submit}>
      {children(fault.value)}
      <FaultNote fault={fault.value} />
      <button
        type="submit"
        class={danger ? 'button danger' : 'button'}
        data-testid={testid}
        disabled={busy.value}
        aria-busy={busy.value}
      >
        {busy.value ? 'One moment…' : action}
      </button>
    </form>
  );
};
