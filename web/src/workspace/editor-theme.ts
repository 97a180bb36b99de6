import { HighlightStyle, syntaxHighlighting } from '@codemirror/language';
import type { Extension } from '@codemirror/state';
import { EditorView } from '@codemirror/view';
import { tags as t } from '@lezer/highlight';

/** The look of the editor. Colours are the page's custom properties, which reach into its shadow root. */
const chrome = EditorView.theme(
  {
    '&': {
      height: '100%',
      color: 'var(--text)',
      backgroundColor: 'var(--bg-1)',
      fontSize: 'var(--code-size, 13.5px)',
    },
    '&.cm-focused': { outline: 'none' },
    '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '1.62', overflow: 'auto' },
    '.cm-content': { padding: '14px 0 40vh', caretColor: 'var(--ember-hot)' },
    '.cm-line': { padding: '0 24px 0 10px' },
    '.cm-cursor, .cm-dropCursor': { borderLeft: '2px solid var(--ember-hot)' },
    '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': {
      backgroundColor: 'rgb(255 138 76 / 20%)',
    },
    '.cm-gutters': {
      backgroundColor: 'var(--bg-1)',
      color: 'var(--faint-code)',
      border: 'none',
      paddingLeft: '10px',
    },
    '.cm-lineNumbers .cm-gutterElement': { padding: '0 8px 0 6px', minWidth: '30px' },
    '.cm-activeLine': { backgroundColor: 'rgb(255 190 140 / 4.5%)' },
    '.cm-activeLineGutter': { backgroundColor: 'transparent', color: 'var(--muted)' },
    '.cm-foldGutter span': { color: 'var(--faint-code)' },
    '.cm-foldPlaceholder': {
      backgroundColor: 'var(--bg-3)',
      border: 'none',
      color: 'var(--muted)',
      padding: '0 6px',
    },
    '&.cm-focused .cm-matchingBracket': {
      backgroundColor: 'rgb(255 138 76 / 22%)',
      outline: '1px solid rgb(255 138 76 / 45%)',
    },
    '&.cm-focused .cm-nonmatchingBracket': { backgroundColor: 'rgb(240 90 80 / 22%)' },
    '.cm-selectionMatch': { backgroundColor: 'rgb(255 190 140 / 12%)' },
    '.cm-searchMatch': {
      backgroundColor: 'rgb(232 182 90 / 22%)',
      outline: '1px solid rgb(232 182 90 / 45%)',
    },
    '.cm-searchMatch-selected': { backgroundColor: 'rgb(255 138 76 / 45%)' },
    '.cm-panels': { backgroundColor: 'var(--bg-2)', color: 'var(--text)', borderColor: 'var(--line)' },
    '.cm-panels-top': { borderBottom: '1px solid var(--line)' },
    '.cm-panel.cm-search': { padding: '8px 30px 8px 10px', fontFamily: 'var(--sans)', fontSize: '12.5px' },
    '.cm-textfield': {
      backgroundColor: 'var(--bg-0)',
      border: '1px solid var(--line-strong)',
      borderRadius: '6px',
      color: 'var(--text)',
      padding: '4px 8px',
    },
    '.cm-button': {
      backgroundImage: 'none',
      backgroundColor: 'var(--bg-3)',
      border: '1px solid var(--line-strong)',
      borderRadius: '6px',
      color: 'var(--text)',
    },
    '.cm-panel.cm-search [name=close]': { color: 'var(--muted)', right: '8px', top: '8px', fontSize: '18px' },
    '.cm-tooltip': {
      backgroundColor: 'var(--bg-3)',
      border: '1px solid var(--line-strong)',
      borderRadius: '8px',
      overflow: 'hidden',
      boxShadow: 'var(--shadow)',
    },
    '.cm-tooltip.cm-tooltip-autocomplete > ul': { fontFamily: 'var(--mono)', fontSize: '12.5px' },
    '.cm-tooltip-autocomplete ul li': { padding: '3px 10px 3px 6px' },
    '.cm-tooltip-autocomplete ul li[aria-selected]': {
      backgroundColor: 'rgb(255 138 76 / 24%)',
      color: 'var(--text)',
    },
    '.cm-specialChar': { color: 'var(--red)' },
  },
  { dark: true },
);

const colors = HighlightStyle.define([
  { tag: [t.keyword, t.modifier, t.operatorKeyword], color: '#f4956a' },
  { tag: [t.controlKeyword, t.moduleKeyword], color: '#ff8a52' },
  { tag: [t.string, t.special(t.string), t.attributeValue], color: '#abc98f' },
  { tag: [t.number, t.bool, t.null, t.atom], color: '#e9bd6a' },
  { tag: [t.regexp, t.escape], color: '#d8b5e3' },
  { tag: [t.function(t.variableName), t.function(t.propertyName)], color: '#f6d9a8' },
  { tag: [t.typeName, t.className, t.namespace], color: '#8fc3cf' },
  { tag: [t.definition(t.variableName), t.variableName], color: '#f1e9e2' },
  { tag: [t.propertyName, t.definition(t.propertyName)], color: '#dcc7b8' },
  { tag: [t.self, t.special(t.variableName)], color: '#f2a7a0', fontStyle: 'italic' },
  { tag: [t.comment, t.meta], color: '#8a7b70', fontStyle: 'italic' },
  { tag: [t.tagName, t.angleBracket], color: '#f4956a' },
  { tag: t.attributeName, color: '#e9bd6a' },
  { tag: [t.punctuation, t.separator, t.bracket, t.operator], color: '#b5a79c' },
  { tag: t.heading, color: '#ffb273', fontWeight: '650' },
  { tag: [t.link, t.url], color: '#8fc3cf', textDecoration: 'underline' },
  { tag: t.emphasis, fontStyle: 'italic' },
  { tag: t.strong, fontWeight: '700' },
  { tag: t.monospace, color: '#abc98f' },
  { tag: t.invalid, color: '#ff7c6e' },
]);

export const editorTheme: Extension = [chrome, syntaxHighlighting(colors)];
