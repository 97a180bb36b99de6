/** How a database's schema stands to the one that this release was made for. */
export type SchemaState =
  | { readonly state: 'same' }
  /** Statements of this release may fail: the migrations were not run. */
  | { readonly state: 'behind'; readonly missing: readonly string[] }
  /** A newer release migrated it. Migrations only add what older releases need not know, so this one serves on. */
  | { readonly state: 'ahead'; readonly extra: readonly string[] };

/** Compares the migrations that a database has with those of this release, both by name. */
export function compareMigrations(applied: readonly string[], released: readonly string[]): SchemaState {
  const missing = released.filter((name) => !applied.includes(name));
  if (missing.length > 0) return { state: 'behind', missing };
  const extra = applied.filter((name) => !released.includes(name));
  return extra.length > 0 ? { state: 'ahead', extra } : { state: 'same' };
}

/** For an operator; undefined when there is nothing to say. */
export function describeSchema(schema: SchemaState): string | undefined {
  if (schema.state === 'behind')
    return `behind: ${schema.missing.join(', ')} missing. Run npm run db:migrate for this database.`;
  return schema.state === 'ahead' ? `ahead: has ${schema.extra.join(', ')} of a newer release` : undefined;
}
