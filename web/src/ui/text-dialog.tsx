import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { Dialog } from './dialog.tsx';

interface TextDialogProps {
  title: string;
  lead?: string;
  label: string;
  note?: string;
  value: string;
  maxLength: number;
  action: string;
  /** Resolves when it is done, or was refused and told. */
  onSubmit: (value: string) => Promise<unknown>;
  onClose: () => void;
}

/** Asks for one line. */
export const TextDialog = (props: TextDialogProps) => {
  const text = useSignal(props.value);
  const busy = useSignal(false);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    input.current?.focus();
    input.current?.select();
  }, []);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const value = text.value.trim();
    if (value === '' || busy.value) return;
    busy.value = true;
    await props.onSubmit(value);
    busy.value = false;
  };
  return (
    <Dialog title={props.title} {...(props.lead === undefined ? {} : { lead: props.lead })} onClose={props.onClose}>
      <form onSubmit={(event) => void submit(event)}>
        <label class="field">
          <span class="field-label">{props.label}</span>
          <input
            ref={input}
            class="input"
            data-testid="text-dialog"
            value={text.value}
            maxLength={props.maxLength}
            autocomplete="off"
            onInput={(event) => {
              text.value = event.currentTarget.value;
            }}
          />
          {props.note !== undefined && <span class="field-note">{props.note}</span>}
        </label>
        <footer class="dialog-actions">
          <button type="button" class="button" onClick={props.onClose}>
            Cancel
          </button>
          <button
            type="submit"
            class="button primary"
            data-testid="text-dialog-submit"
            disabled={busy.value || text.value.trim() === ''}
            aria-busy={busy.value}
          >
            {props.action}
          </button>
        </footer>
      </form>
    </Dialog>
  );
};
