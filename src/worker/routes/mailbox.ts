import type { Hono } from 'hono';
import { html } from 'hono/html';
import { KilnError } from '../../contract/errors.ts';
import type { AppEnv } from '../http/context.ts';
import { keptMails } from '../mail/mailbox.ts';

const policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";

const style =
  'body{font:16px/1.6 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;background:#110e0d;color:#f3ebe4}h1{font-weight:500}article{border:1px solid #43372f;border-radius:10px;background:#1e1917;padding:1rem 1.25rem;margin:1rem 0}h2{margin:0;font-size:1.05rem}p{color:#b5a69a;margin:.25rem 0 .75rem}pre{font:inherit;white-space:pre-wrap;overflow-wrap:anywhere;margin:0}a{color:#ffb47a}';

/** Text with its links as links. */
const linked = (text: string) =>
  text.split(/(https?:\/\/\S+)/).map((part, index) => (index % 2 ? html`<a href="${part}">${part}</a>` : part));

/** `/dev/mail`: the mails that a development system sent. Elsewhere there is no such page. */
export function mailboxPage(app: Hono<AppEnv>): void {
  app.get('/dev/mail', async (c) => {
    if (c.var.config.environment !== 'development') throw new KilnError('not_found');
    const mails = await keptMails(c.env);
    c.header('cache-control', 'no-store');
    if (c.req.header('accept') === 'application/json') return c.json({ mails });
    c.header('content-security-policy', policy);
    c.header('referrer-policy', 'no-referrer');
    return c.html(html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Mails · Kiln</title><meta name="viewport" content="width=device-width"><style>${style}</style></head>
<body><h1>Mails</h1><p>What this system sent in the last day, newest first. Outside development there is no such page.</p>
${mails.length === 0 ? html`<p>None yet: sign up, or ask for a new password.</p>` : ''}
${mails.map(
  (mail) =>
    html`<article><h2>${mail.subject}</h2><p>to ${mail.to}, ${new Date(mail.at).toISOString()}</p><pre>${linked(mail.text)}</pre></article>`,
)}
</body></html>`);
  });
}
