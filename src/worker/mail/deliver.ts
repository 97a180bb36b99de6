import { randomBytes } from 'node:crypto';
import { limits } from '../../contract/limits.ts';
import type { Config } from '../../core/config.ts';
import { describeError, logEvent } from '../../core/log.ts';
import { compose, MailOrder } from '../../core/mail.ts';
import { backoff } from '../../core/retry.ts';
import { sha256 } from '../../core/tree.ts';
import type { Database } from '../../data/database.ts';
import { issueEmailToken } from '../../data/email-tokens.ts';
import { withDatabase } from '../../data/open.ts';
import { claimMessage, claimOutbox, type OutboxRow, postponeMessage, settleOutbox } from '../../data/outbox.ts';
import { userById } from '../../data/users.ts';
import type { AppContext } from '../http/context.ts';
import { keepForDevelopment } from './mailbox.ts';

/**
 * Mails are promised in the outbox, in the batch of what they speak of, and sent from there: at once by the
 * request that promised them, else by the sweep. The token of a link is made when the mail is sent, so no secret
 * waits in a table, and of two mails only the later one's link works.
 */
async function send(db: Database, env: Env, config: Config, order: MailOrder, now: number): Promise<string> {
  const user = await userById(db, order.userId);
  if (!user) return 'no such account';
  if (order.kind === 'verify' && user.emailVerifiedAt !== null) return 'verified already';
  let token: string | null = null;
  if (order.kind !== 'notice') {
    token = randomBytes(limits.mail.tokenBytes).toString('base64url');
    const ttl = order.kind === 'verify' ? limits.mail.verifyTtl : limits.mail.resetTtl;
    const { kind: purpose } = order;
    await issueEmailToken(db, { hash: sha256(token), userId: user.id, purpose, email: user.email, now, ttl });
  }
  const letter = compose(config, user.username, order, token);
  await env.EMAIL.send({ from: { name: 'Kiln', email: config.mailFrom }, to: user.email, ...letter });
  await keepForDevelopment(env, config, { to: user.email, ...letter }, now);
  return 'sent';
}

/** An error of the mail service may name the address. */
const withoutAddresses = (error: unknown) => {
  const { message, stack: _, ...fields } = describeError(error);
  return { ...fields, message: String(message).replaceAll(/\S+@\S+/g, '…') };
};

/** Sends a claimed mail, or puts it off. Never throws for the mail service's sake. */
async function deliver(db: Database, env: Env, config: Config, row: OutboxRow): Promise<void> {
  const now = Date.now();
  const order = MailOrder.safeParse(row.body);
  const fields = { mail: row.id, kind: order.data?.kind, user: order.data?.userId, attempts: row.attempts };
  if (!order.success) {
    await settleOutbox(db, row.id);
    logEvent('mail', { ...fields, outcome: 'not understood' }, 'error');
    return;
  }
  try {
    const outcome = await send(db, env, config, order.data, now);
    await settleOutbox(db, row.id);
    logEvent('mail', { ...fields, outcome, ms: Date.now() - now });
  } catch (error) {
    const late = now - row.createdAt >= limits.mail.giveUp;
    if (late) await settleOutbox(db, row.id);
    else await postponeMessage(db, row.id, now + backoff(row.attempts, limits.mail.retryFirst, limits.mail.retryMax));
    logEvent('mail', { ...fields, outcome: late ? 'given up' : 'postponed', ...withoutAddresses(error) }, 'error');
  }
}

/** Sends a promised mail once this request is answered; where that fails, the sweep does it later. */
export function sendSoon(c: AppContext, id: string): void {
  const { env } = c;
  const { config } = c.var;
  const work = withDatabase(env, async (db) => {
    const row = await claimMessage(db, id, Date.now());
    if (row) await deliver(db, env, config, row);
  });
  c.executionCtx.waitUntil(
    work.catch((error: unknown) => logEvent('mail', { mail: id, outcome: 'left', ...describeError(error) }, 'error')),
  );
}

/** The mails that no request got rid of. Returns how many were looked at. */
export async function sweepMail(db: Database, env: Env, config: Config, now: number): Promise<number> {
  const rows = await claimOutbox(db, 'mail', now);
  for (const row of rows) await deliver(db, env, config, row);
  return rows.length;
}
