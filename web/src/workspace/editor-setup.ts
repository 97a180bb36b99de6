import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from '@codemirror/autocomplete';
import { defaultKeymap, indentWithTab } from '@codemirror/commands';
import { bracketMatching, foldGutter, foldKeymap, indentOnInput, indentUnit } from '@codemirror/language';
import { highlightSelectionMatches, search, searchKeymap } from '@codemirror/search';
import { EditorSelection, EditorState, type Extension } from '@codemirror/state';
import {
  crosshairCursor,
  drawSelection,
  dropCursor,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  highlightSpecialChars,
  keymap,
  lineNumbers,
  rectangularSelection,
} from '@codemirror/view';
import { editorTheme } from './editor-theme.ts';
import { extensionOf } from './file-kinds.ts';
import type { Place } from './model.ts';

/** Everything but content, undo, language and name. */
export const baseExtensions = (): Extension => [
  // The shared text counts `\r` as a character of its own; an editor that took `\r\n` for one break would be off by one per line.
  EditorState.lineSeparator.of('\n'),
  EditorView.clipboardInputFilter.of((text) => text.replace(/\r\n?/g, '\n')),
  lineNumbers(),
  foldGutter(),
  highlightActiveLineGutter(),
  highlightActiveLine(),
  highlightSpecialChars(),
  drawSelection(),
  dropCursor(),
  EditorState.allowMultipleSelections.of(true),
  rectangularSelection(),
  crosshairCursor(),
  indentOnInput(),
  indentUnit.of('  '),
  EditorState.tabSize.of(2),
  bracketMatching(),
  closeBrackets(),
  autocompletion(),
  search({ top: true }),
  highlightSelectionMatches(),
  keymap.of([
    ...closeBracketsKeymap,
    ...defaultKeymap,
    ...searchKeymap,
    ...foldKeymap,
    ...completionKeymap,
    indentWithTab,
  ]),
  editorTheme,
];

/** What the editor is called by those who do not see it. */
export const labelled = (label: string): Extension => EditorView.contentAttributes.of({ 'aria-label': label });

/** The language of a file, loaded when it is first needed. */
export const languageOf = async (path: string): Promise<Extension> => {
  switch (extensionOf(path)) {
    case 'ts':
    case 'mts':
      return (await import('@codemirror/lang-javascript')).javascript({ typescript: true });
    case 'tsx':
      return (await import('@codemirror/lang-javascript')).javascript({ typescript: true, jsx: true });
    case 'js':
    case 'mjs':
    case 'cjs':
    case 'jsx':
      return (await import('@codemirror/lang-javascript')).javascript({ jsx: true });
    case 'html':
    case 'htm':
    case 'svg':
    case 'xml':
      return (await import('@codemirror/lang-html')).html();
    case 'css':
      return (await import('@codemirror/lang-css')).css();
    case 'json':
    case 'map':
    case 'webmanifest':
      return (await import('@codemirror/lang-json')).json();
    case 'md':
    case 'markdown':
      return (await import('@codemirror/lang-markdown')).markdown();
    default:
      return [];
  }
};

/** Puts the cursor at a 1-based line and column, as build logs and searches count. */
export const revealPlace = (view: EditorView, { line, column = 1, length = 0 }: Place): void => {
  const { doc } = view.state;
  const { from, to } = doc.line(Math.min(Math.max(1, line), doc.lines));
  const position = Math.min(from + Math.max(0, column - 1), to);
  view.dispatch({
    selection: EditorSelection.single(position, Math.min(position + length, to)),
    effects: EditorView.scrollIntoView(position, { y: 'center' }),
  });
  view.focus();
};

/**
 * An editor in a shadow root of its own: there CodeMirror adopts constructed style sheets, where in the document it would insert
 * style elements that the content security policy refuses.
 */
export const mountEditor = (host: HTMLElement, doc: string, extensions: Extension): EditorView => {
  const root = host.shadowRoot ?? host.attachShadow({ mode: 'open' });
  const parent = document.createElement('div');
  parent.style.height = '100%';
  root.replaceChildren(parent);
  return new EditorView({ state: EditorState.create({ doc, extensions }), parent, root });
};
