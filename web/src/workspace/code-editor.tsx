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
import { type SeenRows, seenRows } from './seen-rows.ts';
import { colorOfAuthor } from './talk/people.ts';
import { Views } from './views.tsx';

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
  const lines = useSignal(0);
  const isActive = useRef(active);
  isActive.current = active;
  const tellView = () => {
    const editor = view.peek();
    if (editor !== undefined && isActive.current) workspace.setView(path.current, linesOnScreen(editor));
  };

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
            if (update.docChanged) lines.value = update.state.doc.lines;
            if (update.docChanged || update.geometryChanged) tellView();
            if (!update.selectionSet || !update.view.hasFocus) return;
            const { head, from, to } = update.state.selection.main;
            workspace.setCursor(path.current, head, from === to ? undefined : { from, to });
          }),
        ]);
        lines.value = editor.state.doc.lines;
        editor.scrollDOM.addEventListener('scroll', tellView, { passive: true });
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
    // What follows the text knows better than the last build.
    const said = workspace.preview.remarks.value ?? workspace.builds.problems.value;
    editor?.dispatch(showProblems(editor.state, said.get(tab.path) ?? []));
  });

  useSignalEffect(() => {
    const followed = workspace.talk.followed.value;
    const editor = view.value;
    if (followed?.path !== tab.path || editor === undefined) return;
    const { position } = followed.cursor ?? {};
    const seen = seenRows(followed.view);
    requestAnimationFrame(() => showAsTheySee(editor, seen, position));
  });

  useEffect(() => {
    const editor = view.value;
    if (active) {
      editor?.requestMeasure();
      tellView();
    }
    // Whoever looks at another file has no caret here.
    else live.awareness.setLocalStateField('cursor', null);
  }, [active, live, view.value]);

  return (
    <>
      {view.value === undefined && <Waiting />}
      <div ref={host} class="editor-host" {...(active ? { 'data-testid': 'editor' } : {})} data-path={tab.path} />
      {view.value !== undefined && (
        <Views
          path={tab.path}
          rows={lines.value}
          unit="lines"
          onGo={(line) => view.value && scrollToLine(view.value, line)}
        />
      )}
    </>
  );
};

const accessExtensions = (canWrite: boolean) => [EditorState.readOnly.of(!canWrite), EditorView.editable.of(canWrite)];

const linesOnScreen = (editor: EditorView): SeenRows => {
  const { scrollTop, clientHeight } = editor.scrollDOM;
  const lineAt = (height: number) => editor.state.doc.lineAt(editor.lineBlockAtHeight(height).from).number;
  // A line of which only the lower edge is left is not read any more.
  return { first: lineAt(scrollTop + editor.defaultLineHeight / 2), last: lineAt(scrollTop + clientHeight - 1) };
};

const scrollToLine = (editor: EditorView, line: number): void => {
  const { from } = editor.state.doc.line(Math.min(Math.max(1, line), editor.state.doc.lines));
  editor.dispatch({ effects: EditorView.scrollIntoView(from, { y: 'start', yMargin: 0 }) });
};

/** The same first line, and the caret in any case: the screen of whoever follows may be smaller. */
const showAsTheySee = (editor: EditorView, seen: SeenRows | undefined, position: number | undefined): void => {
  const { doc } = editor.state;
  const caret = position === undefined || position > doc.length ? undefined : position;
  const mine = linesOnScreen(editor);
  const caretLine = caret === undefined ? undefined : doc.lineAt(caret).number;
  const fits =
    caretLine === undefined ||
    seen === undefined ||
    caretLine > seen.last ||
    caretLine - seen.first <= mine.last - mine.first;
  if (seen !== undefined && fits) {
    if (seen.first !== mine.first) scrollToLine(editor, seen.first);
  } else if (caret !== undefined) editor.dispatch({ effects: EditorView.scrollIntoView(caret, { y: 'center' }) });
};
