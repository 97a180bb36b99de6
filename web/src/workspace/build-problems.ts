import { type Diagnostic, lintGutter, setDiagnostics } from '@codemirror/lint';
import type { EditorState, Extension, Text, TransactionSpec } from '@codemirror/state';
import { EditorView } from '@codemirror/view';
import type { BuildLogLine } from '../../../src/contract/builds.ts';
import type { Place } from './model.ts';

/** What a build or a preview says of a place in a file. */
export type Remark = Pick<BuildLogLine, 'level' | 'step' | 'message' | 'file' | 'line' | 'column'>;

/** A mark beside each line of which the last build, or the preview, has something to say. */
export const problemMarks = (): Extension => [
  lintGutter(),
  EditorView.theme({
    '.cm-gutter-lint': { width: '14px' },
    '.cm-gutter-lint .cm-gutterElement': { padding: '0 1px' },
    // As high as a line: what is said of it hangs below, and does not cover it.
    '.cm-lint-marker': { boxSizing: 'content-box', width: '10px', height: '10px', padding: '6px 0' },
    '.cm-tooltip-lint': {
      backgroundColor: 'var(--bg-3)',
      color: 'var(--text)',
      border: '1px solid var(--line-strong)',
      borderRadius: '8px',
      overflow: 'hidden',
      maxWidth: 'min(560px, 80vw)',
    },
    '.cm-diagnostic': { padding: '6px 10px', whiteSpace: 'pre-wrap', fontFamily: 'var(--sans)', fontSize: '12.5px' },
  }),
];

/** Where in its file a line of the log points; undefined where it names the file alone. Columns of a log count from 0, those of an editor from 1. */
export const placeIn = ({ line, column }: Pick<BuildLogLine, 'line' | 'column'>): Place | undefined =>
  line === undefined ? undefined : { line, column: column === undefined ? undefined : column + 1 };

/** Where in the text a line of the log points: its word or quoted text, or the rest of the line when it names no column. */
function spanOf(doc: Text, { line: number = 1, column }: Remark): { from: number; to: number } {
  const line = doc.line(number);
  if (column === undefined) return { from: line.from + (/^\s*/.exec(line.text)?.[0].length ?? 0), to: line.to };
  // Columns of the log count from 0.
  const from = Math.min(line.from + column, line.to);
  const word = /^(?:[\w$]+|"[^"]*"|'[^']*')/.exec(line.text.slice(from - line.from))?.[0].length ?? 1;
  return { from, to: Math.min(from + word, line.to) };
}

/** Shows what was said of this text. Lines that are not there any more are left out: the text has gone on since. */
export function showProblems(state: EditorState, problems: readonly Remark[]): TransactionSpec {
  const marks = problems
    .filter(({ line = 0 }) => line >= 1 && line <= state.doc.lines)
    .map((problem): Diagnostic => {
      const severity = problem.level === 'error' ? 'error' : 'warning';
      return { ...spanOf(state.doc, problem), severity, source: problem.step, message: problem.message };
    });
  return setDiagnostics(state, marks);
}
