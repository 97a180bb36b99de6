import { EditorState } from '@codemirror/state';
import { EditorView } from '@codemirror/view';
import { useCallback, useEffect, useRef } from 'preact/hooks';
import type { CheckpointFile } from '../../../src/contract/checkpoints.ts';
import { saveBlob } from '../state/save.ts';
import { attempt, toastError } from '../state/toasts.ts';
import { formatBytes } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { useWorkspace } from './context.ts';
import { baseExtensions, labelled, languageOf, mountEditor } from './editor-setup.ts';
import { nameOf } from './file-operations.ts';
import type { Workspace } from './model.ts';
import { useObjectUrl } from './object-url.ts';

interface StoredFileProps {
  checkpointId: string;
  file: CheckpointFile;
}

const bytesOf = async (workspace: Workspace, checkpointId: string, path: string, signal?: AbortSignal) => {
  const response = await workspace.client.raw('getCheckpointFile', {
    params: { id: workspace.id, checkpointId, path },
    query: { raw: true },
    headers: { accept: 'application/octet-stream' },
    ...(signal && { signal }),
  });
  return response.blob();
};

const StoredText = ({ checkpointId, file }: StoredFileProps) => {
  const workspace = useWorkspace();
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const aborter = new AbortController();
    let editor: EditorView | undefined;
    const load = async () => {
      const [answer, language] = await Promise.all([
        workspace.client.call('getCheckpointFile', {
          params: { id: workspace.id, checkpointId, path: file.path },
          signal: aborter.signal,
        }),
        languageOf(file.path),
      ]);
      if (aborter.signal.aborted || host.current === null) return;
      const readOnly = [EditorState.readOnly.of(true), EditorView.editable.of(false)];
      editor = mountEditor(host.current, answer.file.content, [
        baseExtensions(),
        labelled(`${file.path}, as it was`),
        language,
        readOnly,
      ]);
    };
    load().catch((error: unknown) => {
      if (!aborter.signal.aborted) toastError(error);
    });
    return () => {
      aborter.abort();
      editor?.destroy();
    };
  }, [workspace, checkpointId, file]);
  return <div ref={host} class="editor-host" data-testid="stored-text" />;
};

const StoredImage = ({ checkpointId, file }: StoredFileProps) => {
  const workspace = useWorkspace();
  const source = useObjectUrl(
    useCallback((signal) => bytesOf(workspace, checkpointId, file.path, signal), [workspace, checkpointId, file]),
  );
  return (
    <figure class="image-panel">
      {source === undefined ? (
        <div class="skeleton image-waiting" />
      ) : (
        <img class="checker" src={source} alt={file.path} />
      )}
      <figcaption>{formatBytes(file.size)}</figcaption>
    </figure>
  );
};

/** A file as it was at a checkpoint: to be read and saved, not changed. */
export const StoredFile = ({ checkpointId, file }: StoredFileProps) => {
  const workspace = useWorkspace();
  const save = () =>
    attempt(async () => saveBlob(await bytesOf(workspace, checkpointId, file.path), nameOf(file.path)));
  return (
    <div class="stored-file">
      <div class="stored-head">
        <code>{file.path}</code>
        <span class="faint">{formatBytes(file.size)}</span>
        <button type="button" class="button small" onClick={() => void save()}>
          <Icon name="download" size={13} /> Download
        </button>
      </div>
      {file.isText ? (
        <StoredText checkpointId={checkpointId} file={file} />
      ) : file.mimeType.startsWith('image/') ? (
        <StoredImage checkpointId={checkpointId} file={file} />
      ) : (
        <div class="pane-message">
          <p>This is not text, so there is nothing to read here.</p>
        </div>
      )}
    </div>
  );
};
