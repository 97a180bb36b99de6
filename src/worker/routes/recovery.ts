import type { Hono } from 'hono';
import { endpoints } from '../../contract/endpoints.ts';
import { KilnError } from '../../contract/errors.ts';
import { newId } from '../../contract/ids.ts';
import { sha256 } from '../../core/tree.ts';
import { emailTokenOwner, verifyEmail } from '../../data/email-tokens.ts';
import { promiseLink, resetPassword } from '../../data/recovery.ts';
import { userByEmail, userById } from '../../data/users.ts';
import { tellGuard } from '../auth/end-sessions.ts';
import { refuseWeak } from '../auth/password-rules.ts';
import { hashPassword } from '../auth/passwords.ts';
import { countMail } from '../auth/throttling.ts';
import type { AppEnv } from '../http/context.ts';
import { actorOf } from '../http/context.ts';
import { mount } from '../http/mount.ts';
import { sendSoon } from '../mail/deliver.ts';

/** What is done by a link from a mail, and the mails themselves. Hosts of links are the configuration's alone. */
export function recoveryRoutes(app: Hono<AppEnv>): void {
  mount(app, endpoints.requestVerification, async (c, { user }) => {
    const account = await userById(c.var.db, user.userId);
    if (!account) throw new KilnError('unauthenticated');
    await countMail(c, account.email);
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
    await countMail(c, body.email);
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
    await refuseWeak(body.newPassword, owner, 'newPassword');
    const passwordHash = await hashPassword(body.newPassword);
    const mail = newId();
    const done = await resetPassword(c.var.db, { hash, ...owner, passwordHash, mail }, actorOf(c, owner.userId));
    if (!done) throw new KilnError('link_invalid');
    sendSoon(c, mail);
    await tellGuard(c.env, owner.userId, null);
    return { status: 204 };
  });
}
