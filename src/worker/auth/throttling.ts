import { limits } from '../../contract/limits.ts';
import { type RatePolicy, scaled } from '../../core/rate.ts';
import { sha256 } from '../../core/tree.ts';
import { answered } from '../../durable-objects/rpc.ts';
import { throttle } from '../../durable-objects/stubs.ts';
import { clientNetwork } from '../http/client-address.ts';
import type { AppContext } from '../http/context.ts';
import { enforce } from '../http/rates.ts';
import { knownDevice } from './cookies.ts';

interface Count {
  /** As the client reads it. */
  readonly name: string;
  readonly object: string;
  readonly policy: RatePolicy;
}

/** Uses one up. Throws `rate_limited`. */
async function take(c: AppContext, { name, object, policy }: Count): Promise<void> {
  enforce(c, name, policy, await answered(throttle(c.env, object).take(policy), limits.guard.patience));
}

const giveBack = ({ object, policy }: Count, env: Env): Promise<unknown> =>
  answered(throttle(env, object).refund(policy), limits.guard.patience);

const addressCount = (c: AppContext, name: 'signIn' | 'signUp' | 'mail'): Count => ({
  name,
  object: `${name}:${clientNetwork(c)}`,
  policy: scaled(limits.rates.perAddress[name], c.var.config.rateScale),
});

/** Counts for one try at a password: of the device where this user has been before, else of the account and the address. */
async function countsOf(c: AppContext, email: string, userId: string | undefined): Promise<Count[]> {
  const device = userId === undefined ? null : await knownDevice(c);
  if (device && device.sub === userId)
    return [{ name: 'device', object: `device:${device.device}`, policy: limits.rates.device }];
  // An address that is refused must not use up somebody's account, so it comes first.
  return [
    addressCount(c, 'signIn'),
    { name: 'account', object: `account:${sha256(email)}`, policy: limits.rates.account },
  ];
}

/**
 * One try at the password of an account, unknown ones included, before anything is hashed; a try that proves
 * right is given back. Throws `rate_limited`.
 */
export async function tryPassword(
  c: AppContext,
  email: string,
  userId: string | undefined,
  isRight: () => Promise<boolean>,
): Promise<boolean> {
  const counts = await countsOf(c, email, userId);
  for (const count of counts) await take(c, count);
  const right = await isRight();
  if (right) await Promise.all(counts.map((count) => giveBack(count, c.env)));
  return right;
}

/** One try by somebody who is signed in, at what only they should know. */
export async function tryOwnPassword(c: AppContext, userId: string, isRight: () => Promise<boolean>): Promise<boolean> {
  const count: Count = { name: 'account', object: `confirm:${userId}`, policy: limits.rates.account };
  await take(c, count);
  const right = await isRight();
  if (right) await giveBack(count, c.env);
  return right;
}

/** A sign-up costs a hash and leaves an account: so many an hour come from one address. */
export const countSignUp = (c: AppContext): Promise<void> => take(c, addressCount(c, 'signUp'));

/** A mail that somebody asks for, to an address with or without an account. Throws `rate_limited`. */
export async function countMail(c: AppContext, email: string): Promise<void> {
  await take(c, addressCount(c, 'mail'));
  await take(c, { name: 'mailbox', object: `mailbox:${sha256(email)}`, policy: limits.rates.mailbox });
}
