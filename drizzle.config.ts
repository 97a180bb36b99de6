import { defineConfig } from 'drizzle-kit';

/** D1's migrations; PostgreSQL's are made by `drizzle.postgres.config.ts` from the same definition. */
export default defineConfig({ dialect: 'sqlite', schema: './src/data/schema/sqlite.ts', out: './migrations' });
