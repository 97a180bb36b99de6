import { useSignal } from '@preact/signals';
import { toast } from '../state/toasts.ts';
import { Icon } from './icon.tsx';

interface CopyButtonProps {
  value: string;
  testId: string;
  isPrimary?: boolean;
  /** Selects what is copied, where it is shown: it can be copied by hand where the browser does not let a page do it. */
  select?: () => void;
}

/** Copies a text, and says that it did, also to those who do not see it. */
export const CopyButton = ({ value, testId, isPrimary = false, select }: CopyButtonProps) => {
  const copied = useSignal(false);
  const copy = async () => {
    select?.();
    try {
      await navigator.clipboard.writeText(value);
      copied.value = true;
    } catch {
      copied.value = false;
      toast({ kind: 'info', title: select ? 'Press Ctrl+C to copy it' : 'Select it, and copy it with Ctrl+C' });
    }
  };
  return (
    <button
      type="button"
      class={isPrimary ? 'button primary' : 'button'}
      data-testid={testId}
      onClick={() => void copy()}
    >
      <Icon name={copied.value ? 'check' : 'copy'} /> <span aria-live="polite">{copied.value ? 'Copied' : 'Copy'}</span>
    </button>
  );
};
