import { signal } from '@preact/signals';
import { Dialog } from './dialog.tsx';

interface Question {
  title: string;
  text: string;
  action: string;
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

export const ConfirmHost = () => {
  const current = question.value;
  if (current === undefined) return null;
  return (
    <Dialog title={current.title} onClose={() => current.answer(false)}>
      <p class="dialog-text">{current.text}</p>
      <footer class="dialog-actions">
        <button type="button" class="button" onClick={() => current.answer(false)}>
          Cancel
        </button>
        <button type="button" class="button danger" data-testid="confirm" onClick={() => current.answer(true)}>
          {current.action}
        </button>
      </footer>
    </Dialog>
  );
};
