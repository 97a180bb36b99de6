import * as encoding from 'lib0/encoding';
import { afterEach, describe, expect, it, vi } from 'vitest';
import * as Y from 'yjs';
import { limits } from '../../../src/contract/limits.ts';
import { codeOf } from '../support/code-of.ts';
import { commitWindow, logRows, world, worldPerTest, write } from '../support/room-setup.ts';
import { awarenessPayload, frameOf, ids, step1, step2, updateOf } from '../support/room-world.ts';

worldPerTest();

/** The update that inserts some text at the start of a document that a client has. */
function insertion(base: Y.Doc, text: string, index = 0): Uint8Array {
  const doc = new Y.Doc();
  Y.applyUpdate(doc, Y.encodeStateAsUpdate(base));
  const vector = Y.encodeStateVector(doc);
  doc.getText('content').insert(index, text);
  return Y.encodeStateAsUpdate(doc, vector);
}

/** State vector of a document as the room tells it to a newcomer. */
async function stateVector(path: string): Promise<Map<number, number>> {
  const peer = world.socket(ids.owner, { kind: 'document', file: world.room.documentTarget(path) });
  await world.room.join(peer);
  const [, vector] = peer.synced.find(([type]) => type === 0) ?? [];
  await world.leave(peer);
  return Y.decodeStateVector(vector ?? new Uint8Array([0]));
}

describe('[R6] Read-only', () => {
  const attempts: readonly (readonly [string, (update: Uint8Array) => Uint8Array])[] = [
    ['an update', updateOf],
    ['a sync step 2', step2],
    ['an update behind a step 1 in one frame', (update) => Buffer.concat([step1(new Y.Doc()), updateOf(update)])],
    [
      'an update behind awareness in one frame',
      (update) =>
        Buffer.concat([
          frameOf((encoder) => {
            encoding.writeVarUint(encoder, 1);
            encoding.writeVarUint8Array(encoder, awarenessPayload([77, 1, { cursor: 1 }]));
          }),
          updateOf(update),
        ]),
    ],
    ['three in one frame', (update) => Buffer.concat([step2(update), updateOf(update), step2(update)])],
  ];

  it.each(attempts)(
    '[R6] %s of a viewer changes nothing, and the viewer is told [hostile 59]',
    async (_name, frame) => {
      await write('a', 'text');
      const honest = await world.client(ids.editor, 'a');
      const viewer = await world.client(ids.viewer, 'a');
      const channel = await world.channel(ids.viewer);
      const vector = await stateVector('a');
      const rows = logRows();
      const update = insertion(honest.doc, 'defaced ');
      await world.send(viewer.peer, frame(update));
      await world.settle();
      expect(honest.content).toBe('text');
      expect(await world.text('a')).toBe('text');
      expect(await stateVector('a')).toEqual(vector);
      expect(logRows()).toBe(rows);
      expect(channel.heard('error')[0]).toMatchObject({ code: 'forbidden' });
      expect(viewer.peer.denials[0]).toBe(channel.heard('error')[0]?.message);
      world.crash();
      expect(await stateVector('a')).toEqual(vector);
      expect(await world.text('a')).toBe('text');
    },
  );

  it('[R6] a viewer who only reads is told nothing, and gets what others type', async () => {
    await write('a', 'text');
    const channel = await world.channel(ids.viewer);
    const viewer = await world.client(ids.viewer, 'a');
    const editor = await world.client(ids.editor, 'a');
    editor.type(0, 'new ');
    await world.settle();
    expect(viewer.content).toBe('new text');
    expect([channel.heard('error'), viewer.peer.denials]).toEqual([[], []]);
  });

  it('[R6] a viewer who answers the room’s questions is told nothing either: a sync step 2 names all deletions there are', async () => {
    await write('a', 'text');
    const channel = await world.channel(ids.viewer);
    const [editor, viewer] = [await world.client(ids.editor, 'a'), await world.client(ids.viewer, 'a')];
    editor.text.delete(0, 2);
    editor.type(2, ' more');
    editor.text.delete(3, 2);
    await world.settle();
    // As of who has it in full, in a window that has not ended, behind others, and after a restart.
    editor.text.delete(0, 1);
    const answer = step2(Y.encodeStateAsUpdate(viewer.doc, Y.encodeStateVector(viewer.doc)));
    await world.send(viewer.peer, answer);
    expect(answer.length).toBeGreaterThan(4);
    viewer.drop();
    await world.leave(viewer.peer);
    editor.text.delete(0, 1);
    await world.settle();
    await viewer.connect();
    await world.settle();
    world.crash();
    const again = await world.channel(ids.viewer);
    await viewer.connect();
    await world.settle();
    expect(viewer.content).toBe(await world.text('a'));
    expect([...channel.heard('error'), ...again.heard('error'), ...viewer.peer.denials]).toEqual([]);
  });

  it.each([
    ['of what is there', (doc: Y.Doc) => doc.getText('content').delete(1, 1)],
    ['beside what is deleted', (doc: Y.Doc) => doc.getText('content').delete(0, 1)],
    ['of what they wrote themselves', (doc: Y.Doc) => doc.getText('content').insert(0, 'x')],
  ])('[R6] a viewer who deletes is told: %s', async (_name, change) => {
    await write('a', 'text');
    const [editor, viewer] = [await world.client(ids.editor, 'a'), await world.client(ids.viewer, 'a')];
    editor.text.delete(0, 1);
    await world.settle();
    viewer.drop();
    await world.leave(viewer.peer);
    change(viewer.doc);
    viewer.text.delete(0, 1);
    await viewer.connect();
    await world.settle();
    expect(viewer.peer.denials).toHaveLength(1);
    expect(await world.text('a')).toBe('ext');
  });

  it('[R2] [R6] is said on the document’s own socket, before the answer to what was asked after it', async () => {
    await write('a', 'text');
    const client = await world.client(ids.editor, 'a');
    client.type(0, '1 ');
    world.access.set(ids.editor, 'viewer');
    await world.room.membersChanged();
    const before = client.peer.frames.length;
    client.type(0, '2 ');
    await world.send(client.peer, step1(client.doc));
    const [denial, answer] = client.peer.frames.slice(before);
    expect([denial?.[0], answer?.[0], answer?.[1], client.peer.frames.length]).toEqual([2, 0, 1, before + 2]);
    // What was taken before is stored all the same.
    expect(await world.text('a')).toBe('1 text');
  });

  it('[R6] a viewer who sends faster than anybody answers is told without a look, and ends nobody’s window', async () => {
    await write('a', 'text');
    const [editor, viewer] = [await world.client(ids.editor, 'a'), await world.client(ids.viewer, 'a')];
    const known = updateOf(Y.encodeStateAsUpdate(viewer.doc));
    for (let n = 0; n < limits.room.questionsPerSecond; n += 1) await world.send(viewer.peer, known);
    expect(viewer.peer.denials).toEqual([]);
    editor.type(0, 'x');
    const rows = logRows();
    await world.send(viewer.peer, known);
    expect([viewer.peer.denials.length, logRows()]).toEqual([1, rows]);
  });

  it('[R6] [R11] an editor who becomes a viewer cannot write from then on, on the same socket', async () => {
    await write('a', 'text');
    const client = await world.client(ids.editor, 'a');
    client.type(0, '1 ');
    await world.settle();
    world.access.set(ids.editor, 'viewer');
    await world.room.membersChanged();
    expect(client.peer.closed).toBeNull();
    client.type(0, '2 ');
    await world.settle();
    expect(await world.text('a')).toBe('1 text');
    expect(client.peer.attachment.access).toBe('viewer');
  });

  it('[R6] an update that came through the awareness channel is no update', async () => {
    await write('a', 'text');
    const viewer = await world.client(ids.viewer, 'a');
    const update = insertion(viewer.doc, 'defaced ');
    await world.send(
      viewer.peer,
      frameOf((encoder) => {
        encoding.writeVarUint(encoder, 1);
        encoding.writeVarUint8Array(encoder, update);
      }),
    );
    await world.settle();
    expect(await world.text('a')).toBe('text');
  });
});

describe('[R12] What is not the protocol', () => {
  const text = 'text';
  const valid = (): Uint8Array => {
    const doc = new Y.Doc();
    doc.getText('content').insert(0, 'inserted by a cut frame');
    doc.getText('content').delete(3, 4);
    return Y.encodeStateAsUpdate(doc);
  };
  const malformed: readonly (readonly [string, () => Uint8Array | string])[] = [
    ['an unknown message type', () => new Uint8Array([9, 1, 2])],
    ['an authentication message', () => new Uint8Array([2, 0, 0])],
    ['an unknown sync message', () => new Uint8Array([0, 7, 1, 0])],
    ['a sync message without payload', () => new Uint8Array([0, 2])],
    ['a payload shorter than it says', () => new Uint8Array([0, 2, 100, 1, 2])],
    ['a length of 2^53', () => new Uint8Array([0, 2, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10])],
    ['a varint that never ends', () => new Uint8Array(50).fill(0xff)],
    ['an update of noise', () => updateOf(new Uint8Array([255, 255, 255, 255, 1, 2, 3, 4]))],
    ['a step 1 of noise', () => new Uint8Array([0, 0, 3, 255, 255, 255])],
    ['awareness of noise', () => new Uint8Array([1, 3, 255, 255, 255])],
    [
      'awareness that is no JSON',
      () =>
        frameOf((encoder) => {
          encoding.writeVarUint(encoder, 1);
          encoding.writeVarUint8Array(encoder, awarenessPayload([7, 1, '{not json']));
        }),
    ],
    [
      'awareness that is no object',
      () =>
        frameOf((encoder) => {
          encoding.writeVarUint(encoder, 1);
          encoding.writeVarUint8Array(encoder, awarenessPayload([7, 1, '"text"']));
        }),
    ],
    [
      'awareness of thousands',
      () =>
        frameOf((encoder) => {
          encoding.writeVarUint(encoder, 1);
          encoding.writeVarUint8Array(
            encoder,
            awarenessPayload(...Array.from({ length: 5000 }, (_, n) => [n, 1, {}] as const)),
          );
        }),
    ],
    ['text in place of binary', () => '{"type":"ping"}'],
    ['an update without its last byte', () => updateOf(valid().subarray(0, -1))],
    ['an update without its deletions', () => updateOf(valid().subarray(0, -4))],
  ];

  it.each(malformed)(
    '[R12] %s is refused, changes nothing, and no other socket notices [hostile 61]',
    async (_name, frame) => {
      await write('a', text);
      const attacker = await world.client(ids.editor, 'a');
      const honest = await world.client(ids.owner, 'a');
      const vector = await stateVector('a');
      const frames = honest.peer.frames.length;
      await world.send(attacker.peer, frame());
      await vi.advanceTimersByTimeAsync(10 * commitWindow);
      expect(attacker.peer.closed).toBe('malformed_request');
      expect(honest.peer.frames.length).toBe(frames);
      expect(honest.peer.closed).toBeNull();
      expect(await stateVector('a')).toEqual(vector);
      expect(await world.text('a')).toBe(text);
      honest.type(0, 'still here: ');
      await world.settle();
      expect(await world.text('a')).toBe(`still here: ${text}`);
      expect(world.durable('a')).toBe(`still here: ${text}`);
    },
  );

  it('[R12] an update cut anywhere never changes the document in part', async () => {
    await write('a', text);
    const whole = valid();
    for (let length = 0; length < whole.length; length += 1) {
      const attacker = await world.client(ids.editor, 'a');
      await world.send(attacker.peer, updateOf(whole.subarray(0, length)));
      await vi.advanceTimersByTimeAsync(commitWindow);
      await world.leave(attacker.peer);
      expect(await world.text('a'), `cut to ${length} bytes`).toBe(text);
    }
  });

  it('[R12] ten thousand frames of noise leave the document as it was', async () => {
    await write('a', text);
    const honest = await world.client(ids.owner, 'a');
    let seed = 1;
    const random = (): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return seed;
    };
    const vector = await stateVector('a');
    let refused = 0;
    for (let n = 0; n < 10_000; n += 1) {
      const peer = world.socket(ids.viewer, { kind: 'document', file: world.room.documentTarget('a') });
      await world.room.join(peer);
      await world.send(
        peer,
        Uint8Array.from({ length: random() % 24 }, () => (random() >> 8) % (n % 2 ? 256 : 4)),
      );
      if (peer.closed) refused += 1;
      await world.leave(peer);
    }
    expect(refused).toBeGreaterThan(1000);
    expect(await stateVector('a')).toEqual(vector);
    expect(await world.text('a')).toBe(text);
    expect(honest.peer.closed).toBeNull();
  });
});

describe('[R12] What breaks Yjs half-way', () => {
  /** An update that Yjs stumbles over when it is half taken in, as one that runs out of stack does. */
  async function breaking(times: number): Promise<Uint8Array> {
    await write('a', 'text');
    const update = insertion(new Y.Doc(), 'breaks');
    let left = times;
    vi.spyOn(Y.ContentString.prototype, 'integrate').mockImplementation(function (this: Y.ContentString) {
      if (this.str !== 'breaks' || left === 0) return;
      left -= 1;
      throw new RangeError('Maximum call stack size exceeded');
    });
    return updateOf(update);
  }
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it('[R12] costs its sender the socket, and nobody an edit of the same window', async () => {
    const frame = await breaking(Number.POSITIVE_INFINITY);
    const [before, after] = [await world.client(ids.owner, 'a'), await world.client(ids.owner, 'a')];
    const attacker = await world.client(ids.editor, 'a');
    before.type(0, 'before ');
    await world.send(attacker.peer, frame);
    after.type(4, ' after');
    vi.advanceTimersByTime(commitWindow);
    expect(attacker.peer.closed).toBe('malformed_request');
    expect([before.peer.closed, after.peer.closed]).toEqual(['unavailable', 'unavailable']);
    expect(world.durable('a')).toBe('before text after');
    expect(world.logged).toContain('room.commit_failed');
    for (const client of [before, after]) await client.connect();
    await world.settle();
    before.type(0, 'still ');
    await world.settle();
    expect([before.content, after.content]).toEqual(['still before text after', 'still before text after']);
    expect(await world.text('a')).toBe('still before text after');
  });

  it('[R12] is not read into a snapshot, a REST read or a newcomer that end the window', async () => {
    const frame = await breaking(Number.POSITIVE_INFINITY);
    const honest = await world.client(ids.owner, 'a');
    const attacker = await world.client(ids.editor, 'a');
    await world.send(attacker.peer, frame);
    honest.type(0, 'x');
    const newcomer = world.socket(ids.viewer, { kind: 'document', file: world.room.documentTarget('a') });
    await world.room.join(newcomer);
    expect([newcomer.closed, newcomer.synced.filter(([type]) => type !== 2)]).toEqual(['unavailable', []]);
    expect(await world.text('a')).toBe('xtext');
    await honest.connect();
    await world.settle();
    const again = await world.client(ids.editor, 'a');
    await world.send(again.peer, frame);
    honest.type(0, 'y');
    expect(await codeOf(world.text('a'))).toBe('unavailable');
    expect(again.peer.closed).toBe('malformed_request');
    expect(await world.text('a')).toBe('yxtext');
    expect(world.durable('a')).toBe('yxtext');
  });

  it('[R1] where nobody is found to blame nothing of the window is stored, and its authors bring it again', async () => {
    const frame = await breaking(1);
    const honest = await world.client(ids.owner, 'a');
    const attacker = await world.client(ids.editor, 'a');
    honest.type(0, 'x');
    await world.send(attacker.peer, frame);
    vi.advanceTimersByTime(commitWindow);
    expect([attacker.peer.closed, honest.peer.closed]).toEqual(['unavailable', 'unavailable']);
    expect(world.durable('a')).toBe('text');
    await honest.connect();
    await world.settle();
    expect(world.durable('a')).toBe('xtext');
  });
});

describe('[R12] Updates that wait for others', () => {
  it('[R12] are held up to a limit; over it their sender is closed, and the others come back to a clean document', async () => {
    await write('a', 'text');
    const honest = await world.client(ids.owner, 'a');
    const attacker = await world.client(ids.editor, 'a');
    for (let n = 0; n < 20 && attacker.peer.closed === null; n += 1) {
      // The second update of a document whose first never comes.
      const doc = new Y.Doc();
      doc.getText('content').insert(0, 'x');
      const before = Y.encodeStateVector(doc);
      doc.getText('content').insert(1, 'y'.repeat(100_000));
      await world.send(attacker.peer, updateOf(Y.encodeStateAsUpdate(doc, before)));
      await world.settle();
    }
    expect(attacker.peer.closed).toBe('payload_too_large');
    expect(honest.peer.closed).toBe('unavailable');
    expect(await world.text('a')).toBe('text');
    await honest.connect();
    await world.settle();
    honest.type(0, 'still ');
    await world.settle();
    expect(await world.text('a')).toBe('still text');
  });
});
