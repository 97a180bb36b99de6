import type { Hono } from 'hono';
import { endpoints } from '../../contract/endpoints.ts';
import { KilnError } from '../../contract/errors.ts';
import { Id } from '../../contract/ids.ts';
import { type AccountRow, accountBy, disableAccount, enableAccount, stateOf } from '../../data/accounts.ts';
import { publishedSlugsOf } from '../../data/publications.ts';
import { closeAccount } from '../auth/close-account.ts';
import { tellGuard } from '../auth/end-sessions.ts';
import { forgetPublished } from '../content/published.ts';
import type { AppContext, AppEnv } from '../http/context.ts';
import { mount } from '../http/mount.ts';

/** An account as the operator names it: by id, email or user name. */
async function named(c: AppContext, account: string): Promise<AccountRow> {
  const by = Id.safeParse(account).success
    ? { id: account }
    : account.includes('@')
      ? { email: account }
      : { username: account };
  const row = await accountBy(c.var.db, by);
  if (!row) throw new KilnError('not_found');
  return row;
}

const byOperator = (c: AppContext) => ({ actorId: null, requestId: c.var.requestId, now: c.var.started });

/** What the operator does with somebody's account. Each may be called again: that does what was left undone. */
export function accountsRoutes(app: Hono<AppEnv>): void {
  mount(app, endpoints.disableAccount, async (c, { body }) => {
    const { id, username } = await named(c, body.account);
    const actor = byOperator(c);
    await disableAccount(c.var.db, id, actor, body.reason);
    forgetPublished(...(await publishedSlugsOf(c.var.db, id)));
    const ended = await closeAccount(c.env, c.var.db, id, { reason: 'account-disabled', actor });
    return { status: 200, body: { account: { id, username, state: 'disabled', ...ended } } };
  });

  mount(app, endpoints.enableAccount, async (c, { body }) => {
    const { id, username } = await named(c, body.account);
    await enableAccount(c.var.db, id, byOperator(c), body.reason);
    // Its keys work again; its sessions stay ended.
    await tellGuard(c.env, id, null);
    const after = await named(c, id);
    return {
      status: 200,
      body: { account: { id, username, state: stateOf(after), endedSessions: 0, cancelledBuilds: 0 } },
    };
  });
}
