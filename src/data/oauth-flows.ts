import { and, eq, gt, lt } from 'drizzle-orm';
import type { Provider } from '../contract/oauth.ts';
import type { Database } from './database.ts';
import { oauthFlows } from './schema/sqlite.ts';

export type OAuthFlow = typeof oauthFlows.$inferSelect;

export async function createFlow(db: Database, flow: OAuthFlow): Promise<void> {
  await db.query('oauthFlows.create', (orm) => orm.insert(oauthFlows).values(flow));
}

/** Spends a flow: of several callbacks with one state exactly one gets it. */
export async function takeFlow(
  db: Database,
  provider: Provider,
  stateHash: string,
  now: number,
): Promise<OAuthFlow | undefined> {
  const [flow] = await db.query('oauthFlows.take', (orm) =>
    orm
      .delete(oauthFlows)
      .where(and(eq(oauthFlows.stateHash, stateHash), eq(oauthFlows.provider, provider), gt(oauthFlows.expiresAt, now)))
      .returning(),
  );
  return flow;
}

/** Removes flows from which nobody came back. Returns how many. */
export async function expireFlows(db: Database, now: number): Promise<number> {
  const gone = await db.query('oauthFlows.expire', (orm) =>
    orm.delete(oauthFlows).where(lt(oauthFlows.expiresAt, now)).returning({ stateHash: oauthFlows.stateHash }),
  );
  return gone.length;
}
