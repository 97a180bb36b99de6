import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../../src/contract/limits.ts';
import { networkOf } from '../../src/core/address.ts';
import { advance, rateHeaders, scaled, standing } from '../../src/core/rate.ts';

const policy = { limit: 10, window: 60_000 };

/** Takes one where it fits, as every counter does. */
function take(state: number, now: number): { state: number; ok: boolean } {
  const after = advance(state, policy, 1, now);
  return standing(after, policy, now).ok ? { state: after, ok: true } : { state, ok: false };
}

describe('Rates', () => {
  it('let the whole limit through at once, and then one per interval', () => {
    let state = 0;
    const outcomes = Array.from({ length: 12 }, () => {
      const taken = take(state, 1000);
      state = taken.state;
      return taken.ok;
    });
    expect(outcomes.filter(Boolean)).toHaveLength(10);
    expect(standing(state, policy, 1000)).toEqual({ ok: true, remaining: 0, reset: 60, retryAfter: 6 });
    expect(take(state, 6999).ok).toBe(false);
    expect(take(state, 7000).ok).toBe(true);
  });

  it('never let more through in any window than the limit and what was given back', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20_000), { maxLength: 200 }), (pauses) => {
        let [state, now] = [0, 0];
        const at: number[] = [];
        for (const pause of pauses) {
          now += pause;
          const taken = take(state, now);
          state = taken.state;
          if (taken.ok) at.push(now);
        }
        for (const start of at)
          expect(at.filter((time) => time >= start && time < start + policy.window).length).toBeLessThanOrEqual(
            2 * policy.limit,
          );
      }),
    );
  });

  it('#14 let few of a thousand guesses in an hour at one account, or at a thousand from one address', () => {
    const hour = 60 * 60_000;
    for (const guarded of [limits.rates.account, limits.rates.perAddress.signIn]) {
      let [state, through] = [0, 0];
      for (let guess = 0; guess < 1000; guess += 1) {
        const now = (guess * hour) / 1000;
        const after = advance(state, guarded, 1, now);
        if (!standing(after, guarded, now).ok) continue;
        state = after;
        through += 1;
      }
      expect(through).toBeLessThanOrEqual(guarded.limit * (1 + hour / guarded.window));
      expect(through).toBeLessThan(1000 / 2);
    }
  });

  it('give back what is refunded, and forget what is long past', () => {
    const full = advance(0, policy, 10, 1000);
    expect(standing(advance(full, policy, -1, 0), policy, 1000).remaining).toBe(1);
    expect(standing(full, policy, 1_000_000)).toMatchObject({ ok: true, remaining: 10, reset: 0 });
  });

  it('are told by the headers of the draft', () => {
    expect(rateHeaders('read', scaled(policy, 3), standing(0, scaled(policy, 3), 0))).toEqual({
      'ratelimit-policy': '"read";q=30;w=60',
      ratelimit: '"read";r=30;t=0',
    });
  });
});

describe('The network of an address', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:0001:2::1', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['not an address', 'not an address'],
  ])('%s is %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});
