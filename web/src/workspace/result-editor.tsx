import { history, historyKeymap } from '@codemirror/commands';
import { EditorView, keymap } from '@codemirror/view';
import { useEffect, useRef } from 'preact/hooks';
import { baseExtensions, labelled, languageOf, mountEditor } from './editor-setup.ts';

interface ResultEditorProps {
  path: string;
  /** Where to begin; what is typed goes to `onChange`. */
  start: string;
  onChange: (text: string) => void;
}

/** The text that a conflict is resolved to. Nobody else sees it before the merge. */
export const ResultEditor = ({ path, start, onChange }: ResultEditorProps) => {
  const host = useRef<HTMLDivElement>(null);
  const initial = useRef(start);
  const changed = useRef(onChange);
  changed.current = onChange;
  useEffect(() => {
    let editor: EditorView | undefined;
    let gone = false;
    void languageOf(path).then((language) => {
      if (gone || host.current === null) return;
      editor = mountEditor(host.current, initial.current, [
        history(),
        keymap.of(historyKeymap),
        baseExtensions(),
        labelled(`${path}, as it is to be`),
        language,
        EditorView.updateListener.of((update) => {
          if (update.docChanged) changed.current(update.state.doc.toString());
        }),
      ]);
    });
    return () => {
      gone = true;
      editor?.destroy();
    };
  }, [path]);
  return <div ref={host} class="result-editor" data-testid={`result-${path}`} />;
};
