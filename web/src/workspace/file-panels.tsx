import { EditorState } from '@codemirror/state';
import { EditorView } from '@codemirror/view';
import { useSignal, useSignalEffect } from '@preact/signals';
import { useCallback, useEffect, useRef } from 'preact/hooks';
import type { FileInfo } from '../../../src/contract/files.ts';
import { saveBlob } from '../state/save.ts';
import { attempt, toastError } from '../state/toasts.ts';
import { formatAgo, formatBytes } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { useWorkspace } from './context.ts';
import { baseExtensions, labelled, languageOf, mountEditor, revealPlace } from './editor-setup.ts';
import type { Tab, Workspace } from './model.ts';
import { useObjectUrl } from './object-url.ts';
import { PictureRegions } from './picture-regions.tsx';

const fetchBytes = async (workspace: Workspace, path: string, signal?: AbortSignal): Promise<Blob> => {
  const args = {
    params: { id: workspace.id, path },
    query: { raw: true },
    headers: { accept: 'application/octet-stream' },
  };
  const response = await workspace.client.raw('getFile', { ...args, ...(signal ? { signal } : {}) });
  return response.blob();
};

/** Text that is shown as the server has it, and not edited here. */
export const StaticText = ({ tab }: { tab: Tab }) => {
  const workspace = useWorkspace();
  const host = useRef<HTMLDivElement>(null);
  const version = tab.version.value;
  const editor = useRef<EditorView | undefined>(undefined);

  useEffect(() => {
    const aborter = new AbortController();
    const load = async () => {
      const { file } = await workspace.client.call('getFile', {
        params: { id: workspace.id, path: tab.path },
        signal: aborter.signal,
      });
      if (file.encoding !== 'utf-8') {
        tab.kind.value = 'info';
        return;
      }
      const language = await languageOf(tab.path);
      if (aborter.signal.aborted || host.current === null) return;
      if (editor.current === undefined) {
        const readOnly = [EditorState.readOnly.of(true), EditorView.editable.of(false)];
        editor.current = mountEditor(host.current, file.content, [
          baseExtensions(),
          labelled(tab.path),
          language,
          readOnly,
        ]);
      } else {
        const { length } = editor.current.state.doc;
        editor.current.dispatch({ changes: { from: 0, to: length, insert: file.content } });
      }
      reveal();
    };
    load().catch((error: unknown) => {
      if (!aborter.signal.aborted) toastError(error);
    });
    return () => aborter.abort();
  }, [workspace, tab, version]);

  const reveal = () => {
    const place = tab.reveal.value;
    const view = editor.current;
    if (place === undefined || view === undefined) return;
    tab.reveal.value = undefined;
    requestAnimationFrame(() => revealPlace(view, place));
  };
  useSignalEffect(reveal);

  useEffect(() => () => editor.current?.destroy(), []);
  return (
    <div class="static-pane">
      <div ref={host} class="editor-host" data-testid="viewer" />
    </div>
  );
};

export const ImagePanel = ({ tab }: { tab: Tab }) => {
  const workspace = useWorkspace();
  const size = useSignal<{ width: number; height: number; bytes: number } | undefined>(undefined);
  const version = tab.version.value;
  const source = useObjectUrl(
    useCallback(
      async (signal) => {
        const blob = await fetchBytes(workspace, tab.path, signal);
        const bitmap = await createImageBitmap(blob).catch(() => undefined);
        if (signal.aborted) return undefined;
        if (bitmap === undefined) {
          tab.kind.value = 'info';
          return undefined;
        }
        size.value = { width: bitmap.width, height: bitmap.height, bytes: blob.size };
        bitmap.close();
        return blob;
      },
      [workspace, tab, version, size],
    ),
  );
  return (
    <figure class="image-panel">
      {source === undefined ? (
        <div class="skeleton image-waiting" />
      ) : (
        <PictureRegions
          of={{ path: tab.path }}
          size={size.value}
          caption={
            size.value !== undefined && `${size.value.width} × ${size.value.height} · ${formatBytes(size.value.bytes)}`
          }
        >
          <img
            class={(size.value?.width ?? 0) <= 128 ? 'checker pixelated' : 'checker'}
            src={source}
            alt={tab.path}
            draggable={false}
            data-testid="image-preview"
          />
        </PictureRegions>
      )}
    </figure>
  );
};

export const FileInfoPanel = ({ tab }: { tab: Tab }) => {
  const workspace = useWorkspace();
  const info = useSignal<FileInfo | undefined>(undefined);
  const version = tab.version.value;
  useEffect(() => {
    void attempt(async () => {
      const { files } = await workspace.client.call('listFiles', {
        params: { id: workspace.id },
        query: { prefix: tab.path },
      });
      info.value = files.find((file) => file.path === tab.path);
    });
  }, [workspace, tab, version, info]);
  const file = info.value;
  const download = () =>
    attempt(async () => saveBlob(await fetchBytes(workspace, tab.path), tab.path.split('/').at(-1) ?? 'file'));
  return (
    <div class="pane-message" data-testid="file-info">
      <span class="info-icon">
        <Icon name="file" size={30} />
      </span>
      <h2>{tab.path.split('/').at(-1)}</h2>
      <p>
        {file?.isText
          ? 'This text is too large to be edited together.'
          : 'This is not text, so there is nothing to edit here.'}
      </p>
      {file !== undefined && (
        <dl class="facts">
          <dt>Type</dt>
          <dd>{file.mimeType}</dd>
          <dt>Size</dt>
          <dd>{formatBytes(file.size)}</dd>
          <dt>Changed</dt>
          <dd>{formatAgo(file.updatedAt)}</dd>
          <dt>SHA-256</dt>
          <dd>
            <code>{file.hash.slice(0, 16)}…</code>
          </dd>
        </dl>
      )}
      <button type="button" class="button" onClick={() => void download()}>
        <Icon name="download" /> Download
      </button>
    </div>
  );
};
