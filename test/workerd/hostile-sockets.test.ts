import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import * as encoding from 'lib0/encoding';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { encodeAwarenessUpdate } from 'y-protocols/awareness';
import * as sync from 'y-protocols/sync';
import * as Y from 'yjs';
import { limits } from '../../src/contract/limits.ts';
import { type HeardMessage, readFrame } from '../../src/contract/room.ts';
import { configOf } from '../../src/core/config.ts';
import { signToken } from '../../src/core/tokens.ts';
import {
  type Account,
  call,
  database,
  expectJson,
  expectProblem,
  makeWorld,
  roomStub,
  signUp,
  type World,
} from './support.ts';
import { listen, openSocket, until, YjsClient } from './yjs-client.ts';

let world: World;
let base: string;
beforeAll(async () => {
  world = await makeWorld({ 'a.txt': 'text' });
  base = `/api/projects/${world.projectId}`;
});
afterEach(() => {
  vi.restoreAllMocks();
});

const sockets = ['room', 'docs/a.txt'] as const;
const upgrade = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
  call('GET', path, { headers: { upgrade: 'websocket', ...headers } });
const ticketOf = async (as: Account, of = base): Promise<string> =>
  (await expectJson<{ ticket: string }>(await call('POST', `${of}/room/ticket`, { as }), 200)).ticket;
const read = async (path = 'a.txt'): Promise<string> =>
  (
    await expectJson<{ file: { content: string } }>(
      await call('GET', `${base}/files/${path}`, { as: world.owner }),
      200,
    )
  ).file.content;
const write = async (path: string, content: string): Promise<void> => {
  const put = await call('PUT', `${base}/files/${path}`, { as: world.owner, json: { content } });
  if (!put.ok) throw new Error(await put.text());
};
const opens = async (response: Response): Promise<void> => {
  expect(response.status).toBe(101);
  response.webSocket?.accept();
  response.webSocket?.close();
};

/** The object in memory: the same for as long as it did not restart. */
const alive = (mark?: string): Promise<unknown> =>
  runInDurableObject(roomStub(world.projectId), (room) => {
    const marked = room as unknown as { mark?: string };
    if (mark !== undefined) marked.mark = mark;
    return marked.mark;
  });

describe('The door', () => {
  it.each(sockets)(
    '#56 of %s: a cookie opens nothing, and only exact origins get as far as the object',
    async (socket) => {
      const cookie = `session=${world.owner.refreshToken}; __Host-refresh=${world.owner.refreshToken}; token=${world.owner.token}`;
      for (const headers of [
        { cookie },
        { cookie, origin: 'http://kiln.test' },
        { cookie, authorization: `Bearer ${world.owner.token}` },
      ])
        expect(await expectProblem(await upgrade(`${base}/${socket}`, headers), 401)).toBe('unauthenticated');
      const ticket = await ticketOf(world.owner);
      for (const origin of [
        'null',
        'http://evil.example',
        'http://evil.kiln.test',
        'http://kiln.test.evil',
        'http://kiln.test.evil.example',
        'http://kiln.test:8080',
        'http://kiln.testevil',
        'https://kiln.test',
        'http://KILN.test',
        'http://kiln.test/',
        'http://kiln.test@evil.example',
      ]) {
        const refused = await upgrade(`${base}/${socket}?ticket=${ticket}`, { cookie, origin });
        expect(await expectProblem(refused, 403), origin).toBe('forbidden');
      }
      // The object, which spends tickets, has not heard of this one.
      await opens(await upgrade(`${base}/${socket}?ticket=${ticket}`, { origin: 'http://kiln.test' }));
    },
  );

  it.each(sockets)(
    '#57 of %s: a ticket is needed, fresh, of this project, once, and is in no line of the log',
    async (socket) => {
      const lines: string[] = [];
      for (const level of ['log', 'info', 'warn', 'error', 'debug'] as const)
        vi.spyOn(console, level).mockImplementation((...line: unknown[]) => void lines.push(line.join(' ')));
      const at = (ticket: string): Promise<Response> => upgrade(`${base}/${socket}?ticket=${ticket}`);
      expect(await expectProblem(await upgrade(`${base}/${socket}`), 401)).toBe('unauthenticated');
      expect(await expectProblem(await at(''), 401)).toBe('unauthenticated');

      const { expiresIn, ticket } = await expectJson<{ expiresIn: number; ticket: string }>(
        await call('POST', `${base}/room/ticket`, { as: world.owner }),
        200,
      );
      expect(expiresIn).toBeLessThanOrEqual(60);
      const [head, body, signature] = ticket.split('.');
      const claims = JSON.parse(atob((body ?? '').replaceAll('-', '+').replaceAll('_', '/'))) as Record<string, string>;
      expect(Number(claims.exp) - Number(claims.iat)).toBeLessThanOrEqual(60);
      expect(claims).toMatchObject({ sub: world.owner.id, project: world.projectId });

      const config = configOf(env);
      const own = { sub: world.owner.id, sid: claims.sid ?? '', username: 'x', name: 'x', project: world.projectId };
      const past = { at: Date.now() - limits.room.ticketTtl - limits.auth.clockLeeway - 1000, id: 'past' };
      const expired = await signToken(config, 'room', own, limits.room.ticketTtl, past);
      const other = (
        await expectJson<{ project: { id: string } }>(
          await call('POST', '/api/projects', { as: world.owner, json: { name: 'Other' } }),
          201,
        )
      ).project.id;
      const foreign = await ticketOf(world.owner, `/api/projects/${other}`);
      const forged = btoa(JSON.stringify({ ...claims, sub: world.editor.id })).replaceAll('=', '');
      for (const wrong of [
        expired,
        foreign,
        world.owner.token,
        `${head}.${forged}.${signature}`,
        `${btoa('{"alg":"none"}').replaceAll('=', '')}.${body}.`,
      ])
        expect(await expectProblem(await at(wrong), 401)).toBe('unauthenticated');

      await opens(await at(ticket));
      expect(await expectProblem(await at(ticket), 401)).toBe('ticket_expired');
      const protocol = await upgrade(`${base}/${socket}`, {
        'sec-websocket-protocol': `kiln, kiln.ticket.${await ticketOf(world.owner)}`,
      });
      expect(protocol.headers.get('sec-websocket-protocol')).toBe('kiln');
      await opens(protocol);
      // Also when two come at once, and when the object has slept in between.
      const twice = await ticketOf(world.editor);
      const both = await Promise.all([at(twice), at(twice)]);
      expect(both.map(({ status }) => status).sort()).toEqual([101, 401]);
      for (const { webSocket } of both) {
        webSocket?.accept();
        webSocket?.close();
      }
      await evictDurableObject(roomStub(world.projectId));
      expect(await expectProblem(await at(twice), 401)).toBe('ticket_expired');

      expect(lines.length).toBeGreaterThan(10);
      const all = lines.join('\n');
      for (const secret of [ticket, twice, expired, foreign, forged, signature ?? '', claims.jti ?? '?'])
        expect(all.includes(secret), secret).toBe(false);
    },
  );

  it('#57 a ticket of somebody who was removed meanwhile opens nothing', async () => {
    const ticket = await ticketOf(world.viewer);
    const member = `${base}/collaborators/${world.viewer.id}`;
    expect((await call('DELETE', member, { as: world.owner })).status).toBe(204);
    const refused = await upgrade(`${base}/room?ticket=${ticket}`);
    expect([403, 404]).toContain(refused.status);
    const json = { userId: world.viewer.id, role: 'viewer' };
    await expectJson(await call('POST', `${base}/collaborators`, { as: world.owner, json }), 201);
  });

  it('#58 what a client says of itself in headers is not passed on', async () => {
    const identity = encodeURIComponent(
      JSON.stringify({
        userId: world.owner.id,
        sessionId: 'x',
        username: 'owner',
        displayName: 'Owner',
        jti: 'x',
        expires: Date.now() + 9e9,
        path: null,
        protocol: null,
      }),
    );
    const forged = {
      'x-kiln-identity': identity,
      'x-user-id': world.owner.id,
      'x-role': 'owner',
      'x-internal-auth': 'true',
      'cf-connecting-ip': '127.0.0.1',
      'x-forwarded-for': '127.0.0.1',
    };
    for (const socket of sockets)
      expect(await expectProblem(await upgrade(`${base}/${socket}`, forged), 401)).toBe('unauthenticated');
    // Without an upgrade they are requests like others.
    expect((await call('GET', `${base}/room`, { headers: forged })).status).toBe(404);
    expect(await expectProblem(await call('GET', base, { headers: forged }), 401)).toBe('unauthenticated');
    const taken = await call('PUT', `${base}/files/a.txt`, {
      as: world.viewer,
      headers: forged,
      json: { content: 'x' },
    });
    expect(await expectProblem(taken, 403)).toBe('forbidden');

    const ticket = await ticketOf(world.viewer);
    const response = await upgrade(`${base}/room?ticket=${ticket}`, forged);
    const hello = Promise.withResolvers<HeardMessage | undefined>();
    response.webSocket?.addEventListener('message', ({ data }) => hello.resolve(readFrame(String(data))[0]));
    response.webSocket?.accept();
    expect(await hello.promise).toMatchObject({ self: { userId: world.viewer.id, role: 'viewer' } });
    response.webSocket?.close();
  });

  it('#65 nothing of the object can be called from outside', async () => {
    const names = [
      'erase',
      'deleteAll',
      'restoreState',
      'adopt',
      'closeAll',
      'endSockets',
      'membersChanged',
      'held',
      'backup',
    ];
    // A page of the workspace is no answer of the object.
    for (const name of names)
      for (const path of [
        `/${name}`,
        `/internal/${name}`,
        `${base}/${name}`,
        `${base}/room/${name}`,
        `/rpc/ProjectRoom/${name}`,
        `/parties/project/${world.projectId}/${name}`,
      ])
        for (const method of path.startsWith('/api') ? ['GET', 'POST'] : ['POST']) {
          const answer = await call(method, path, { as: world.owner, ...(method === 'POST' && { json: [] }) });
          await answer.body?.cancel();
          expect([404, 405], `${method} ${path}`).toContain(answer.status);
        }
    // Objects of guessed names: those of other classes, and rooms that are none.
    for (const path of [
      '/parties/maintenance/main',
      '/parties/build-run/x',
      '/parties/project/main',
      '/parties/project/..%2fmaintenance',
      '/api/projects/maintenance/room',
    ]) {
      const guessed = await upgrade(`${path}?ticket=${await ticketOf(world.owner)}`);
      expect(await expectProblem(guessed, 404), path).toBe('not_found');
    }
    const ear = await listen(world.owner, world.projectId);
    const before = ear.messages.length;
    const calls = [
      ...names.flatMap((name) => [
        { type: name },
        { method: name, params: [] },
        { jsonrpc: '2.0', id: 1, method: name },
      ]),
      { type: 'constructor' },
      { type: '__proto__' },
      { type: 'hello' },
      { type: 'file.deleted', seq: 1, data: { path: 'a.txt' } },
      { type: ['chat'] },
    ];
    for (const said of calls) ear.socket.send(JSON.stringify(said));
    await until(() => ear.messages.length >= before + calls.length);
    expect(new Set(ear.messages.slice(before).map((message) => message.type === 'error' && message.code))).toEqual(
      new Set(['validation_failed']),
    );
    expect(ear.closed).toBeNull();
    expect(await read()).toBe('text');
    ear.socket.close();
    const direct = await roomStub(world.projectId).fetch('https://room/erase', { method: 'POST' });
    expect(direct.status).toBe(404);
  });
});

describe('What is sent', () => {
  const frame = (write: (encoder: encoding.Encoder) => void): Uint8Array => {
    const encoder = encoding.createEncoder();
    write(encoder);
    return encoding.toUint8Array(encoder);
  };

  it('#59 by a viewer changes nothing in any wrapping, in memory or after a reload, and the viewer is told', async () => {
    await write('untouched.txt', 'untouched');
    const [editor, viewer] = [
      await YjsClient.open(world.editor, world.projectId, 'untouched.txt'),
      await YjsClient.open(world.viewer, world.projectId, 'untouched.txt'),
    ];
    const ear = await listen(world.viewer, world.projectId);
    const vector = Y.encodeStateVector(editor.doc);
    const foreign = new Y.Doc();
    Y.applyUpdate(foreign, Y.encodeStateAsUpdate(editor.doc));
    foreign.getText('content').insert(0, 'forged ');
    const update = Y.encodeStateAsUpdate(foreign);
    const asUpdate = (encoder: encoding.Encoder): void => {
      encoding.writeVarUint(encoder, 0);
      sync.writeUpdate(encoder, update);
    };
    const asStep2 = (encoder: encoding.Encoder): void => {
      encoding.writeVarUint(encoder, 0);
      sync.writeSyncStep2(encoder, foreign);
    };
    const asAwareness = (encoder: encoding.Encoder): void => {
      encoding.writeVarUint(encoder, 1);
      encoding.writeVarUint8Array(encoder, encodeAwarenessUpdate(viewer.awareness, [viewer.doc.clientID]));
    };
    const frames = [
      frame(asUpdate),
      frame(asStep2),
      frame((encoder) => [asAwareness, asUpdate, asStep2, asAwareness].forEach((part) => void part(encoder))),
    ];
    for (const [index, forged] of frames.entries()) {
      const told = (): number =>
        ear.messages.filter((message) => message.type === 'error' && message.code === 'forbidden').length;
      const before = told();
      viewer.socket.send(forged);
      await until(() => told() > before);
      const late = await YjsClient.open(world.owner, world.projectId, 'untouched.txt');
      expect(Y.encodeStateVector(late.doc), `frame ${index}`).toEqual(vector);
      late.close();
    }
    // An update where awareness belongs is no awareness.
    viewer.socket.send(
      frame((encoder) => {
        encoding.writeVarUint(encoder, 1);
        encoding.writeVarUint8Array(encoder, update);
      }),
    );
    await until(() => viewer.closed !== null);
    expect(viewer.closed).toBe(1003);
    expect([Y.encodeStateVector(editor.doc), editor.text.toString(), editor.closed]).toEqual([
      vector,
      'untouched',
      null,
    ]);
    await evictDurableObject(roomStub(world.projectId), { webSockets: 'close' });
    expect(await read('untouched.txt')).toBe('untouched');
    const again = await YjsClient.open(world.owner, world.projectId, 'untouched.txt');
    expect(Y.encodeStateVector(again.doc)).toEqual(vector);
    for (const client of [editor, again]) client.close();
    ear.socket.close();
  });

  it('#61 #62 malformed, above the limit or 5,000 at once ends its own socket; the others see no gap, and the object does not restart', async () => {
    await write('calm.txt', '');
    await alive('the first');
    const [honest, peer] = [
      await YjsClient.open(world.owner, world.projectId, 'calm.txt'),
      await YjsClient.open(world.editor, world.projectId, 'calm.txt'),
    ];
    const word = (n: number): string => `word ${n}. `;
    let typed = 0;
    const type = (): void => {
      honest.text.insert(honest.text.length, word(typed));
      typed += 1;
    };
    const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
    const max = [255, 255, 255, 255, 255, 255, 255, 15];
    const ends: [string, number, (socket: WebSocket) => void][] = [
      ['a varint that ends early', 1003, (socket) => socket.send(bytes(0, 2, 255))],
      ['a length of 2^53', 1003, (socket) => socket.send(bytes(0, 2, ...max, 1))],
      ['an unknown type', 1003, (socket) => socket.send(bytes(77))],
      ['text for bytes', 1003, (socket) => socket.send('{"type":"ping!"}')],
      ['a frame above the limit', 4413, (socket) => socket.send(new Uint8Array(limits.room.frameBytes + 1))],
      [
        '5,000 frames',
        4429,
        (socket) => {
          for (let n = 0; n < 5000; n += 1) socket.send(bytes(0, 1, 2, 0, 0));
        },
      ],
      ['5,000 questions in one frame', 4429, (socket) => socket.send(bytes(...Array(5000).fill([0, 0, 1, 0]).flat()))],
      [
        'ten updates of 1 MiB, of somebody who may not write',
        4429,
        (socket) => {
          const update = new Uint8Array(2 ** 20);
          update.set([0, 2, 251, 255, 63]);
          for (let n = 0; n < 10; n += 1) socket.send(update);
        },
      ],
    ];
    for (const [what, code, send] of ends) {
      const socket = await openSocket(world.viewer, world.projectId, 'docs/calm.txt');
      let closed: number | null = null;
      socket.addEventListener('close', (event) => {
        closed = event.code;
      });
      socket.accept();
      type();
      send(socket);
      type();
      await until(() => closed !== null);
      expect(closed, what).toBe(code);
    }
    // Who may write brings a million structs of two bytes: 200 MB, were they made.
    const flood = await YjsClient.open(world.editor, world.projectId, 'calm.txt');
    flood.socket.send(
      frame((encoder) => {
        for (const value of [0, 2]) encoding.writeVarUint(encoder, value);
        const update = new Uint8Array(2_000_000).map((_, at) => at % 2);
        encoding.writeVarUint8Array(encoder, Uint8Array.from([1, ...[192, 132, 61], 7, 0, ...update, 0]));
      }),
    );
    type();
    await until(() => flood.closed !== null);
    expect(flood.closed).toBe(4413);
    const all = Array.from({ length: typed }, (_, n) => word(n)).join('');
    await until(() => peer.text.toString() === all);
    expect([honest.closed, peer.closed]).toEqual([null, null]);
    expect(await read('calm.txt')).toBe(all);
    expect(await alive()).toBe('the first');
    honest.close();
    peer.close();
  });

  it('#62 questions for all of a large document, without end, are answered at a pace, and others are served in their midst', async () => {
    const { burst, perSecond } = limits.room.answers;
    const size = 900_000;
    await write('large.txt', 'x'.repeat(size));
    const [honest, peer] = [
      await YjsClient.open(world.owner, world.projectId, 'large.txt'),
      await YjsClient.open(world.editor, world.projectId, 'large.txt'),
    ];
    // Of somebody who has what nobody else has.
    const foreign = new Y.Doc();
    foreign.getText('content').insert(0, 'x');
    const question = frame((encoder) => {
      encoding.writeVarUint(encoder, 0);
      sync.writeSyncStep1(encoder, foreign);
    });
    const begun = Date.now();
    let answers = 0;
    const sockets = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const socket = await openSocket(world.viewer, world.projectId, 'docs/large.txt');
        socket.binaryType = 'arraybuffer';
        socket.addEventListener('message', ({ data }) => {
          if ((data as ArrayBuffer).byteLength >= size) answers += 1;
        });
        socket.accept();
        return socket;
      }),
    );
    let typed = 0;
    for (let round = 0; round < limits.room.questionsPerSecond; round += 1) {
      for (const socket of sockets) socket.send(question);
      honest.text.insert(0, `${round}`);
      typed += `${round}`.length;
    }
    await until(() => peer.text.length === size + typed);
    const possible = burst + (perSecond * (Date.now() - begun)) / 1000;
    // 200 were asked; the last one of an account may be answered while it has anything left.
    expect(answers).toBeGreaterThan(0);
    expect(answers * size).toBeLessThanOrEqual(possible + size);
    expect([honest.closed, peer.closed]).toEqual([null, null]);
    for (const socket of sockets) socket.close();
    for (const client of [honest, peer]) client.close();
  });

  it('#62 of 500 sockets of one user 50 are let in, and others come in and work', async () => {
    const crowd = await Promise.all(
      Array.from({ length: 500 }, async () => {
        const response = await upgrade(`${base}/room?ticket=${await ticketOf(world.viewer)}`);
        const ear = { socket: response.webSocket, closed: null as number | null, heard: 0 };
        response.webSocket?.addEventListener('close', ({ code }) => {
          ear.closed = code;
        });
        response.webSocket?.addEventListener('message', () => {
          ear.heard += 1;
        });
        response.webSocket?.accept();
        return ear;
      }),
    );
    await until(() => crowd.every(({ closed, heard }) => closed !== null || heard > 0));
    const refused = crowd.filter(({ closed }) => closed !== null);
    expect(crowd.length - refused.length).toBe(limits.room.socketsPerUser);
    expect(new Set(refused.map(({ closed }) => closed))).toEqual(new Set([4429]));
    const [one, two] = [
      await YjsClient.open(world.owner, world.projectId, 'a.txt'),
      await YjsClient.open(world.editor, world.projectId, 'a.txt'),
    ];
    one.text.insert(0, 'crowded ');
    await until(() => two.text.toString() === 'crowded text');
    one.text.delete(0, 8);
    await until(async () => (await read()) === 'text');
    for (const client of [one, two]) client.close();
    // Who closes one may open another.
    const open = crowd.filter(({ closed }) => closed === null);
    open[0]?.socket?.close();
    await until(async () => {
      const socket = await openSocket(world.viewer, world.projectId, 'room');
      const first = Promise.withResolvers<boolean>();
      socket.addEventListener('message', () => first.resolve(true));
      socket.addEventListener('close', () => first.resolve(false));
      socket.accept();
      const isIn = await first.promise;
      socket.close();
      return isIn;
    });
    for (const { socket } of open) socket?.close();
  });
});

describe('A socket that slept', () => {
  /** A project of its own, with a document and a channel open for a member; asleep. */
  async function asleep() {
    const owner = await signUp('owner');
    const member = await signUp('member');
    const { project } = await expectJson<{ project: { id: string } }>(
      await call('POST', '/api/projects', { as: owner, json: { name: 'Asleep' } }),
      201,
    );
    const at = `/api/projects/${project.id}`;
    const json = { userId: member.id, role: 'editor' };
    await expectJson(await call('POST', `${at}/collaborators`, { as: owner, json }), 201);
    await expectJson(await call('PUT', `${at}/files/a.txt`, { as: owner, json: { content: 'text' } }), 201);
    const client = await YjsClient.open(member, project.id, 'a.txt');
    const ear = await listen(member, project.id);
    await evictDurableObject(roomStub(project.id));
    const text = async (): Promise<string> =>
      (await expectJson<{ file: { content: string } }>(await call('GET', `${at}/files/a.txt`, { as: owner }), 200)).file
        .content;
    return { owner, member, id: project.id, at, client, ear, text };
  }

  it('#63 does not write with a role that it has lost, told or not', async () => {
    const { owner, member, at, client, ear, text, id } = await asleep();
    const member_ = `${at}/collaborators/${member.id}`;
    await expectJson(await call('PUT', member_, { as: owner, json: { role: 'viewer' } }), 200);
    client.text.insert(0, 'told ');
    await until(() => ear.messages.some((message) => message.type === 'error' && message.code === 'forbidden'));
    expect(await text()).toBe('text');
    await expectJson(await call('PUT', member_, { as: owner, json: { role: 'editor' } }), 200);
    await evictDurableObject(roomStub(id));
    // As a notice that got lost.
    await database.prepare('UPDATE collaborators SET role = ? WHERE user_id = ?').bind('viewer', member.id).run();
    const before = ear.messages.length;
    client.text.insert(0, 'lost ');
    await until(() =>
      ear.messages.slice(before).some((message) => message.type === 'error' && message.code === 'forbidden'),
    );
    expect(await text()).toBe('text');
    client.close();
    ear.socket.close();
  });

  it.each(['told', 'not told'])('#63 ends with its membership, %s', async (how) => {
    const { owner, member, at, client, ear, text } = await asleep();
    if (how === 'told') await call('DELETE', `${at}/collaborators/${member.id}`, { as: owner });
    else await database.prepare('DELETE FROM collaborators WHERE user_id = ?').bind(member.id).run();
    // Not told, it hears nothing of what others do: the first who does something has it looked at.
    await expectJson(await call('PUT', `${at}/files/b.txt`, { as: owner, json: { content: 'secret' } }), 201);
    await until(() => client.closed !== null && ear.closed !== null);
    expect([client.closed, ear.closed]).toEqual([4403, 4403]);
    expect(JSON.stringify(ear.messages)).not.toContain('b.txt');
    client.text.insert(0, 'too late ');
    expect(await text()).toBe('text');
  });

  it.each(['told', 'not told'])('#63 ends with its project, %s', async (how) => {
    const { owner, at, client, ear, id } = await asleep();
    if (how === 'told') {
      expect((await call('DELETE', at, { as: owner })).ok).toBe(true);
      await until(() => client.closed !== null && ear.closed !== null);
      expect([client.closed, ear.closed]).toEqual([4404, 4404]);
      return;
    }
    await database.prepare('UPDATE projects SET deleted_at = ? WHERE id = ?').bind(Date.now(), id).run();
    client.text.insert(0, 'into the trash ');
    await until(() => client.closed !== null && ear.closed !== null);
    expect([client.closed, ear.closed]).toEqual([4403, 4403]);
  });

  it.each(['told', 'not told'])('#63 ends with the sign-in that its ticket came from, %s', async (how) => {
    const { member, client, ear, text } = await asleep();
    if (how === 'told')
      await call('POST', '/api/auth/logout', { as: member, json: { refreshToken: member.refreshToken } });
    else await database.prepare('DELETE FROM sessions WHERE user_id = ?').bind(member.id).run();
    client.text.insert(0, 'signed out ');
    await until(() => client.closed !== null && ear.closed !== null);
    expect([client.closed, ear.closed]).toEqual([4401, 4401]);
    expect(await text()).toBe('text');
  });
});
