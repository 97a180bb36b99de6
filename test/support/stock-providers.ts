import type { Awareness } from 'y-protocols/awareness';
import type { Doc } from 'yjs';

/** What the stock providers have in common. */
export interface StockProvider {
  readonly doc: Doc;
  readonly awareness: Awareness;
  readonly synced: boolean;
  readonly wsconnected: boolean;
  readonly ws: { close(code?: number): void } | null;
  disconnect(): void;
  destroy(): void;
  on(event: string, listener: (...args: never[]) => void): void;
}

/** What an example of a provider exports. */
export interface ProviderExample {
  connect(origin: string, project: string, path: string, doc: Doc, freshTicket: () => Promise<string>): StockProvider;
}

/** In the order of docs/guides/realtime.md. */
export const stockProviders = ['y-partyserver', 'y-partykit', 'y-websocket'] as const;
