import { useRef } from 'preact/hooks';
import { CopyButton } from './copy-button.tsx';

interface CopyLineProps {
  label: string;
  value: string;
  testId: string;
  /** Of the button, where that is another than the field's. */
  buttonTestId?: string;
  /** What is next to be done here is to copy it. */
  isPrimary?: boolean;
}

/** A line that can be read, selected and copied. */
export const CopyLine = ({
  label,
  value,
  testId,
  buttonTestId = `${testId}-copy`,
  isPrimary = false,
}: CopyLineProps) => {
  const field = useRef<HTMLInputElement>(null);
  return (
    <div class="fresh-link-row">
      <input
        ref={field}
        class="input"
        readOnly
        aria-label={label}
        data-testid={testId}
        value={value}
        onFocus={(event) => event.currentTarget.select()}
      />
      <CopyButton value={value} testId={buttonTestId} isPrimary={isPrimary} select={() => field.current?.select()} />
    </div>
  );
};
