import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { root } from '../../scripts/lib/paths.ts';
import { Postgres } from '../../scripts/lib/postgres.ts';
import { runCommand } from '../../scripts/lib/processes.ts';
import { System } from '../../scripts/lib/system.ts';
import { createClient, type KilnClient, memoryAuth } from '../../src/client/index.ts';
import { newId } from '../../src/contract/ids.ts';
import { until } from '../support/people.ts';
import { freePort } from '../support/ports.ts';

const folder = mkdtempSync(join(tmpdir(), 'kiln-releases-'));
const source = join(folder, 'next');
const postgres = new Postgres(join(folder, 'postgres'), join(folder, 'postgres.log'));
/** This release. */
let current: System;
/** The one after it. */
let next: System;

const systemOf = async (Of: typeof System, state: string): Promise<System> =>
  new Of({
    port: await freePort(),
    runnerPort: await freePort(),
    host: 'miniflare',
    state: join(folder, state),
    db: postgres.url() as `postgres://${string}`,
  });

/**
 * These sources with one migration more, as the next release would have it: a column that every session
 * it starts has something to say in. The migration is written by the project's own command.
 */
async function writeNextRelease(): Promise<void> {
  const left = new Set(['node_modules', '.git', '.kiln', '.wrangler']);
  cpSync(root, source, { recursive: true, filter: (file) => !left.has(basename(file)) });
  symlinkSync(join(root, 'node_modules'), join(source, 'node_modules'));
  const definition = join(source, 'src', 'data', 'schema', 'define.ts');
  const text = readFileSync(definition, 'utf8');
  const column = "endReason: text('end_reason')";
  expect(text.split(column), 'sessions have no column end_reason any more').toHaveLength(2);
  writeFileSync(
    definition,
    text.replace(column, `spokenBy: text('spoken_by').$defaultFn(() => 'the next release'), ${column}`),
  );
  await runCommand(process.execPath, [join(source, 'scripts', 'generate.ts'), '--name', 'next'], { cwd: source });
}

beforeAll(async () => {
  await postgres.start();
  current = await systemOf(System, 'current');
  await current.start();
  await writeNextRelease();
  const { System: Next } = (await import(
    pathToFileURL(join(source, 'scripts', 'lib', 'system.ts')).href
  )) as typeof import('../../scripts/lib/system.ts');
  next = await systemOf(Next, 'next-state');
});

afterAll(async () => {
  await current?.kill();
  await next?.kill();
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
});

interface Ready {
  readonly status: string;
  readonly checks: Record<string, { ok: boolean; detail?: string }>;
}
const readiness = async ({ address }: System): Promise<Ready> =>
  (await (await fetch(`${address}/health/ready`)).json()) as Ready;

const password = 'correct horse battery';
interface Person {
  readonly email: string;
  readonly client: KilnClient;
}

async function signUp(system: System): Promise<Person> {
  const name = `p-${newId().slice(-12)}`;
  const client = createClient({ baseUrl: system.origin });
  await client.register({ email: `${name}@kiln.test`, username: name, password });
  return { email: `${name}@kiln.test`, client };
}

/** Somebody known to the one release, at the other. */
async function visit(system: System, { email }: Person): Promise<KilnClient> {
  const client = createClient({ baseUrl: system.origin });
  await client.login({ email, password });
  return client;
}

/** A person at work until told to stop; every answer must be a success. */
function work({ client }: Person): { done(): number; stop(): Promise<void> } {
  /** How long it goes on depends on the machine, and how many projects somebody may have does not. */
  const projectsMax = 10;
  let rounds = 0;
  let working = true;
  let failure: unknown;
  const running = (async () => {
    let id = '';
    for (; working; rounds += 1) {
      if (rounds < projectsMax)
        id = (await client.call('createProject', { body: { name: `Round ${rounds}` } })).project.id;
      await client.call('putFile', { params: { id, path: 'a.txt' }, body: { content: `${rounds}` } });
      await client.refresh();
      const { projects } = await client.call('listProjects', { query: { limit: 100 } });
      expect(projects.map((project) => project.id)).toContain(id);
    }
  })();
  running.catch((error: unknown) => {
    failure = error;
  });
  return {
    done: () => {
      if (failure !== undefined) throw failure;
      return rounds;
    },
    stop: async () => {
      working = false;
      await running;
    },
  };
}

it('fault 12: this release and the next serve one database while it is migrated, and this one alone after the next was rolled back', async () => {
  const [ada, grace] = [await signUp(current), await signUp(current)];
  const during = [work(ada), work(grace)];
  const before = during.map(({ done }) => done());

  // The next release migrates, and then both serve.
  await next.start();
  expect((await readiness(next)).checks.schema).toMatchObject({ ok: true });
  expect((await readiness(current)).status).toBe('ready');
  const linus = await signUp(next);
  const there = work({ ...ada, client: await visit(next, ada) });
  const here = work({ ...linus, client: await visit(current, linus) });
  await until(() => there.done() > 3 && here.done() > 3);
  await Promise.all([...during, there, here].map(({ stop }) => stop()));
  for (const [index, { done }] of during.entries()) expect(done()).toBeGreaterThan((before[index] ?? 0) + 3);

  // Sessions that the next one began outlive it.
  const session = await createClient({ baseUrl: next.origin }).login({ email: linus.email, password });
  await next.stop();

  // What is rolled back to starts cold, on tables that it does not know.
  await current.stop();
  await current.start();
  const { status, checks } = await readiness(current);
  expect([status, checks.schema]).toEqual([
    'ready',
    expect.objectContaining({ ok: true, detail: expect.stringMatching(/^ahead: has .+ of a newer release$/) }),
  ]);
  const { user } = await createClient({ baseUrl: current.origin, auth: memoryAuth(session) }).refresh();
  expect(user.email).toBe(linus.email);
  const after = [
    work({ ...linus, client: await visit(current, linus) }),
    work({ ...ada, client: await visit(current, ada) }),
  ];
  await until(() => after.every(({ done }) => done() > 3));
  await Promise.all(after.map(({ stop }) => stop()));

  const client = new Client({ connectionString: postgres.url() });
  await client.connect();
  const { rows } = await client.query<{ spoken_by: string | null }>(
    'SELECT DISTINCT spoken_by FROM sessions ORDER BY 1',
  );
  await client.end();
  // Both wrote, each in its own way.
  expect(rows).toEqual([{ spoken_by: 'the next release' }, { spoken_by: null }]);
});
