import { Compartment, EditorState, Prec } from '@codemirror/state';
import { EditorView, keymap } from '@codemirror/view';
import { useSignal, useSignalEffect } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { yCollab, yUndoManagerKeymap } from 'y-codemirror.next';
import { UndoManager } from 'yjs';
import { anchorOf, placeOf, type RoomDocument } from '../../../src/client/index.ts';
import { nameInCode } from './assets/kinds.ts';
import { problemMarks, showProblems } from './build-problems.ts';
import { commentMarks, setMarks } from './comment-marks.ts';
import { useWorkspace } from './context.ts';
import { baseExtensions, labelled, languageOf, mountEditor, revealPlace } from './editor-setup.ts';
import type { Tab } from './model.ts';
import { remoteCursors } from './remote-cursors.ts';
import { colorOfAuthor } from './talk/people.ts';

const Waiting = () => (
  <div class="code-waiting" role="status" aria-label="Opening the file">
    {[62, 40, 75, 55, 30, 68, 48].map((width) => (
      <span key={width} class="skeleton" style={{ width: `${width}%` }} />
    ))}
  </div>
);

/** A live document in CodeMirror: others' edits and carets, undo of one's own. */
export const CodeEditor = ({ tab, document: live, active }: { tab: Tab; document: RoomDocument; active: boolean }) => {
  const workspace = useWorkspace();
  const host = useRef<HTMLDivElement>(null);
  const view = useSignal<EditorView | undefined>(undefined);
  const access = useRef(new Compartment());
  const naming = useRef(new Compartment());
  // The file may be moved while it is open: the editor stays.
  const path = useRef(tab.path);
  path.current = tab.path;

  useEffect(() => {
    const element = host.current;
    if (element === null) return;
    let gone = false;
    // Not before the content is here: what the room sends first is nobody's edit to undo.
    live.ready
      .then(() => {
        if (gone) return;
        const undoManager = new UndoManager(live.text);
        const editor = mountEditor(element, live.text.toString(), [
          Prec.high(keymap.of(yUndoManagerKeymap)),
          baseExtensions(),
          problemMarks(),
          naming.current.of([]),
          access.current.of(accessExtensions(workspace.canWrite.peek())),
          // No awareness: it would bring the plugin that remoteCursors stands in for.
          yCollab(live.text, null, { undoManager }),
          remoteCursors(live.text, live.awareness),
          commentMarks({
            show: (thread) => workspace.talk.showThread(thread),
            begin: (from, to, quote) =>
              workspace.talk.begin({ path: tab.path, anchor: anchorOf(live.text, from, to), quote }),
            allowed: () => workspace.canTalk.peek(),
          }),
          EditorView.updateListener.of((update) => {
            if (!update.selectionSet || !update.view.hasFocus) return;
            const { head, from, to } = update.state.selection.main;
            workspace.setCursor(path.current, head, from === to ? undefined : { from, to });
          }),
        ]);
        view.value = editor;
      })
      // Ended before it began: the tab shows why.
      .catch(() => undefined);
    return () => {
      gone = true;
      view.peek()?.destroy();
    };
  }, [live, view, workspace]);

  useEffect(() => {
    const editor = view.value;
    let gone = false;
    void languageOf(tab.path).then((language) => {
      if (!gone) editor?.dispatch({ effects: naming.current.reconfigure([labelled(tab.path), language]) });
    });
    return () => {
      gone = true;
    };
  }, [tab.path, view.value]);

  useSignalEffect(() => {
    const extensions = accessExtensions(workspace.canWrite.value);
    view.value?.dispatch({ effects: access.current.reconfigure(extensions) });
  });

  useSignalEffect(() => {
    const place = tab.reveal.value;
    const editor = view.value;
    if (place === undefined || editor === undefined) return;
    tab.reveal.value = undefined;
    // After the pane is on screen: what has no size cannot be scrolled.
    requestAnimationFrame(() => revealPlace(editor, place));
  });

  useSignalEffect(() => {
    const asset = tab.insertion.value;
    const editor = view.value;
    if (asset === undefined || editor === undefined) return;
    tab.insertion.value = undefined;
    const { from, to } = editor.state.selection.main;
    const before = editor.state.sliceDoc(Math.max(0, from - 1), from);
    editor.dispatch({
      ...editor.state.replaceSelection(nameInCode(asset, path.current, before)),
      effects: EditorView.scrollIntoView(from === to ? from : to),
      userEvent: 'input.paste',
    });
    requestAnimationFrame(() => editor.focus());
  });

  useSignalEffect(() => {
    const editor = view.value;
    const { openThreads, users } = workspace.talk;
    const marks = openThreads.value.flatMap((thread) => {
      const place = thread.path === tab.path ? placeOf(live.text, thread) : undefined;
      return place === undefined ? [] : [{ id: thread.id, color: colorOfAuthor(thread.author, users.value), ...place }];
    });
    editor?.dispatch({ effects: setMarks.of(marks) });
  });

  useSignalEffect(() => {
    const editor = view.value;
    const problems = workspace.builds.problems.value.get(tab.path) ?? [];
    editor?.dispatch(showProblems(editor.state, problems));
  });

  useSignalEffect(() => {
    const followed = workspace.talk.followed.value;
    const editor = view.value;
    const position = followed?.path === tab.path ? followed.cursor?.position : undefined;
    if (position === undefined || editor === undefined || position > editor.state.doc.length) return;
    requestAnimationFrame(() => editor.dispatch({ effects: EditorView.scrollIntoView(position, { y: 'center' }) }));
  });

  useEffect(() => {
    const editor = view.value;
    if (active) editor?.requestMeasure();
    // Whoever looks at another file has no caret here.
    else live.awareness.setLocalStateField('cursor', null);
  }, [active, live, view.value]);

  return (
    <>
      {view.value === undefined && <Waiting />}
      <div ref={host} class="editor-host" {...(active ? { 'data-testid': 'editor' } : {})} data-path={tab.path} />
    </>
  );
};

const accessExtensions = (canWrite: boolean) => [EditorState.readOnly.of(!canWrite), EditorView.editable.of(canWrite)];
