import { spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inRoot, root } from '../../scripts/lib/paths.ts';
import { killGroup, runCommand, stopGroup } from '../../scripts/lib/processes.ts';
import { createClient, type KilnClient } from '../../src/client/api.ts';
import { limits } from '../../src/contract/limits.ts';
import { commitWindowFor } from '../../src/durable-objects/room/live-document.ts';
import { onEnd } from './cleanup.ts';
import { bundleKiln, freePort, startMiniflare } from './miniflare.ts';
import { print } from './print.ts';
import { type Dialect, hocuspocus, plain } from './room-client.ts';

/** An empty document that clients can join. */
export interface BenchDocument {
  readonly dialect: Dialect;
  /** A fresh URL for one socket of that client. */
  url(client: number): Promise<string>;
  /** The document's text as the server's own REST interface has it, where there is one. */
  stored?(): Promise<string>;
  /** Lets go of it in memory, where the server does not do that by itself when nobody is there. */
  forget?(): void;
}

export interface RoomServer {
  readonly pid: number;
  readonly inspector: string | null;
  /** Whether a late joiner gets what was typed before; a relay keeps nothing. */
  readonly remembers: boolean;
  newDocument(): Promise<BenchDocument>;
  /** Kills it and starts it on what it has stored; undefined where that is nothing. */
  restart?(): Promise<void>;
}

export const serverNames = [
  'kiln',
  'before',
  'relay',
  'gather',
  'y-websocket',
  'y-websocket-leveldb',
  'hocuspocus',
  'hocuspocus-unbatched',
] as const;
export type ServerName = (typeof serverNames)[number];

export interface RoomServerOptions {
  /** Clients in one document. */
  readonly clients: number;
  /** Accounts of people who are members and none of the clients: -1 is the first of them. */
  readonly guests?: number;
  readonly inspect: boolean;
  readonly verbose: boolean;
  /** The Worker writes no log: see startMiniflare. */
  readonly silent?: boolean;
  /** Kiln's bundle of another revision, for `before`. */
  readonly against: string | undefined;
}

/** Sockets of one account: no more than the room lets type at full speed, and such that 50 clients are several people. */
const socketsPerAccount = limits.room.busySockets;
const path = 'src/bench.txt';

async function kiln(options: RoomServerOptions, bundle?: string): Promise<RoomServer> {
  const folder = mkdtempSync(join(tmpdir(), 'kiln-bench-'));
  onEnd(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }));
  const script = bundle ?? (await bundleKiln(join(folder, 'bundle')));
  const port = await freePort();
  const start = () => startMiniflare('kiln', { ...options, bundle: script, port, state: join(folder, 'state') });
  let server = await start();
  const accounts: KilnClient[] = [];
  const ids: string[] = [];
  const members = Math.ceil(options.clients / socketsPerAccount);
  for (let number = 0; number < members + (options.guests ?? 0); number += 1) {
    const client = createClient({ baseUrl: server.origin });
    const username = `bench-${randomUUID().slice(0, 18)}`;
    const { user } = await client.register({
      username,
      email: `${username}@bench.test`,
      password: randomBytes(12).toString('base64url'),
    });
    accounts.push(client);
    ids.push(user.id);
  }
  const [owner] = accounts;
  if (!owner) throw new Error('a room needs a client');
  return {
    get pid() {
      return server.pid;
    },
    get inspector() {
      return server.inspector;
    },
    remembers: true,
    restart: async () => {
      await server.kill();
      server = await start();
    },
    newDocument: async () => {
      const { project } = await owner.call('createProject', { body: { name: 'Bench' } });
      const params = { id: project.id };
      for (const userId of ids.slice(1))
        await owner.call('addCollaborator', { params, body: { userId, role: 'editor' } });
      await owner.call('putFile', { params: { ...params, path }, body: { content: '' } });
      return {
        dialect: plain,
        url: async (client) => {
          const account = accounts.at(client < 0 ? client : client % members) ?? owner;
          const { ticket } = await account.call('createTicket', { params });
          return `${server.origin.replace('http', 'ws')}/api/projects/${project.id}/docs/${path}?ticket=${ticket}`;
        },
        stored: async () => {
          const { file } = await owner.call('getFile', { params: { ...params, path } });
          return file.content;
        },
        forget: () => server.evict(project.id),
      };
    },
  };
}

async function relay({ clients }: RoomServerOptions, path: 'relay' | 'gather'): Promise<RoomServer> {
  const server = await startMiniflare('floor');
  return {
    pid: server.pid,
    inspector: null,
    remembers: false,
    newDocument: () => {
      const url = `${server.origin.replace('http', 'ws')}/${path}/${commitWindowFor(clients)}/${randomUUID()}`;
      return Promise.resolve({ dialect: plain, url: () => Promise.resolve(url) });
    },
  };
}

/** A Node server of bench/peers, in a process of its own; its packages are installed when it is first asked for. */
async function peer(script: string, environment: Readonly<Record<string, string>> = {}): Promise<RoomServer> {
  const folder = inRoot('bench', 'peers');
  if (!existsSync(join(folder, 'node_modules'))) {
    print('Installing bench/peers …');
    await runCommand('npm', ['ci', '--ignore-scripts', '--no-fund', '--no-audit'], {
      cwd: folder,
      shell: process.platform === 'win32',
    });
  }
  const state = mkdtempSync(join(tmpdir(), 'kiln-bench-'));
  onEnd(() => rmSync(state, { recursive: true, force: true }));
  const port = await freePort();
  const start = async (): Promise<{ pid: number; kill: () => Promise<void> }> => {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', join(folder, script)], {
      cwd: root,
      detached: process.platform !== 'win32',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: {
        ...process.env,
        ...Object.fromEntries(
          Object.entries(environment).map(([name, value]) => [name, value.replace('$STATE', state)]),
        ),
        NODE_ENV: 'production',
        PORT: String(port),
        STATE: state,
      },
    });
    onEnd(() => stopGroup(child));
    await new Promise<void>((resolve, reject) => {
      child.once('message', () => resolve());
      child.once('exit', (code) => reject(new Error(`${script} ended with ${code}`)));
    });
    const { pid } = child;
    if (pid === undefined) throw new Error('a running process has an id');
    return { pid, kill: () => killGroup(child) };
  };
  let server = await start();
  return {
    get pid() {
      return server.pid;
    },
    inspector: null,
    remembers: true,
    restart: async () => {
      await server.kill();
      server = await start();
    },
    newDocument: () => {
      const name = randomUUID();
      const dialect = script.startsWith('hocuspocus') ? hocuspocus(name) : plain;
      return Promise.resolve({ dialect, url: () => Promise.resolve(`ws://127.0.0.1:${port}/${name}`) });
    },
  };
}

export function startRoomServer(name: ServerName, options: RoomServerOptions): Promise<RoomServer> {
  if (name === 'kiln') return kiln(options);
  if (name === 'before') {
    if (options.against === undefined) throw new Error('before: which revision? See --against');
    return kiln({ ...options, inspect: false }, options.against);
  }
  if (name === 'relay' || name === 'gather') return relay(options, name);
  if (name === 'hocuspocus') return peer('hocuspocus.mjs');
  if (name === 'hocuspocus-unbatched') return peer('hocuspocus.mjs', { FLUSH_DELAY: 'false' });
  return peer('y-websocket.mjs', name === 'y-websocket-leveldb' ? { YPERSISTENCE: '$STATE/leveldb' } : {});
}
