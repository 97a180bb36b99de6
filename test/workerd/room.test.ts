import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { beforeAll, describe, expect, it } from 'vitest';
import * as Y from 'yjs';
import { type HeardMessage, readFrame } from '../../src/contract/room.ts';
import { type Account, call, expectJson, expectProblem, makeWorld, roomStub, type World } from './support.ts';
import { openSocket, until, YjsClient } from './yjs-client.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld({});
});

let number = 0;
/** A file of its own for a test. */
async function freshFile(content = ''): Promise<string> {
  number += 1;
  const path = `doc-${number}.txt`;
  await expectJson(
    await call('PUT', `/api/projects/${world.projectId}/files/${path}`, { as: world.owner, json: { content } }),
    201,
  );
  return path;
}

const read = async (path: string): Promise<{ content: string; hash: string }> =>
  (
    await expectJson<{ file: { content: string; hash: string } }>(
      await call('GET', `/api/projects/${world.projectId}/files/${path}`, { as: world.owner }),
      200,
    )
  ).file;

const logRows = (): Promise<number> =>
  runInDurableObject(roomStub(world.projectId), (_room, state) =>
    Number(state.storage.sql.exec('SELECT count(*) AS n FROM document_log').one().n),
  );

const join = (as: Account, path: string): Promise<YjsClient> => YjsClient.open(as, world.projectId, path);

describe('a document', () => {
  it('starts with the text of its file, once, however many open it', async () => {
    const path = await freshFile('start');
    const clients = await Promise.all([join(world.owner, path), join(world.editor, path), join(world.viewer, path)]);
    await until(() => clients.every((client) => client.text.toString() === 'start'));
    for (const client of clients) client.close();
    const again = await join(world.owner, path);
    expect(again.text.toString()).toBe('start');
    again.close();
  });

  it('[R1] has an update in its log when another client sees it', async () => {
    const path = await freshFile();
    const [a, b] = await Promise.all([join(world.owner, path), join(world.editor, path)]);
    const before = await logRows();
    a.text.insert(0, 'hello');
    await until(() => b.text.toString() === 'hello');
    expect(await logRows()).toBeGreaterThan(before);
    a.close();
    b.close();
  });

  it('converges for all, equals REST, and lands in the tree', async () => {
    const path = await freshFile('base');
    const [a, b] = await Promise.all([join(world.owner, path), join(world.editor, path)]);
    for (let index = 0; index < 30; index += 1) {
      a.text.insert(0, `a${index}`);
      b.text.insert(b.text.length, `b${index}`);
    }
    await until(
      () =>
        a.text.toString() === b.text.toString() &&
        a.text.toString().includes('b29') &&
        b.text.toString().includes('a29'),
    );
    expect((await read(path)).content).toBe(a.text.toString());
    a.close();
    b.close();
  });

  it('[R9] counts for who edited last, also where the object dies before it is flushed', async () => {
    const path = await freshFile();
    const [a, b] = await Promise.all([join(world.owner, path), join(world.editor, path)]);
    a.text.insert(0, 'first ');
    await until(() => b.text.toString() === 'first ');
    b.text.insert(b.text.length, 'last');
    await until(() => a.text.toString() === 'first last');
    await evictDurableObject(roomStub(world.projectId), { webSockets: 'close' });
    const { file } = await expectJson<{ file: { content: string; updatedBy: string } }>(
      await call('GET', `/api/projects/${world.projectId}/files/${path}`, { as: world.owner }),
      200,
    );
    expect(file).toMatchObject({ content: 'first last', updatedBy: world.editor.id });
  });

  it('[R8] takes a REST write as a merge, on the version that If-Match names', async () => {
    const path = await freshFile('one\ntwo\nthree\n');
    const a = await join(world.owner, path);
    a.text.insert(0, 'zero\n');
    await until(async () => (await read(path)).content.startsWith('zero'));
    const version = await read(path);
    a.text.insert(a.text.length, 'four\n');
    await until(async () => (await read(path)).content.endsWith('four\n'));
    const put = await call('PUT', `/api/projects/${world.projectId}/files/${path}`, {
      as: world.editor,
      json: { content: version.content.replace('two', 'TWO') },
      headers: { 'if-match': `"${version.hash}"` },
    });
    await expectJson(put, 200);
    await until(() => a.text.toString().includes('TWO'));
    expect(a.text.toString()).toBe('zero\none\nTWO\nthree\nfour\n');
    expect((await read(path)).content).toBe(a.text.toString());
    const unknown = await call('PUT', `/api/projects/${world.projectId}/files/${path}`, {
      as: world.editor,
      json: { content: 'x' },
      headers: { 'if-match': `"${'0'.repeat(64)}"` },
    });
    expect(await expectProblem(unknown, 412)).toBe('precondition_failed');
    a.close();
  });

  it('[R6] #59 drops what a viewer writes, in memory and on disk', async () => {
    const path = await freshFile('untouched');
    const [editor, viewer] = await Promise.all([join(world.editor, path), join(world.viewer, path)]);
    const vector = Y.encodeStateVector(editor.doc);
    const rows = await logRows();
    viewer.text.insert(0, 'forged');
    const foreign = new Y.Doc();
    foreign.getText('content').insert(0, 'forged too');
    viewer.sendUpdate(Y.encodeStateAsUpdate(foreign));
    // A round trip through the room after the forged frames: they have been handled by then.
    const late = await join(world.owner, path);
    expect(late.text.toString()).toBe('untouched');
    expect(Y.encodeStateVector(late.doc)).toEqual(vector);
    expect(Y.encodeStateVector(editor.doc)).toEqual(vector);
    expect(await logRows()).toBe(rows);
    await evictDurableObject(roomStub(world.projectId), { webSockets: 'close' });
    expect((await read(path)).content).toBe('untouched');
    for (const client of [editor, viewer, late]) client.close();
  });

  it('[R2] [R6] says on its own socket what it drops, before it answers what was asked after it, also over a sleep', async () => {
    const path = await freshFile('mine');
    const client = await join(world.editor, path);
    client.text.insert(0, 'kept ');
    client.text.delete(5, 1);
    const members = `/api/projects/${world.projectId}/collaborators/${world.editor.id}`;
    const become = async (role: string) =>
      void (await expectJson(await call('PUT', members, { as: world.owner, json: { role } }), 200));
    await become('viewer');
    /** What is heard from a change on, up to the answer to a question behind it. */
    const heard = async (one: YjsClient, change: () => void) => {
      const from = one.heard.length;
      change();
      one.ask();
      await until(() => one.heard.lastIndexOf('0.1') >= from);
      return one.heard.slice(from).join(' ');
    };
    expect(await heard(client, () => undefined)).toBe('0.1');
    expect(await heard(client, () => client.text.insert(0, 'dropped '))).toBe('2 0.1');
    await evictDurableObject(roomStub(world.projectId));
    expect(await heard(client, () => client.text.insert(0, 'dropped too '))).toBe('2 0.1');
    client.close();
    // Who comes with what they typed before hears of it, who only reads does not.
    const [again, reader] = [await join(world.editor, path), await join(world.viewer, path)];
    expect(await heard(again, () => again.sendUpdate(Y.encodeStateAsUpdate(client.doc)))).toBe('2 0.1');
    expect(await heard(reader, () => reader.sendUpdate(Y.encodeStateAsUpdate(reader.doc)))).toBe('0.1');
    expect((await read(path)).content).toBe('kept ine');
    await become('editor');
    for (const one of [again, reader]) one.close();
  });

  it('[R7] shows who somebody is by the word of the room, not of the client', async () => {
    const path = await freshFile();
    const [a, b] = await Promise.all([join(world.editor, path), join(world.owner, path)]);
    a.awareness.setLocalStateField('user', { name: 'The Owner', id: world.owner.id });
    await until(() => b.awareness.getStates().get(a.doc.clientID)?.user !== undefined);
    expect(b.awareness.getStates().get(a.doc.clientID)?.user).toMatchObject({
      id: world.editor.id,
      name: world.editor.username,
    });
    a.close();
    await until(() => !b.awareness.getStates().has(a.doc.clientID));
    b.close();
  });

  it('[R10] goes on over hibernation: presence, edits and roles are whole', async () => {
    const path = await freshFile('awake');
    const [a, b] = await Promise.all([join(world.owner, path), join(world.editor, path)]);
    a.awareness.setLocalStateField('cursor', 5);
    await until(() => b.awareness.getStates().has(a.doc.clientID));
    await evictDurableObject(roomStub(world.projectId));
    b.text.insert(0, 'still ');
    await until(() => a.text.toString() === 'still awake');
    const late = await join(world.viewer, path);
    await until(() => late.awareness.getStates().has(a.doc.clientID));
    for (const client of [a, b, late]) client.close();
  });

  it('[R9] typed before a crash is in the tree after it, with nobody connected', async () => {
    const path = await freshFile();
    const a = await join(world.owner, path);
    const b = await join(world.editor, path);
    a.text.insert(0, 'survives');
    await until(() => b.text.toString() === 'survives');
    const stub = roomStub(world.projectId);
    await evictDurableObject(stub, { webSockets: 'close' });
    await runDurableObjectAlarm(stub);
    expect((await read(path)).content).toBe('survives');
  });

  it('ends for its editors when the file is deleted or turns into bytes', async () => {
    const first = await freshFile('x');
    const a = await join(world.owner, first);
    await call('DELETE', `/api/projects/${world.projectId}/files/${first}`, { as: world.editor });
    await until(() => a.closed !== null);
    expect(a.closed).toBe(4404);
    const second = await freshFile('x');
    const b = await join(world.owner, second);
    await call('PUT', `/api/projects/${world.projectId}/files/${second}`, {
      as: world.editor,
      body: new Uint8Array([0, 1, 2]),
    });
    await until(() => b.closed !== null);
    expect(b.closed).toBe(4415);
    expect((await join(world.owner, second)).closed).toBe(4415);
    expect((await join(world.owner, 'unknown.txt')).closed).toBe(4404);
  });

  it('[R12] closes the one socket that sends what is not the protocol', async () => {
    const path = await freshFile('calm');
    const honest = await join(world.owner, path);
    for (const frame of [
      new Uint8Array([0]),
      new Uint8Array([0, 2, 255, 255, 255, 255, 15]),
      new Uint8Array([7, 7]),
      new Uint8Array([0, 2, 3, 1, 2, 3]),
      'text',
      new Uint8Array([1, 200]),
    ]) {
      const bad = await join(world.editor, path);
      bad.socket.send(frame);
      await until(() => bad.closed !== null);
      expect(bad.closed).toBe(1003);
    }
    const huge = await join(world.editor, path);
    huge.socket.send(new Uint8Array(4 * 1024 * 1024 + 1));
    await until(() => huge.closed !== null);
    expect(huge.closed).toBe(4413);
    honest.text.insert(0, 'still ');
    await until(async () => (await read(path)).content === 'still calm');
    expect(honest.closed).toBeNull();
    honest.close();
  });
});

describe('sockets', () => {
  it('[R11] close at once for who is removed, and follow a change of role', async () => {
    const path = await freshFile('mine');
    const client = await join(world.editor, path);
    const members = `/api/projects/${world.projectId}/collaborators/${world.editor.id}`;
    await expectJson(await call('PUT', members, { as: world.owner, json: { role: 'viewer' } }), 200);
    client.text.insert(0, 'no longer ');
    expect((await read(path)).content).toBe('mine');
    await expectJson(await call('PUT', members, { as: world.owner, json: { role: 'editor' } }), 200);
    await call('DELETE', members, { as: world.owner });
    await until(() => client.closed !== null);
    expect(client.closed).toBe(4403);
    await expectJson(
      await call('POST', `/api/projects/${world.projectId}/collaborators`, {
        as: world.owner,
        json: { userId: world.editor.id, role: 'editor' },
      }),
      201,
    );
  });

  it('[R2] [R14] tell authors what is saved, everybody what happened, and replay what was missed', async () => {
    const socket = await openSocket(world.editor, world.projectId, 'room');
    const messages: HeardMessage[] = [];
    const frames: unknown[] = [];
    socket.addEventListener('message', ({ data }) => {
      frames.push(JSON.parse(String(data)));
      messages.push(...readFrame(String(data)));
    });
    socket.accept();
    const path = await freshFile('x');
    const document = await join(world.editor, path);
    document.text.insert(0, 'y');
    await until(() => messages.some((message) => message.type === 'saved' && message.path === path));
    await until(() =>
      messages.some(
        (message) =>
          message.type === 'event' && message.event.type === 'file.updated' && message.event.data.path === path,
      ),
    );
    const events = messages.flatMap((message) => (message.type === 'event' ? [message.event] : []));
    // As it is on the wire: one message a frame, and an event by its own type.
    expect(frames).toContainEqual({
      type: 'file.updated',
      seq: expect.any(Number),
      at: expect.any(String),
      by: world.editor.id,
      data: expect.objectContaining({ path }),
    });
    const first = events[0]?.seq ?? 0;
    messages.length = 0;
    socket.send(JSON.stringify({ type: 'resume', since: first }));
    await until(() => messages.filter((message) => message.type === 'event').length >= events.length - 1);
    expect(messages.flatMap((message) => (message.type === 'event' ? [message.event.seq] : []))).toEqual(
      events.slice(1).map((event) => event.seq),
    );
    socket.send(JSON.stringify({ type: 'resume', since: 1_000_000 }));
    await until(() => messages.some((message) => message.type === 'resync'));
    socket.send(JSON.stringify({ type: 'deleteAll' }));
    await until(() => messages.some((message) => message.type === 'error' && message.code === 'validation_failed'));
    document.close();
    socket.close();
  });
});
