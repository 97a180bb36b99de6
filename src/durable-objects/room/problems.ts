import { type DocumentForm, type DocumentIssue, type DocumentProblems, isScenePath } from '../../contract/scene.ts';
import type { RoomStore } from './store.ts';

interface Row {
  file: number;
  form: DocumentForm;
  issues: string;
}

/** What does not fit in structured documents, as of their newest flush or write. People are told of each change. [R22] */
export class Problems {
  readonly #store: RoomStore;

  constructor(store: RoomStore) {
    this.#store = store;
  }

  /** Inside the transaction of the flush. */
  check(file: number, path: string, form: DocumentForm, issues: DocumentIssue[], by: string | null): void {
    const { sql } = this.#store;
    const text = JSON.stringify(issues);
    const known = sql.all<Row>('SELECT file, form, issues FROM document_problems WHERE file = ?', file)[0];
    if ((known?.issues ?? '[]') === text) return;
    if (issues.length === 0) sql.run('DELETE FROM document_problems WHERE file = ?', file);
    else
      sql.run(
        'INSERT INTO document_problems (file, form, issues) VALUES (?, ?, ?) ON CONFLICT (file) DO UPDATE SET form = excluded.form, issues = excluded.issues',
        file,
        form,
        text,
      );
    this.#store.emit('document.checked', by, { path, form, issues });
  }

  /** The document is gone. Inside a transaction. */
  forget(file: number): void {
    this.#store.sql.run('DELETE FROM document_problems WHERE file = ?', file);
  }

  list(): DocumentProblems[] {
    return this.#store.sql
      .all<Row>('SELECT file, form, issues FROM document_problems ORDER BY file')
      .flatMap(({ file, form, issues }) => {
        const path = this.#store.files.byId(file)?.path;
        // Under another name it may be no structured document any more.
        return path === undefined || !isScenePath(path)
          ? []
          : [{ path, form, issues: JSON.parse(issues) as DocumentIssue[] }];
      });
  }
}
