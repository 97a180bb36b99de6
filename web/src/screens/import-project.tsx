import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { KilnApiError } from '../../../src/client/errors.ts';
import type { ImportProgress } from '../../../src/client/index.ts';
import { newId } from '../../../src/contract/ids.ts';
import { limits } from '../../../src/contract/limits.ts';
import { navigate, projectPath } from '../router.ts';
import { importProject } from '../state/archives.ts';
import { describeError, toast } from '../state/toasts.ts';
import { Dialog } from '../ui/dialog.tsx';
import { formatBytes, plural } from '../ui/format.ts';

type State =
  | { at: 'choosing' }
  | { at: 'sending'; done: number; total: number; phase: ImportProgress['phase']; waiting: boolean }
  | { at: 'refused'; title: string; detail?: string | undefined; entries: { path: string; message: string }[] };

const refusal = (error: unknown): State => {
  const { title, detail } = describeError(error);
  // Entries stand below by themselves; `query` is the name field's.
  if (!(error instanceof KilnApiError) || error.code === 'validation_failed')
    return { at: 'refused', title, detail, entries: [] };
  return {
    at: 'refused',
    title,
    detail: error.issues.length > 0 ? 'Nothing was imported.' : error.detail,
    entries: [...error.issues],
  };
};

export const ImportDialog = ({ onClose }: { onClose: () => void }) => {
  const file = useSignal<File | undefined>(undefined);
  const name = useSignal('');
  const over = useSignal(false);
  const state = useSignal<State>({ at: 'choosing' });
  const aborter = useRef<AbortController>(undefined);
  // One key for one file and name: a click that is repeated after a lost answer makes no second project.
  const key = useRef(newId());
  useEffect(() => () => aborter.current?.abort(), []);

  const choose = (chosen: File | undefined) => {
    if (chosen === undefined) return;
    file.value = chosen;
    key.current = newId();
    state.value =
      chosen.size > limits.archive.partsBytes
        ? {
            at: 'refused',
            title: 'Too large',
            detail: `An archive has at most ${formatBytes(limits.archive.partsBytes)}; this one has ${formatBytes(chosen.size)}.`,
            entries: [],
          }
        : { at: 'choosing' };
  };

  const start = async (event: SubmitEvent) => {
    event.preventDefault();
    const chosen = file.value;
    if (chosen === undefined || state.value.at === 'sending') return;
    const mine = new AbortController();
    aborter.current = mine;
    state.value = { at: 'sending', done: 0, total: chosen.size, phase: 'sending', waiting: false };
    try {
      const { project, imported } = await importProject(chosen, {
        name: name.value.trim(),
        key: key.current,
        signal: mine.signal,
        onProgress: ({ phase, done, total }) => {
          if (!mine.signal.aborted) state.value = { at: 'sending', done, total, phase, waiting: false };
        },
        onInterrupted: () => {
          if (!mine.signal.aborted && state.value.at === 'sending') state.value = { ...state.value, waiting: true };
        },
      });
      const skipped = imported.skipped > 0 ? `, ${imported.skipped} passed over` : '';
      toast({ kind: 'success', title: 'Imported', detail: `${plural(imported.files, 'file')}${skipped}` });
      onClose();
      navigate(projectPath(project.id));
    } catch (error) {
      if (!mine.signal.aborted) state.value = refusal(error);
    }
  };

  const current = state.value;
  const sending = current.at === 'sending';
  const share = sending ? current.done / Math.max(1, current.total) : 0;
  const percent = Math.round(share * 100);
  return (
    <Dialog title="Import a zip" lead="A project that was downloaded, or any folder of files." onClose={onClose}>
      <form class="import" onSubmit={(event) => void start(event)}>
        <label
          class={over.value ? 'drop over' : 'drop'}
          onDragOver={(event) => {
            event.preventDefault();
            over.value = true;
          }}
          onDragLeave={() => {
            over.value = false;
          }}
          onDrop={(event) => {
            event.preventDefault();
            over.value = false;
            if (!sending) choose(event.dataTransfer?.files[0]);
          }}
        >
          <input
            type="file"
            class="visually-hidden"
            data-testid="import-file"
            accept=".zip,application/zip,application/x-zip-compressed"
            disabled={sending}
            onChange={(event) => choose(event.currentTarget.files?.[0])}
          />
          {file.value === undefined ? (
            <>
              <strong>Choose a zip archive</strong>
              <span>or drop it here, up to {formatBytes(limits.archive.partsBytes)}</span>
            </>
          ) : (
            <>
              <strong>{file.value.name}</strong>
              <span>{formatBytes(file.value.size)}</span>
            </>
          )}
        </label>
        <label class="field">
          <span class="field-label">Name of the project</span>
          <input
            class="input"
            data-testid="import-name"
            placeholder="As the archive says"
            maxLength={limits.project.nameMax}
            disabled={sending}
            value={name.value}
            onInput={(event) => {
              name.value = event.currentTarget.value;
              key.current = newId();
            }}
          />
        </label>
        {sending && (
          <div class="import-state">
            <span class="muted">
              {current.waiting
                ? 'The connection was lost. Trying again…'
                : current.phase === 'unpacking'
                  ? 'Unpacking and checking…'
                  : current.phase === 'hashing'
                    ? 'Reading the file…'
                    : `Uploading, ${formatBytes(current.done)} of ${formatBytes(current.total)}`}
            </span>
            <div
              class="progress building"
              role="progressbar"
              aria-label="Upload"
              aria-valuemin={0}
              aria-valuemax={100}
              aria-valuenow={percent}
              data-testid="import-progress"
            >
              <span style={{ transform: `scaleX(${share})` }} />
            </div>
          </div>
        )}
        {current.at === 'refused' && (
          <div class="refusal" role="alert" data-testid="import-refusal">
            <strong>{current.title}</strong>
            {current.detail !== undefined && <span>{current.detail}</span>}
            {current.entries.map((entry) => (
              <span key={entry.path}>
                <code>{entry.path}</code> {entry.message}.
              </span>
            ))}
          </div>
        )}
        <footer class="dialog-actions">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button
            type="submit"
            class="button primary"
            data-testid="import-start"
            disabled={file.value === undefined || sending || file.value.size > limits.archive.partsBytes}
            aria-busy={sending}
          >
            {sending ? 'Importing…' : 'Import'}
          </button>
        </footer>
      </form>
    </Dialog>
  );
};
