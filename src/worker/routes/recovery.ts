import type { Hono } from 'hono';
import { endpoints } from '../../contract/endpoints.ts';
import { KilnError } from '../../contract/errors.ts';
import { newId } from '../../contract/ids.ts';
import { sha256 } from '../../core/tree.ts';
import { emailTokenOwner, verifyEmail } from '../../data/email-tokens.ts';
import { promiseLink, resetPassword } from '../../data/recovery.ts';
import { userByEmail } from '../../data/users.ts';
import { hashPassword } from '../auth/passwords.ts';
import type { AppEnv } from '../http/context.ts';
import { actorOf } from '../http/context.ts';
import { mount } from '../http/mount.ts';
import { sendSoon } from '../mail/deliver.ts';

/** What is done by a link from a mail, and the mails themselves. Hosts of links are the configuration's alone. */
export function recoveryRoutes(app: Hono<AppEnv>): void {
  mount(app, endpoints.requestVerification, async (c, { user }) => {
    const mail = newId();
    await promiseLink(c.var.db, 'verify', user.userId, mail, c.var.started);
    sendSoon(c, mail);
    return { status: 202 };
  });

  mount(app, endpoints.verifyEmail, async (c, { body }) => {
    const hash = sha256(body.token);
    const owner = await emailTokenOwner(c.var.db, 'verify', hash, c.var.started);
    const done = owner && (await verifyEmail(c.var.db, { hash, ...owner }, actorOf(c, owner.userId)));
    if (!done) throw new KilnError('link_invalid');
    return { status: 204 };
  });

  mount(app, endpoints.forgotPassword, async (c, { body }) => {
    const user = await userByEmail(c.var.db, body.email);
    const mail = newId();
    // For nobody's address the same statements run, and nothing is sent after the same answer.
    await promiseLink(c.var.db, 'reset', user?.id ?? newId(), mail, c.var.started);
    sendSoon(c, mail);
    return { status: 202 };
  });

  mount(app, endpoints.resetPassword, async (c, { body }) => {
    const hash = sha256(body.token);
    const owner = await emailTokenOwner(c.var.db, 'reset', hash, c.var.started);
    if (!owner) throw new KilnError('link_invalid');
    const passwordHash = await hashPassword(body.newPassword);
    const mail = newId();
    const ended = await resetPassword(c.var.db, { hash, ...owner, passwordHash, mail }, actorOf(c, owner.userId));
    if (!ended) throw new KilnError('link_invalid');
    sendSoon(c, mail);
    return { status: 204 };
  });
}
