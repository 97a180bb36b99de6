// Hocuspocus with a SQLite file. Its own SQLite extension does the same two statements through better-sqlite3, whose
// native build an install without scripts cannot have; storing stays debounced as it comes (2 s, at most 10 s).
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Server } from '@hocuspocus/server';
import * as Y from 'yjs';

const database = new DatabaseSync(join(process.env.STATE ?? '.', 'hocuspocus.sqlite'));
database.exec('CREATE TABLE IF NOT EXISTS documents (name varchar(255) NOT NULL, data blob NOT NULL, UNIQUE(name))');
const select = database.prepare('SELECT data FROM documents WHERE name = ?');
const upsert = database.prepare(
  'INSERT INTO documents (name, data) VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET data = excluded.data',
);

const server = new Server({
  quiet: true,
  address: '127.0.0.1',
  port: Number(process.env.PORT),
  stopOnSignals: false,
  // Each broadcast for itself, as Hocuspocus sent before it merged what comes in one turn of the event loop.
  ...(process.env.FLUSH_DELAY === 'false' ? { flushDelay: false } : {}),
  websocketOptions: { perMessageDeflate: false },
  async onLoadDocument({ document, documentName }) {
    const row = select.get(documentName);
    if (row) Y.applyUpdate(document, row.data);
  },
  async onStoreDocument({ document, documentName }) {
    upsert.run(documentName, Y.encodeStateAsUpdate(document));
  },
});
await server.listen();
process.send?.({ ready: true });
process.on('disconnect', () => process.exit(0));
