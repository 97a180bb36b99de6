import { signal, useSignal } from '@preact/signals';
import { Dialog } from './dialog.tsx';

interface Question {
  title: string;
  text: string;
  action: string;
  /** What must be typed first: for what is gone for ever. */
  typed?: string;
  answer: (yes: boolean) => void;
}

const question = signal<Question | undefined>(undefined);

/** Asks before something that cannot simply be undone. */
export const confirm = (content: Omit<Question, 'answer'>): Promise<boolean> =>
  new Promise((resolve) => {
    question.value?.answer(false);
    question.value = {
      ...content,
      answer: (yes) => {
        question.value = undefined;
        resolve(yes);
      },
    };
  });

const QuestionDialog = ({ current }: { current: Question }) => {
  const text = useSignal('');
  const sure = current.typed === undefined || text.value.trim() === current.typed.trim();
  return (
    <Dialog title={current.title} onClose={() => current.answer(false)}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (sure) current.answer(true);
        }}
      >
        <p class="dialog-text">{current.text}</p>
        {current.typed !== undefined && (
          <label class="field confirm-typed">
            <span class="field-label">
              Type <q>{current.typed}</q> to go on
            </span>
            <input
              class="input"
              data-testid="confirm-typed"
              autocomplete="off"
              spellcheck={false}
              value={text.value}
              onInput={(event) => {
                text.value = event.currentTarget.value;
              }}
            />
          </label>
        )}
        <footer class="dialog-actions">
          <button type="button" class="button" onClick={() => current.answer(false)}>
            Cancel
          </button>
          <button type="submit" class="button danger" data-testid="confirm" disabled={!sure}>
            {current.action}
          </button>
        </footer>
      </form>
    </Dialog>
  );
};

export const ConfirmHost = () => {
  const current = question.value;
  if (current === undefined) return null;
  return <QuestionDialog key={current.title} current={current} />;
};
