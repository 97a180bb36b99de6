import { type Extension, RangeSetBuilder } from '@codemirror/state';
import { Decoration, type DecorationSet, EditorView, ViewPlugin, type ViewUpdate, WidgetType } from '@codemirror/view';
import type { Awareness } from 'y-protocols/awareness';
import * as Y from 'yjs';

/**
 * The carets and selections of others, in the wire format of y-codemirror.next: `cursor: {anchor, head}` as relative positions and
 * `user: {name, color}`. Its own plugin sets style attributes, which the content security policy refuses; this one styles by CSSOM.
 */
interface RemoteState {
  user?: { name?: unknown; color?: unknown };
  cursor?: { anchor?: unknown; head?: unknown } | null;
}

const safeColor = (color: unknown): string =>
  typeof color === 'string' && CSS.supports('color', color) ? color : '#ff9a5a';
const safeName = (name: unknown): string =>
  typeof name === 'string' && name.trim() !== '' ? name.trim().slice(0, 40) : 'Someone';

class Caret extends WidgetType {
  readonly name: string;
  readonly color: string;
  /** A caret on the first line has its flag below: above there is no room. */
  readonly below: boolean;

  constructor(name: string, color: string, below: boolean) {
    super();
    this.name = name;
    this.color = color;
    this.below = below;
  }

  override eq(other: Caret): boolean {
    return other.name === this.name && other.color === this.color && other.below === this.below;
  }

  override toDOM(): HTMLElement {
    const caret = document.createElement('span');
    caret.className = this.below ? 'kiln-caret below' : 'kiln-caret';
    caret.style.setProperty('--person', this.color);
    caret.setAttribute('aria-hidden', 'true');
    const flag = document.createElement('span');
    flag.className = 'kiln-flag';
    flag.textContent = this.name;
    // Word joiners keep the line from breaking at the caret, and give it the height of the text.
    caret.append('⁠', flag, '⁠');
    return caret;
  }

  override ignoreEvent(): boolean {
    return true;
  }
}

const theme = EditorView.baseTheme({
  '.kiln-caret': {
    position: 'relative',
    borderLeft: '2px solid var(--person)',
    marginLeft: '-1px',
    marginRight: '-1px',
  },
  '.kiln-flag': {
    position: 'absolute',
    bottom: '100%',
    left: '-2px',
    padding: '1px 6px 2px',
    borderRadius: '5px 5px 5px 0',
    backgroundColor: 'var(--person)',
    color: '#17110e',
    font: '600 11px/1.3 var(--sans)',
    whiteSpace: 'nowrap',
    pointerEvents: 'none',
    zIndex: '20',
    animation: 'kiln-flag 4s ease-in forwards',
  },
  '.kiln-caret.below .kiln-flag': { bottom: 'auto', top: '100%', borderRadius: '0 5px 5px 5px' },
  '.kiln-caret:hover .kiln-flag': { animation: 'none', opacity: '1' },
  '@keyframes kiln-flag': { '0%, 70%': { opacity: '1' }, '100%': { opacity: '0' } },
});

const absolute = (position: unknown, text: Y.Text): number | undefined => {
  if (position === null || typeof position !== 'object' || text.doc === null) return undefined;
  const found = Y.createAbsolutePositionFromRelativePosition(Y.createRelativePositionFromJSON(position), text.doc);
  return found?.type === text ? found.index : undefined;
};

class RemoteCursors {
  decorations: DecorationSet = Decoration.none;
  readonly #view: EditorView;
  readonly #text: Y.Text;
  readonly #awareness: Awareness;
  readonly #onChange: (change: { added: number[]; updated: number[]; removed: number[] }) => void;

  constructor(view: EditorView, text: Y.Text, awareness: Awareness) {
    this.#view = view;
    this.#text = text;
    this.#awareness = awareness;
    this.#onChange = ({ added, updated, removed }) => {
      // An empty transaction: the decorations are made anew in update(). Not at once, for a change may come while one is applied.
      if ([...added, ...updated, ...removed].some((id) => id !== awareness.clientID))
        queueMicrotask(() => this.#view.dispatch({}));
    };
    awareness.on('change', this.#onChange);
    this.decorations = this.#decorate();
  }

  update(update: ViewUpdate): void {
    if (update.docChanged || update.selectionSet || update.focusChanged) this.#publish(update.view);
    // Remote positions are looked up in the shared text, which the sync plugin has brought up to date by now.
    this.decorations = this.#decorate();
  }

  destroy(): void {
    this.#awareness.off('change', this.#onChange);
  }

  /** Says where this user's caret is. It stays where it was when the window loses the focus. */
  #publish(view: EditorView): void {
    const state = this.#awareness.getLocalState();
    if (state === null || !view.hasFocus) return;
    const { anchor, head } = view.state.selection.main;
    const cursor = {
      anchor: Y.relativePositionToJSON(Y.createRelativePositionFromTypeIndex(this.#text, anchor)),
      head: Y.relativePositionToJSON(Y.createRelativePositionFromTypeIndex(this.#text, head)),
    };
    if (JSON.stringify(state.cursor) !== JSON.stringify(cursor))
      queueMicrotask(() => this.#awareness.setLocalStateField('cursor', cursor));
  }

  #decorate(): DecorationSet {
    const { doc } = this.#view.state;
    const marks: { from: number; to: number; value: Decoration }[] = [];
    for (const [id, state] of this.#awareness.getStates() as Map<number, RemoteState>) {
      if (id === this.#awareness.clientID || !state.cursor) continue;
      const anchor = absolute(state.cursor.anchor, this.#text);
      const head = absolute(state.cursor.head, this.#text);
      if (anchor === undefined || head === undefined || Math.max(anchor, head) > doc.length) continue;
      const color = safeColor(state.user?.color);
      const from = Math.min(anchor, head);
      const to = Math.max(anchor, head);
      if (from < to) {
        const style = `background-color: color-mix(in srgb, ${color} 26%, transparent)`;
        marks.push({ from, to, value: Decoration.mark({ attributes: { style } }) });
      }
      const widget = new Caret(safeName(state.user?.name), color, doc.lineAt(head).number === 1);
      marks.push({
        from: head,
        to: head,
        value: Decoration.widget({ widget, side: head > anchor ? -1 : 1 }),
      });
    }
    marks.sort((a, b) => a.from - b.from || a.value.startSide - b.value.startSide);
    const builder = new RangeSetBuilder<Decoration>();
    for (const { from, to, value } of marks) builder.add(from, to, value);
    return builder.finish();
  }
}

export const remoteCursors = (text: Y.Text, awareness: Awareness): Extension => [
  theme,
  ViewPlugin.define((view) => new RemoteCursors(view, text, awareness), {
    decorations: (plugin) => plugin.decorations,
  }),
];
