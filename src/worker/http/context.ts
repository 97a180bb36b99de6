import type { Context } from 'hono';
import type { Config } from '../../core/config.ts';
import type { LogFields } from '../../core/log.ts';
import type { Actor } from '../../data/audit.ts';
import type { Database } from '../../data/database.ts';

/** The signed-in user behind a request. */
export interface Principal {
  readonly userId: string;
  readonly sessionId: string;
}

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
  };
}

export type AppContext = Context<AppEnv>;

/** A user as the audit log names who did something by this request. */
export const actorOf = (c: AppContext, actorId: string): Actor & { actorId: string } => ({
  actorId,
  requestId: c.var.requestId,
  now: c.var.started,
});
