import { type EditorState, type Extension, RangeSet, StateEffect, StateField } from '@codemirror/state';
import { Decoration, EditorView, GutterMarker, gutter, showTooltip, type Tooltip } from '@codemirror/view';

/** An open thread on a passage. */
export interface Mark {
  readonly id: string;
  readonly from: number;
  readonly to: number;
  readonly color: string;
}

export const setMarks = StateEffect.define<readonly Mark[]>();

/** The passages; between two tellings they move with what is typed. */
const marksField = StateField.define<readonly Mark[]>({
  create: () => [],
  update(marks, transaction) {
    for (const effect of transaction.effects) if (effect.is(setMarks)) return effect.value;
    if (!transaction.docChanged) return marks;
    return marks.map((mark) => ({
      ...mark,
      from: transaction.changes.mapPos(mark.from, 1),
      to: transaction.changes.mapPos(mark.to, -1),
    }));
  },
  provide: (field) => [
    EditorView.decorations.compute([field], (state) =>
      Decoration.set(
        state.field(field).flatMap(({ from, to, id }) => {
          const end = Math.min(to, state.doc.length);
          return from < end
            ? [Decoration.mark({ class: 'kiln-commented', attributes: { 'data-thread': id } }).range(from, end)]
            : [];
        }),
        true,
      ),
    ),
  ],
});

class ThreadMarker extends GutterMarker {
  readonly id: string;
  readonly color: string;

  constructor({ id, color }: Mark) {
    super();
    this.id = id;
    this.color = color;
  }

  override eq(other: ThreadMarker): boolean {
    return other.id === this.id && other.color === this.color;
  }

  override toDOM(): HTMLElement {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'kiln-thread';
    button.dataset.thread = this.id;
    button.style.setProperty('--person', this.color);
    button.title = 'Show the comment';
    button.setAttribute('aria-label', 'Show the comment');
    return button;
  }
}

const theme = EditorView.baseTheme({
  '.kiln-commented': { backgroundColor: 'rgb(235 190 108 / 13%)', borderBottom: '1px dashed rgb(235 190 108 / 70%)' },
  '.kiln-threads': { width: '14px' },
  '.kiln-thread': {
    width: '9px',
    height: '9px',
    padding: '0',
    border: '0',
    borderRadius: '50% 50% 50% 2px',
    backgroundColor: 'var(--person)',
    cursor: 'pointer',
  },
  '.cm-tooltip.kiln-comment': { border: '0', background: 'none', boxShadow: 'none' },
  '.kiln-comment button': {
    padding: '3px 9px',
    border: '1px solid var(--line-strong)',
    borderRadius: '7px',
    backgroundColor: 'var(--bg-3)',
    color: 'var(--text)',
    font: '550 12px/1.4 var(--sans)',
    cursor: 'pointer',
  },
});

export interface CommentHandlers {
  show(thread: string): void;
  begin(from: number, to: number, quote: string): void;
  allowed(): boolean;
}

/** Marks of comments in the gutter and on their passages, and a button over a selection that begins one. */
export const commentMarks = ({ show, begin, allowed }: CommentHandlers): Extension => {
  const tooltipOf = (state: EditorState): Tooltip | null => {
    const { from, to, empty, head } = state.selection.main;
    if (empty || !allowed()) return null;
    return {
      pos: head,
      above: head === from,
      create: () => {
        const dom = document.createElement('div');
        dom.className = 'kiln-comment';
        const button = dom.appendChild(document.createElement('button'));
        button.type = 'button';
        button.textContent = 'Comment';
        button.dataset.testid = 'comment-selection';
        // Before the editor takes the selection away.
        button.addEventListener('mousedown', (event) => {
          event.preventDefault();
          begin(from, to, state.sliceDoc(from, Math.min(to, from + 300)));
        });
        return { dom };
      },
    };
  };
  return [
    theme,
    marksField,
    gutter({
      class: 'kiln-threads',
      markers: (view) => {
        const { doc } = view.state;
        return RangeSet.of(
          view.state
            .field(marksField)
            .filter(({ from }) => from <= doc.length)
            .map((mark) => new ThreadMarker(mark).range(doc.lineAt(mark.from).from)),
          true,
        );
      },
      domEventHandlers: {
        click: (_view, _line, event) => {
          const thread = event.target instanceof HTMLElement ? event.target.dataset.thread : undefined;
          if (thread !== undefined) show(thread);
          return thread !== undefined;
        },
      },
    }),
    showTooltip.compute(['selection'], tooltipOf),
  ];
};
