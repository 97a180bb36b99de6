import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import { type AccountRow, accountBy } from '../../data/accounts.ts';
import { audit } from '../../data/audit.ts';
import { sessionById } from '../../data/sessions.ts';
import { type AppContext, actorOf, type SignedIn } from '../http/context.ts';
import { verifyPassword } from './passwords.ts';
import { tryOwnPassword } from './throttling.ts';

/**
 * That it is still the same person: by their password, or by a sign-in of the last minutes where they have
 * none. Throws `invalid_credentials` or `reauthentication_required`.
 */
export async function confirmed(c: AppContext, user: SignedIn, password: string | undefined): Promise<AccountRow> {
  const account = await accountBy(c.var.db, { id: user.userId });
  if (!account) throw new KilnError('unauthenticated');
  const stored = account.passwordHash;
  if (stored === null) {
    const session = await sessionById(c.var.db, user.sessionId);
    if (!session || session.createdAt < c.var.started - limits.auth.freshSession)
      throw new KilnError('reauthentication_required');
    return account;
  }
  const right = await tryOwnPassword(c, user.userId, () => verifyPassword(password ?? '', stored));
  if (right) return account;
  await audit(c.var.db, { ...actorOf(c, user.userId), action: 'auth.confirmation_failed' });
  throw new KilnError('invalid_credentials');
}
