import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Doc, decodeStateVector, encodeStateVector } from 'yjs';
import { createClient, type KilnClient } from '../src/client/api.ts';
import type { RoomDocument } from '../src/client/document.ts';
import { joinProject, type ProjectRoom } from '../src/client/room.ts';
import { onEnd } from './lib/cleanup.ts';
import { describeMachine, read } from './lib/machine.ts';
import { bundleKiln, freePort, type ServerProcess, startMiniflare } from './lib/miniflare.ts';
import { figure, print } from './lib/print.ts';

export const soakUsage = `soak — people who type, leave, come back and change roles, on a server that is killed
  --minutes 10      of typing
  --sockets 1000    over --projects 20: half of them channels, half documents
  --kills 3         kill -9 of the whole server, spread over the time
  --rate 0.5        edits a second and client`;

const path = 'soak.txt';
/** Accounts of a project: below the room's limit of sockets for one user. */
const accountsPerProject = 5;
/** Everybody has everything so long after the last edit, restarts included. Milliseconds. */
const settling = 120_000;
/** More than this between the first and the last quarter is growth: measurements of a process tree differ by less. */
const growthAllowed = 1.3;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A connection that can be cut: the client's own sockets, by a class that remembers them. */
function cuttable(): { Socket: typeof WebSocket; cut: () => void } {
  const open = new Set<WebSocket>();
  class Socket extends WebSocket {
    constructor(url: string, protocols?: string | string[]) {
      super(url, protocols);
      open.add(this);
      this.addEventListener('close', () => open.delete(this));
    }
  }
  return {
    Socket,
    cut: () => {
      for (const socket of open) socket.close();
    },
  };
}

interface Client {
  readonly room: ProjectRoom;
  document: RoomDocument;
  readonly cut: () => void;
  readonly member: number;
  /** What was said to be saved: how far, of what each document of this client wrote. */
  readonly saved: Map<number, number>;
  /** Documents that ended, as their author may not write: what was not stored of them is theirs alone. */
  denied: number;
}

/** How far the edits of an author are in a document. */
const clockOf = (doc: Doc, author: number): number => decodeStateVector(encodeStateVector(doc)).get(author) ?? 0;

/** Notes what a document says, and opens it again where it ends: as somebody would who became a viewer with something unsaved. */
function watch(client: Client, document: RoomDocument): void {
  const { doc } = document;
  document.on('state', (state) => {
    if (state === 'saved') client.saved.set(doc.clientID, clockOf(doc, doc.clientID));
  });
  document.on('ended', ({ code }) => {
    if (code !== 'forbidden' || client.room.status === 'closed') return;
    client.denied += 1;
    client.document = client.room.openDocument(path);
    watch(client, client.document);
  });
}

interface Project {
  readonly id: string;
  readonly clients: Client[];
  /** Members who know that they are viewers now, and type no more. */
  readonly viewers: Set<number>;
}

async function account(origin: string): Promise<{ client: KilnClient; id: string }> {
  const client = createClient({ baseUrl: origin });
  const username = `soak-${randomUUID().slice(0, 18)}`;
  const { user } = await client.register({
    username,
    email: `${username}@bench.test`,
    password: randomBytes(12).toString('base64url'),
  });
  return { client, id: user.id };
}

/** Runs the soak. False when documents differ, an acknowledged edit is gone, or memory grew. */
export async function runSoak(args: readonly string[]): Promise<boolean> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '10' },
      sockets: { type: 'string', default: '1000' },
      projects: { type: 'string', default: '20' },
      kills: { type: 'string', default: '3' },
      rate: { type: 'string', default: '0.5' },
    },
  });
  const duration = Number(values.minutes) * 60_000;
  const clientsPerProject = Math.ceil(Number(values.sockets) / 2 / Number(values.projects));
  const kills = Number(values.kills);
  print(describeMachine());

  const folder = mkdtempSync(join(tmpdir(), 'kiln-soak-'));
  onEnd(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }));
  const bundle = await bundleKiln(join(folder, 'bundle'));
  const port = await freePort();
  const start = (): Promise<ServerProcess> =>
    startMiniflare('kiln', { bundle, port, state: join(folder, 'state'), silent: true });
  let server = await start();

  const accounts = await Promise.all(Array.from({ length: accountsPerProject }, () => account(server.origin)));
  const [owner] = accounts;
  if (!owner) throw new Error('somebody owns the projects');
  const projects: Project[] = [];
  for (let number = 0; number < Number(values.projects); number += 1) {
    const { project } = await owner.client.call('createProject', { body: { name: `Soak ${number}` } });
    const params = { id: project.id };
    for (const { id } of accounts.slice(1))
      await owner.client.call('addCollaborator', { params, body: { userId: id, role: 'editor' } });
    await owner.client.call('putFile', { params: { ...params, path }, body: { content: '' } });
    const clients = await Promise.all(
      Array.from({ length: clientsPerProject }, async (_, index): Promise<Client> => {
        const member = index % accounts.length;
        const { Socket, cut } = cuttable();
        const room = joinProject((accounts[member] ?? owner).client, project.id, { WebSocket: Socket });
        const document = room.openDocument(path);
        const client: Client = { room, document, cut, member, saved: new Map(), denied: 0 };
        watch(client, document);
        await document.synced;
        return client;
      }),
    );
    projects.push({ id: project.id, clients, viewers: new Set() });
  }
  print(`${projects.length * clientsPerProject * 2} sockets over ${projects.length} projects, ${values.minutes} min`);

  const counts = { edits: 0, cuts: 0, roles: 0, evictions: 0, kills: 0 };
  const memory: number[] = [];
  const anyOf = <T>(list: readonly T[]): T | undefined => list[Math.floor(Math.random() * list.length)];
  const began = Date.now();
  let lastSecond = 0;
  while (Date.now() - began < duration) {
    for (const { clients, viewers } of projects)
      for (const { document, member } of clients) {
        if (viewers.has(member) || Math.random() > Number(values.rate) / 10) continue;
        counts.edits += 1;
        document.text.insert(Math.floor(Math.random() * (document.text.length + 1)), `<${counts.edits}>`);
        // Texts stay far below what a document may be.
        if (document.text.length > 20_000) document.text.delete(0, 10_000);
      }
    const second = Math.floor((Date.now() - began) / 1000);
    if (second > lastSecond) {
      lastSecond = second;
      memory.push(read(server.pid).serverMemory ?? 0);
      for (let cuts = 0; cuts < Math.max(1, projects.length / 4); cuts += 1) {
        anyOf(anyOf(projects)?.clients ?? [])?.cut();
        counts.cuts += 1;
      }
      const evicted = anyOf(projects);
      if (second % 5 === 0 && evicted) {
        server.evict(evicted.id);
        counts.evictions += 1;
      }
      const project = anyOf(projects);
      const member = 1 + Math.floor(Math.random() * (accounts.length - 1));
      const changed = accounts[member];
      if (second % 3 === 0 && project && changed) {
        const role = project.viewers.has(member) ? 'editor' : 'viewer';
        const params = { id: project.id, userId: changed.id };
        // Some of what this member typed is on its way at that moment, or waits for a connection.
        for (const { document } of project.clients.filter((client) => client.member === member))
          if (role === 'viewer') document.text.insert(0, '<late>');
        await owner.client.call('updateCollaborator', { params, body: { role } });
        if (role === 'editor') project.viewers.delete(member);
        else project.viewers.add(member);
        counts.roles += 1;
      }
      if (counts.kills < kills && Date.now() - began > (duration * (counts.kills + 1)) / (kills + 1)) {
        await server.kill();
        server = await start();
        counts.kills += 1;
        print(`  killed and back after ${second} s`);
      }
    }
    await sleep(100);
  }

  const faults = await compare(projects, owner.client, 'REST');
  await server.kill();
  server = await start();
  faults.push(...(await compare(projects, owner.client, 'the disk')), ...unkept(projects));
  const denied = projects.reduce(
    (sum, { clients }) => sum + clients.reduce((all, client) => all + client.denied, 0),
    0,
  );
  const quarter = Math.max(1, Math.floor(memory.length / 4));
  const median = (list: readonly number[]): number => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? 0;
  const [early, late] = [median(memory.slice(0, quarter)), median(memory.slice(-quarter))];
  if (late > early * growthAllowed)
    faults.push(`memory grew from ${figure(early / 2 ** 20)} to ${figure(late / 2 ** 20)} MiB`);
  print(
    `${counts.edits} edits, ${counts.cuts} connections cut, ${counts.roles} changes of roles, ${denied} documents of viewers with something unsaved, ${counts.evictions} evictions, ${counts.kills} kills`,
  );
  print(`memory ${figure(early / 2 ** 20)} → ${figure(late / 2 ** 20)} MiB`);
  for (const fault of faults) print(`FAILED ${fault}`);
  for (const { clients } of projects) for (const { room } of clients) room.leave();
  await server.stop();
  return faults.length === 0;
}

/** What was said to be saved and is not there. All documents are the same by now, so the owner's, which never ends, has all that there is. */
function unkept(projects: readonly Project[]): string[] {
  return projects.flatMap(({ clients }, number) => {
    const all = clients.find(({ member }) => member === 0)?.document.doc;
    const lost = clients.flatMap(({ saved }) => [...saved].filter(([author, to]) => !all || clockOf(all, author) < to));
    return lost.length ? [`project ${number}: of ${lost.length} documents less is stored than was said`] : [];
  });
}

/** Waits until every document is the same on all clients and on the server; says where that never came. */
async function compare(projects: readonly Project[], owner: KilnClient, where: string): Promise<string[]> {
  const deadline = Date.now() + settling;
  const faults: string[] = [];
  for (const [number, { id, clients }] of projects.entries()) {
    for (;;) {
      const stored = await owner
        .call('getFile', { params: { id, path } })
        .then(({ file }) => file.content)
        .catch(() => undefined);
      const different = clients.filter(({ document }) => document.dirty || document.text.toString() !== stored).length;
      if (different === 0) break;
      if (Date.now() > deadline) {
        faults.push(`project ${number}: ${different} of ${clients.length} clients differ from ${where}`);
        break;
      }
      await sleep(250);
    }
  }
  return faults;
}
