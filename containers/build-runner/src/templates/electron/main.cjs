/**
 * The main process: one window that shows the game and nothing else. The game runs as a web page does: sandboxed,
 * in a world of its own, without Node, on an origin of its own, and cannot lead the window anywhere else.
 */
const { app, BrowserWindow, protocol, session } = require('electron');
const { join } = require('node:path');
const { serveSite } = require('./site.cjs');
const { policy, productName } = require('./package.json');

const scheme = 'game';
const origin = `${scheme}://app`;

/** What a game may ask for. Everything else is refused without a question. */
const permissions = new Set(['fullscreen', 'pointerLock', 'keyboardLock', 'screen-wake-lock']);

// A standard, secure scheme: ES modules, fetch, workers, storage and wasm work as they do on the web.
protocol.registerSchemesAsPrivileged([
  { scheme, privileges: { standard: true, secure: true, supportFetchAPI: true, stream: true, codeCache: true } },
]);
app.enableSandbox();

app.on('web-contents-created', (_event, contents) => {
  contents.setWindowOpenHandler(() => ({ action: 'deny' }));
  contents.on('will-attach-webview', (event) => event.preventDefault());
  for (const name of ['will-navigate', 'will-frame-navigate', 'will-redirect']) {
    contents.on(name, (event) => {
      if (!event.url.startsWith(`${origin}/`)) event.preventDefault();
    });
  }
});

const openWindow = () => {
  const window = new BrowserWindow({
    title: productName,
    icon: join(__dirname, 'icon.png'),
    width: 1280,
    height: 720,
    show: false,
    backgroundColor: '#000000',
    autoHideMenuBar: true,
    webPreferences: {
      preload: join(__dirname, 'preload.cjs'),
      contextIsolation: true,
      sandbox: true,
      nodeIntegration: false,
      nodeIntegrationInWorker: false,
      nodeIntegrationInSubFrames: false,
      webSecurity: true,
      webviewTag: false,
    },
  });
  window.once('ready-to-show', () => window.show());
  return window.loadURL(`${origin}/index.html`);
};

app.whenReady().then(async () => {
  session.defaultSession.setPermissionRequestHandler((_contents, permission, answer) =>
    answer(permissions.has(permission)),
  );
  session.defaultSession.setPermissionCheckHandler((_contents, permission) => permissions.has(permission));
  protocol.handle(scheme, serveSite(join(__dirname, 'site'), policy));
  app.on('activate', () => {
    if (BrowserWindow.getAllWindows().length === 0) void openWindow();
  });
  await openWindow();
});

app.on('window-all-closed', () => {
  if (process.platform !== 'darwin') app.quit();
});
