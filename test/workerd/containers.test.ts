import { env } from 'cloudflare:workers';
import { expect, it } from 'vitest';
import type { PictureOrder } from '../../src/contract/assets.ts';
import { newId } from '../../src/contract/ids.ts';
import type { AssetTicket } from '../../src/contract/jobs.ts';
import { limits } from '../../src/contract/limits.ts';
import { sha256 } from '../../src/core/tree.ts';
import { askForPicture, askForPreview, pushJob } from '../../src/queues/runner.ts';

const { runners } = limits.build;
const everyName = Array.from({ length: runners }, (_, index) => `instance-${index}`);

/** A deployment whose containers are functions: what each answers is said here, and who was asked is noted. */
function deployment(answer: (name: string) => Response | Promise<Response>) {
  const asked: string[] = [];
  const BUILD_RUNNER = {
    idFromName: (name: string) => name,
    get: (name: string) => ({
      fetch: async (request: Request) => {
        asked.push(name);
        // A runner that is full reads nothing; any other one reads all of it.
        const said = await answer(name);
        if (said.status !== 503) await request.arrayBuffer();
        return said;
      },
    }),
  };
  return { asked, env: { ...env, RUNNER_URL: undefined, BUILD_RUNNER } as unknown as Env };
}

const full = () => new Response(null, { status: 503 });
const taken = () => new Response(null, { status: 202 });
const ticket = (attempt = 1): AssetTicket => ({ v: 1, optimizationId: newId(), attempt, token: 'token' });

/** The others after the first one, in their order. */
const after = (name: string | undefined): string[] => {
  const at = everyName.indexOf(name ?? '');
  return [...everyName.slice(at + 1), ...everyName.slice(0, at)];
};

async function firstOf(projectId: string, attempt = 1): Promise<string | undefined> {
  const { asked, env: of } = deployment(taken);
  expect(await pushJob(of, ticket(attempt), projectId, null)).toBe('taken');
  expect(asked).toHaveLength(1);
  return asked[0];
}

it('each project has a container that its jobs go to first, and the projects are spread over all of them', async () => {
  const firsts = new Set<string | undefined>();
  for (let n = 0; n < 40 * runners; n += 1) firsts.add(await firstOf(sha256(String(n))));
  expect([...firsts].sort()).toEqual([...everyName].sort());
  const projectId = newId();
  const first = await firstOf(projectId);
  for (let n = 0; n < 5; n += 1) expect(await firstOf(projectId)).toBe(first);
});

it('a job goes to the next one while others are full, and waits only when all of them are', async () => {
  const projectId = newId();
  const first = await firstOf(projectId);
  const others = after(first);
  for (const [index, free] of others.entries()) {
    const { asked, env: of } = deployment((name) => (name === free ? taken() : full()));
    expect(await pushJob(of, ticket(), projectId, null)).toBe('taken');
    expect(asked).toEqual([first, ...others.slice(0, index + 1)]);
  }
  const { asked, env: of } = deployment(full);
  expect(await pushJob(of, ticket(), projectId, null)).toBe('busy');
  expect(asked).toEqual([first, ...others]);
});

it('a job that may have arrived goes to no other container, and the next attempt begins behind that one', async () => {
  const projectId = newId();
  const first = await firstOf(projectId);
  for (const lost of [() => new Response(null, { status: 500 }), () => Promise.reject(new Error('gone'))]) {
    const { asked, env: of } = deployment(lost);
    expect(await pushJob(of, ticket(), projectId, null)).toBe('lost');
    expect(asked).toEqual([first]);
  }
  expect(await firstOf(projectId, 2)).toBe(after(first)[0]);
  expect(await firstOf(projectId, 1 + runners)).toBe(first);
});

it('a preview is asked of the same container as a job of its project, then of those that have a place', async () => {
  const projectId = newId();
  const first = await firstOf(projectId);
  const [second, third] = after(first);
  const free = deployment(() => new Response('bundle'));
  expect(await (await askForPreview(free.env, projectId, '{}'))?.text()).toBe('bundle');
  expect(free.asked).toEqual([first]);

  const away = () => Promise.reject(new Error('gone'));
  const part = deployment((name) => (name === first ? full() : name === second ? away() : new Response('bundle')));
  expect(await (await askForPreview(part.env, projectId, '{}'))?.text()).toBe('bundle');
  expect(part.asked).toEqual([first, second, third]);

  const none = deployment(full);
  expect((await askForPreview(none.env, projectId, '{}'))?.status).toBe(503);
  expect(none.asked).toHaveLength(runners);
  // What it says of the order is its answer, and no reason to ask others.
  const refusing = deployment(() => new Response(null, { status: 413 }));
  expect((await askForPreview(refusing.env, projectId, '{}'))?.status).toBe(413);
  expect(refusing.asked).toEqual([first]);
});

it('a picture goes whole to each that is asked, one with a place answers', async () => {
  const bytes = new Uint8Array(2000).fill(7);
  const hash = sha256(bytes);
  const order: PictureOrder = { format: 'png', quality: 80, maxWidth: 64, maxHeight: null };
  const ask = (of: Env) =>
    askForPicture(of, { hash, size: bytes.length }, order, async () => new Response(bytes).body as ReadableStream);
  const all = deployment(() => new Response('smaller'));
  expect(await (await ask(all.env))?.text()).toBe('smaller');
  const [first] = all.asked;
  const [second] = after(first);
  const part = deployment((name) => (name === first ? full() : new Response('smaller')));
  expect(await (await ask(part.env))?.text()).toBe('smaller');
  expect(part.asked).toEqual([first, second]);
});
