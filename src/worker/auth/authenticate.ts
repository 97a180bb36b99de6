import { KilnError } from '../../contract/errors.ts';
import { type Verified, verifyToken } from '../../core/tokens.ts';
import type { AppContext, Principal } from '../http/context.ts';

/** The bearer token; one scheme, one place. Several Authorization headers arrive joined by a comma and match nothing. */
function bearer(c: AppContext): string {
  const match = /^Bearer ([\w~+/.-]+=*)$/i.exec(c.req.header('authorization') ?? '');
  if (!match?.[1]) throw new KilnError('unauthenticated');
  return match[1];
}

/** Who sends this request; throws `unauthenticated`. No I/O. */
export async function authenticate(c: AppContext): Promise<Principal> {
  const claims = await verifyToken(c.var.config, 'access', bearer(c));
  if (!claims) throw new KilnError('unauthenticated');
  return { userId: claims.sub, sessionId: claims.sid };
}

/** The runner's job; a token of another build is as good as none. */
export async function authenticateRunner(c: AppContext, buildId: string): Promise<Verified<'build'>> {
  const claims = await verifyToken(c.var.config, 'build', bearer(c));
  if (!claims || claims.sub !== buildId) throw new KilnError('unauthenticated');
  return claims;
}

/** The operator, by a token that only a holder of the signing keys can make. */
export async function authenticateSystem(c: AppContext): Promise<void> {
  if (!(await verifyToken(c.var.config, 'system', bearer(c)))) throw new KilnError('unauthenticated');
}
