import { LRUCache } from 'lru-cache';
import type { Endpoint } from '../../contract/endpoint.ts';
import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import type { Scope } from '../../contract/scopes.ts';
import { hashOfKey, isApiKey, ownerOfKey } from '../../core/api-keys.ts';
import { describeError, logEvent } from '../../core/log.ts';
import { type Verified, verifyToken } from '../../core/tokens.ts';
import { touchApiKey } from '../../data/api-keys.ts';
import { withDatabase } from '../../data/open.ts';
import type { KeyFacts } from '../../durable-objects/guard/guard.ts';
import { type AppContext, actorOf, type Principal } from '../http/context.ts';
import { countUse } from '../http/rates.ts';
import { vouch } from './vouch.ts';

/** The bearer token; one scheme, one place. Several Authorization headers arrive joined by a comma and match nothing. */
function bearer(c: AppContext): string {
  const match = /^Bearer ([\w~+/.-]+=*)$/i.exec(c.req.header('authorization') ?? '');
  if (!match?.[1]) throw new KilnError('unauthenticated');
  return match[1];
}

/**
 * Who sends this request; throws `unauthenticated`, and `insufficient_scope` for an API key without the scope that
 * the endpoint declares (null: no key will do). No I/O while what the account's object said is fresh.
 */
export async function authenticate(c: AppContext, endpoint: Endpoint, scope: Scope | null): Promise<Principal> {
  const token = bearer(c);
  if (isApiKey(token)) return await byKey(c, endpoint, token, scope);
  const claims = await verifyToken(c.var.config, 'access', token);
  if (!claims) throw new KilnError('unauthenticated');
  c.var.fields.user = claims.sub;
  const facts = await vouch(c, claims.sub, { kind: 'session', id: claims.sid }, claims.sub);
  if (facts?.kind !== 'session') throw new KilnError('unauthenticated');
  countUse(c, claims.sub, endpoint);
  return { userId: claims.sub, sessionId: claims.sid, key: null };
}

async function byKey(c: AppContext, endpoint: Endpoint, token: string, scope: Scope | null): Promise<Principal> {
  const userId = ownerOfKey(token);
  if (!userId) throw new KilnError('unauthenticated');
  const hash = hashOfKey(token);
  const subject = `key:${hash}`;
  const key = await vouch(c, userId, { kind: 'key', hash }, subject);
  if (key?.kind !== 'key') throw new KilnError('unauthenticated');
  c.var.fields.user = userId;
  c.var.fields.apiKey = key.id;
  countUse(c, subject, endpoint);
  if (scope === null) throw new KilnError('insufficient_scope', { detail: 'API keys do not open this route.' });
  if (!key.scopes.includes(scope))
    throw new KilnError('insufficient_scope', { detail: `This needs the scope ${scope}.` });
  touch(c, userId, key);
  return { userId, sessionId: null, key };
}

/** Keys whose use this isolate has written down, until it is time again. */
const touched = new LRUCache<string, true>({ max: limits.guard.remembered, ttl: limits.apiKey.lastUsedEvery });

/** Beside the request: nobody waits for a note. */
function touch(c: AppContext, userId: string, key: KeyFacts): void {
  if (touched.has(key.id)) return;
  touched.set(key.id, true);
  if (key.lastUsedAt !== null && Date.now() - key.lastUsedAt < limits.apiKey.lastUsedEvery) return;
  const noted = withDatabase(c.env, (db) => touchApiKey(db, key.id, actorOf(c, userId))).catch((error: unknown) =>
    logEvent('api_key.not_touched', describeError(error), 'warn'),
  );
  c.executionCtx.waitUntil(noted);
}

/** A key that is bound to a project opens that one and makes no others. Throws `insufficient_scope`. */
export function refuseBeyond({ key }: Principal, projectId: string | null): void {
  if (key && key.projectId !== null && key.projectId !== projectId)
    throw new KilnError('insufficient_scope', { detail: 'This key is bound to another project.' });
}

/** The runner's job; a token of another one, or of the other kind, is as good as none. */
export async function authenticateRunner<P extends 'build' | 'optimize' | 'picture'>(
  c: AppContext,
  purpose: P,
  id: string,
): Promise<Verified<P>> {
  const claims = await verifyToken(c.var.config, purpose, bearer(c));
  if (!claims || claims.sub !== id) throw new KilnError('unauthenticated');
  return claims;
}

/** The operator, by a token that only a holder of the signing keys can make. */
export async function authenticateSystem(c: AppContext): Promise<void> {
  if (!(await verifyToken(c.var.config, 'system', bearer(c)))) throw new KilnError('unauthenticated');
}
