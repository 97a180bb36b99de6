import { EditorState } from '@codemirror/state';
import { EditorView } from '@codemirror/view';
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { ErrorCode } from '../../../src/contract/errors.ts';
import { limits } from '../../../src/contract/limits.ts';
import { saveBlob } from '../state/save.ts';
import { attempt } from '../state/toasts.ts';
import { CopyButton } from '../ui/copy-button.tsx';
import { Icon } from '../ui/icon.tsx';
import { useWorkspace } from './context.ts';
import { baseExtensions, labelled, languageOf, mountEditor } from './editor-setup.ts';
import type { Tab } from './model.ts';

/** `levels/one.scene.json` → `levels/one (unsaved).scene.json`. */
const besides = (path: string): string => path.replace(/(?<=[^/])(?=(?:\.[^./]+)*$)/, ' (unsaved)');

/** Why what was written is not in the project, where the error's own title does not say it to who wrote it. */
const reasons: Partial<Record<ErrorCode, string>> = {
  not_found: 'This file was deleted while you were writing in it',
  conflict: 'This file was replaced while you were away',
  forbidden: 'You may not write here any more',
};

/**
 * What somebody wrote and the project does not have, as its file is gone or another one by now, or as they may not write any more: to be copied,
 * downloaded, kept as a file where they may make one, or let go.
 */
export const Unsaved = ({ tab, text }: { tab: Tab; text: string }) => {
  const workspace = useWorkspace();
  const host = useRef<HTMLDivElement>(null);
  const path = useSignal(besides(tab.path));
  const busy = useSignal(false);
  const error = tab.ended.value;
  const gone = error?.code === 'not_found';
  const canWrite = workspace.canWrite.value;

  useEffect(() => {
    let editor: EditorView | undefined;
    let ended = false;
    const show = async () => {
      const language = await languageOf(tab.path);
      if (ended || host.current === null) return;
      const readOnly = [EditorState.readOnly.of(true), EditorView.editable.of(false)];
      editor = mountEditor(host.current, text, [
        baseExtensions(),
        labelled(`${tab.path}, as you left it`),
        language,
        readOnly,
      ]);
    };
    void attempt(show);
    return () => {
      ended = true;
      editor?.destroy();
    };
  }, [tab, text]);

  /** From here on it is nowhere but in the project, if it is there. */
  const letGo = async () => {
    await tab.document?.forget();
    if (gone) workspace.closeTab(tab.path);
    else workspace.reopen(tab.path);
  };
  return (
    <div class="unsaved" role="alert" data-testid="unsaved">
      <div class="unsaved-head">
        <h2>{error && (reasons[error.code] ?? error.title)}</h2>
        <p>What you wrote is not in the project. It is kept on this device until you decide.</p>
        <form
          class="unsaved-actions"
          onSubmit={(event) => {
            event.preventDefault();
            if (busy.value) return;
            busy.value = true;
            void workspace
              .createFile(path.value.trim(), text)
              .then((made) => (made ? letGo() : undefined))
              .finally(() => {
                busy.value = false;
              });
          }}
        >
          {canWrite && (
            <>
              <input
                class="input small"
                aria-label="Path of the new file"
                data-testid="unsaved-path"
                value={path.value}
                maxLength={limits.file.pathMax}
                spellcheck={false}
                autocomplete="off"
                required
                onInput={(event) => {
                  path.value = event.currentTarget.value;
                }}
              />
              <button type="submit" class="button primary" data-testid="unsaved-save" disabled={busy.value}>
                Save as a new file
              </button>
            </>
          )}
          <CopyButton value={text} testId="unsaved-copy" />
          <button
            type="button"
            class="button"
            data-testid="unsaved-download"
            onClick={() => saveBlob(new Blob([text]), tab.path.split('/').at(-1) ?? tab.path)}
          >
            <Icon name="download" /> Download
          </button>
          <button type="button" class="button danger" data-testid="unsaved-discard" onClick={() => void letGo()}>
            Discard
          </button>
        </form>
      </div>
      <div class="editor-host" ref={host} />
    </div>
  );
};
