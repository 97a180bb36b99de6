import { useSignal } from '@preact/signals';
import { limits } from '../../../src/contract/limits.ts';
import { Dialog } from '../ui/dialog.tsx';
import { useWorkspace } from './context.ts';
import { inside, nameOf, parentOf } from './file-operations.ts';
import { directoriesOf } from './tree.ts';

interface MoveDialogProps {
  path: string;
  onDone: (path: string | undefined) => void;
}

/** Asks where a file or directory is to go. */
export const MoveDialog = ({ path, onDone }: MoveDialogProps) => {
  const workspace = useWorkspace();
  const target = useSignal(parentOf(path));
  const busy = useSignal(false);
  const refusal = useSignal<string | undefined>(undefined);
  const tree = workspace.tree.value;
  const directories = tree === undefined ? [] : directoriesOf(tree);

  const move = async (event: SubmitEvent) => {
    event.preventDefault();
    const directory = target.value.trim().replace(/^\/+|\/+$/g, '');
    const to = inside(directory, nameOf(path));
    busy.value = true;
    refusal.value = await workspace.files.move(path, to);
    busy.value = false;
    if (refusal.value === undefined) onDone(to);
  };

  return (
    <Dialog title={`Move ${nameOf(path)}`} lead={path} onClose={() => onDone(undefined)}>
      <form class="move-form" onSubmit={(event) => void move(event)}>
        <label class="field">
          <span class="field-label">Into the folder</span>
          <input
            class="input"
            data-testid="move-target"
            list="move-directories"
            placeholder="The top of the project"
            maxLength={limits.file.pathMax}
            spellcheck={false}
            autocomplete="off"
            value={target.value}
            aria-invalid={refusal.value !== undefined}
            onInput={(event) => {
              target.value = event.currentTarget.value;
              refusal.value = undefined;
            }}
            autofocus
          />
          <span class="field-note">A folder that is not there yet is made. Empty is the top of the project.</span>
        </label>
        <datalist id="move-directories">
          {directories.map((directory) => (
            <option key={directory} value={directory} />
          ))}
        </datalist>
        {refusal.value !== undefined && (
          <p class="field-note wrong" role="alert" data-testid="move-refusal">
            {refusal.value}
          </p>
        )}
        <footer class="dialog-actions">
          <button type="button" class="button" onClick={() => onDone(undefined)}>
            Cancel
          </button>
          <button type="submit" class="button primary" data-testid="move" disabled={busy.value}>
            Move
          </button>
        </footer>
      </form>
    </Dialog>
  );
};
