import { useSignal } from '@preact/signals';
import { limits } from '../../../src/contract/limits.ts';
import { useWorkspace } from './context.ts';

export const NewFile = ({ start, onDone }: { start: string; onDone: () => void }) => {
  const workspace = useWorkspace();
  const busy = useSignal(false);
  return (
    <form
      class="new-file"
      onSubmit={(event) => {
        event.preventDefault();
        const path = String(new FormData(event.currentTarget).get('path') ?? '').trim();
        if (path === '' || busy.value) return;
        busy.value = true;
        void workspace.createFile(path).then((made) => {
          busy.value = false;
          if (made) onDone();
        });
      }}
    >
      <input
        class="input small"
        name="path"
        data-testid="new-file-path"
        aria-label="Path of the new file"
        placeholder="src/enemy.ts"
        defaultValue={start}
        maxLength={limits.file.pathMax}
        spellcheck={false}
        autocomplete="off"
        ref={(element) => element?.focus()}
        onKeyDown={(event) => {
          if (event.key === 'Escape') onDone();
        }}
        onBlur={(event) => {
          if (!busy.value && event.currentTarget.value.trim() === start) onDone();
        }}
      />
    </form>
  );
};
