import {
  bigint,
  customType,
  index as pgIndex,
  primaryKey as pgPrimaryKey,
  pgTable,
  uniqueIndex as pgUniqueIndex,
  smallint,
} from 'drizzle-orm/pg-core';
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core';

/** What a table is made with, in SQLite's types: those are the types of every query. */
export const sqliteKit = { table: sqliteTable, text, integer, primaryKey, index, uniqueIndex };

export type Kit = typeof sqliteKit;

/** Bytewise order, as SQLite compares: pages and sorting are the same on both engines. */
const pgText = customType<{ data: string }>({ dataType: () => 'text COLLATE "C"' });

/**
 * The same words in PostgreSQL's types, for its migrations alone. Queries never see these columns:
 * values are encoded as for SQLite.
 */
export const postgresKit = {
  table: pgTable,
  text: (name: string) => pgText(name),
  integer: (name: string, options?: { mode?: string }) =>
    options?.mode === 'boolean' ? smallint(name) : bigint(name, { mode: 'number' }),
  primaryKey: pgPrimaryKey,
  index: pgIndex,
  uniqueIndex: pgUniqueIndex,
} as unknown as Kit;
