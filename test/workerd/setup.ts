import { applyD1Migrations, type D1Migration } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { beforeAll } from 'vitest';
import { database } from './support.ts';

beforeAll(async () => {
  await applyD1Migrations(database, (env as unknown as { MIGRATIONS: D1Migration[] }).MIGRATIONS);
});
