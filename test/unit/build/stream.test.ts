import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Build } from '../../../src/contract/builds.ts';
import { limits } from '../../../src/contract/limits.ts';
import { parseConfig } from '../../../src/core/config.ts';
import { toBuild } from '../../../src/data/builds.ts';
import { keptLog, type LogSource, logStream } from '../../../src/durable-objects/build/stream.ts';
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

  it('[71] at 10,000 lines a second waits for a slow reader: bounded memory, in order, and no gap after a resume', async () => {
    const [lines, perBatch] = [limits.build.logLines, limits.build.eventsPerBatch];
    await world.create().claim();
    /** What the stream has taken out of the storage and nobody has read yet, at its most. */
    let [taken, read, ahead] = [0, 0, 0];
    const source: LogSource = {
      logs: (since, limit) => {
        const page = world.core.logs(since, limit);
        taken += Buffer.byteLength(JSON.stringify(page));
        ahead = Math.max(ahead, taken - read);
        return page;
      },
      changed: () => world.core.changed(),
    };
    const numbers: number[] = [];
    const take = (bytes: Uint8Array | undefined): void => {
      const ids = [...new TextDecoder().decode(bytes).matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));
      numbers.push(...ids);
      read = taken;
    };
    // Lines at their longest, as fast as a runner may send them: 20 batches a second, for as long as a log lasts.
    const message = 'x'.repeat(Math.floor(limits.build.logBytes / lines) - 1);
    const write = (async () => {
      for (let n = 0; n < lines / perBatch; n += 1) {
        await world.core.events(batch(1, n + 1, ...Array.from({ length: perBatch }, () => log(message))));
        await vi.advanceTimersByTimeAsync(1000 / (10_000 / perBatch));
      }
    })();
    // A reader that takes one piece in the time of two batches, and goes away now and then.
    let reader = logStream(source, 0, show).getReader();
    for (let pieces = 0; numbers.length < lines; pieces += 1) {
      if (pieces % 50 === 49) {
        await reader.cancel();
        reader = logStream(source, numbers.at(-1) ?? 0, show).getReader();
      }
      const { value } = await reader.read();
      take(value);
      if (pieces < 20) await vi.advanceTimersByTimeAsync(100);
    }
    await write;
    await reader.cancel();
    expect(numbers).toEqual(Array.from({ length: lines }, (_, index) => index + 1));
    // One piece in the stream and one on its way, of a log that is ten times as large.
    expect(taken).toBeGreaterThan(limits.build.logBytes);
    expect(ahead).toBeLessThan(limits.build.logBytes / 10);
  });

  it('that was kept is read like one that is written, from any line', async () => {
    await world.create().claim();
    await world.core.events(batch(1, 1, log('one'), log('two'), log('three'), failure('user')));
    await world.core.tick();
    const kept = keptLog(world.keptLog ?? '');
    expect(kept.logs(0, 10)).toEqual(world.core.logs(0, 10));
    expect(kept.logs(1, 1)).toEqual(world.core.logs(1, 1));
    const text = await new Response(logStream(kept, 1, show)).text();
    expect([...text.matchAll(/^event: (\w+)$/gm)].map(([, event]) => event)).toEqual(['log', 'log', 'status', 'done']);
    expect(text).not.toContain('"one"');
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
