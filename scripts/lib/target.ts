import { resolve } from 'node:path';
import { fail, readArguments } from './command.ts';
import type { D1Target } from './migrate.ts';
import { root } from './paths.ts';

/** Which system a command of the operator's works on, and which database that has. */
export interface Target {
  stores: D1Target;
  /** Of the PostgreSQL itself; null: D1. */
  postgresUrl: string | null;
}

/** Reads `--target`, `--db`, `--state` and `--url` of a command that takes nothing else. */
export function readTarget(name: string): Target {
  const usage = `usage: npm run ${name} -- [options]
  --target WHERE   local (the default), staging or production: buckets and D1 are those of wrangler.toml
  --db WHAT        d1 (the default) or postgres
  --state DIR      with --target local: where the data lives (.kiln)
  --url URL        with --db postgres: the database itself, not Hyperdrive. Or set DATABASE_URL, which no
                   process list shows.
`;
  const { values } = readArguments(usage, {
    options: {
      target: { type: 'string', default: 'local' },
      db: { type: 'string', default: 'd1' },
      state: { type: 'string', default: '.kiln' },
      url: { type: 'string' },
    },
  });
  const { target, db, state, url = process.env.DATABASE_URL } = values;
  if (!['local', 'staging', 'production'].includes(target)) fail(`There is no target "${target}".\n${usage}`);
  if (db !== 'd1' && db !== 'postgres') fail(`--db is d1 or postgres.\n${usage}`);
  if (db === 'postgres' && !url) fail(`--db postgres needs --url or DATABASE_URL.\n${usage}`);
  return {
    stores: target === 'local' ? { persist: resolve(root, state, 'wrangler') } : { env: target },
    postgresUrl: db === 'postgres' ? (url ?? null) : null,
  };
}
