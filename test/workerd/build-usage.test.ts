import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import type { Build } from '../../src/contract/builds.ts';
import { newId } from '../../src/contract/ids.ts';
import { limits } from '../../src/contract/limits.ts';
import type { Usage } from '../../src/contract/sharing.ts';
import { buildById } from '../../src/data/builds.ts';
import { getOutputs } from '../../src/data/objects.ts';
import { openDatabase } from '../../src/data/open.ts';
import { buildPolicy } from '../../src/durable-objects/build/quota.ts';
import { unwrap } from '../../src/durable-objects/rpc.ts';
import { buildRun } from '../../src/durable-objects/stubs.ts';
import { sweep } from '../../src/worker/scheduled.ts';
import { newBuild, projectToBuild, show, succeed, world } from './build-setup.ts';
import { claim } from './built.ts';
import { call, database, expectJson, expectProblem, makeWorld } from './support.ts';

projectToBuild();

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
    // Those who are there hear of it, once.
    const events = await call('GET', `/api/projects/${world.projectId}/events?since=0&type=build.deleted`, {
      as: world.owner,
    });
    const told = await expectJson<{ events: { by: string | null; data: { buildIds: string[] } }[] }>(events, 200);
    const byItself = told.events.filter(({ by }) => by === null).flatMap(({ data }) => data.buildIds);
    expect(byItself).toEqual(expect.arrayContaining([old, shown]));
    expect(new Set(byItself).size).toBe(byItself.length);
    expect(byItself).not.toContain(repeat);
    expect(await getOutputs(env.BUILDS, old)).toBeNull();
    expect(await buildRun(env, old).exists()).toBe(false);
    expect((await call('GET', '/', { host: `${repeat}.play.test` })).status).toBe(200);
  });
});

describe('builds of a release that did not count', () => {
  it('are counted by what is stored of them, in the hour for it, and those whose outputs are gone by their downloads', async () => {
    const db = openDatabase(env);
    const ids: string[] = [];
    for (let n = 0; n < 2; n += 1) {
      const { id } = await newBuild();
      await succeed(id, (await claim(id)).attempt, `<p>${n} is counted</p>`);
      ids.push(id);
    }
    const again = await call('POST', '/api/builds', { as: world.editor, json: { projectId: world.projectId } });
    ids.push((await expectJson<{ build: Build }>(again, 200)).build.id);
    const bytes = async () => await Promise.all(ids.map(async (id) => (await buildById(db, id))?.outputBytes));
    const before = await bytes();
    expect(before).toEqual([19, 19, 19]);
    await database
      .prepare('UPDATE builds SET output_bytes = NULL WHERE id IN (?, ?, ?)')
      .bind(...ids)
      .run();
    await env.BUILDS.delete(`build/${ids[0]}/outputs.json`);
    const at = new Date();
    at.setUTCHours(limits.build.retention.hour - 1);
    await sweep(env, at.getTime());
    expect(await bytes()).toEqual([null, null, null]);
    at.setUTCHours(limits.build.retention.hour);
    await sweep(env, at.getTime());
    await sweep(env, at.getTime());
    // Site and download are the same bytes: once where the store says so.
    expect(await bytes()).toEqual(before);
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
