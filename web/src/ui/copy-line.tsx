import { useSignal } from '@preact/signals';
import { attempt } from '../state/toasts.ts';
import { Icon } from './icon.tsx';

interface CopyLineProps {
  label: string;
  value: string;
  testId: string;
}

/** An address that can be read, selected and copied. */
export const CopyLine = ({ label, value, testId }: CopyLineProps) => {
  const copied = useSignal(false);
  return (
    <div class="fresh-link-row">
      <input
        class="input"
        readOnly
        aria-label={label}
        data-testid={testId}
        value={value}
        onFocus={(event) => event.currentTarget.select()}
      />
      <button
        type="button"
        class="button"
        data-testid={`${testId}-copy`}
        onClick={() =>
          void attempt(async () => {
            await navigator.clipboard.writeText(value);
            copied.value = true;
          })
        }
      >
        <Icon name={copied.value ? 'check' : 'copy'} /> {copied.value ? 'Copied' : 'Copy'}
      </button>
    </div>
  );
};
