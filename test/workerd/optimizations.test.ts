import { createExecutionContext, createMessageBatch, getQueueResult } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Asset, AssetVersion, Optimization } from '../../src/contract/assets.ts';
import { newId } from '../../src/contract/ids.ts';
import type { AssetJob, AssetOutcome } from '../../src/contract/jobs.ts';
import { limits } from '../../src/contract/limits.ts';
import { configOf } from '../../src/core/config.ts';
import { type Purpose, signToken } from '../../src/core/tokens.ts';
import { sha256 } from '../../src/core/tree.ts';
import { openDatabase } from '../../src/data/open.ts';
import { offerOptimization, optimizationById } from '../../src/data/optimizations.ts';
import { dispatchOptimization } from '../../src/queues/optimizations.ts';
import worker from '../../src/worker/index.ts';
import { sweep } from '../../src/worker/scheduled.ts';
import { png } from '../support/media.ts';
import { type Account, call, expectJson, expectProblem, makeWorld, uploadAsset, type World } from './support.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld({});
});

const drawing = (text: string): string => `<svg xmlns="http://www.w3.org/2000/svg"><title>${text}</title></svg>`;

const stored = (name: string, data: Uint8Array<ArrayBuffer> | string): Promise<Asset> =>
  uploadAsset(world.editor, world.projectId, name, data);

let drawings = 0;
/** A drawing of its own, which has words to lose. */
const newDrawing = (): Promise<Asset> => {
  drawings += 1;
  return stored(`drawing-${drawings}.svg`, drawing(`${drawings}${'x'.repeat(500)}`));
};

interface Queued {
  readonly asset: Asset;
  readonly savedBytes: number;
  readonly optimization: Optimization;
}

const ask = (id: string, json: Record<string, unknown> = {}, as: Account = world.editor): Promise<Response> =>
  call('PUT', `/api/assets/${id}/optimize`, { as, json });
const queued = async (id: string, json: Record<string, unknown> = {}): Promise<Optimization> =>
  (await expectJson<Queued>(await ask(id, json), 202)).optimization;
const state = async (id: string) =>
  await expectJson<{ asset: Asset; optimization: Optimization | null }>(
    await call('GET', `/api/assets/${id}/optimize`, { as: world.viewer }),
    200,
  );
const versions = async (id: string): Promise<AssetVersion[]> =>
  (
    await expectJson<{ versions: AssetVersion[] }>(
      await call('GET', `/api/assets/${id}/versions`, { as: world.viewer }),
      200,
    )
  ).versions;
const events = async (type: string): Promise<{ data: Record<string, unknown> }[]> =>
  (
    await expectJson<{ events: { type: string; data: Record<string, unknown> }[] }>(
      await call('GET', `/api/projects/${world.projectId}/events?since=0`, { as: world.viewer }),
      200,
    )
  ).events.filter((event) => event.type === type);

const database = () => openDatabase(env);

/** The next attempt, as the queue's consumer makes it. */
const offer = async (id: string): Promise<number> => {
  const row = await offerOptimization(database(), id, Date.now(), limits.optimize.offered);
  if (!row) throw new Error('nothing waits');
  return row.attempt;
};

/** A runner as the platform sees one: its token, and what it may call with it. */
async function runnerOf(id: string, attempt: number, { of = id, purpose = 'optimize' as Purpose, ttl = 60_000 } = {}) {
  const claims = { sub: of, projectId: world.projectId, attempt } as never;
  const headers = { authorization: `Bearer ${await signToken(configOf(env), purpose, claims, ttl)}` };
  const path = `/api/runner/optimizations/${id}`;
  return {
    start: (execution: string = newId()) => call('POST', `${path}/start`, { headers, json: { execution } }),
    source: () => call('GET', `${path}/source`, { headers }),
    result: (body: BodyInit) => call('PUT', `${path}/result`, { headers, body }),
    end: (json: AssetOutcome | Record<string, unknown>) => call('POST', `${path}/end`, { headers, json }),
  };
}
type Runner = Awaited<ReturnType<typeof runnerOf>>;

/** One that has begun. */
async function begun(id: string): Promise<Runner> {
  const runner = await runnerOf(id, await offer(id));
  await expectJson(await runner.start(), 200);
  return runner;
}

describe('a drawing or model that a runner makes smaller', () => {
  it('is waited for by 202, becomes the next version, and the room hears of it', async () => {
    const asset = await newDrawing();
    const optimization = await queued(asset.id);
    expect(optimization).toMatchObject({ status: 'queued', assetId: asset.id, version: 1, endedAt: null });
    expect((await queued(asset.id)).id).toBe(optimization.id);
    expect(await state(asset.id)).toMatchObject({ optimization: { status: 'queued' }, asset: { version: 1 } });

    const runner = await runnerOf(optimization.id, await offer(optimization.id));
    const job = await expectJson<AssetJob>(await runner.start(), 200);
    expect(job).toMatchObject({ mimeType: 'image/svg+xml', size: asset.size, hash: asset.hash, compressMeshes: false });
    expect(await state(asset.id)).toMatchObject({ optimization: { status: 'running' } });
    expect(sha256(new Uint8Array(await (await runner.source()).arrayBuffer()))).toBe(asset.hash);
    const smaller = drawing('small');
    await expectJson(await runner.result(smaller), 200);

    const savedBytes = asset.size - smaller.length;
    const now = await state(asset.id);
    expect(now.optimization).toMatchObject({ status: 'done', savedBytes, errorCode: null });
    expect(now.asset).toMatchObject({ version: 2, size: smaller.length, hash: sha256(smaller), name: asset.name });
    expect(now.asset.metadata.optimized).toMatchObject({ format: 'svg', quality: null, savedBytes });
    expect((await versions(asset.id)).map(({ hash }) => hash)).toEqual([sha256(smaller), asset.hash]);
    const mine = (type: string) => events(type).then((all) => all.filter(({ data }) => data.assetId === asset.id));
    expect(await mine('asset.optimized')).toMatchObject([{ data: { savedBytes, version: 2, errorCode: null } }]);
    expect(await mine('asset.uploaded')).toHaveLength(2);

    // Once it is as small as it gets, the answer is there at once.
    expect(await expectJson(await ask(asset.id), 200)).toMatchObject({ savedBytes: 0, asset: { version: 2 } });
  });

  it('stays as it is where nothing is gained, and is not tried again', async () => {
    const asset = await newDrawing();
    const { id } = await queued(asset.id);
    const runner = await begun(id);
    await expectJson(await runner.end({ type: 'unchanged' }), 200);
    expect(await state(asset.id)).toMatchObject({
      optimization: { status: 'done', savedBytes: 0 },
      asset: { version: 1 },
    });
    expect(await expectJson(await ask(asset.id), 200)).toMatchObject({ savedBytes: 0 });
    expect((await state(asset.id)).optimization?.id).toBe(id);
  });

  it('says what is wrong with it, and is not given to another runner', async () => {
    const asset = await newDrawing();
    const { id } = await queued(asset.id);
    const runner = await begun(id);
    await expectJson(await runner.end({ type: 'failure', kind: 'user', code: 'asset_broken' }), 200);
    expect((await state(asset.id)).optimization).toMatchObject({ status: 'failed', errorCode: 'asset_broken' });
    expect(await expectProblem(await ask(asset.id), 422)).toBe('asset_broken');
    expect((await events('asset.optimized')).at(-1)?.data).toMatchObject({
      assetId: asset.id,
      errorCode: 'asset_broken',
    });
    // Other bytes are another matter.
    await stored(asset.name, drawing(`whole ${'y'.repeat(100)}`));
    expect(await queued(asset.id)).toMatchObject({ version: 2, status: 'queued' });
  });

  it('is asked for by those who may write, and only in ways that it can be done', async () => {
    const asset = await newDrawing();
    expect(await expectProblem(await ask(asset.id, {}, world.viewer), 403)).toBe('forbidden');
    expect(await expectProblem(await ask(asset.id, {}, world.stranger), 404)).toBe('not_found');
    const seen = await call('GET', `/api/assets/${asset.id}/optimize`, { as: world.stranger });
    expect(await expectProblem(seen, 404)).toBe('not_found');
    for (const json of [{ format: 'png' }, { maxWidth: 9 }, { maxHeight: 9 }, { compressMeshes: true }])
      expect(await expectProblem(await ask(asset.id, json), 422)).toBe('validation_failed');
    expect((await state(asset.id)).optimization).toBeNull();
    const model = await stored('cube.gltf', '{"asset":{"version":"2.0"},"scenes":[]}');
    expect(await queued(model.id, { compressMeshes: true })).toMatchObject({ status: 'queued' });
  });

  it('is asked for once by those who race', async () => {
    const asset = await newDrawing();
    const answers = await Promise.all(
      [world.editor, world.owner, world.editor].map((as) =>
        ask(asset.id, {}, as).then((a) => expectJson<Queued>(a, 202)),
      ),
    );
    expect(new Set(answers.map(({ optimization }) => optimization.id)).size).toBe(1);
  });
});

describe('#71 #72 what runners bring', () => {
  it('opens with the token of its own attempt, and with no other', async () => {
    const asset = await newDrawing();
    const other = await newDrawing();
    const { id } = await queued(asset.id);
    const foreign = await queued(other.id);
    const attempt = await offer(id);
    const strangers = [
      await runnerOf(id, attempt, { of: foreign.id }),
      await runnerOf(id, attempt, { of: asset.id }),
      await runnerOf(id, attempt, { purpose: 'build' }),
      await runnerOf(id, attempt, { ttl: -120_000 }),
    ];
    for (const runner of strangers) {
      expect(await expectProblem(await runner.start(), 401)).toBe('unauthenticated');
      expect(await expectProblem(await runner.source(), 401)).toBe('unauthenticated');
      expect(await expectProblem(await runner.result(drawing('x')), 401)).toBe('unauthenticated');
      expect(await expectProblem(await runner.end({ type: 'unchanged' }), 401)).toBe('unauthenticated');
    }
    // Nor does its token open a build.
    const headers = {
      authorization: `Bearer ${await signToken(configOf(env), 'optimize', { sub: id, projectId: world.projectId, attempt }, 60_000)}`,
    };
    const build = await call('GET', `/api/runner/builds/${id}/manifest`, { headers });
    expect(await expectProblem(build, 401)).toBe('unauthenticated');
    expect((await state(asset.id)).optimization).toMatchObject({ status: 'queued' });
  });

  it('counts once: what is late, second or of another attempt is refused', async () => {
    const asset = await newDrawing();
    const { id } = await queued(asset.id);
    const first = await runnerOf(id, await offer(id));
    const second = await runnerOf(id, await offer(id));
    expect(await expectProblem(await first.start(), 409)).toBe('conflict');
    expect(await expectProblem(await second.result(drawing('not begun')), 409)).toBe('conflict');
    const execution = newId();
    await expectJson(await second.start(execution), 200);
    await expectJson(await second.start(execution), 200);
    expect(await expectProblem(await second.start(), 409)).toBe('conflict');
    for (const answer of [
      await first.source(),
      await first.result(drawing('late')),
      await first.end({ type: 'unchanged' }),
    ])
      expect(await expectProblem(answer, 409)).toBe('conflict');
    const answers = await Promise.all([second.result(drawing('one')), second.result(drawing('two'))]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
    expect(await expectProblem(await second.result(drawing('three')), 409)).toBe('conflict');
    expect(await expectProblem(await second.end({ type: 'unchanged' }), 409)).toBe('conflict');
    expect(await versions(asset.id)).toHaveLength(2);
  });

  it('is of the same type and smaller, or nothing', async () => {
    const asset = await newDrawing();
    const runner = await begun((await queued(asset.id)).id);
    for (const [body, status, code] of [
      ['', 422, 'validation_failed'],
      [drawing('z'.repeat(2000)), 422, 'validation_failed'],
      ['<html><script>alert(1)</script></html>', 422, 'type_mismatch'],
      [png(3, 3), 422, 'type_mismatch'],
      [new Uint8Array(limits.optimize.bytes + 1), 413, 'payload_too_large'],
    ] as const)
      expect(await expectProblem(await runner.result(body), status), code).toBe(code);
    for (const json of [{ type: 'done' }, { type: 'failure', kind: 'user', code: 'forbidden' }])
      expect(await expectProblem(await runner.end(json), 422)).toBe('validation_failed');
    expect(await versions(asset.id)).toHaveLength(1);
    await expectJson(await runner.result(drawing('small')), 200);
  });

  it('is worth nothing for an asset that has changed, or is in the trash', async () => {
    const changed = await newDrawing();
    const one = await queued(changed.id);
    const runner = await begun(one.id);
    const newer = await stored(changed.name, drawing('newer'));
    expect(await expectProblem(await runner.result(drawing('a')), 409)).toBe('conflict');
    expect(await state(changed.id)).toMatchObject({
      optimization: { status: 'failed', errorCode: 'conflict' },
      asset: { version: 2, hash: newer.hash },
    });
    const trashed = await newDrawing();
    const two = await queued(trashed.id);
    const late = await begun(two.id);
    expect((await call('DELETE', `/api/assets/${trashed.id}`, { as: world.editor })).status).toBe(204);
    expect(await expectProblem(await late.source(), 409)).toBe('conflict');
    expect(await expectProblem(await late.result(drawing('a')), 409)).toBe('conflict');
  });
});

describe('fault 4: a job that gets lost', () => {
  it('is given to another runner when one falls silent, and ends when none of three came back', async () => {
    const asset = await newDrawing();
    const { id } = await queued(asset.id);
    const runners: Runner[] = [];
    for (let start = 1; start <= limits.optimize.attempts; start += 1) {
      runners.push(await begun(id));
      await sweep(env, Date.now());
      expect((await state(asset.id)).optimization?.status).toBe('running');
      await sweep(env, Date.now() + limits.optimize.lease + 1000);
      expect((await state(asset.id)).optimization?.status).toBe(start < limits.optimize.attempts ? 'queued' : 'failed');
    }
    expect((await state(asset.id)).optimization).toMatchObject({ errorCode: 'runner_lost' });
    for (const runner of runners)
      expect(await expectProblem(await runner.result(drawing('late')), 409)).toBe('conflict');
    // It may be asked for anew.
    expect((await queued(asset.id)).id).not.toBe(id);
  });

  it('is tried again when the runner says that it failed itself', async () => {
    const asset = await newDrawing();
    const { id } = await queued(asset.id);
    const runner = await begun(id);
    await expectJson(await runner.end({ type: 'failure', kind: 'infra', code: 'runner_lost' }), 200);
    expect((await state(asset.id)).optimization).toMatchObject({ id, status: 'queued' });
    await expectJson(await (await begun(id)).result(drawing('second')), 200);
  });

  it('is offered again for as long as no runner takes it, and ends after an hour', async () => {
    const asset = await newDrawing();
    const { id } = await queued(asset.id);
    // Nobody listens at RUNNER_URL.
    expect(await dispatchOptimization(env, database(), id, Date.now())).toBe('lost');
    expect((await state(asset.id)).optimization).toMatchObject({ status: 'queued' });
    await sweep(env, Date.now() + limits.optimize.queuedTimeout + 60_000);
    expect((await state(asset.id)).optimization).toMatchObject({ status: 'failed', errorCode: 'build_undelivered' });
    expect(await dispatchOptimization(env, database(), id, Date.now())).toBe('idle');
  });

  it('whose message dies ends, unless it went on', async () => {
    const waiting = await queued((await newDrawing()).id);
    const running = await queued((await newDrawing()).id);
    await begun(running.id);
    const messages = [waiting.id, running.id, newId()].map((optimizationId) => ({
      id: newId(),
      timestamp: new Date(),
      attempts: 1,
      body: { v: 1, optimizationId },
    }));
    const batch = createMessageBatch('builds-dead', messages);
    const context = createExecutionContext();
    await worker.queue(batch, env);
    expect((await getQueueResult(batch, context)).retryMessages).toEqual([]);
    expect((await state(waiting.assetId)).optimization).toMatchObject({ errorCode: 'build_undelivered' });
    expect((await state(running.assetId)).optimization).toMatchObject({ status: 'running' });
  });

  it('goes with its asset', async () => {
    const asset = await newDrawing();
    const { id } = await queued(asset.id);
    const runner = await begun(id);
    expect((await call('DELETE', `/api/assets/${asset.id}?permanent=true`, { as: world.editor })).status).toBe(204);
    expect(await expectProblem(await runner.result(drawing('a')), 409)).toBe('conflict');
    expect(await optimizationById(database(), id)).toBeUndefined();
  });

  // Last, because so late nobody is signed in any more.
  it('is known for 30 days after its end', async () => {
    const { id } = await queued((await newDrawing()).id);
    await expectJson(await (await begun(id)).end({ type: 'unchanged' }), 200);
    await sweep(env, Date.now() + limits.optimize.kept - 60_000);
    expect(await optimizationById(database(), id)).toMatchObject({ status: 'done' });
    await sweep(env, Date.now() + limits.optimize.kept + 60_000);
    expect(await optimizationById(database(), id)).toBeUndefined();
  });
});
