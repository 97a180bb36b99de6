import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { type Fault, FaultNote, faultOf } from '../ui/field.tsx';

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
  const busy = useSignal(false);
  const fault = useSignal<Fault | undefined>(undefined);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget;
    if (busy.value || !(form instanceof HTMLFormElement)) return;
    const data = new FormData(form);
    busy.value = true;
    fault.value = undefined;
    try {
      await send((name) => String(data.get(name) ?? ''));
      form.reset();
    } catch (error) {
      fault.value = faultOf(error);
    } finally {
      busy.value = false;
    }
  };
  return (
    <form class="account-form" onSubmit={(event) => void submit(event)}>
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
