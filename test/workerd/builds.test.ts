import {
  createExecutionContext,
  createMessageBatch,
  getQueueResult,
  runDurableObjectAlarm,
  runInDurableObject,
} from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { describe, expect, it, vi } from 'vitest';
import type { Build } from '../../src/contract/builds.ts';
import { newId } from '../../src/contract/ids.ts';
import { Job, type JobManifest, type RunnerEvent } from '../../src/contract/jobs.ts';
import { limits } from '../../src/contract/limits.ts';
import type { RoomEvent } from '../../src/contract/room.ts';
import { sha256 } from '../../src/core/tree.ts';
import { openDatabase } from '../../src/data/open.ts';
import { unwrap } from '../../src/durable-objects/rpc.ts';
import { buildRun } from '../../src/durable-objects/stubs.ts';
import { buildObject } from '../../src/queues/build-object.ts';
import worker from '../../src/worker/index.ts';
import { newBuild, projectToBuild, runnerOf, show, succeed, world } from './build-setup.ts';
import { claim } from './built.ts';
import { call, database, expectJson, expectProblem } from './support.ts';

projectToBuild();

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
    const jobs: Job[] = [];
    let questions = 0;
    vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
      if (String(input).endsWith('/health')) {
        questions += 1;
        // A message of an earlier test, a minute old, may ask as well, and is to start nothing.
        return Response.json({ free: asked.length === 0 ? 2 : 0 });
      }
      const job = Job.parse(JSON.parse(String(init?.body)));
      jobs.push(job);
      asked.push(job.buildId);
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
    // A job brings its manifest along: the runner that has it need not ask.
    const { files } = await expectJson<JobManifest>(await (await runnerOf(next.id, 1)).manifest(), 200);
    expect(jobs[0]?.files).toEqual(files);
    expect(files.length).toBeGreaterThan(0);
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
    const { seq: since } = await expectJson<{ seq: number }>(
      await call('GET', `/api/projects/${world.projectId}/events`, { as: world.viewer }),
      200,
    );
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
    // Everybody in the room hears of what came at once, and of what is gone.
    await expect
      .poll(async () => {
        const events = `/api/projects/${world.projectId}/events?since=${since}`;
        const list = await expectJson<{ events: RoomEvent[] }>(await call('GET', events, { as: world.viewer }), 200);
        return list.events.filter(({ type }) => /^build[.](?:success|deleted)$/.test(type)).map(({ data }) => data);
      })
      .toEqual([
        { buildId: build.id, target: 'web', status: 'success' },
        { buildId: again.build.id, target: 'web', status: 'success' },
        { buildIds: [build.id] },
        { buildIds: [again.build.id] },
      ]);
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

  it('and nobody else removes a build that ended while they were about to stop it', async () => {
    const { id } = await newBuild();
    await succeed(id, (await claim(id)).attempt);
    const setStatus = (status: string) =>
      database.prepare('UPDATE builds SET status = ? WHERE id = ?').bind(status, id).run();
    await setStatus('building');
    expect(await expectProblem(await call('DELETE', `/api/builds/${id}`, { as: world.owner }), 409)).toBe('conflict');
    await setStatus('success');
    expect((await show(id)).status).toBe('success');
  });
});
