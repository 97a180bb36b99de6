import * as z from 'zod';
import type { Config } from './config.ts';
import { resetUrl, verifyUrl } from './links.ts';

/** What happened to an account that its owner should hear of, in case it was not them (ASVS 6.3.7). */
const Notice = z.enum(['password_reset', 'provider_linked', 'provider_unlinked', 'account_claimed']);
type Notice = z.infer<typeof Notice>;

/** A mail that is promised. It names a person and no address or secret: both are looked up when it is sent. */
export const MailOrder = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('verify'), userId: z.string() }),
  z.object({ kind: z.literal('reset'), userId: z.string() }),
  z.object({ kind: z.literal('notice'), userId: z.string(), notice: Notice, provider: z.string().optional() }),
]);
export type MailOrder = z.infer<typeof MailOrder>;

export interface Letter {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

interface Content {
  readonly subject: string;
  readonly paragraphs: readonly string[];
  readonly action?: { readonly label: string; readonly url: string };
  readonly after: string;
}

const providerNames: Readonly<Record<string, string>> = { github: 'GitHub', google: 'Google' };

const notices: Record<Notice, (provider: string) => Pick<Content, 'subject' | 'paragraphs'>> = {
  password_reset: () => ({
    subject: 'Your Kiln password was changed',
    paragraphs: ['The password of your account was reset by a link in a mail. Every device was signed out.'],
  }),
  provider_linked: (provider) => ({
    subject: `${provider} was linked to your Kiln account`,
    paragraphs: [`You can sign in with ${provider} from now on.`],
  }),
  provider_unlinked: (provider) => ({
    subject: `${provider} was unlinked from your Kiln account`,
    paragraphs: [`You cannot sign in with ${provider} any more.`],
  }),
  account_claimed: (provider) => ({
    subject: 'Your Kiln account is yours now',
    paragraphs: [
      `Somebody had made an account with this address and never proved that it is theirs. You did, with ${provider}.`,
      'Its old password, sessions, linked providers and API keys do not work any more. Projects that you do not know in it may be deleted.',
    ],
  }),
};

function contentOf(config: Config, username: string, order: MailOrder, token: string | null): Content {
  if (order.kind === 'notice')
    return {
      ...notices[order.notice](providerNames[order.provider ?? ''] ?? 'A provider'),
      action: { label: 'Look at your account', url: `${config.appOrigin}/account` },
      after: 'If that was not you, reset your password now and look at the sessions and providers of your account.',
    };
  if (token === null) throw new Error('a mail with a link needs its token');
  if (order.kind === 'verify')
    return {
      subject: 'Verify your address for Kiln',
      paragraphs: [
        `An account with the name ${username} was made at ${config.appOrigin} with this address. If that was you, verify it.`,
      ],
      action: { label: 'Verify the address', url: verifyUrl(config, token) },
      after:
        'The link works once, for three days. If you made no account, do nothing: without it the address is not believed.',
    };
  return {
    subject: 'Reset your Kiln password',
    paragraphs: [
      `Somebody asked for a new password of ${username} at ${config.appOrigin}. If that was you, choose one.`,
    ],
    action: { label: 'Choose a new password', url: resetUrl(config, token) },
    after: 'The link works once, for one hour. If you did not ask, do nothing: the password stays as it is.',
  };
}

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escaped = (text: string): string => text.replace(/[&<>"]/g, (character) => escapes[character] ?? character);

/** The mail of an order. `token` is the one of its link; notices have none. */
export function compose(config: Config, username: string, order: MailOrder, token: string | null): Letter {
  const { subject, paragraphs, action, after } = contentOf(config, username, order, token);
  const greeting = `Hello ${username},`;
  const text = [greeting, ...paragraphs, ...(action ? [`${action.label}:\n${action.url}`] : []), after].join('\n\n');
  const part = (content: string): string => `<p style="margin:0 0 16px">${content}</p>`;
  const button = action
    ? `<p style="margin:0 0 16px"><a href="${escaped(action.url)}" style="display:inline-block;padding:10px 18px;border-radius:8px;background:#d24a17;color:#ffffff;text-decoration:none">${escaped(action.label)}</a></p>`
    : '';
  const html = `<!doctype html><html lang="en"><body style="font:16px/1.5 system-ui,sans-serif;color:#221b18;max-width:34rem;margin:24px auto;padding:0 16px">${[
    part(escaped(greeting)),
    ...paragraphs.map((paragraph) => part(escaped(paragraph))),
    button,
    `<p style="color:#6b5e55;font-size:14px">${escaped(after)}</p>`,
  ].join('')}</body></html>`;
  return { subject, text: `${text}\n`, html };
}
