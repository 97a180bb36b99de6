import { env } from 'cloudflare:workers';
import { withDatabase } from '../../src/data/open.ts';
import { Scratch } from '../../src/durable-objects/maintenance/scratch.ts';
import type { Stores } from '../../src/durable-objects/maintenance/stores.ts';
import { storageSql } from '../../src/durable-objects/sql.ts';
import { projectRoom } from '../../src/durable-objects/stubs.ts';

/** What a job touches, with the storage of any object: for a job that runs at another time. */
export const stores = (state: DurableObjectState): Stores => ({
  scratch: new Scratch(storageSql(state.storage)),
  buckets: { assets: env.ASSETS, builds: env.BUILDS },
  exports: env.EXPORTS,
  room: (projectId) => projectRoom(env, projectId),
  restoreBuild: async () => undefined,
  withDatabase: (work) => withDatabase(env, work),
  now: Date.now,
});
