import { type Signal, useSignal } from '@preact/signals';
import { type Fault, faultOf } from './field.tsx';

interface Submission {
  readonly busy: Signal<boolean>;
  readonly fault: Signal<Fault | undefined>;
  readonly submit: (event: SubmitEvent) => void;
}

/**
 * Sends a form, once at a time. `value` is a field's text as it was typed; what `send` throws becomes the fault.
 * `initial` is one that is there before anything was sent.
 */
export function useSubmit(
  send: (value: (name: string) => string, form: HTMLFormElement) => Promise<void>,
  initial?: Fault,
): Submission {
  const busy = useSignal(false);
  const fault = useSignal(initial);
  const run = async (form: HTMLFormElement) => {
    const data = new FormData(form);
    busy.value = true;
    fault.value = undefined;
    try {
      await send((name) => String(data.get(name) ?? ''), form);
    } catch (error) {
      fault.value = faultOf(error);
    } finally {
      busy.value = false;
    }
  };
  return {
    busy,
    fault,
    submit: (event) => {
      event.preventDefault();
      if (!busy.value && event.currentTarget instanceof HTMLFormElement) void run(event.currentTarget);
    },
  };
}
