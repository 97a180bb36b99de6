import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { compileFunction } from 'node:vm';

type Handler = (...args: never[]) => unknown;

/** What the main process of an app asked of Electron. */
export interface Asked {
  readonly schemes: unknown[];
  readonly windows: object[];
  readonly loaded: string[];
  readonly handled: string[];
  /** Whether the window is kept from going to a URL. */
  prevented(url: string): boolean;
  open(): unknown;
  permits(permission: string): boolean;
}

/** Runs an app's main process in Node with an `electron` that records what is asked of it. */
export const runElectronMain = async (app: string): Promise<Asked> => {
  const require = createRequire(join(app, 'main.cjs'));
  const onContents: Handler[] = [];
  const onNavigation: [string, Handler][] = [];
  const schemes: unknown[] = [];
  const windows: object[] = [];
  const loaded: string[] = [];
  const handled: string[] = [];
  let openHandler: Handler = () => undefined;
  let permission: Handler = () => false;
  const isReady = Promise.withResolvers<void>();

  const contents = {
    setWindowOpenHandler: (handler: Handler) => {
      openHandler = handler;
    },
    on: (name: string, handler: Handler) => onNavigation.push([name, handler]),
  };
  class BrowserWindow {
    static getAllWindows = (): object[] => windows;
    constructor(options: object) {
      windows.push(options);
      for (const handler of onContents) handler(...([{}, contents] as never[]));
    }
    once(): void {}
    loadURL(url: string): Promise<void> {
      loaded.push(url);
      isReady.resolve();
      return Promise.resolve();
    }
  }
  const electron = {
    app: {
      enableSandbox: () => undefined,
      whenReady: () => Promise.resolve(),
      on: (name: string, handler: Handler) => {
        if (name === 'web-contents-created') onContents.push(handler);
      },
    },
    BrowserWindow,
    protocol: {
      registerSchemesAsPrivileged: (list: unknown[]) => schemes.push(...list),
      handle: (scheme: string) => handled.push(scheme),
    },
    session: {
      defaultSession: {
        setPermissionRequestHandler: () => undefined,
        setPermissionCheckHandler: (handler: Handler) => {
          permission = handler;
        },
      },
    },
  };
  const main = compileFunction(readFileSync(join(app, 'main.cjs'), 'utf8'), ['require', '__dirname']);
  main((name: string) => (name === 'electron' ? electron : require(name)), app);
  await isReady.promise;

  return {
    schemes,
    windows,
    loaded,
    handled,
    prevented: (url) => {
      let count = 0;
      const navigations = onNavigation.filter(([name]) => name !== 'will-attach-webview');
      for (const [, handler] of navigations) handler(...([{ url, preventDefault: () => (count += 1) }] as never[]));
      if (count !== 0 && count !== navigations.length) throw new Error('ways to navigate are not treated alike');
      return count > 0;
    },
    open: () => openHandler(),
    permits: (name) => permission(...([{}, name] as never[])) === true,
  };
};
