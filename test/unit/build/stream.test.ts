import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Build } from '../../../src/contract/builds.ts';
import { limits } from '../../../src/contract/limits.ts';
import { parseConfig } from '../../../src/core/config.ts';
import { toBuild } from '../../../src/data/builds.ts';
import { logStream } from '../../../src/durable-objects/build/stream.ts';
import { BuildWorld, batch, failure, log, progress, someone } from '../support/build-world.ts';

const config = parseConfig({
  KILN_ENV: 'production',
  APP_ORIGIN: 'https://kiln.example',
  CONTENT_HOST: 'kiln-content.example',
  AUTH_KEYS: JSON.stringify([{ kty: 'OKP', crv: 'Ed25519', kid: 'k', x: 'x', d: 'd' }]),
});

let world: BuildWorld;
beforeEach(() => {
  vi.useFakeTimers();
  world = new BuildWorld();
});
afterEach(() => {
  vi.useRealTimers();
});

const show = (): Build => toBuild(world.core.state, config);

/** What a follower has got so far, one line per frame. */
function follow(since = 0): {
  readonly got: string[];
  readonly ended: () => boolean;
  readonly cancel: () => Promise<void>;
} {
  const reader = logStream(world.core, since, show).getReader();
  const got: string[] = [];
  let ended = false;
  void (async () => {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) {
        ended = true;
        return;
      }
      for (const frame of new TextDecoder().decode(value).split('\n\n').filter(Boolean)) {
        const id = /^id: (\d+)$/m.exec(frame)?.[1];
        const event = /^event: (\w+)$/m.exec(frame)?.[1] ?? frame;
        const data = /^data: (.*)$/m.exec(frame)?.[1];
        const parsed =
          data === undefined ? {} : (JSON.parse(data) as { message?: string; build?: Build; status?: string });
        got.push([id, event, parsed.message ?? parsed.build?.status ?? parsed.status].filter(Boolean).join(' '));
      }
    }
  })();
  return { got, ended: () => ended, cancel: () => reader.cancel() };
}

const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);

describe('A followed log', () => {
  it('brings lines, every change of status, and the end, in order', async () => {
    world.create();
    const follower = follow();
    await settle();
    expect(follower.got).toEqual(['status queued']);
    await world.claim();
    await settle();
    await world.core.events(batch(1, 1, log('one'), log('two'), progress(0.5)));
    await settle();
    await world.core.events(batch(1, 2, failure('user')));
    await settle();
    expect(follower.got).toEqual([
      'status queued',
      'status building',
      '1 log one',
      '2 log two',
      'status building',
      'status failed',
      'done failed',
    ]);
    expect(follower.ended()).toBe(true);
  });

  it('goes on after the line that the follower has, and is whole for who comes after the end', async () => {
    await world.create().claim();
    await world.core.events(batch(1, 1, log('one'), log('two'), log('three')));
    await world.core.events(batch(1, 2, failure('user')));
    const [late, resumed] = [follow(), follow(2)];
    await settle();
    expect(late.got).toEqual(['1 log one', '2 log two', '3 log three', 'status failed', 'done failed']);
    expect(resumed.got).toEqual(['3 log three', 'status failed', 'done failed']);
  });

  it('says something now and then while nothing happens, so that proxies keep it open', async () => {
    await world.create().claim();
    const follower = follow();
    await settle();
    await vi.advanceTimersByTimeAsync(3 * limits.build.streamPing);
    expect(follower.got.filter((frame) => frame.startsWith(': waiting'))).toHaveLength(3);
    expect(follower.ended()).toBe(false);
  });

  it('brings a log of many pages without a gap', async () => {
    await world.create().claim();
    for (let n = 1; n <= 5; n += 1)
      await world.core.events(
        batch(1, n, ...Array.from({ length: limits.build.eventsPerBatch }, (_, i) => log(`${n}.${i}`))),
      );
    await world.core.cancel(someone);
    const follower = follow();
    await settle();
    const numbers = follower.got.filter((frame) => frame.includes(' log ')).map((frame) => Number.parseInt(frame, 10));
    expect(numbers).toEqual(Array.from({ length: 5 * limits.build.eventsPerBatch }, (_, index) => index + 1));
  });

  it('that nobody reads any more stops', async () => {
    await world.create().claim();
    const follower = follow();
    await settle();
    await follower.cancel();
    await world.core.events(batch(1, 1, log('unheard')));
    await vi.advanceTimersByTimeAsync(2 * limits.build.streamPing);
    expect(follower.got).not.toContain('1 log unheard');
    expect(vi.getTimerCount()).toBe(0);
  });
});
