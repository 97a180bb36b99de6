import { KilnError } from '../../contract/errors.ts';
import { newId } from '../../contract/ids.ts';
import { limits } from '../../contract/limits.ts';
import { Email } from '../../contract/users.ts';
import { usernameFrom, usernameVariant } from '../../core/usernames.ts';
import { accountBy } from '../../data/accounts.ts';
import { claimAccount, createUserOf, identityOwner, joinAccount } from '../../data/identities.ts';
import type { UserRow } from '../../data/users.ts';
import { tellGuard } from '../auth/end-sessions.ts';
import { type AppContext, actorOf } from '../http/context.ts';
import { sendSoon } from '../mail/deliver.ts';
import type { Proof } from './adapter.ts';

/** The account of a new face, under the first name that is free. */
async function createAccount(c: AppContext, proof: Proof, email: string): Promise<UserRow> {
  const wanted = usernameFrom(proof.login);
  const shown = proof.displayName.trim().slice(0, limits.auth.displayNameMax).trim();
  for (let attempt = 0; ; attempt += 1) {
    const username = usernameVariant(wanted, attempt);
    const user = { email, username, displayName: shown || username, now: c.var.started };
    try {
      return await createUserOf(c.var.db, proof, user, c.var.requestId);
    } catch (error) {
      const taken = error instanceof KilnError && error.code === 'username_taken';
      if (!taken || attempt >= limits.oauth.nameAttempts) throw error;
    }
  }
}

/** Takes over an account that nobody has proved to be theirs: what was going on in it ends. */
async function claim(c: AppContext, proof: Proof, account: UserRow, mail: string): Promise<boolean> {
  const claimed = await claimAccount(c.var.db, proof, account, actorOf(c, account.id), mail);
  if (claimed) await tellGuard(c.env, account.id, null);
  return claimed;
}

/** One look at what there is; null when it changed while this was deciding. */
async function settle(c: AppContext, proof: Proof): Promise<UserRow | null> {
  const { db } = c.var;
  const owner = await identityOwner(db, proof);
  if (owner) return owner;
  const email = Email.safeParse(proof.email);
  const account = email.success ? await accountBy(db, { email: email.data }) : undefined;
  if (!proof.emailVerified || !email.success) throw new KilnError(account ? 'account_exists' : 'email_unverified');
  if (!account)
    return await createAccount(c, proof, email.data).catch((error: unknown) => {
      if (error instanceof KilnError && (error.code === 'email_taken' || error.code === 'conflict')) return null;
      throw error;
    });
  if (account.disabledAt !== null) throw new KilnError('account_disabled');
  const mail = newId();
  const joined =
    account.emailVerifiedAt === null
      ? await claim(c, proof, account, mail)
      : (await joinAccount(db, proof, account, actorOf(c, account.id), mail)) === 'linked';
  if (!joined) return null;
  sendSoon(c, mail);
  return account;
}

/**
 * The account of who has proved who they are: the one that is linked, else the one with the same address where both
 * sides have verified it, else a new one. An address that nobody ever verified here is no claim to it: that account
 * goes to who proved it. Throws `account_exists` and `email_unverified`.
 */
export async function accountOf(c: AppContext, proof: Proof): Promise<UserRow> {
  const account = (await settle(c, proof)) ?? (await settle(c, proof));
  // Twice overtaken is no race: the account has another sign-in of this provider.
  if (!account) throw new KilnError('account_exists');
  return account;
}
