/** `npx electron .` in the unpacked folder starts the app in the archive. */
require('./app.asar/main.cjs');
