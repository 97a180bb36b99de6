import type { Row } from './dump.ts';
import { type ObjectRef, refs } from './objects.ts';

/** The tables whose rows name objects: all that the collector must read to know what is in use. */
export const referringTables: readonly string[] = [
  'project_files',
  'templates',
  'builds',
  'asset_versions',
  'plugin_versions',
];

const text = (row: Row, column: string): string | null => {
  const value = row[column];
  return typeof value === 'string' && value !== '' ? value : null;
};

/** The objects that a row names. A new column that names one is added here, and both backup and collector know it. */
export function referencesOf(table: string, row: Row): ObjectRef[] {
  const found: ObjectRef[] = [];
  const by = (column: string, ref: (value: string) => ObjectRef): void => {
    const value = text(row, column);
    if (value !== null) found.push(ref(value));
  };
  switch (table) {
    case 'project_files':
      by('hash', refs.blob);
      break;
    case 'templates':
      by('tree_hash', refs.tree);
      by('thumbnail_hash', refs.blob);
      break;
    case 'builds':
      by('tree_hash', refs.tree);
      by('lock_hash', refs.lock);
      if (row.status === 'success') {
        // A cached build shows the output of another, which may be gone as a build.
        by(text(row, 'output_of') === null ? 'id' : 'output_of', refs.site);
        for (const { sha256 } of JSON.parse(text(row, 'artifacts') ?? '[]') as { sha256: string }[])
          found.push(refs.output(sha256));
      }
      break;
    case 'asset_versions':
      by('object_key', refs.asset);
      break;
    case 'plugin_versions':
      by('tree_hash', refs.tree);
      break;
  }
  return found;
}
