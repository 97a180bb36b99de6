import { newId } from '../../contract/ids.ts';
import { limits } from '../../contract/limits.ts';
import type { Config } from '../../core/config.ts';
import type { Letter } from '../../core/mail.ts';

/**
 * What a development system sent, for the page `/dev/mail`: nobody gets these mails, and somebody has to follow
 * their links. Nothing is kept anywhere else.
 */
export interface KeptMail extends Letter {
  readonly to: string;
  readonly at: number;
}

const prefix = 'dev-mail:';

/** Keys of a list come in order, so the newest must have the smallest. */
const keyAt = (at: number): string => `${prefix}${String(Number.MAX_SAFE_INTEGER - at)}-${newId()}`;

export async function keepForDevelopment(
  env: Env,
  config: Config,
  mail: Letter & { to: string },
  at: number,
): Promise<void> {
  if (config.environment !== 'development') return;
  const expirationTtl = limits.mail.mailboxTtl / 1000;
  await env.CACHE.put(keyAt(at), JSON.stringify({ ...mail, at } satisfies KeptMail), { expirationTtl });
}

/** The newest mails first. */
export async function keptMails(env: Env): Promise<KeptMail[]> {
  const { keys } = await env.CACHE.list({ prefix, limit: limits.mail.mailboxShown });
  const mails = await Promise.all(keys.map(({ name }) => env.CACHE.get<KeptMail>(name, 'json')));
  return mails.filter((mail) => mail !== null);
}
