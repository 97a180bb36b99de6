import type { Sql } from '../sql.ts';

/** Each step runs once, in order, in one transaction with its number. Never edit a step that was released. */
const steps: readonly string[][] = [
  [
    // The working tree. `id` outlives renames: documents hang on it, not on the path.
    `CREATE TABLE files (id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL UNIQUE, hash TEXT NOT NULL, size INTEGER NOT NULL,
      mode INTEGER NOT NULL, is_text INTEGER NOT NULL, mime_type TEXT NOT NULL, updated_at INTEGER NOT NULL, updated_by TEXT, seq INTEGER NOT NULL)`,
    // Text by its hash. `stored`: it is in R2 as well.
    'CREATE TABLE contents (hash TEXT PRIMARY KEY, data BLOB NOT NULL, stored INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID',
    'CREATE INDEX contents_pending ON contents (at) WHERE stored = 0',
    'CREATE TABLE document_log (file INTEGER NOT NULL, seq INTEGER NOT NULL, part INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (file, seq, part)) WITHOUT ROWID',
    'CREATE TABLE document_snapshots (file INTEGER NOT NULL, part INTEGER NOT NULL, seq INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (file, part)) WITHOUT ROWID',
    // Documents whose newest text is not in the tree yet, and who typed it.
    'CREATE TABLE dirty (file INTEGER PRIMARY KEY, by TEXT, at INTEGER NOT NULL)',
    'CREATE TABLE revisions (file INTEGER NOT NULL, hash TEXT NOT NULL, at INTEGER NOT NULL, state BLOB NOT NULL, PRIMARY KEY (file, hash)) WITHOUT ROWID',
    // What the index in the relational store does not know yet.
    'CREATE TABLE index_pending (path TEXT PRIMARY KEY, seq INTEGER NOT NULL, removed INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID',
    'CREATE TABLE events (seq INTEGER PRIMARY KEY, type TEXT NOT NULL, at INTEGER NOT NULL, by TEXT, data TEXT NOT NULL)',
    'CREATE TABLE tickets (jti TEXT PRIMARY KEY, expires INTEGER NOT NULL) WITHOUT ROWID',
  ],
  [
    // `seq` is that of the state; up to `newest` nothing happened that it does not have.
    `CREATE TABLE checkpoints (id TEXT PRIMARY KEY, seq INTEGER NOT NULL, tree_hash TEXT NOT NULL, kind TEXT NOT NULL, name TEXT, message TEXT,
      author TEXT, at INTEGER NOT NULL, file_count INTEGER NOT NULL, total_size INTEGER NOT NULL, newest INTEGER NOT NULL) WITHOUT ROWID`,
    'CREATE INDEX checkpoints_tree ON checkpoints (tree_hash)',
    // Trees that checkpoints and bases name, and how many of them name each blob.
    'CREATE TABLE kept_trees (hash TEXT PRIMARY KEY) WITHOUT ROWID',
    'CREATE TABLE kept_blobs (hash TEXT PRIMARY KEY, trees INTEGER NOT NULL) WITHOUT ROWID',
    'CREATE TABLE merge_bases (project TEXT PRIMARY KEY, tree_hash TEXT NOT NULL, round INTEGER NOT NULL) WITHOUT ROWID',
    // Blobs that came in through this project and that no file names yet.
    'CREATE TABLE blob_leases (hash TEXT PRIMARY KEY, size INTEGER NOT NULL, is_text INTEGER NOT NULL, expires INTEGER NOT NULL) WITHOUT ROWID',
  ],
  [
    // What the activity of the project does not tell of yet.
    'CREATE TABLE activity_pending (id TEXT PRIMARY KEY, at INTEGER NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL, data TEXT NOT NULL, actor TEXT NOT NULL, request_id TEXT) WITHOUT ROWID',
  ],
  [
    // What does not fit in structured documents, as of their newest flush.
    'CREATE TABLE document_problems (file INTEGER PRIMARY KEY, form TEXT NOT NULL, issues TEXT NOT NULL)',
    'CREATE TABLE chat (id TEXT PRIMARY KEY, seq INTEGER NOT NULL, at INTEGER NOT NULL, author TEXT NOT NULL, body TEXT NOT NULL, mentions TEXT NOT NULL) WITHOUT ROWID',
    // A thread hangs on its file's id; on its path alone while there is no such file. `size` is what it takes of the project's share.
    `CREATE TABLE comments (id TEXT PRIMARY KEY, file INTEGER, path TEXT NOT NULL, anchor TEXT, quote TEXT, author TEXT NOT NULL, body TEXT NOT NULL,
      mentions TEXT NOT NULL, at INTEGER NOT NULL, edited_at INTEGER, seq INTEGER NOT NULL, checkpoint TEXT, resolved_at INTEGER, resolved_by TEXT,
      size INTEGER NOT NULL) WITHOUT ROWID`,
    'CREATE INDEX comments_file ON comments (file)',
    'CREATE INDEX comments_path ON comments (path)',
    'CREATE TABLE replies (id TEXT PRIMARY KEY, comment TEXT NOT NULL, author TEXT NOT NULL, body TEXT NOT NULL, mentions TEXT NOT NULL, at INTEGER NOT NULL, edited_at INTEGER, size INTEGER NOT NULL) WITHOUT ROWID',
    'CREATE INDEX replies_comment ON replies (comment, id)',
  ],
  [
    // Snapshots that are not in R2 yet: their manifests. The texts that they name are in `contents` until they are.
    'CREATE TABLE pending_trees (hash TEXT PRIMARY KEY, entries TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID',
  ],
  [
    // Who made an update: null for whoever made the one before, empty for nobody. A snapshot has the author of the newest update in it.
    'ALTER TABLE document_log ADD COLUMN author TEXT',
    'ALTER TABLE document_snapshots ADD COLUMN author TEXT',
  ],
  [
    // Yjs state vector of a snapshot, in its first part; null where it has to be read out of the snapshot.
    'ALTER TABLE document_snapshots ADD COLUMN vector BLOB',
  ],
  [
    // What a checkpoint names of the assets is in the relational store, as of this state; null: it names none.
    'ALTER TABLE checkpoints ADD COLUMN asset_state INTEGER',
    'ALTER TABLE checkpoints ADD COLUMN asset_count INTEGER',
    'ALTER TABLE checkpoints ADD COLUMN asset_size INTEGER',
    // Checkpoints that the relational store may know and that are not here: those that are being made, and those that went.
    'CREATE TABLE asset_marks_pending (id TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID',
    // Restores whose files are back and whose assets are not yet.
    'CREATE TABLE asset_restores (id TEXT PRIMARY KEY, checkpoint TEXT NOT NULL, by TEXT NOT NULL, request_id TEXT, at INTEGER NOT NULL) WITHOUT ROWID',
  ],
  [
    // Requests that made a checkpoint, by what tells them from every other, and what answered them.
    'CREATE TABLE checkpoint_requests (request TEXT PRIMARY KEY, answer TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID',
  ],
];

/** Brings a room's storage to the newest schema. Cheap when it is there already. */
export function migrate(sql: Sql): void {
  sql.run('CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)');
  const current = sql.all<{ version: number }>('SELECT version FROM schema_version')[0]?.version ?? 0;
  if (current > steps.length) throw new Error(`room storage is at schema ${current}, this code knows ${steps.length}`);
  if (current === steps.length) return;
  sql.transaction(() => {
    for (const statements of steps.slice(current)) for (const statement of statements) sql.run(statement);
    sql.run('DELETE FROM schema_version');
    sql.run('INSERT INTO schema_version VALUES (?)', steps.length);
  });
}
