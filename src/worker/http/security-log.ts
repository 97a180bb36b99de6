import type { ErrorCode } from '../../contract/errors.ts';
import { logEvent } from '../../core/log.ts';
import { clientNetwork } from './client-address.ts';
import type { AppContext } from './context.ts';

/** Refusals that somebody who watches over the system wants to see: each is one line with the actor and the rule. */
const watched: ReadonlySet<ErrorCode> = new Set([
  'account_disabled',
  'forbidden',
  'insufficient_scope',
  'invalid_credentials',
  'invite_invalid',
  'rate_limited',
  'reauthentication_required',
  'refresh_token_invalid',
  'refresh_token_reused',
  'ticket_expired',
  'unauthenticated',
]);

/** Never with what was presented: the rule that refused it, and who it was as far as that is proven. */
export function logRefusal(c: AppContext, code: ErrorCode): void {
  const { fields, requestId } = c.var;
  // A private project that somebody named without being a member looks like none at all.
  const hidden = code === 'not_found' && fields.project !== undefined && fields.user !== undefined;
  if (!watched.has(code) && !hidden) return;
  logEvent(
    'security',
    {
      rule: code,
      actor: fields.user ?? 'anonymous',
      apiKey: fields.apiKey,
      project: fields.project,
      limit: fields.rate,
      network: clientNetwork(c),
      method: c.req.method,
      requestId,
    },
    'warn',
  );
}
