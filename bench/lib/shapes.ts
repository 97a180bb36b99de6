import { randomBytes, randomUUID } from 'node:crypto';
import type { Client } from 'undici';
import { type Call, connect, type Route, sendJson } from './load.ts';

/** What the mix needs of a user. */
export interface BenchUser {
  readonly token: string;
  readonly projects: readonly { readonly id: string; readonly paths: readonly string[] }[];
}

/** Where two servers of the same API differ: how an account is made, and where an answer has what we need. */
export interface Shape {
  readonly name: string;
  register(account: { name: string; email: string; password: string }): Call;
  projectId(answer: unknown): string;
}

/** A field of an answer, by the path to it. */
function text(answer: unknown, ...path: string[]): string {
  let value = answer;
  for (const key of path) value = (value as Record<string, unknown> | undefined)?.[key];
  if (typeof value !== 'string') throw new Error(`no ${path.join('.')} in ${JSON.stringify(answer)?.slice(0, 200)}`);
  return value;
}

export const kilnShape: Shape = {
  name: 'kiln',
  register: ({ name, email, password }) => ({
    method: 'POST',
    path: '/api/auth/register',
    body: { username: name, email, password },
  }),
  projectId: (answer) => text(answer, 'project', 'id'),
};

/** A conventional stack: Fastify, PostgreSQL, Redis, with the same routes in its own shapes. */
export const peerShape: Shape = {
  name: 'peer',
  register: (account) => ({ method: 'POST', path: '/api/auth/register', body: account }),
  projectId: (answer) => text(answer, 'id'),
};

const any = <T>(list: readonly T[]): T => {
  const one = list[Math.floor(Math.random() * list.length)];
  if (one === undefined) throw new Error('an empty list has no element');
  return one;
};

/** TypeScript of about that many bytes, a little different for every `seed`. */
export function source(seed: number, bytes: number): string {
  const head = `import { log } from './log';\nexport const id${seed} = ${seed};\nexport const step${seed} = (dt: number): number => dt * ${seed};\n`;
  const filler = `// ${'lorem ipsum dolor sit amet '.repeat(4)}\n`;
  return (head + filler.repeat(Math.ceil(bytes / filler.length))).slice(0, bytes);
}

const pathOf = (index: number): string => (index === 0 ? 'src/main.ts' : `src/module-${index}.ts`);

/** The mix of an editor's session: list 30, project 20, tree 15, read 25, write 10 (that of the peer's load.mjs). */
export function mix(fileBytes: number): Route<BenchUser>[] {
  const get = (user: BenchUser, path: string): Call => ({ method: 'GET', path, token: user.token });
  return [
    { name: 'list projects', weight: 30, call: (user) => get(user, '/api/projects') },
    { name: 'get project', weight: 20, call: (user) => get(user, `/api/projects/${any(user.projects).id}`) },
    { name: 'tree', weight: 15, call: (user) => get(user, `/api/projects/${any(user.projects).id}/tree`) },
    {
      name: 'get file',
      weight: 25,
      call: (user) => {
        const { id, paths } = any(user.projects);
        return get(user, `/api/projects/${id}/files/${any(paths)}`);
      },
    },
    {
      name: 'put file',
      weight: 10,
      call: (user) => {
        const { id, paths } = any(user.projects);
        return {
          method: 'PUT',
          path: `/api/projects/${id}/files/${any(paths)}`,
          token: user.token,
          body: { content: source(Math.floor(Math.random() * 1e6), fileBytes) },
        };
      },
    },
  ];
}

export interface UsersOptions {
  readonly users: number;
  readonly projects: number;
  readonly files: number;
  readonly bytes: number;
  /** Accounts made at a time: each costs the server a password hash of a few 100 ms of CPU. */
  readonly parallel: number;
}

async function makeUser(client: Client, shape: Shape, options: UsersOptions): Promise<BenchUser> {
  const name = `bench-${randomUUID().slice(0, 18)}`;
  const token = text(
    await sendJson(
      client,
      shape.register({ name, email: `${name}@bench.test`, password: randomBytes(12).toString('base64url') }),
    ),
    'accessToken',
  );
  const projects: { id: string; paths: string[] }[] = [];
  for (let number = 0; number < options.projects; number += 1) {
    const id = shape.projectId(
      await sendJson(client, { method: 'POST', path: '/api/projects', token, body: { name: `Game ${number}` } }),
    );
    const paths = Array.from({ length: options.files }, (_, index) => pathOf(index));
    for (const [index, path] of paths.entries())
      await sendJson(client, {
        method: 'PUT',
        path: `/api/projects/${id}/files/${path}`,
        token,
        body: { content: source(index, options.bytes) },
      });
    projects.push({ id, paths });
  }
  return { token, projects };
}

/** Users with their own account and projects. */
export async function makeUsers(origin: string, shape: Shape, options: UsersOptions): Promise<BenchUser[]> {
  const users: BenchUser[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    const client = connect(origin);
    while (next < options.users) {
      next += 1;
      users.push(await makeUser(client, shape, options));
    }
    await client.close();
  };
  await Promise.all(Array.from({ length: Math.min(options.parallel, options.users) }, worker));
  return users;
}
