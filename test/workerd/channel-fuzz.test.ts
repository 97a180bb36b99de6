import { runInDurableObject } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { limits } from '../../src/contract/limits.ts';
import { ClientMessage } from '../../src/contract/room.ts';
import { fatalFrames, mutatedFrames, wrongFrames } from '../support/channel-frames.ts';
import { makeWorld, roomStub, type World } from './support.ts';
import { listen, until, YjsClient } from './yjs-client.ts';

/** Not the bytes that the platform answers by itself: the room says `pong` when it has heard everything before. */
const lastWord = '{ "type": "ping" }';
/** Frames of one socket. */
const each = limits.room.framesPerSecond / 2;
/** Frames of all sockets in a millisecond: fewer than those of one user may send. */
const pace = (limits.room.framesPerSecond * (limits.room.busySockets - 1)) / 1000;

const isMessage = (frame: string): boolean => {
  try {
    return ClientMessage.safeParse(JSON.parse(frame)).success;
  } catch {
    return false;
  }
};

/** How many rows each table of the object has; tickets come and go with sockets. */
const rowsOf = ({ projectId }: World): Promise<Map<string, number>> =>
  runInDurableObject(roomStub(projectId), (_, { storage: { sql } }) => {
    const tables = sql.exec<{ name: string }>(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB 'sqlite_*' AND name NOT GLOB '_cf_*' AND name != 'tickets'",
    );
    return new Map(
      [...tables].map(({ name }) => [name, Number(sql.exec(`SELECT count(*) AS rows FROM "${name}"`).one().rows)]),
    );
  });

/** The object in memory: the same for as long as it did not restart. */
const mark = ({ projectId }: World, set?: string): Promise<unknown> =>
  runInDurableObject(roomStub(projectId), (room) => {
    const marked = room as unknown as { mark?: string };
    if (set !== undefined) marked.mark = set;
    return marked.mark;
  });

describe('[R12] #61 Frames of the channel that are no message', () => {
  it('are answered with one error each, 10,000 of them; the others hear nothing, nothing is kept, and the object does not restart', async () => {
    const world = await makeWorld({ 'a.txt': 'calm' });
    const ear = await listen(world.owner, world.projectId);
    const [honest, peer] = [
      await YjsClient.open(world.owner, world.projectId, 'a.txt'),
      await YjsClient.open(world.viewer, world.projectId, 'a.txt'),
    ];
    // Somebody with another window open neither comes nor goes.
    const window = await listen(world.editor, world.projectId);
    await mark(world, 'the first');
    const rows = await rowsOf(world);
    expect(rows.get('files')).toBe(1);
    const before = ear.messages.length;

    const frames = [
      ...wrongFrames(8000, 64),
      ...mutatedFrames(4000, 65)
        .map((frame) => frame.toWellFormed())
        .filter((frame) => !isMessage(frame)),
    ].slice(0, 10_000);
    expect(frames).toHaveLength(10_000);
    const begun = Date.now();
    for (let sent = 0; sent < frames.length; sent += each) {
      // Nobody is taken for gone, however long this takes.
      for (const { socket } of [ear, window]) socket.send('{"type":"ping"}');
      await until(() => sent <= (Date.now() - begun) * pace);
      const evil = await listen(world.editor, world.projectId);
      evil.messages.splice(0);
      const some = frames.slice(sent, sent + each);
      for (const frame of some) evil.socket.send(frame);
      evil.socket.send(lastWord);
      await until(() => evil.closed !== null || evil.messages.some(({ type }) => type === 'pong'));
      expect(evil.closed).toBeNull();
      const answers = evil.messages.filter(({ type }) => type !== 'user.changed');
      expect(answers.pop()).toEqual({ type: 'pong' });
      expect(answers).toEqual(
        some.map(() => ({ type: 'error', code: 'validation_failed', message: 'unknown message' })),
      );
      evil.socket.close(1000);
    }
    for (const frame of fatalFrames) {
      const evil = await listen(world.editor, world.projectId);
      evil.socket.send(frame);
      await until(() => evil.closed !== null);
      expect(evil.closed).toBe(1003);
    }

    expect(ear.messages.slice(before).filter(({ type }) => type !== 'user.changed' && type !== 'pong')).toEqual([]);
    expect([ear, honest, peer, window].map(({ closed }) => closed)).toEqual([null, null, null, null]);
    const grown = [...(await rowsOf(world))].filter(([table, count]) => count > (rows.get(table) ?? 0));
    expect(grown).toEqual([]);
    expect(await mark(world)).toBe('the first');
    honest.text.insert(0, 'still ');
    await until(() => peer.text.toString() === 'still calm');
    for (const client of [honest, peer]) client.close();
    for (const { socket } of [ear, window]) socket.close(1000);
  });
});
