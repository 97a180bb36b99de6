import type { Hono } from 'hono';
import { endpoints } from '../../contract/endpoints.ts';
import { KilnError } from '../../contract/errors.ts';
import { newId } from '../../contract/ids.ts';
import { limits } from '../../contract/limits.ts';
import { day } from '../../contract/units.ts';
import { buildKey } from '../../core/build-key.ts';
import { hasEnded } from '../../core/build-lifecycle.ts';
import { artifactUrl } from '../../core/links.ts';
import { describeError, logEvent } from '../../core/log.ts';
import { decodePath } from '../../core/paths.ts';
import { allows } from '../../core/permissions.ts';
import { markedAssets } from '../../data/asset-marks.ts';
import { outputBytesOf } from '../../data/build-sizes.ts';
import {
  type BuildRow,
  buildBasis,
  createBuild,
  createCachedBuild,
  finishedBuild,
  listBuilds,
  toBuild,
} from '../../data/builds.ts';
import { getBuildLog, getOutput, getOutputs } from '../../data/objects.ts';
import { staleBuilds } from '../../data/old-builds.ts';
import { settleOutbox } from '../../data/outbox.ts';
import { isoOrNull } from '../../data/time.ts';
import { announce } from '../../durable-objects/announce.ts';
import { buildPolicy, giveBuildBack, takeBuild } from '../../durable-objects/build/quota.ts';
import { keptLog, logStream } from '../../durable-objects/build/stream.ts';
import { unwrap } from '../../durable-objects/rpc.ts';
import { buildRun } from '../../durable-objects/stubs.ts';
import { asEntry, asMarked } from '../assets/as-entry.ts';
import { buildSource } from '../assets/build-source.ts';
import { eraseBuild } from '../erase-build.ts';
import { immutable } from '../http/caching.ts';
import { type AppContext, type AppEnv, actorOf } from '../http/context.ts';
import { mount } from '../http/mount.ts';
import { inBucket, serveBytes } from '../http/range.ts';
import { enforce } from '../http/rates.ts';

/** Lines of a log in one JSON answer: all that a build may write. */
const wholeLog = limits.build.logLines + 1;

/** Counts one build of a user, unless `work` comes to nothing. Throws `rate_limited` when they have had as many as a day has. */
async function counted<T>(c: AppContext, userId: string, work: () => Promise<T>): Promise<T> {
  enforce(c, 'buildsPerDay', buildPolicy(c.env), await takeBuild(c.env, userId));
  try {
    return await work();
  } catch (error) {
    await giveBuildBack(c.env, userId).catch((cause: unknown) =>
      logEvent('build.refund_failed', { user: userId, ...describeError(cause) }, 'warn'),
    );
    throw error;
  }
}

/** Tells the room that somebody has removed builds. */
const tellDeleted = (c: AppContext, projectId: string, gone: readonly BuildRow[], by: string): Promise<void> =>
  announce(c.env, projectId, { type: 'build.deleted', by, data: { buildIds: gone.map(({ id }) => id) } });

export function buildRoutes(app: Hono<AppEnv>): void {
  mount(app, endpoints.createBuild, async (c, { room, user, body }) => {
    const { db, config, started: now } = c.var;
    const { projectId, checkpointId, target, options } = body;
    const [{ checkpoint, project }, { assets, lockHash, wasBuilt }, then] = await Promise.all([
      room.call((stub, caller, right) =>
        checkpointId === undefined
          ? stub.checkpoint(caller, right, { kind: 'build' })
          : stub.getCheckpoint(caller, right, checkpointId),
      ),
      buildBasis(db, projectId, now - limits.build.lockTtl),
      checkpointId === undefined ? null : markedAssets(db, projectId, checkpointId),
    ]);
    const treeHash = await buildSource(
      c,
      projectId,
      checkpoint.treeHash,
      then?.flatMap(asMarked) ?? assets.map(asEntry),
    );
    const key = buildKey({ name: project.name, treeHash, target, options, lock: lockHash });
    const build = {
      id: newId(),
      projectId,
      userId: user.userId,
      target,
      options,
      key,
      treeHash,
      checkpointId: checkpoint.id,
      lockHash,
      now,
    };
    c.var.fields.build = build.id;
    const { claimed } = c.var;
    const answer = { keys: claimed.keys, bodyOf: (row: BuildRow) => JSON.stringify({ build: toBuild(row, config) }) };

    const finished = wasBuilt ? await finishedBuild(db, projectId, key) : undefined;
    // Its output may be on its way out at this moment.
    if (finished && (await getOutputs(c.env.BUILDS, finished.outputOf ?? finished.id))) {
      const repeated = await createCachedBuild(db, build, finished, actorOf(c, user.userId), answer);
      claimed.answered = repeated !== undefined;
      if (repeated) {
        const data = { buildId: build.id, target, status: 'success' };
        c.executionCtx.waitUntil(announce(c.env, projectId, { type: 'build.success', by: user.userId, data }));
        return { status: 200, body: { build: toBuild(repeated, config) } };
      }
    }

    // A crash after this leaves the row and the message in the outbox; the sweep sends it.
    const message = { id: newId(), queue: 'builds', body: { v: 1, buildId: build.id, attempt: 1 } };
    const row = await counted(c, user.userId, () => createBuild(db, build, message, actorOf(c, user.userId), answer));
    claimed.answered = true;
    // The build exists now, whatever follows: the outbox sends the message again, and whoever takes it
    // makes the object that is missing. Failing here would have the client build twice.
    const start = async (): Promise<void> => {
      // Whoever takes the message makes the object, too, where it comes first.
      await Promise.all([
        unwrap(buildRun(c.env, build.id).create(row, project.name)),
        c.env.BUILD_QUEUE.send(message.body),
      ]);
      await settleOutbox(db, message.id);
    };
    try {
      await Promise.all([
        room.tell((stub) => stub.record('build.queued', user.userId, { buildId: build.id, target, status: 'queued' })),
        start(),
      ]);
    } catch (error) {
      logEvent('build.left_to_sweep', { build: build.id, ...describeError(error) }, 'warn');
    }
    return { status: 202, body: { build: toBuild(row, config) } };
  });

  mount(app, endpoints.getBuild, async (c, { build }) => {
    // While it runs the object knows more than the row.
    if (hasEnded(build.status)) return { status: 200, body: { build: toBuild(build, c.var.config) } };
    return { status: 200, body: { build: await unwrap(buildRun(c.env, build.id).show()) } };
  });

  mount(app, endpoints.listBuilds, async (c, { room, query }) => {
    await room.enter();
    const { rows, nextCursor } = await listBuilds(c.var.db, room.projectId, query);
    return { status: 200, body: { builds: rows.map((row) => toBuild(row, c.var.config)), nextCursor } };
  });

  mount(app, endpoints.cleanBuilds, async (c, { room, user, body }) => {
    await room.enter();
    const { db, requestId, started } = c.var;
    const { dryRun, keep, olderThanDays } = body;
    const found = await staleBuilds(db, room.projectId, keep, started - olderThanDays * day);
    const builds: BuildRow[] = [];
    try {
      for (const build of found.builds)
        try {
          if (!dryRun) await eraseBuild(c.env, db, build, actorOf(c, user.userId));
          builds.push(build);
        } catch (error) {
          // Published at this very moment: then it stays.
          if (!(error instanceof KilnError && error.code === 'build_published')) throw error;
        }
    } finally {
      // Those before one that failed are gone all the same.
      if (!dryRun && builds.length > 0) {
        logEvent('build.cleaned', { requestId, project: room.projectId, builds: builds.length });
        await tellDeleted(c, room.projectId, builds, user.userId);
      }
    }
    return {
      status: 200,
      body: {
        dryRun,
        builds: builds.map((build) => ({
          buildId: build.id,
          target: build.target,
          status: build.status,
          size: outputBytesOf(build),
          completedAt: isoOrNull(build.completedAt),
        })),
        count: found.count,
        bytes: found.bytes,
        kept: found.kept,
      },
    };
  });

  mount(app, endpoints.getBuildLogs, async (c, { build }) => {
    const source = build.outputOf ?? build.id;
    const run = buildRun(c.env, source);
    // What has ended is read from its object in the store, also where the build's own is gone.
    const text = hasEnded(build.status) ? await getBuildLog(c.env.BUILDS, source) : null;
    const kept = text === null ? null : keptLog(text);
    if (!(c.req.header('accept') ?? '').includes('text/event-stream')) {
      const body = kept ? { logs: [...kept.logs(0, wholeLog)], done: true } : await unwrap(run.logs(0, wholeLog));
      return { status: 200, body };
    }
    const asked = Number(c.req.header('last-event-id') ?? 0);
    const since = Number.isSafeInteger(asked) && asked > 0 ? asked : 0;
    const shown = toBuild(build, c.var.config);
    return {
      raw: new Response(
        kept ? logStream(kept, since, () => shown) : await run.follow(since, build.cached ? shown : undefined),
        {
          headers: {
            'content-type': 'text/event-stream; charset=utf-8',
            'cache-control': 'no-store',
            'x-accel-buffering': 'no',
          },
        },
      ),
    };
  });

  mount(app, endpoints.listArtifacts, (c, { build }) => ({
    status: 200,
    body: {
      artifacts: build.artifacts.map((artifact) => ({
        ...artifact,
        url: artifactUrl(c.var.config, build.id, artifact.name),
      })),
    },
  }));

  mount(app, endpoints.getArtifact, async (c, { build, params }) => {
    const name = decodePath(params.name);
    const artifact = build.artifacts.find((one) => one.name === name);
    if (!artifact) throw new KilnError('not_found');
    return {
      raw: await serveBytes(
        c.req.raw,
        inBucket({ hash: artifact.sha256, size: artifact.size }, (range) =>
          getOutput(c.env.BUILDS, artifact.sha256, range),
        ),
        new Headers({
          'content-type': artifact.mimeType,
          'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(artifact.name)}`,
          'content-security-policy': "sandbox; default-src 'none'",
          'cache-control': immutable('private'),
        }),
      ),
    };
  });

  mount(app, endpoints.deleteBuild, async (c, { build, access, user }) => {
    const ended = hasEnded(build.status);
    // A viewer may stop a build of their own; what is finished belongs to the project.
    if (!allows(access, 'project.write') && (ended || build.userId !== user.userId)) throw new KilnError('forbidden');
    const run = buildRun(c.env, build.id);
    if (!ended) {
      // It may have ended a moment ago, of which the row does not know yet: whoever meant to stop it did not mean to remove it.
      if (await unwrap(run.cancel(actorOf(c, user.userId)))) return { status: 204 };
      throw new KilnError('conflict', { detail: 'The build has ended.' });
    }
    await eraseBuild(c.env, c.var.db, build, actorOf(c, user.userId));
    await tellDeleted(c, build.projectId, [build], user.userId);
    return { status: 204 };
  });

  mount(app, endpoints.retryBuild, async (c, { build, user }) => {
    const run = buildRun(c.env, build.id);
    await counted(c, user.userId, () => unwrap(run.retry(actorOf(c, user.userId))));
    return { status: 202, body: { build: await unwrap(run.show()) } };
  });
}
