import type { Context } from 'hono';
import type { Config } from '../../core/config.ts';
import type { LogFields } from '../../core/log.ts';
import type { Actor } from '../../data/audit.ts';
import type { Database } from '../../data/database.ts';
import type { HeldKey } from '../../data/idempotency.ts';
import type { KeyFacts } from '../../durable-objects/guard/guard.ts';

/** A person behind a request, by their session. */
export interface SignedIn {
  readonly userId: string;
  readonly sessionId: string;
  readonly key: null;
}

/** A program behind a request, by an API key of a user. */
interface KeyHolder {
  readonly userId: string;
  readonly sessionId: null;
  readonly key: KeyFacts;
}

export type Principal = SignedIn | KeyHolder;

export interface AppEnv {
  Bindings: Env;
  Variables: {
    requestId: string;
    config: Config;
    db: Database;
    /** When the request came in, milliseconds since the epoch. */
    started: number;
    /** More fields for the request's log event. */
    fields: Record<string, LogFields[string]>;
    /** Keys that the request has claimed, and whether their answer is kept. */
    claimed: { readonly keys: HeldKey[]; answered: boolean };
    /** Where the caller stands with what is limited, for the answer's headers. */
    rate: Readonly<Record<string, string>>;
  };
}

export type AppContext = Context<AppEnv>;

/** A user as the audit log names who did something by this request. */
export const actorOf = (c: AppContext, actorId: string): Actor & { actorId: string } => ({
  actorId,
  requestId: c.var.requestId,
  now: c.var.started,
});
