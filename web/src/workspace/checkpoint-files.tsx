import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { CheckpointFile } from '../../../src/contract/checkpoints.ts';
import { toastError } from '../state/toasts.ts';
import { Icon } from '../ui/icon.tsx';
import { useWorkspace } from './context.ts';
import { tintOf } from './file-kinds.ts';
import { StoredFile } from './stored-file.tsx';

/** The files of a checkpoint, to be looked at. */
export const CheckpointFiles = ({ checkpointId }: { checkpointId: string }) => {
  const { client, id, activePath } = useWorkspace();
  const files = useSignal<readonly CheckpointFile[] | undefined>(undefined);
  const chosen = useSignal(activePath.peek());

  useEffect(() => {
    const aborter = new AbortController();
    files.value = undefined;
    client
      .call('getCheckpoint', { params: { id, checkpointId }, signal: aborter.signal })
      .then(({ checkpoint }) => {
        files.value = checkpoint.files;
      })
      .catch((error: unknown) => {
        if (!aborter.signal.aborted) toastError(error);
      });
    return () => aborter.abort();
  }, [client, id, checkpointId, files]);

  const list = files.value;
  if (list === undefined) return <div class="change skeleton" />;
  if (list.length === 0) return <p class="changes-empty">There were no files.</p>;
  // The file that was open is what one looks for.
  const shown = list.find(({ path }) => path === chosen.value) ?? list[0];
  return (
    <div class="stored">
      <ul class="stored-list" aria-label="Files as they were">
        {list.map((file) => (
          <li key={file.path}>
            <button
              type="button"
              class={file === shown ? 'row active' : 'row'}
              aria-current={file === shown}
              data-testid={`stored-${file.path}`}
              onClick={() => {
                chosen.value = file.path;
              }}
            >
              <span class={`file-icon tint-${tintOf(file.path)}`}>
                <Icon name="file" size={15} />
              </span>
              <span class="row-name">{file.path}</span>
            </button>
          </li>
        ))}
      </ul>
      {shown !== undefined && <StoredFile key={shown.path} checkpointId={checkpointId} file={shown} />}
    </div>
  );
};
