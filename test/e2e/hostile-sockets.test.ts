import { connect, type Socket } from 'node:net';
import { afterEach, beforeAll, expect, inject, it, vi } from 'vitest';
import { joinProject, type KilnClient, type ProjectRoom } from '../../src/client/index.ts';
import { signUp, until } from '../support/people.ts';

const origin = inject('origin');
const path = 'notes.txt';
let ada: KilnClient;
let eve: KilnClient;
let eveId: string;
let id: string;

const rooms: ProjectRoom[] = [];
const sockets: Socket[] = [];
afterEach(() => {
  for (const room of rooms.splice(0)) room.leave();
  for (const socket of sockets.splice(0)) socket.destroy();
});

beforeAll(async () => {
  [ada, eve] = [await signUp(origin, 'ada'), await signUp(origin, 'eve')];
  eveId = (await eve.call('getMe')).user.id;
  id = (await ada.call('createProject', { body: { name: 'Closed window' } })).project.id;
  await ada.call('addCollaborator', { params: { id }, body: { userId: eveId, role: 'viewer' } });
  await ada.call('putFile', { params: { id, path }, body: { content: '' } });
});

/** A socket whose owner reads the answer to the upgrade, and then nothing: the window of its TCP connection closes. */
async function deaf(at: string): Promise<Socket> {
  const { ticket } = await eve.call('createTicket', { params: { id } });
  const { hostname, port } = new URL(origin);
  const socket = connect({ host: hostname, port: Number(port) });
  sockets.push(socket);
  const answer = Promise.withResolvers<string>();
  socket.once('data', (data) => {
    socket.pause();
    answer.resolve(data.toString('latin1'));
  });
  socket.once('error', answer.reject);
  socket.write(
    [
      `GET /api/projects/${id}/${at}?ticket=${ticket} HTTP/1.1`,
      `Host: ${hostname}:${port}`,
      'Upgrade: websocket',
      'Connection: Upgrade',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      '\r\n',
    ].join('\r\n'),
  );
  expect(await answer.promise).toMatch(/^HTTP\/1\.1 101 /);
  return socket;
}

it('#62 [R12] a document socket that never reads is dropped, and the others miss nothing', async () => {
  const [one, two] = [joinProject(ada, id), joinProject(ada, id)];
  rooms.push(one, two);
  const [writer, reader] = [one.openDocument(path), two.openDocument(path)];
  await Promise.all([writer.synced, reader.synced]);
  await deaf(`docs/${path}`);
  const isThere = async () =>
    (await ada.call('getPresence', { params: { id } })).users.some((user) => user.userId === eveId);
  await until(isThere);
  let rounds = 0;
  while (await isThere()) {
    rounds += 1;
    writer.doc.transact(() => {
      writer.text.delete(0, writer.text.length);
      writer.text.insert(0, `${rounds} `.repeat(50_000));
    });
    await until(() => reader.text.toString() === writer.text.toString());
  }
  expect(rounds).toBeGreaterThan(3);
  writer.text.delete(0, writer.text.length);
  writer.text.insert(0, 'calm');
  await until(() => reader.text.toString() === 'calm' && writer.state === 'saved');
  expect((await ada.call('getFile', { params: { id, path } })).file.content).toBe('calm');
});

it('#62 [R24] who stops reading and answering without closing is gone from the room, with all their sockets, and the others stay', async () => {
  const room = joinProject(ada, id);
  rooms.push(room);
  const document = room.openDocument(path);
  await document.synced;
  await Promise.all([deaf('room'), deaf(`docs/${path}`)]);
  await until(() => room.users.has(eveId));
  const left: string[] = [];
  room.on('user.left', ({ userId }) => left.push(userId));
  // Nobody says anything; the room finds out.
  await vi.waitUntil(() => left.length > 0, { timeout: 120_000, interval: 250 });
  expect(left).toEqual([eveId]);
  expect((await ada.call('getPresence', { params: { id } })).users.map(({ userId }) => userId)).not.toContain(eveId);
  expect(room.status).toBe('online');
  document.text.insert(0, 'still here ');
  await until(() => document.state === 'saved');
}, 180_000);
