import {
  createExecutionContext,
  createMessageBatch,
  getQueueResult,
  runDurableObjectAlarm,
  runInDurableObject,
} from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Build } from '../../src/contract/builds.ts';
import { frames, readFrames } from '../../src/contract/frames.ts';
import { newId } from '../../src/contract/ids.ts';
import { type DsseEnvelope, Job, type OutputFile, type RunnerEvent } from '../../src/contract/jobs.ts';
import { limits } from '../../src/contract/limits.ts';
import type { Usage } from '../../src/contract/sharing.ts';
import { configOf } from '../../src/core/config.ts';
import { signToken } from '../../src/core/tokens.ts';
import { sha256 } from '../../src/core/tree.ts';
import { buildById } from '../../src/data/builds.ts';
import { getOutputs } from '../../src/data/objects.ts';
import { openDatabase } from '../../src/data/open.ts';
import { buildPolicy } from '../../src/durable-objects/build/quota.ts';
import { unwrap } from '../../src/durable-objects/rpc.ts';
import { buildRun } from '../../src/durable-objects/stubs.ts';
import { buildObject } from '../../src/queues/build-object.ts';
import worker from '../../src/worker/index.ts';
import { sweep } from '../../src/worker/scheduled.ts';
import { call, database, expectJson, expectProblem, makeWorld, roomStub, type World } from './support.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld({ 'index.html': '<p>game</p>' });
});

// A person may have so many running, and others follow.
afterEach(async () => {
  const { results } = await database.prepare("SELECT id FROM builds WHERE status = 'building'").all<{ id: string }>();
  for (const { id } of results) await call('DELETE', `/api/builds/${id}`, { as: world.owner });
});

let edits = 0;
/** A new build of a tree that was never built before. */
async function newBuild(): Promise<Build> {
  edits += 1;
  await expectJson(
    await call('PUT', `/api/projects/${world.projectId}/files/counter.txt`, {
      as: world.owner,
      json: { content: String(edits) },
    }),
    edits === 1 ? 201 : 200,
  );
  return (
    await expectJson<{ build: Build }>(
      await call('POST', '/api/builds', { as: world.viewer, json: { projectId: world.projectId } }),
      202,
    )
  ).build;
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

const show = async (id: string): Promise<Build> =>
  (await expectJson<{ build: Build }>(await call('GET', `/api/builds/${id}`, { as: world.viewer }), 200)).build;

/** Batches of one attempt are numbered, whichever helper sends them. */
const batches = new Map<string, number>();
function nextBatch(buildId: string, attempt: number): number {
  const key = `${buildId}:${attempt}`;
  const next = (batches.get(key) ?? 0) + 1;
  batches.set(key, next);
  return next;
}

/** A runner as the platform sees one: its token, and what it may call with it. */
async function runnerOf(buildId: string, attempt: number, forBuild = buildId, ttl = 60_000) {
  const token = await signToken(configOf(env), 'build', { sub: forBuild, projectId: world.projectId, attempt }, ttl);
  const headers = { authorization: `Bearer ${token}` };
  return {
    start: (execution: string) =>
      call('POST', `/api/runner/builds/${buildId}/start`, { headers, json: { attempt, execution } }),
    manifest: () => call('GET', `/api/runner/builds/${buildId}/manifest`, { headers }),
    blob: (hash: string) => call('GET', `/api/runner/builds/${buildId}/blobs/${hash}`, { headers }),
    blobs: (hashes: readonly string[]) =>
      call('POST', `/api/runner/builds/${buildId}/blobs`, { headers, json: { hashes } }),
    outputs: (body: Uint8Array<ArrayBuffer>) =>
      call('POST', `/api/runner/builds/${buildId}/outputs`, {
        headers: { ...headers, 'content-type': 'application/octet-stream' },
        body,
      }),
    output: (hash: string, body: BodyInit) =>
      call('PUT', `/api/runner/builds/${buildId}/outputs/${hash}`, { headers, body }),
    success: (batch: object, contents: readonly { hash: string; bytes: Uint8Array }[]) => {
      const head = encode(JSON.stringify({ attempt, batch: nextBatch(buildId, attempt), ...batch }));
      return call('POST', `/api/runner/builds/${buildId}/success`, {
        headers: { ...headers, 'content-type': 'application/octet-stream' },
        body: frames([{ hash: sha256(head), bytes: head }, ...contents]),
      });
    },
    provenance: (stated: object) =>
      call('POST', `/api/runner/builds/${buildId}/provenance`, { headers, json: { attempt, lock: null, ...stated } }),
    events: (events: RunnerEvent[], number = nextBatch(buildId, attempt), vacant = false) =>
      call('POST', `/api/runner/builds/${buildId}/events`, {
        headers,
        json: { attempt, batch: number, events, vacant },
      }),
  };
}

const claim = async (id: string) => {
  const claimed = await unwrap(buildRun(env, id).claim());
  if (!claimed) throw new Error('nothing to claim');
  return claimed;
};

/** Pushes one site file and one download through, as a runner that succeeds. */
async function succeed(id: string, attempt: number, html = `<h1>${newId()}</h1>`): Promise<OutputFile[]> {
  const runner = await runnerOf(id, attempt);
  const outputs: OutputFile[] = [
    { name: 'index.html', size: html.length, sha256: sha256(html), mimeType: 'text/html', role: 'site' },
    { name: 'game-web.zip', size: html.length, sha256: sha256(html), mimeType: 'application/zip', role: 'download' },
  ];
  expect((await runner.output(sha256(html), html)).status).toBe(201);
  await expectJson(await runner.events([{ type: 'success', outputs, timings: { bundle: 12 } }]), 200);
  return outputs;
}

describe('a build', () => {
  it('goes from queued over building to success, is played at its own origin and downloaded', async () => {
    const build = await newBuild();
    expect(build).toMatchObject({ status: 'queued', progress: 0, cached: false });
    const { attempt } = await claim(build.id);
    const runner = await runnerOf(build.id, attempt);
    const { files } = await expectJson<{ files: { path: string; hash: string }[] }>(await runner.manifest(), 200);
    expect(files.map((file) => file.path)).toEqual(['counter.txt', 'index.html']);
    expect(await (await runner.blob(files[1]?.hash ?? '')).text()).toBe('<p>game</p>');
    await expectJson(
      await runner.events([
        { type: 'progress', step: 'bundle', progress: 0.5 },
        {
          type: 'log',
          at: Date.now(),
          level: 'info',
          step: 'bundle',
          message: '\u001b[31mred\u001b[0m <b>text</b>\u0007',
        },
      ]),
      200,
    );
    expect(await show(build.id)).toMatchObject({ status: 'building', step: 'bundle', progress: 0.5 });
    await succeed(build.id, attempt, '<h1>hello</h1>');

    const done = await show(build.id);
    expect(done).toMatchObject({
      status: 'success',
      progress: 1,
      artifactSize: 14,
      playUrl: `http://${build.id}.play.test/`,
    });
    const { logs } = await expectJson<{ logs: { message: string }[]; done: boolean }>(
      await call('GET', `/api/builds/${build.id}/logs`, { as: world.viewer }),
      200,
    );
    expect(logs.map((line) => line.message)).toEqual(['red <b>text</b>']);

    const page = await call('GET', '/', { host: `${build.id}.play.test` });
    expect(await page.text()).toBe('<h1>hello</h1>');
    expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'self' http://kiln.test");
    expect((await call('GET', '/api/projects', { host: `${build.id}.play.test`, as: world.owner })).status).toBe(404);
    expect((await call('GET', '/other.html', { host: `${build.id}.play.test` })).status).toBe(404);

    const { artifacts } = await expectJson<{ artifacts: { name: string; sha256: string }[] }>(
      await call('GET', `/api/builds/${build.id}/artifacts`, { as: world.viewer }),
      200,
    );
    expect(artifacts.map((artifact) => artifact.name)).toEqual(['game-web.zip']);
    const zip = await call('GET', `/api/builds/${build.id}/artifacts/game-web.zip`, { as: world.viewer });
    expect(sha256(new Uint8Array(await zip.arrayBuffer()))).toBe(artifacts[0]?.sha256);
    expect(
      (
        await call('GET', `/api/builds/${build.id}/artifacts/game-web.zip`, {
          as: world.viewer,
          headers: { range: 'bytes=0-3' },
        })
      ).status,
    ).toBe(206);
  });

  it('of the same tree is answered from the one that finished', async () => {
    const build = await newBuild();
    await succeed(build.id, (await claim(build.id)).attempt);
    const again = await expectJson<{ build: Build }>(
      await call('POST', '/api/builds', { as: world.editor, json: { projectId: world.projectId } }),
      200,
    );
    expect(again.build).toMatchObject({ cached: true, status: 'success' });
    expect(again.build.id).not.toBe(build.id);
    const stream = await call('GET', `/api/builds/${again.build.id}/logs`, {
      as: world.editor,
      headers: { accept: 'text/event-stream' },
    });
    expect(await stream.text()).toContain(`"id":"${again.build.id}"`);
    const other = await call('POST', '/api/builds', {
      as: world.editor,
      json: { projectId: world.projectId, options: { minify: false } },
    });
    expect((await expectJson<{ build: Build }>(other, 202)).build.cached).toBe(false);
    // The name stands in what is made.
    const path = `/api/projects/${world.projectId}`;
    const { project } = await expectJson<{ project: { name: string } }>(
      await call('GET', path, { as: world.owner }),
      200,
    );
    const name = async (to: string): Promise<void> => {
      await expectJson(await call('PATCH', path, { as: world.owner, json: { name: to } }), 200);
    };
    const post = (): Promise<Response> =>
      call('POST', '/api/builds', { as: world.editor, json: { projectId: world.projectId } });
    await name('Another name');
    await expectJson(await post(), 202);
    await name(project.name);
    await expectJson(await post(), 200);
    expect((await call('DELETE', `/api/builds/${build.id}`, { as: world.owner })).status).toBe(204);
    expect((await call('GET', '/', { host: `${again.build.id}.play.test` })).status).toBe(200);
  });

  it('streams its log live, and from where a reader stopped', async () => {
    const build = await newBuild();
    const { attempt } = await claim(build.id);
    const runner = await runnerOf(build.id, attempt);
    const line = (message: string): RunnerEvent => ({
      type: 'log',
      at: Date.now(),
      level: 'info',
      step: 'bundle',
      message,
    });
    await runner.events([line('one'), line('two')]);
    const stream = await call('GET', `/api/builds/${build.id}/logs`, {
      as: world.viewer,
      headers: { accept: 'text/event-stream', 'last-event-id': '1' },
    });
    expect(stream.headers.get('content-type')).toContain('text/event-stream');
    const text = stream.text();
    await runner.events([line('three')]);
    await succeed(build.id, attempt);
    const frames = (await text).split('\n\n');
    expect(
      frames.filter((frame) => frame.includes('event: log')).map((frame) => /"message":"(\w+)"/.exec(frame)?.[1]),
    ).toEqual(['two', 'three']);
    expect(frames.at(-2)).toContain('event: done');
  });

  it('writes 20,000 lines as fast as it can to a slow reader, who goes away and comes back: all of them, in order', async () => {
    const build = await newBuild();
    const { attempt } = await claim(build.id);
    const runner = await runnerOf(build.id, attempt);
    const { logLines, eventsPerBatch } = limits.build;
    const write = (async () => {
      for (let first = 1; first <= logLines; first += eventsPerBatch) {
        const lines = Array.from({ length: eventsPerBatch }, (_, index): RunnerEvent => {
          return { type: 'log', at: 0, level: 'info', step: 'bundle', message: `line ${first + index}` };
        });
        expect((await runner.events(lines)).status).toBe(200);
      }
    })();
    const numbers: number[] = [];
    let [text, pieces] = ['', 0];
    while (numbers.length < logLines) {
      const stream = await call('GET', `/api/builds/${build.id}/logs`, {
        as: world.viewer,
        headers: { accept: 'text/event-stream', 'last-event-id': String(numbers.length) },
      });
      const reader = (stream.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
      text = '';
      // Half a frame may be in hand when the line breaks: what was not whole comes again.
      for (const until = pieces + 40; pieces < until && numbers.length < logLines; pieces += 1) {
        text += (await reader.read()).value ?? '';
        const frames = text.split('\n\n');
        text = frames.pop() ?? '';
        for (const frame of frames) {
          const id = /^id: (\d+)\nevent: log\ndata: .*"message":"line (\d+)"/.exec(frame);
          if (!id) continue;
          expect(id[1]).toBe(id[2]);
          numbers.push(Number(id[1]));
        }
        if (pieces % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 50));
      }
      await reader.cancel();
    }
    await write;
    expect(numbers).toEqual(Array.from({ length: logLines }, (_, index) => index + 1));
  });

  it('has its log in the store soon after it has ended, whatever becomes of its object', async () => {
    const build = await newBuild();
    const { attempt } = await claim(build.id);
    const runner = await runnerOf(build.id, attempt);
    const message = '<img src=x onerror=alert(1)> \u001b[31mred\u001b[0m';
    await runner.events([{ type: 'log', at: 0, level: 'info', step: 'bundle', message }]);
    await succeed(build.id, attempt);
    expect(await runDurableObjectAlarm(env.BUILD_RUN.getByName(build.id))).toBe(true);
    const kept = await env.BUILDS.get(`log/${build.id}.ndjson`);
    expect(JSON.parse((await kept?.text()) ?? '')).toMatchObject({
      seq: 1,
      message: '<img src=x onerror=alert(1)> red',
    });
    await runInDurableObject(env.BUILD_RUN.getByName(build.id), (_, state) => {
      state.storage.sql.exec('DELETE FROM log');
    });
    const path = `/api/builds/${build.id}/logs`;
    const answer = await call('GET', path, { as: world.viewer });
    // [71] Text, not a page: whatever the log says, nothing of it is run.
    expect(answer.headers.get('content-type')).toContain('application/json');
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    const { logs } = await expectJson<{ logs: { message: string }[] }>(answer, 200);
    expect(logs.map((line) => line.message)).toEqual(['<img src=x onerror=alert(1)> red']);
    const stream = await call('GET', path, { as: world.viewer, headers: { accept: 'text/event-stream' } });
    expect(await stream.text()).toMatch(/event: log\n[\s\S]*event: done/);
    expect((await call('DELETE', `/api/builds/${build.id}`, { as: world.owner })).status).toBe(204);
    expect(await env.BUILDS.head(`log/${build.id}.ndjson`)).toBeNull();
  });

  it('that the project is to blame for fails at once, with a code', async () => {
    const build = await newBuild();
    const { attempt } = await claim(build.id);
    const runner = await runnerOf(build.id, attempt);
    await expectJson(
      await runner.events([
        { type: 'failure', kind: 'user', code: 'entry_not_found', message: 'No entry.', timings: {} },
      ]),
      200,
    );
    expect(await show(build.id)).toMatchObject({ status: 'failed', errorCode: 'entry_not_found', playUrl: null });
    const retried = await expectJson<{ build: Build }>(
      await call('POST', `/api/builds/${build.id}/retry`, { as: world.viewer }),
      202,
    );
    expect(retried.build).toMatchObject({ status: 'queued', treeHash: build.treeHash });
  });

  it('is cancelled at any time, and the runner hears of it', async () => {
    const build = await newBuild();
    const { attempt } = await claim(build.id);
    const runner = await runnerOf(build.id, attempt);
    expect((await call('DELETE', `/api/builds/${build.id}`, { as: world.viewer })).status).toBe(204);
    expect(await expectJson<unknown>(await runner.events([]), 200)).toEqual({ cancelled: true });
    expect(await expectProblem(await runner.manifest(), 409)).toBe('conflict');
    expect((await show(build.id)).status).toBe('cancelled');
    expect(await unwrap(buildRun(env, build.id).claim())).toBeNull();
  });

  it('gives its place to the next one that waits, where its runner says that it is free, and no more than that', async () => {
    const asked: string[] = [];
    let questions = 0;
    vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
      if (String(input).endsWith('/health')) {
        questions += 1;
        return Response.json({ free: 2 });
      }
      asked.push(Job.parse(JSON.parse(String(init?.body))).buildId);
      return Response.json({ accepted: true }, { status: 202 });
    });
    // Earlier tests may have left some that wait.
    await database.prepare("UPDATE builds SET status = 'cancelled' WHERE status = 'queued'").run();
    const [done, next, last] = [await newBuild(), await newBuild(), await newBuild()];
    const { attempt } = await claim(done.id);
    const runner = await runnerOf(done.id, attempt);
    const failure: RunnerEvent = {
      type: 'failure',
      kind: 'user',
      code: 'build_failed',
      message: 'no',
      timings: {},
    };
    await expectJson(await runner.events([failure], undefined, true), 200);
    await expect.poll(() => asked).toEqual([next.id]);
    expect([(await show(next.id)).status, (await show(last.id)).status]).toEqual(['building', 'queued']);
    // Without that word a message does it.
    const { status } = await runner.events([failure], 1);
    expect([status, asked]).toEqual([200, [next.id]]);
    // Which runner took that one is known: it need not be asked whether it has the place that it says it has.
    const before = questions;
    await expectJson(await (await runnerOf(next.id, 1)).events([failure], undefined, true), 200);
    await expect.poll(() => asked).toEqual([next.id, last.id]);
    expect(questions).toBe(before);
    vi.restoreAllMocks();
  });

  it('is claimed by one of many dispatchers, and never while its user has as many running as they may', async () => {
    const builds = [await newBuild(), await newBuild(), await newBuild(), await newBuild(), await newBuild()];
    const claims = await Promise.all(
      [...builds, ...builds].map(async ({ id }) => await unwrap(buildRun(env, id).claim())),
    );
    expect(claims.filter((one) => one !== null)).toHaveLength(limits.build.runningPerUser);
    const shown = await Promise.all(builds.map(({ id }) => show(id)));
    expect(shown.filter(({ status }) => status === 'building')).toHaveLength(limits.build.runningPerUser);
    expect(shown.filter(({ status, attempt }) => status === 'queued' && attempt === 0)).toHaveLength(
      builds.length - limits.build.runningPerUser,
    );
  });

  it('whose runner went silent is offered again when the alarm rings', async () => {
    const build = await newBuild();
    const first = await claim(build.id);
    await unwrap(buildRun(env, build.id).release(first.attempt, false));
    expect((await show(build.id)).status).toBe('queued');
    await runDurableObjectAlarm(env.BUILD_RUN.getByName(build.id));
    const late = await (await runnerOf(build.id, first.attempt)).events([]);
    expect(await expectProblem(late, 409)).toBe('conflict');
  });
});

describe('a build that lost something on the way', () => {
  it('its object: it is made again from the row, and nobody behind it waits', async () => {
    const row = await newBuild();
    await unwrap(buildRun(env, row.id).erase(row.id));
    const db = openDatabase(env);
    const run = await buildObject(env, db, row.id);
    expect(run && (await unwrap(run.claim()))).toMatchObject({ buildId: row.id, attempt: 1 });
    expect(await buildObject(env, db, newId())).toBeNull();
  });

  it('the build that it repeats: the log of a cached build outlives the original', async () => {
    const build = await newBuild();
    await succeed(build.id, (await claim(build.id)).attempt);
    const path = '/api/builds';
    const again = await expectJson<{ build: Build }>(
      await call('POST', path, { as: world.editor, json: { projectId: world.projectId } }),
      200,
    );
    expect((await call('DELETE', `${path}/${build.id}`, { as: world.owner })).status).toBe(204);
    await expectJson(await call('GET', `${path}/${again.build.id}/logs`, { as: world.viewer }), 200);
    expect((await call('DELETE', `${path}/${again.build.id}`, { as: world.owner })).status).toBe(204);
    // Nothing is left to repeat: the same tree is built anew.
    const fresh = await call('POST', path, { as: world.editor, json: { projectId: world.projectId } });
    await expectJson(fresh, 202);
  });
});

describe('a dead letter', () => {
  const bury = async (...bodies: unknown[]): Promise<unknown> => {
    const messages = bodies.map((body) => ({ id: newId(), timestamp: new Date(), attempts: 11, body }));
    const batch = createMessageBatch('builds-dead', messages);
    const context = createExecutionContext();
    await worker.queue(batch, env);
    const { explicitAcks, retryMessages } = await getQueueResult(batch, context);
    expect(retryMessages).toEqual([]);
    expect([...explicitAcks].sort()).toEqual(messages.map(({ id }) => id).sort());
    return explicitAcks;
  };
  const wakeUp = (buildId: string, attempt: number) => ({ v: 1, buildId, attempt });

  it('ends the build that nobody could be given, with a code that is not its fault', async () => {
    const build = await newBuild();
    await bury(wakeUp(build.id, 1));
    expect(await show(build.id)).toMatchObject({ status: 'failed', errorCode: 'build_undelivered' });
    const row = await database.prepare('SELECT status, error_code FROM builds WHERE id = ?').bind(build.id).first();
    expect(row).toEqual({ status: 'failed', error_code: 'build_undelivered' });
    // A person may try it again, as any failed build.
    await expectJson(await call('POST', `/api/builds/${build.id}/retry`, { as: world.viewer }), 202);
  });

  it('ends a build whose ticket no runner could take', async () => {
    const build = await newBuild();
    const { attempt } = await claim(build.id);
    await unwrap(buildRun(env, build.id).offered(attempt));
    await bury({ ...wakeUp(build.id, attempt), token: 'not looked at' });
    expect(await show(build.id)).toMatchObject({ status: 'failed', errorCode: 'build_undelivered' });
    expect(await expectProblem(await (await runnerOf(build.id, attempt)).start(newId()), 409)).toBe('conflict');
  });

  it('leaves alone what runs, what has ended, what is gone and what nobody understands', async () => {
    const [running, done, cancelled] = [await newBuild(), await newBuild(), await newBuild()];
    await claim(running.id);
    await succeed(done.id, (await claim(done.id)).attempt);
    await call('DELETE', `/api/builds/${cancelled.id}`, { as: world.viewer });
    await bury(
      ...[running, done, cancelled].flatMap(({ id }) => [wakeUp(id, 1), wakeUp(id, 2)]),
      wakeUp(newId(), 1),
      'nonsense',
    );
    expect(
      (await Promise.all([running, done, cancelled].map(({ id }) => show(id)))).map(({ status }) => status),
    ).toEqual(['building', 'success', 'cancelled']);
    expect((await show(done.id)).errorCode).toBeNull();
  });
});

describe('builds of a day', () => {
  const inCount = <T>(work: (state: DurableObjectState) => T): Promise<T> =>
    runInDurableObject(env.THROTTLE.getByName(`builds:${world.viewer.id}`), (_, state) => work(state));
  /** As if so much of a day's builds were used. Well away from the limit: a use comes back while a test runs. */
  const use = (days: number): Promise<void> =>
    inCount(({ storage }) => storage.kv.put('state', Date.now() + days * limits.rates.buildsPerDay.window));
  const used = (): Promise<number> => inCount(({ storage }) => storage.kv.get<number>('state') ?? 0);
  const { limit, window } = buildPolicy(env);
  const post = (as = world.viewer): Promise<Response> =>
    call('POST', '/api/builds', { as, json: { projectId: world.projectId } });

  it('are counted, refused when they are used up, and told in headers', async () => {
    await use(0.5);
    const before = await used();
    await newBuild();
    expect((await used()) - before).toBeCloseTo(window / limit, 0);
    await use(2);
    await call('PUT', `/api/projects/${world.projectId}/files/day.txt`, {
      as: world.owner,
      json: { content: newId() },
    });
    const refused = await post();
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(refused.headers.get('ratelimit-policy')).toContain('"buildsPerDay"');
    expect(await expectProblem(refused, 429)).toBe('rate_limited');
    // Those of others are theirs.
    await expectJson(await post(world.editor), 202);
  });

  it('are not those that the platform fails, nor those that come to nothing', async () => {
    await use(0.5);
    const before = await used();
    const { id } = await newBuild();
    await unwrap(buildRun(env, id).undeliverable(1, Date.now()));
    expect((await show(id)).errorCode).toBe('build_undelivered');
    expect((await used()) - before).toBeCloseTo(0, 0);
    const retry = (): Promise<Response> => call('POST', `/api/builds/${id}/retry`, { as: world.viewer });
    await expectJson(await retry(), 202);
    expect((await used()) - before).toBeCloseTo(window / limit, 0);
    expect(await expectProblem(await retry(), 409)).toBe('conflict');
    expect((await used()) - before).toBeCloseTo(window / limit, 0);
    await use(2);
    await call('DELETE', `/api/builds/${id}`, { as: world.viewer });
    expect(await expectProblem(await retry(), 429)).toBe('rate_limited');
  });

  it('are those of whoever tries again, and not of whose build it was', async () => {
    await use(0.5);
    const { id } = await newBuild();
    await call('DELETE', `/api/builds/${id}`, { as: world.viewer });
    const before = await used();
    const again = await expectJson<{ build: Build }>(
      await call('POST', `/api/builds/${id}/retry`, { as: world.editor }),
      202,
    );
    expect(again.build).toMatchObject({ status: 'queued', userId: world.editor.id });
    expect(await used()).toBe(before);
    // Its places and its end as well: fairness reads the row.
    expect(await buildById(openDatabase(env), id)).toMatchObject({ userId: world.editor.id });
    expect(await expectProblem(await call('DELETE', `/api/builds/${id}`, { as: world.viewer }), 403)).toBe('forbidden');
    expect((await call('DELETE', `/api/builds/${id}`, { as: world.editor })).status).toBe(204);
    await use(2);
    expect(await expectProblem(await call('POST', `/api/builds/${id}/retry`, { as: world.viewer }), 429)).toBe(
      'rate_limited',
    );
    await use(0);
  });

  it('are not those that are answered from the cache', async () => {
    await use(0.5);
    const { id } = await newBuild();
    await succeed(id, (await claim(id)).attempt);
    await use(2);
    expect((await expectJson<{ build: Build }>(await post(), 200)).build.cached).toBe(true);
    await use(0);
  });
});

describe('old builds', () => {
  it('go in the hour for it, whole; the newest stay, and what another one still shows', async () => {
    const { retention } = limits.build;
    const db = openDatabase(env);
    const made: Build[] = [];
    for (let n = 0; n < 2; n += 1) {
      const build = await newBuild();
      await succeed(build.id, (await claim(build.id)).attempt, `<p>${newId()}</p>`);
      made.push(build);
    }
    const [old, shown] = made.map(({ id }) => id) as [string, string];
    const again = await call('POST', '/api/builds', { as: world.editor, json: { projectId: world.projectId } });
    const repeat = (await expectJson<{ build: Build }>(again, 200)).build.id;
    const source = await buildById(db, shown);
    for (let n = 0; n < retention.newest - 1; n += 1) {
      const { id } = await newBuild();
      await succeed(id, (await claim(id)).attempt);
    }
    expect(source?.outputOf).toBe(shown);
    const status = async (id: string) => (await call('GET', `/api/builds/${id}`, { as: world.owner })).status;
    const statuses = () => Promise.all([old, shown, repeat].map(status));
    await database
      .prepare('UPDATE builds SET completed_at = completed_at - ? WHERE project_id = ? AND status = ?')
      .bind(retention.age + 2 * 86_400_000, world.projectId, 'success')
      .run();
    const at = new Date();
    at.setUTCHours(retention.hour - 1);
    await sweep(env, at.getTime());
    expect(await statuses()).toEqual([200, 200, 200]);
    at.setUTCHours(retention.hour);
    await sweep(env, at.getTime());
    await sweep(env, at.getTime());
    expect(await statuses()).toEqual([404, 404, 200]);
    expect(await getOutputs(env.BUILDS, old)).toBeNull();
    expect(await buildRun(env, old).exists()).toBe(false);
    expect((await call('GET', '/', { host: `${repeat}.play.test` })).status).toBe(200);
  });
});

describe('old builds, by hand', () => {
  it('are reported, then removed, by who manages the project alone; the usage counts what is there', async () => {
    const mine = await makeWorld();
    const usage = async () => {
      const answer = await call('GET', '/api/usage', { as: mine.owner });
      return (await expectJson<{ usage: Usage }>(answer, 200)).usage.buildBytes;
    };
    const made: string[] = [];
    for (let n = 0; n < 3; n += 1) {
      const file = `/api/projects/${mine.projectId}/files/n.txt`;
      await call('PUT', file, { as: mine.owner, json: { content: `${n}` } });
      const answer = await call('POST', '/api/builds', { as: mine.owner, json: { projectId: mine.projectId } });
      const { id } = (await expectJson<{ build: Build }>(answer, 202)).build;
      await succeed(id, (await claim(id)).attempt, `<p>${n}</p>`);
      made.push(id);
    }
    const outputs = await Promise.all(made.map((id) => getOutputs(env.BUILDS, id)));
    const sizes = outputs.map((list) =>
      [...new Map(list?.map(({ sha256, size }) => [sha256, size])).values()].reduce((sum, size) => sum + size, 0),
    );
    const all = sizes.reduce((sum, size) => sum + size, 0);
    expect(all).toBeGreaterThan(0);
    expect(await usage()).toEqual({
      used: all,
      projects: [{ projectId: mine.projectId, name: expect.any(String), used: all }],
    });
    const clean = (json: object, as = mine.owner) =>
      call('POST', `/api/projects/${mine.projectId}/builds/cleanup`, { as, json });
    expect(await expectJson(await clean({}), 200)).toMatchObject({ dryRun: true, builds: [], count: 0, bytes: 0 });
    const asked = { keep: 1, olderThanDays: 0 };
    const published = await call('POST', `/api/builds/${made[0]}/publish`, { as: mine.owner, json: {} });
    expect(published.status).toBeLessThan(300);
    const report = await expectJson<object>(await clean(asked), 200);
    expect(report).toEqual({
      dryRun: true,
      builds: [{ buildId: made[1], target: 'web', status: 'success', size: sizes[1], completedAt: expect.any(String) }],
      count: 1,
      bytes: sizes[1],
      kept: { count: 1, bytes: sizes[0] },
    });
    expect(await expectProblem(await clean({ ...asked, dryRun: false }, mine.editor), 403)).toBe('forbidden');
    expect(await expectProblem(await clean({ keep: 0 }), 422)).toBe('validation_failed');
    expect(await expectJson(await clean({ ...asked, dryRun: false }), 200)).toEqual({ ...report, dryRun: false });
    const statuses = await Promise.all(
      made.map(async (id) => (await call('GET', `/api/builds/${id}`, { as: mine.owner })).status),
    );
    expect(statuses).toEqual([200, 404, 200]);
    expect((await usage()).used).toBe(all - (sizes[1] ?? 0));
  });
});

describe('#27 a viewer', () => {
  it('stops builds of their own, and removes nothing', async () => {
    const ended = await newBuild();
    await succeed(ended.id, (await claim(ended.id)).attempt);
    expect(await expectProblem(await call('DELETE', `/api/builds/${ended.id}`, { as: world.viewer }), 403)).toBe(
      'forbidden',
    );
    await expectJson(
      await call('PUT', `/api/projects/${world.projectId}/files/other.txt`, {
        as: world.owner,
        json: { content: newId() },
      }),
      201,
    );
    const others = await expectJson<{ build: Build }>(
      await call('POST', '/api/builds', { as: world.owner, json: { projectId: world.projectId } }),
      202,
    );
    expect(await expectProblem(await call('DELETE', `/api/builds/${others.build.id}`, { as: world.viewer }), 403)).toBe(
      'forbidden',
    );
    expect((await show(others.build.id)).status).toBe('queued');
  });
});

describe('#71 #72 the token of a runner', () => {
  it('opens one attempt of one build, while it runs', async () => {
    const [build, other] = [await newBuild(), await newBuild()];
    const { attempt } = await claim(build.id);
    expect(await expectProblem(await (await runnerOf(build.id, attempt, other.id)).manifest(), 401)).toBe(
      'unauthenticated',
    );
    // Of another time: one that has run out, leeway included.
    const late = await runnerOf(build.id, attempt, build.id, -2 * limits.auth.clockLeeway);
    for (const answer of [await late.manifest(), await late.events([]), await late.output(sha256('x'), 'x')])
      expect(await expectProblem(answer, 401)).toBe('unauthenticated');
    expect(await expectProblem(await (await runnerOf(build.id, attempt + 1)).events([]), 409)).toBe('conflict');
    expect(await expectProblem(await (await runnerOf(build.id, attempt + 1)).manifest(), 409)).toBe('conflict');
    expect(
      await expectProblem(await call('GET', `/api/runner/builds/${build.id}/manifest`, { as: world.owner }), 401),
    ).toBe('unauthenticated');
    expect(await expectProblem(await (await runnerOf(build.id, attempt)).blob('0'.repeat(64)), 404)).toBe('not_found');
    await succeed(build.id, attempt);
    expect(await expectProblem(await (await runnerOf(build.id, attempt)).manifest(), 409)).toBe('conflict');
  });

  it('of a job that waits to be pulled begins it, once, and opens nothing before', async () => {
    const build = await newBuild();
    const { attempt } = await claim(build.id);
    await unwrap(buildRun(env, build.id).offered(attempt));
    const runner = await runnerOf(build.id, attempt);
    expect(await expectProblem(await runner.manifest(), 409)).toBe('conflict');
    expect(await expectProblem(await runner.events([]), 409)).toBe('conflict');
    const [one, other] = [newId(), newId()];
    const answers = await Promise.all([runner.start(one), runner.start(other)]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
    const winner = answers[0]?.status === 200 ? one : other;
    expect(await expectJson<unknown>(await runner.start(winner), 200)).toMatchObject({
      buildId: build.id,
      projectId: world.projectId,
      attempt,
      treeHash: build.treeHash,
    });
    await expectJson(await runner.manifest(), 200);
    expect(await expectProblem(await (await runnerOf(build.id, attempt + 1)).start(newId()), 409)).toBe('conflict');
    await succeed(build.id, attempt);
    expect(await expectProblem(await runner.start(winner), 409)).toBe('conflict');
  });

  it('stores only bytes that have the hash they are named by', async () => {
    const build = await newBuild();
    const runner = await runnerOf(build.id, (await claim(build.id)).attempt);
    expect(await expectProblem(await runner.output(sha256('promised'), 'delivered'), 422)).toBe('validation_failed');
    expect(await env.BUILDS.head(`output/${sha256('promised')}`)).toBeNull();
  });

  it('opens small files together, and none of another snapshot with them', async () => {
    const build = await newBuild();
    const { attempt } = await claim(build.id);
    const runner = await runnerOf(build.id, attempt);
    const { files } = await expectJson<{ files: { hash: string }[] }>(await runner.manifest(), 200);
    const hashes = files.map(({ hash }) => hash);
    const answer = await runner.blobs(hashes);
    expect(answer.status).toBe(200);
    const contents = readFrames(new Uint8Array(await answer.arrayBuffer()));
    expect(contents?.map(({ hash, bytes }) => [hash, sha256(bytes)])).toEqual(hashes.map((hash) => [hash, hash]));

    const foreign = sha256('of somebody else');
    await env.ASSETS.put(`blob/${foreign}`, 'of somebody else');
    expect(await expectProblem(await runner.blobs([...hashes, foreign]), 404)).toBe('not_found');
    expect(await expectProblem(await runner.blobs([]), 422)).toBe('validation_failed');
    expect(await expectProblem(await (await runnerOf(build.id, attempt + 1)).blobs(hashes), 409)).toBe('conflict');
  });

  it('hands out what the room alone has, and the same once it is in the store and the room has let go of it', async () => {
    const content = `held ${newId()}`;
    const path = `/api/projects/${world.projectId}/files/held.txt`;
    await expectJson(await call('PUT', path, { as: world.owner, json: { content } }), 201);
    const build = await newBuild();
    const { treeHash, attempt } = await claim(build.id);
    expect(await env.ASSETS.head(`tree/${treeHash}`)).toBeNull();
    const runner = await runnerOf(build.id, attempt);
    const hash = sha256(content);
    const fetched = async () => {
      const { files } = await expectJson<{ files: { hash: string }[] }>(await runner.manifest(), 200);
      const together = await runner.blobs(files.map((file) => file.hash));
      return {
        files,
        alone: await (await runner.blob(hash)).text(),
        together: readFrames(new Uint8Array(await together.arrayBuffer()))?.map((one) => [one.hash, sha256(one.bytes)]),
      };
    };
    const held = await fetched();
    expect(held.alone).toBe(content);
    expect(held.together).toEqual(held.files.map((file) => [file.hash, file.hash]));
    const checkpoint = `/api/projects/${world.projectId}/checkpoints/${build.checkpointId}`;
    await expectJson(await call('GET', checkpoint, { as: world.owner }), 200);
    expect(await env.ASSETS.head(`tree/${treeHash}`)).not.toBeNull();
    await runInDurableObject(roomStub(world.projectId), (_room, state) => {
      state.storage.sql.exec('DELETE FROM contents');
    });
    expect(await fetched()).toEqual(held);
  });

  it('opens no file together with others that is too large for that', async () => {
    await expectJson(
      await call('PUT', `/api/projects/${world.projectId}/files/large.txt`, {
        as: world.owner,
        json: { content: 'x'.repeat(limits.build.batch.partBytes + 1) },
      }),
      201,
    );
    const build = await newBuild();
    const runner = await runnerOf(build.id, (await claim(build.id)).attempt);
    const { files } = await expectJson<{ files: { path: string; hash: string }[] }>(await runner.manifest(), 200);
    const hash = files.find(({ path }) => path === 'large.txt')?.hash ?? '';
    expect(await expectProblem(await runner.blobs([hash]), 413)).toBe('payload_too_large');
    expect((await (await runner.blob(hash)).arrayBuffer()).byteLength).toBe(limits.build.batch.partBytes + 1);
  });

  it('stores small outputs together, which a success may then name', async () => {
    const build = await newBuild();
    const { attempt } = await claim(build.id);
    const runner = await runnerOf(build.id, attempt);
    const contents = ['<h1>page</h1>', newId()].map((text) => ({ hash: sha256(text), bytes: encode(text) }));
    expect((await runner.outputs(frames(contents))).status).toBe(201);
    const outputs: OutputFile[] = contents.map(({ hash, bytes }, index) => ({
      ...{ name: `${index}.html`, size: bytes.length, sha256: hash, mimeType: 'text/html', role: 'site' },
    }));
    const wrong = outputs.map((output) => ({ ...output, size: output.size + 1 }));
    expect(await expectProblem(await runner.events([{ type: 'success', outputs: wrong, timings: {} }]), 409)).toBe(
      'conflict',
    );
    await expectJson(await runner.events([{ type: 'success', outputs, timings: {} }]), 200);
    expect((await show(build.id)).status).toBe('success');
    expect(await expectProblem(await runner.outputs(frames(contents)), 409)).toBe('conflict');
  });

  it.each([
    ['that have another hash', () => frames([{ hash: sha256('promised'), bytes: encode('delivered') }])],
    ['that are cut off', () => frames([{ hash: sha256('whole'), bytes: encode('whole') }]).slice(0, -1)],
    ['of which there are none', () => new Uint8Array()],
  ])('stores no outputs together %s', async (_name, body) => {
    const build = await newBuild();
    const runner = await runnerOf(build.id, (await claim(build.id)).attempt);
    expect(await expectProblem(await runner.outputs(new Uint8Array(body())), 422)).toBe('validation_failed');
    for (const text of ['promised', 'whole']) expect(await env.BUILDS.head(`output/${sha256(text)}`)).toBeNull();
  });

  it('stores no more outputs together than a Worker can hold', async () => {
    const build = await newBuild();
    const runner = await runnerOf(build.id, (await claim(build.id)).attempt);
    const large = new Uint8Array(limits.build.batch.partBytes + 1);
    const many = Array.from({ length: limits.build.batch.parts + 1 }, (_, n) => encode(`${build.id} ${n}`));
    for (const contents of [[large], many]) {
      const body = frames(contents.map((bytes) => ({ hash: sha256(bytes), bytes })));
      expect(await expectProblem(await runner.outputs(new Uint8Array(body)), 413)).toBe('payload_too_large');
    }
    expect(await env.BUILDS.head(`output/${sha256(large)}`)).toBeNull();
  });

  it('reports success with the small outputs in one request, to which the platform adds its signed word on their origin', async () => {
    const build = await newBuild();
    const { attempt } = await claim(build.id);
    const runner = await runnerOf(build.id, attempt);
    const [page, zip] = [encode(newId()), encode(newId())];
    const outputs: OutputFile[] = [
      { name: 'index.html', size: page.length, sha256: sha256(page), mimeType: 'text/html', role: 'site' },
      { name: 'game-web.zip', size: zip.length, sha256: sha256(zip), mimeType: 'application/zip', role: 'download' },
    ];
    const line: RunnerEvent = { type: 'log', at: Date.now(), level: 'info', step: 'package', message: 'the last line' };
    const told = { batch: 1, events: [line, { type: 'success', outputs, timings: { bundle: 5 } }] };
    const contents = [page, zip].map((bytes) => ({ hash: sha256(bytes), bytes }));

    // One that is stored nowhere, one that is named nowhere, one whose bytes are others, one that is for another attempt.
    expect(await expectProblem(await runner.success(told, contents.slice(1)), 409)).toBe('conflict');
    const stray = { hash: sha256(encode('stray')), bytes: encode('stray') };
    expect((await runner.success(told, [...contents, stray])).status).toBe(422);
    expect((await runner.success(told, [{ hash: sha256(page), bytes: zip }])).status).toBe(422);
    expect((await runner.success({ ...told, attempt: attempt + 1 }, contents)).status).toBe(409);
    expect((await runner.success({ ...told, events: [line] }, contents)).status).toBe(422);
    expect((await show(build.id)).status).toBe('building');

    expect(await expectJson(await runner.success(told, contents), 200)).toEqual({ cancelled: false });
    expect(await show(build.id)).toMatchObject({ status: 'success', timings: { bundle: 5 } });
    const { artifacts } = await expectJson<{ artifacts: { name: string; sha256: string }[] }>(
      await call('GET', `/api/builds/${build.id}/artifacts`, { as: world.viewer }),
      200,
    );
    expect(artifacts.map(({ name }) => name)).toEqual(['game-web.zip', 'provenance.json']);
    const report = await call('GET', `/api/builds/${build.id}/artifacts/provenance.json`, { as: world.viewer });
    const text = await report.text();
    expect(sha256(text)).toBe(artifacts[1]?.sha256);
    const { payload } = JSON.parse(text) as DsseEnvelope;
    expect(JSON.parse(atob(payload))).toMatchObject({
      subject: [
        { name: 'site/index.html', digest: { sha256: sha256(page) } },
        { name: 'downloads/game-web.zip', digest: { sha256: sha256(zip) } },
      ],
      predicate: { buildDefinition: { externalParameters: { projectId: world.projectId } } },
    });
    const { logs } = await expectJson<{ logs: { message: string }[] }>(
      await call('GET', `/api/builds/${build.id}/logs`, { as: world.viewer }),
      200,
    );
    expect(logs.map(({ message }) => message)).toEqual(['the last line']);

    // Its answer may have been lost: the same again is answered as before, and changes nothing.
    expect(await expectJson(await runner.success(told, contents), 200)).toEqual({ cancelled: false });
    expect((await show(build.id)).status).toBe('success');
    const late = await runnerOf(build.id, attempt + 1);
    expect(await expectProblem(await late.success({ ...told, attempt: attempt + 1 }, contents), 409)).toBe('conflict');
  });

  it('hears in answer to its success that the build was cancelled', async () => {
    const build = await newBuild();
    const runner = await runnerOf(build.id, (await claim(build.id)).attempt);
    await call('DELETE', `/api/builds/${build.id}`, { as: world.viewer });
    const told = { batch: 1, events: [{ type: 'success', outputs: [], timings: {} }] };
    expect(await expectJson(await runner.success(told, []), 200)).toEqual({ cancelled: true });
    expect((await show(build.id)).status).toBe('cancelled');
  });

  it('has the origin of its results signed, in the words of the platform', async () => {
    const build = await newBuild();
    const { attempt } = await claim(build.id);
    const runner = await runnerOf(build.id, attempt);
    const outputs = [{ name: 'game-web.zip', role: 'download', sha256: sha256('zip') }];
    const envelope = await expectJson<DsseEnvelope>(await runner.provenance({ outputs }), 200);
    expect(JSON.parse(atob(envelope.payload))).toMatchObject({
      subject: [{ name: 'downloads/game-web.zip', digest: { sha256: sha256('zip') } }],
      predicate: {
        buildDefinition: {
          externalParameters: { projectId: world.projectId, target: 'web' },
          resolvedDependencies: [{ digest: { sha256: build.treeHash } }],
        },
        runDetails: { metadata: { invocationId: `urn:kiln:build:${build.id}:${attempt}` } },
      },
    });
    const { keys } = await expectJson<{ keys: { kid: string }[] }>(await call('GET', '/.well-known/jwks.json'), 200);
    expect(keys.map(({ kid }) => kid)).toContain(envelope.signatures[0]?.keyid);

    expect(await expectProblem(await runner.provenance({ outputs, attempt: attempt + 1 }), 409)).toBe('conflict');
    expect(await expectProblem(await runner.provenance({ outputs: [] }), 422)).toBe('validation_failed');
    await succeed(build.id, attempt);
    expect(await expectProblem(await runner.provenance({ outputs }), 409)).toBe('conflict');
  });

  it('cannot claim a success whose files are not there, nor one twice', async () => {
    const build = await newBuild();
    const { attempt } = await claim(build.id);
    const runner = await runnerOf(build.id, attempt);
    const missing: OutputFile = {
      name: 'index.html',
      size: 3,
      sha256: sha256(newId()),
      mimeType: 'text/html',
      role: 'site',
    };
    expect(await expectProblem(await runner.events([{ type: 'success', outputs: [missing], timings: {} }]), 409)).toBe(
      'conflict',
    );
    expect((await show(build.id)).status).toBe('building');
    const outputs = await succeed(build.id, attempt);
    await expectJson(
      await runner.events([{ type: 'failure', kind: 'user', code: 'build_failed', message: 'late', timings: {} }]),
      200,
    );
    expect((await show(build.id)).status).toBe('success');
    expect(outputs).toHaveLength(2);
  });
});
