import type { Hono } from 'hono';
import { endpoints } from '../../contract/endpoints.ts';
import { KilnError } from '../../contract/errors.ts';
import { type Framed, framedSize, frames, readFrames } from '../../contract/frames.ts';
import {
  type EventAnswer,
  EventBatch,
  type OutputFile,
  provenanceName,
  type RunnerEvent,
} from '../../contract/jobs.ts';
import { limits } from '../../contract/limits.ts';
import { configOf } from '../../core/config.ts';
import { describeError, logEvent } from '../../core/log.ts';
import { type BuildFacts, provenanceStatement, signStatement } from '../../core/provenance.ts';
import { sha256 } from '../../core/tree.ts';
import { getBlob, getObject, headOutput, isWrongHash, putOutput, sizesOfOutputs } from '../../data/objects.ts';
import { unwrap } from '../../durable-objects/rpc.ts';
import { buildRun } from '../../durable-objects/stubs.ts';
import type { DispatchOutcome } from '../../queues/build-dispatch.ts';
import { jobFor, manifestOf, snapshotContents, snapshotOf } from '../../queues/build-files.ts';
import { startBuild } from '../../queues/index.ts';
import { endOptimizing, runningJob, startOptimizing, takeResult } from '../assets/optimize-later.ts';
import { pictureRefused, pictureToMake, takePicture } from '../assets/variants.ts';
import { bodyOf, declaredLength, jsonOf, readBytes } from '../http/body.ts';
import type { AppContext, AppEnv } from '../http/context.ts';
import { mount } from '../http/mount.ts';

/** The attempt that this token serves; a token of an attempt that is over opens nothing. */
async function runningBuild(c: AppContext, job: { sub: string; attempt: number }): Promise<BuildFacts> {
  const running = await unwrap(buildRun(c.env, job.sub).isRunning(job.attempt));
  if (!running) throw new KilnError('conflict', { detail: 'This attempt is not running.' });
  return running;
}

/** Gives a free place to the next build; a failure is as if nothing waited, for the message that follows does it then. */
async function fillPlace(c: AppContext, ending: string): Promise<DispatchOutcome> {
  try {
    return await startBuild(c.env, ending);
  } catch (error) {
    logEvent('build.place_not_filled', { build: ending, ...describeError(error) }, 'warn');
    return 'idle';
  }
}

/**
 * Settles the outcome of a build. Where its place is free, the next build gets it meanwhile, without a message in between: a
 * queue takes longer than a small build. One of the same user may have to wait until this one counts as running no more.
 */
async function settled<T>(c: AppContext, ending: string, isVacant: boolean, settle: () => Promise<T>): Promise<T> {
  if (!isVacant) return await settle();
  const filled = fillPlace(c, ending);
  const settling = settle();
  c.executionCtx.waitUntil(
    Promise.allSettled([filled, settling]).then(async ([first]) => {
      if (first.status === 'fulfilled' && first.value === 'held') await fillPlace(c, ending);
    }),
  );
  return await settling;
}

const { batch } = limits.build;
const tooLargeTogether = (): KilnError =>
  new KilnError('payload_too_large', {
    detail: `Together: at most ${batch.parts} contents of ${batch.partBytes} bytes, ${batch.bytes} in all.`,
  });

/** What the store refused, as the API says it. */
function refusedOutput(error: unknown): KilnError {
  if (error instanceof KilnError) return error;
  if (isWrongHash(error))
    return new KilnError('validation_failed', {
      issues: [{ path: 'body', message: 'does not have the hash that names it' }],
    });
  return new KilnError('unavailable', { cause: error });
}

/** Bytes for a runner, which knows what they are: nobody in between keeps them. */
const bytesOf = ({ body, size }: { readonly body: ReadableStream | Uint8Array; readonly size: number }): Response =>
  new Response(body, {
    headers: {
      'content-type': 'application/octet-stream',
      'content-length': String(size),
      'cache-control': 'no-store',
    },
  });

/** Stores what came with a success, and the signed word on where all its outputs come from, and settles it. `outcome` is the last event of `told`. */
async function takeSuccess(
  c: AppContext,
  facts: BuildFacts,
  told: EventBatch,
  outcome: Extract<RunnerEvent, { type: 'success' }>,
  contents: readonly Framed[],
): Promise<EventAnswer> {
  const { outputs, lock } = outcome;
  const stated = { attempt: facts.attempt, outputs, lock: lock === undefined ? null : sha256(lock) };
  const statement = provenanceStatement(facts, stated, c.var.config.appOrigin);
  const envelope = `${JSON.stringify(await signStatement(c.var.config, statement), null, 2)}\n`;
  const provenance = { hash: sha256(envelope), bytes: new TextEncoder().encode(envelope) };
  const stored = [...contents, provenance];
  try {
    await Promise.all(stored.map(({ hash, bytes }) => putOutput(c.env.BUILDS, hash, bytes)));
  } catch (error) {
    throw refusedOutput(error);
  }
  const report: OutputFile = {
    name: provenanceName,
    size: provenance.bytes.length,
    sha256: provenance.hash,
    mimeType: 'application/json',
    role: 'report',
  };
  const events = [...told.events.slice(0, -1), { ...outcome, outputs: [...outputs, report] }];
  const noted = stored.map(({ hash, bytes }) => ({ sha256: hash, size: bytes.length }));
  return await unwrap(buildRun(c.env, facts.buildId).events({ ...told, events }, noted));
}

export function runnerRoutes(app: Hono<AppEnv>): void {
  mount(app, endpoints.runnerStart, async (c, { job, body }) => {
    if (body.attempt !== job.attempt) throw new KilnError('conflict', { detail: 'The token is for another attempt.' });
    const claim = await unwrap(buildRun(c.env, job.sub).begin(body.attempt, body.execution));
    return { status: 200, body: await jobFor(c.env, claim) };
  });

  mount(app, endpoints.runnerManifest, async (c, { job }) => {
    const manifest = await manifestOf(c.env, await runningBuild(c, job));
    if (!manifest) throw new KilnError('unavailable', { detail: 'The snapshot could not be read.' });
    return { status: 200, body: manifest };
  });

  mount(app, endpoints.runnerBlob, async (c, { job, params }) => {
    const facts = await runningBuild(c, job);
    // A hash opens nothing by itself: it must be one that the snapshot names.
    const file = (await snapshotOf(c.env, facts)).get(params.hash);
    if (!file) throw new KilnError('not_found');
    const object = await getBlob(c.env.ASSETS, params.hash);
    if (object) return { raw: bytesOf(object) };
    const [content] = await snapshotContents(c.env, facts.projectId, [file]);
    if (!content) throw new KilnError('unavailable');
    return { raw: bytesOf({ body: content.bytes, size: content.bytes.length }) };
  });

  mount(app, endpoints.runnerBlobs, async (c, { job, body }) => {
    const facts = await runningBuild(c, job);
    const snapshot = await snapshotOf(c.env, facts);
    let total = 0;
    const files = body.hashes.map((hash) => {
      const file = snapshot.get(hash);
      if (!file) throw new KilnError('not_found');
      total += file.size;
      if (file.size > batch.partBytes || total > batch.bytes) throw tooLargeTogether();
      return file;
    });
    const contents = await snapshotContents(c.env, facts.projectId, files);
    if (contents.includes(null)) throw new KilnError('unavailable');
    return {
      raw: new Response(frames(contents.filter((content) => content !== null)), {
        headers: { 'content-type': 'application/octet-stream', 'cache-control': 'no-store' },
      }),
    };
  });

  mount(app, endpoints.runnerOutputs, async (c, { job }) => {
    await runningBuild(c, job);
    const contents = readFrames(await readBytes(c.req.raw, framedSize(batch.parts, batch.bytes)));
    if (!contents?.length)
      throw new KilnError('validation_failed', { issues: [{ path: 'body', message: 'has no frames' }] });
    if (contents.length > batch.parts || contents.some(({ bytes }) => bytes.length > batch.partBytes))
      throw tooLargeTogether();
    try {
      await Promise.all(contents.map(({ hash, bytes }) => putOutput(c.env.BUILDS, hash, bytes)));
    } catch (error) {
      throw refusedOutput(error);
    }
    const stored = contents.map(({ hash, bytes }) => ({ sha256: hash, size: bytes.length }));
    // It only spares the object questions: one of the release before, which does not know this call, asks the store.
    await unwrap(buildRun(c.env, job.sub).stored(job.attempt, stored)).catch((error: unknown) =>
      logEvent('build.outputs_not_noted', { build: job.sub, ...describeError(error) }, 'warn'),
    );
    return { status: 201 };
  });

  mount(app, endpoints.runnerMissing, async (c, { job, body }) => {
    await runningBuild(c, job);
    const sizes = await sizesOfOutputs(c.env.BUILDS, body.hashes);
    const stored = [...sizes].map(([sha256, size]) => ({ sha256, size }));
    await unwrap(buildRun(c.env, job.sub).stored(job.attempt, stored));
    return { status: 200, body: { missing: body.hashes.filter((hash) => !sizes.has(hash)) } };
  });

  mount(app, endpoints.runnerOutput, async (c, { job, params }) => {
    await runningBuild(c, job);
    const length = declaredLength(c.req.raw) ?? Number.NaN;
    if (length > limits.build.programBytes)
      throw new KilnError('payload_too_large', { detail: `At most ${limits.build.programBytes} bytes.` });
    if (await headOutput(c.env.BUILDS, params.hash)) {
      // Read to its end: the connection is closed on who still sends, and they would not hear of this.
      let size = 0;
      for await (const part of bodyOf(c.req.raw)) {
        size += part.length;
        if (size > limits.build.programBytes) break;
      }
      return { status: 200 };
    }
    // With a known length R2 takes the stream as it comes, and refuses it when the hash is another.
    const stream = Number.isSafeInteger(length) && c.req.raw.body ? c.req.raw.body : null;
    try {
      await putOutput(c.env.BUILDS, params.hash, stream ?? (await readBytes(c.req.raw, limits.file.sizeMax)));
    } catch (error) {
      throw refusedOutput(error);
    }
    return { status: 201 };
  });

  mount(app, endpoints.runnerProvenance, async (c, { job, body }) => {
    if (body.attempt !== job.attempt) throw new KilnError('conflict', { detail: 'The token is for another attempt.' });
    const config = configOf(c.env);
    const statement = provenanceStatement(await runningBuild(c, job), body, config.appOrigin);
    return { status: 200, body: await signStatement(config, statement) };
  });

  mount(app, endpoints.runnerEvents, async (c, { job, body }) => {
    if (body.attempt !== job.attempt) throw new KilnError('conflict', { detail: 'The token is for another attempt.' });
    const answer = await settled(c, job.sub, body.vacant === true, () => unwrap(buildRun(c.env, job.sub).events(body)));
    return { status: 200, body: answer };
  });

  mount(app, endpoints.runnerSuccess, async (c, { job }) => {
    const cap = framedSize(batch.parts + 1, batch.bytes + limits.http.jsonBody);
    const [head, ...contents] = readFrames(await readBytes(c.req.raw, cap)) ?? [];
    if (head && head.bytes.length > limits.http.jsonBody) throw tooLargeTogether();
    const told = EventBatch.safeParse(head && jsonOf(head.bytes));
    const outcome = told.data?.events.at(-1);
    if (!told.success || outcome?.type !== 'success')
      throw new KilnError('validation_failed', {
        issues: [{ path: 'body', message: 'does not begin with an event batch that ends with success' }],
      });
    const named = new Set(outcome.outputs.map((output) => output.sha256));
    if (contents.some(({ hash }) => !named.has(hash)))
      throw new KilnError('validation_failed', {
        issues: [{ path: 'body', message: 'has an output that the batch does not name' }],
      });
    if (told.data.attempt !== job.attempt)
      throw new KilnError('conflict', { detail: 'The token is for another attempt.' });
    if (contents.length > batch.parts || contents.some(({ bytes }) => bytes.length > batch.partBytes))
      throw tooLargeTogether();
    const run = buildRun(c.env, job.sub);
    const facts = await unwrap(run.isRunning(job.attempt));
    // It was told before, or it is over: an empty batch is answered in the same way.
    if (!facts) return { status: 200, body: await unwrap(run.events({ ...told.data, events: [] })) };
    const answer = await settled(c, job.sub, told.data.vacant === true, () =>
      takeSuccess(c, facts, told.data, outcome, contents),
    );
    return { status: 200, body: answer };
  });

  mount(app, endpoints.optimizerStart, async (c, { job, body }) => ({
    status: 200,
    body: await startOptimizing(c, job, body.execution),
  }));

  mount(app, endpoints.optimizerSource, async (c, { job }) => {
    const { at } = await runningJob(c, job);
    const object = await getObject(c.env.ASSETS, at.version.objectKey);
    if (!object) throw new KilnError('unavailable');
    return { raw: bytesOf(object) };
  });

  mount(app, endpoints.optimizerResult, async (c, { job }) => {
    await takeResult(c, job);
    return { status: 200 };
  });

  mount(app, endpoints.pictureSource, async (c, { job }) => ({ raw: bytesOf(await pictureToMake(c, job)) }));

  mount(app, endpoints.pictureResult, async (c, { job }) => {
    await takePicture(c, job);
    return { status: 200 };
  });

  mount(app, endpoints.pictureEnd, (_, { job, body }) => {
    pictureRefused(job, body);
    return { status: 200 };
  });

  mount(app, endpoints.optimizerEnd, async (c, { job, body }) => {
    await endOptimizing(c, job, body);
    return { status: 200 };
  });
}
