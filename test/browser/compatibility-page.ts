import { bindCodeMirror } from 'example:editors/codemirror';
import { bindMonaco } from 'example:editors/monaco';
import * as partykit from 'example:realtime/y-partykit';
import * as partyserver from 'example:realtime/y-partyserver';
import * as websocket from 'example:realtime/y-websocket';
import { Doc } from 'yjs';
import type { ProviderExample, StockProvider, stockProviders } from '../support/stock-providers.ts';

const providers: Record<(typeof stockProviders)[number], ProviderExample> = {
  'y-partykit': partykit,
  'y-partyserver': partyserver,
  'y-websocket': websocket,
};

export interface Order {
  provider: keyof typeof providers;
  editor: 'codemirror' | 'monaco';
  project: string;
  path: string;
  token: string;
  readOnly: boolean;
  /** Instead of a fresh one. */
  ticket?: string;
}

export interface CompatibilityPage {
  open(order: Order): Promise<void>;
  close(): void;
  text(): string;
  /** Of the editor's own, which the binding keeps equal to the document's. */
  shown(): string;
  connected(): boolean;
  names(): string[];
  /** Fields in which others say where their caret is. */
  carets(): string[];
  /** Ends the connection; the example has to come back by itself. */
  drop(): void;
  tickets(): number;
  /** Connections that were lost or refused. */
  closed(): number;
}

declare global {
  interface Window {
    compatibility: CompatibilityPage;
  }
}

let provider: StockProvider | undefined;
let shown: () => string = () => '';
let dispose: () => void = () => undefined;
let tickets = 0;
let closed = 0;

const current = (): StockProvider => {
  if (provider === undefined) throw new Error('nothing is open');
  return provider;
};

const others = (): Record<string, unknown>[] =>
  [...current().awareness.getStates()]
    .filter(([id]) => id !== current().doc.clientID)
    .map(([, state]) => state as Record<string, unknown>);

window.compatibility = {
  async open(order) {
    tickets = 0;
    closed = 0;
    const freshTicket = async (): Promise<string> => {
      tickets += 1;
      if (order.ticket !== undefined) return order.ticket;
      const answer = await fetch(`/api/projects/${order.project}/room/ticket`, {
        method: 'POST',
        headers: { authorization: `Bearer ${order.token}` },
      });
      return ((await answer.json()) as { ticket: string }).ticket;
    };
    const opened = providers[order.provider].connect(
      location.origin,
      order.project,
      order.path,
      new Doc(),
      freshTicket,
    );
    provider = opened;
    opened.on('connection-close', () => {
      closed += 1;
    });
    if (order.ticket !== undefined) return;
    await new Promise<void>((resolve) =>
      opened.on('sync', ((synced: boolean) => {
        if (synced) resolve();
      }) as never),
    );
    const parent = document.body.appendChild(document.createElement('div'));
    parent.id = 'editor';
    if (order.editor === 'codemirror') {
      const view = bindCodeMirror(parent, opened, order.readOnly);
      shown = () => view.state.doc.toString();
      dispose = () => view.destroy();
    } else {
      const { editor, destroy } = bindMonaco(parent, opened, order.readOnly);
      shown = () => editor.getValue();
      dispose = destroy;
    }
  },
  close() {
    dispose();
    dispose = () => undefined;
    document.getElementById('editor')?.remove();
    provider?.destroy();
    provider?.doc.destroy();
    provider = undefined;
  },
  text: () => current().doc.getText('content').toString(),
  shown: () => shown(),
  connected: () => current().wsconnected,
  names: () => others().map(({ user }) => String((user as { name?: unknown } | undefined)?.name)),
  carets: () => others().flatMap((state) => ['cursor', 'selection'].filter((field) => state[field] != null)),
  drop: () => current().ws?.close(),
  tickets: () => tickets,
  closed: () => closed,
};
