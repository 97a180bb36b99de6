import { describe, expect, it, vi } from 'vitest';
import * as Y from 'yjs';
import { limits } from '../../../src/contract/limits.ts';
import { etag } from '../../../src/core/etag.ts';
import { sha256 } from '../../../src/core/tree.ts';
import { codeOf } from '../support/code-of.ts';
import { world, worldPerTest, write } from '../support/room-setup.ts';
import { ids, TestClient } from '../support/room-world.ts';

worldPerTest();

describe('[R8] REST writes into documents', () => {
  it('[R8] reach the clients, and their cursors stay', async () => {
    await write('a', 'one two three');
    const client = await world.client(ids.editor, 'a');
    const cursor = Y.createRelativePositionFromTypeIndex(client.text, 4);
    await write('a', 'zero one two three four');
    await world.settle();
    expect(client.content).toBe('zero one two three four');
    expect(Y.createAbsolutePositionFromRelativePosition(cursor, client.doc)?.index).toBe(9);
  });

  it('[R8] merge with what somebody types at the same time', async () => {
    await write('a', 'head\nbody\n');
    const client = await world.client(ids.editor, 'a');
    client.type(client.text.length, 'typed\n');
    await write('a', 'HEAD\nbody\ntyped\n');
    client.type(client.text.length, 'more\n');
    await world.settle();
    expect(client.content).toBe('HEAD\nbody\ntyped\nmore\n');
    expect(await world.text('a')).toBe(client.content);
  });

  it('[R8] onto a revision that If-Match names keep every character that was typed since', async () => {
    await write('a', 'function a() {}\n');
    const client = await world.client(ids.editor, 'a');
    client.type(0, '// base\n');
    await world.settle();
    const { file, text } = await world.room.read('a');
    expect(text).toBe('// base\nfunction a() {}\n');
    const typed = 'typed while the other one thought ';
    for (const letter of typed) {
      client.type(client.text.length, letter);
      await world.settle();
    }
    await world.pass(limits.room.flushAfter);
    const { file: merged } = await write('a', '// base\nfunction b() {}\n', { ifMatch: etag(file.hash) });
    await world.settle();
    expect(client.content).toBe(`// base\nfunction b() {}\n${typed}`);
    expect(merged.hash).toBe(sha256(client.content));
    expect(await world.text('a')).toBe(client.content);
  });

  it('[R8] onto an unknown revision are refused, and change nothing', async () => {
    await write('a', 'text');
    const client = await world.client(ids.editor, 'a');
    client.type(0, 'x');
    await world.settle();
    expect(await codeOf(write('a', 'mine', { ifMatch: etag(sha256('never seen')) }))).toBe('precondition_failed');
    await world.settle();
    expect(client.content).toBe('xtext');
  });

  it.each([
    ['which is gone', true],
    ['though the alarm that removes it is late', false],
  ])('[R8] onto a revision that is too old are refused, %s', async (_, rings) => {
    await write('a', 'text');
    const client = await world.client(ids.editor, 'a');
    client.type(0, 'x');
    const { file } = await world.room.read('a');
    client.type(0, 'y');
    await world.settle();
    // A flush removes old ones, too.
    await world.pass(limits.room.flushAfter);
    await vi.advanceTimersByTimeAsync(limits.room.revisionTtl + 1);
    if (rings) await world.alarm();
    const isKept = world.sql.all('SELECT 1 FROM revisions WHERE hash = ?', file.hash).length > 0;
    expect(isKept).toBe(!rings);
    expect(await codeOf(write('a', 'mine', { ifMatch: etag(file.hash) }))).toBe('precondition_failed');
  });

  it.each([true, false])(
    '[R8] onto a text that is old but was read just now merge, whether somebody has it open (%s)',
    async (isOpen) => {
      await write('a', 'text\n');
      const client = await world.client(ids.editor, 'a');
      client.type(0, 'x');
      await world.settle();
      await world.pass(limits.room.flushAfter);
      if (!isOpen) {
        client.drop();
        await world.leave(client.peer);
      }
      await world.pass(limits.room.revisionTtl + 1);
      await world.pass(limits.room.flushAfter);
      const { file } = await world.room.read('a');
      if (!isOpen) await client.connect();
      client.type(client.text.length, 'typed\n');
      await world.settle();
      await write('a', 'XTEXT\n', { ifMatch: etag(file.hash) });
      expect(await world.text('a')).toBe('XTEXT\ntyped\n');
    },
  );

  it('[R8] onto the revision of before a restart merge as well', async () => {
    await write('a', 'text\n');
    const client = await world.client(ids.editor, 'a');
    client.type(0, 'x');
    const { file } = await world.room.read('a');
    client.type(client.text.length, 'typed\n');
    await world.settle();
    world.crash();
    await write('a', 'XTEXT\n', { ifMatch: etag(file.hash) });
    expect(await world.text('a')).toBe('XTEXT\ntyped\n');
  });

  it('[R8] into a document that nobody has open go into its history, so that who comes back merges', async () => {
    await write('a', 'text\n');
    const client = await world.client(ids.editor, 'a');
    client.drop();
    await world.leave(client.peer);
    client.type(client.text.length, 'offline\n');
    await write('a', 'TEXT\n');
    await client.connect();
    await world.settle();
    expect(client.content).toBe('TEXT\noffline\n');
    expect(await world.text('a')).toBe('TEXT\noffline\n');
  });

  it('[R8] two at once into a document that nobody has open are both stored: none is answered and lost', async () => {
    await write('a', 'one\ntwo\n');
    const client = await world.client(ids.editor, 'a');
    await world.leave(client.peer);
    await Promise.all([write('a', 'ONE\ntwo\n'), write('a', 'one\ntwo\nthree\n')]);
    // Without If-Match the last one wins, and there was a last one.
    expect(['ONE\ntwo\n', 'one\ntwo\nthree\n']).toContain(await world.text('a'));
    const sizes = world.room.events(0).events.filter(({ type }) => type === 'file.updated').length;
    expect(sizes).toBe(2);
  });

  it('[R8] two at once with one If-Match are merged or refused, none is answered and lost', async () => {
    await write('a', 'one\ntwo\n');
    const client = await world.client(ids.editor, 'a');
    client.type(0, 'zero\n');
    await world.settle();
    await world.leave(client.peer);
    const { file } = await world.room.read('a');
    const results = await Promise.all([
      codeOf(write('a', 'ZERO\none\ntwo\n', { ifMatch: etag(file.hash) })),
      codeOf(write('a', 'zero\none\nTWO\n', { ifMatch: etag(file.hash) })),
    ]);
    const text = await world.text('a');
    expect(text?.includes('ZERO')).toBe(results[0] === 'done');
    expect(text?.includes('TWO')).toBe(results[1] === 'done');
    expect(results).toContain('done');
  });

  it('[R8] and a client who comes at the same moment agree', async () => {
    await write('a', 'one\n');
    const before = await world.client(ids.editor, 'a');
    await world.leave(before.peer);
    for (let ticks = 0; ticks < 8; ticks += 1) {
      const client = new TestClient(world, ids.owner, 'a');
      world.clients.push(client);
      const writing = write('a', `one\nwritten ${ticks}\n`);
      for (let tick = 0; tick < ticks; tick += 1) await Promise.resolve();
      await Promise.all([writing, client.connect()]);
      await world.settle();
      client.type(0, '>');
      await world.settle();
      expect(client.peer.closed).toBeNull();
      expect(await world.text('a'), `after ${ticks} ticks`).toBe(client.content);
      expect(client.content).toBe(`>one\nwritten ${ticks}\n`);
      await world.leave(client.peer);
    }
  });
});
