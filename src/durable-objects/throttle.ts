import { DurableObject } from 'cloudflare:workers';
import { advance, type RatePolicy, type Standing, standing } from '../core/rate.ts';

const key = 'state';

/** One count that must be right at every moment: attempts on one account, or from one address or device. */
export class Throttle extends DurableObject<Env> {
  /** Uses one up where it fits; one that does not fit costs nothing. */
  async take(policy: RatePolicy): Promise<Standing> {
    const now = Date.now();
    const before = this.ctx.storage.kv.get<number>(key) ?? 0;
    const after = advance(before, policy, 1, now);
    const outcome = standing(after, policy, now);
    if (!outcome.ok) return { ...standing(before, policy, now), ok: false };
    this.ctx.storage.kv.put(key, after);
    // Everything is given back by then, which is the same as never having been here.
    await this.ctx.storage.setAlarm(after);
    return outcome;
  }

  /** How it stands, with nothing used. */
  look(policy: RatePolicy): Standing {
    return standing(this.ctx.storage.kv.get<number>(key) ?? 0, policy, Date.now());
  }

  /** Gives one back. */
  refund(policy: RatePolicy): void {
    const before = this.ctx.storage.kv.get<number>(key);
    if (before !== undefined) this.ctx.storage.kv.put(key, advance(before, policy, -1, 0));
  }

  override async alarm(): Promise<void> {
    const state = this.ctx.storage.kv.get<number>(key) ?? 0;
    if (state > Date.now()) await this.ctx.storage.setAlarm(state);
    else await this.ctx.storage.deleteAll();
  }
}
