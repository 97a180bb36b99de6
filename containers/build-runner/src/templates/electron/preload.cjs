/** All that the game gets of the desktop: the knowledge that it is there. */
const { contextBridge } = require('electron');

contextBridge.exposeInMainWorld('desktop', { platform: process.platform });
