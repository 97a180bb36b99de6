import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/contract/limits.ts';
import { buildPerTest, messages, world } from '../support/build-setup.ts';
import { batch, failure, log, someone, success } from '../support/build-world.ts';

const { build } = limits;

buildPerTest();

describe('The log', () => {
  it('is numbered from 1 over all attempts, and read from any number', async () => {
    await world.create().claim();
    await world.core.events(batch(1, 1, log('a'), log('b'), log('c')));
    expect(world.core.logs(0, 2).map(({ seq, message }) => [seq, message])).toEqual([
      [1, 'a'],
      [2, 'b'],
    ]);
    expect(world.core.logs(2, 10).map(({ message }) => message)).toEqual(['c']);
    await world.pass(build.lease);
    await world.claim();
    await world.core.events(batch(2, 1, log('d')));
    expect(world.core.logs(0, 10).map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
  });

  it('is capped, with one note that says so', async () => {
    await world.create().claim();
    await world.status({ logLines: build.logLines - 2 });
    await world.core.events(batch(1, 1, ...Array.from({ length: 10 }, (_, n) => log(`line ${n}`))));
    await world.core.events(batch(1, 2, log('one more')));
    expect(messages()).toEqual(['line 0', 'line 1', expect.stringMatching(/full/)]);
    // The build itself goes on.
    await world.core.events(batch(1, 3, success()));
    expect(world.core.state.status).toBe('success');
  });

  it('is capped in bytes, too, with one note', async () => {
    await world.create().claim();
    await world.status({ logBytes: build.logBytes - 10 });
    await world.core.events(batch(1, 1, log('12345'), log('界界'), log('x'), log('y')));
    expect(messages()).toEqual(['12345', expect.stringMatching(/full/)]);
    await world.core.events(batch(1, 2, log('z')));
    expect(messages()).toHaveLength(2);
  });

  it('is kept as one object soon after the build has ended, whole over all attempts', async () => {
    await world.create().claim();
    await world.core.events(batch(1, 1, log('one'), failure('infra')));
    await world.core.tick();
    expect(world.keptLog).toBeNull();
    await world.claim();
    world.scheduled.length = 0;
    await world.core.events(batch(2, 1, log('two'), failure('user')));
    expect(world.scheduled).toContain(world.now + build.queuedSweep);
    await world.core.tick();
    const kept = (world.keptLog ?? '')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
    expect(kept).toEqual(world.core.logs(0, 100));
    expect(kept).toHaveLength(3);
    // Once.
    world.keptLog = null;
    await world.core.tick();
    expect(world.keptLog).toBeNull();
    // And again with what another try adds.
    await world.core.retry(someone);
    await world.claim();
    await world.core.tick();
    expect(world.keptLog).toBeNull();
    await world.core.events(batch(3, 1, log('three'), failure('user')));
    await world.core.tick();
    expect((world.keptLog ?? '').trim().split('\n')).toHaveLength(4);
  });

  it('goes on answering where it could not be kept, and is kept later, by another life of the object, too', async () => {
    await world.create().claim();
    world.logFails = true;
    await world.core.events(batch(1, 1, log('one'), failure('user')));
    expect(world.core.state.status).toBe('failed');
    await world.core.tick();
    expect(world.keptLog).toBeNull();
    expect(messages()).toEqual(['one']);
    expect(world.scheduled.length).toBeGreaterThan(0);
    world.logFails = false;
    await world.restart().tick();
    expect(world.keptLog).toContain('one');
  });

  it('masks what looks like a secret, in lines and in the reason of a failure [hostile 71]', async () => {
    const token = `ghp_${'a1'.repeat(18)}`;
    await world.create().claim();
    await world.core.events(
      batch(1, 1, log(`const t = '\u001b[32m${token}\u001b[0m'`), {
        type: 'failure',
        kind: 'user',
        code: 'build_failed',
        message: `src/main.ts:1:1: \u001b[31m${token}`,
        timings: {},
      }),
    );
    expect(messages()).toEqual(["const t = '[masked]'"]);
    expect(world.core.state.errorMessage).toBe('src/main.ts:1:1: [masked]');
    await world.core.tick();
    expect(world.keptLog).toContain('[masked]');
    expect(world.keptLog).not.toContain(token);
  });

  it('caps a line', async () => {
    await world.create().claim();
    await world.core.events(batch(1, 1, log('x'.repeat(3 * build.logLineBytes))));
    expect(Buffer.byteLength(messages()[0] ?? '')).toBe(build.logLineBytes);
  });

  it('caps a line in bytes, also of wide characters', async () => {
    await world.create().claim();
    await world.core.events(batch(1, 1, log('界'.repeat(build.logLineBytes))));
    expect(Buffer.byteLength(messages()[0] ?? '')).toBeLessThanOrEqual(build.logLineBytes);
  });

  it.each([
    ['colours', '\u001b[31mred\u001b[0m', 'red'],
    ['true colours', '\u001b[38;2;1;2;3mx\u001b[m', 'x'],
    ['cursor movement', 'a\u001b[2K\u001b[1Gb', 'ab'],
    ['a window title', '\u001b]0;title\u0007text', 'text'],
    [
      'a hyperlink, but not its text',
      '\u001b]8;;http://evil.example\u001b\\click\u001b]8;;\u001b\\ here',
      'click here',
    ],
    ['bells and backspaces', 'a\u0007b\u0008c', 'abc'],
    ['NUL and DEL', 'a\u0000b\u007fc', 'abc'],
    ['a carriage return', 'over\rwritten', 'overwritten'],
    ['a lone escape', 'a\u001bb\u001b', null],
    ['an open sequence', 'a\u001b]0;never closed', null],
  ])('is plain text: %s are removed [hostile 71]', async (_name, raw, wanted) => {
    await world.create().claim();
    await world.core.events(batch(1, 1, log(raw)));
    const [message = ''] = messages();
    expect([...message].every((letter) => letter >= ' ' && letter !== '\u007f')).toBe(true);
    if (wanted !== null) expect(message).toBe(wanted);
  });

  it('keeps tabs, line ends, HTML and any script as they are', async () => {
    await world.create().claim();
    const text = '<script>\talert(1)</script>\n日本語 😀';
    await world.core.events(batch(1, 1, log(text)));
    expect(messages()).toEqual([text]);
  });

  it('keeps file, line and column', async () => {
    await world.create().claim();
    await world.core.events(
      batch(1, 1, {
        type: 'log',
        at: 0,
        level: 'error',
        step: 'bundle',
        message: 'm',
        file: 'a.ts',
        line: 3,
        column: 0,
      }),
    );
    expect(world.core.logs(0, 1)).toEqual([
      {
        seq: 1,
        at: '1970-01-01T00:00:00.000Z',
        level: 'error',
        step: 'bundle',
        message: 'm',
        file: 'a.ts',
        line: 3,
        column: 0,
      },
    ]);
  });
});
