/** Code blocks of the guides, as test/support/examples.ts bundles them. */
declare module 'example:realtime/*' {
  export const connect: import('../support/stock-providers.ts').ProviderExample['connect'];
}

declare module 'example:editors/codemirror' {
  export function bindCodeMirror(
    parent: HTMLElement,
    document: { doc: import('yjs').Doc; awareness: import('y-protocols/awareness').Awareness },
    readOnly?: boolean,
  ): import('@codemirror/view').EditorView;
}

declare module 'example:editors/monaco' {
  export function bindMonaco(
    parent: HTMLElement,
    document: { doc: import('yjs').Doc; awareness: import('y-protocols/awareness').Awareness },
    readOnly?: boolean,
  ): { editor: { getValue(): string }; destroy(): void };
}
