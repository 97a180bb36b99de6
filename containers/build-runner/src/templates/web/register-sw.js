// A game plays without it, too: in a frame that may keep nothing, or from a file.
if ('serviceWorker' in navigator) navigator.serviceWorker.register('sw.js').catch(() => undefined);
