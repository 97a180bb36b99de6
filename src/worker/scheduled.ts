import { limits } from '../contract/limits.ts';
import { configOf } from '../core/config.ts';
import { dailyCron } from '../core/crons.ts';
import { describeError, logEvent } from '../core/log.ts';
import { expiredAccounts } from '../data/accounts.ts';
import { eraseAsset, expiredAssets } from '../data/assets.ts';
import { countOutput, outputBytesOf, uncountedBuilds } from '../data/build-sizes.ts';
import { orphanedBuilds, stalledBuilds } from '../data/build-turns.ts';
import type { BuildRow } from '../data/builds.ts';
import type { Database } from '../data/database.ts';
import { expireEmailTokens } from '../data/email-tokens.ts';
import { expireKeys } from '../data/idempotency.ts';
import { sweepIntake } from '../data/intake.ts';
import { expireInvites } from '../data/invites.ts';
import { expireFlows } from '../data/oauth-flows.ts';
import { getOutputs, importPrefix, listObjects, previewPrefix } from '../data/objects.ts';
import { expiredBuilds } from '../data/old-builds.ts';
import { withDatabase } from '../data/open.ts';
import { claimOutbox, settleOutbox } from '../data/outbox.ts';
import { expiredTrash, stalledProjects, startErasing } from '../data/projects.ts';
import { expireSessions } from '../data/sessions.ts';
import { dueUploads } from '../data/uploads.ts';
import { announce } from '../durable-objects/announce.ts';
import { unwrap } from '../durable-objects/rpc.ts';
import { maintenance } from '../durable-objects/stubs.ts';
import { buildObject } from '../queues/build-object.ts';
import { sweepOptimizations } from '../queues/optimizations.ts';
import { settleUpload } from './assets/verify.ts';
import { cancelBuilds } from './auth/close-account.ts';
import { eraseAccount } from './erase-account.ts';
import { eraseBuild } from './erase-build.ts';
import { eraseProject } from './erase-project.ts';
import { sweepMail } from './mail/deliver.ts';

export async function scheduled({ cron, scheduledTime }: ScheduledController, env: Env): Promise<void> {
  if (cron === dailyCron) await unwrap(maintenance(env).daily());
  else await sweep(env, scheduledTime);
}

/** Every sweep may run twice, at any time, beside any request. One that fails does not stop the others. */
export const sweep = (env: Env, now: number): Promise<void> => withDatabase(env, (db) => sweepWith(db, env, now));

/** One thing that cannot be handled must not hide those behind it. */
async function each(id: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    logEvent('sweep.item_failed', { id, ...describeError(error) }, 'error');
  }
}

async function sweepWith(db: Database, env: Env, now: number): Promise<void> {
  const sweeps: Record<string, () => Promise<number>> = {
    outbox: async () => {
      const rows = await claimOutbox(db, 'builds', now);
      for (const row of rows) {
        await env.BUILD_QUEUE.send(row.body);
        await settleOutbox(db, row.id);
      }
      return rows.length;
    },
    mail: () => sweepMail(db, env, configOf(env), now),
    emailTokens: () => expireEmailTokens(db, now),
    oauthFlows: () => expireFlows(db, now),
    builds: async () => {
      const rows = await stalledBuilds(db, now, limits.outbox.sweep);
      for (const { id } of rows)
        await each(id, async () => {
          const run = await buildObject(env, db, id);
          if (run) await unwrap(run.check());
        });
      return rows.length;
    },
    projects: async () => {
      const rows = await stalledProjects(db, now - limits.project.transitionTimeout, limits.outbox.sweep);
      // A project that was never finished has nothing that anybody saw: undoing it is erasing it.
      for (const { id } of rows) await each(id, () => eraseProject(env, db, id, now));
      return rows.length;
    },
    trash: async () => {
      const rows = await expiredTrash(db, now - limits.project.trashTtl, limits.outbox.sweep);
      for (const { id } of rows)
        await each(id, async () => {
          await startErasing(db, id, { actorId: null, now }, { expired: true });
          await eraseProject(env, db, id, now);
        });
      return rows.length;
    },
    accounts: async () => {
      const rows = await expiredAccounts(db, now, limits.outbox.sweep);
      for (const account of rows) await each(account.id, () => eraseAccount(env, db, account, now));
      return rows.length;
    },
    orphanedBuilds: async () => {
      const rows = await orphanedBuilds(db, limits.outbox.sweep);
      return await cancelBuilds(env, db, rows, { actorId: null, now });
    },
    assets: async () => {
      const rows = await expiredAssets(db, now - limits.asset.trashTtl, limits.outbox.sweep);
      for (const asset of rows) await each(asset.id, () => eraseAsset(db, asset, { actorId: null, now }, 'trashed'));
      return rows.length;
    },
    uploads: async () => {
      const due = await dueUploads(db, now, limits.outbox.sweep);
      for (const upload of due) await each(upload.id, () => settleUpload(env, db, upload, now));
      return due.length;
    },
    optimizations: () => sweepOptimizations(env, db, now, each),
    oldBuilds: async () => {
      const { newest, age, hour } = limits.build.retention;
      // Looks at every build, which once a day is enough; what one run leaves the next minute of the hour takes.
      if (new Date(now).getUTCHours() !== hour) return 0;
      const rows = await expiredBuilds(db, now - age, newest, limits.outbox.sweep);
      const gone: BuildRow[] = [];
      for (const build of rows)
        await each(build.id, async () => {
          await eraseBuild(env, db, build, { actorId: null, now });
          gone.push(build);
          logEvent('build.expired', {
            build: build.id,
            project: build.projectId,
            target: build.target,
            status: build.status,
            bytes: outputBytesOf(build),
          });
        });
      for (const [projectId, builds] of Map.groupBy(gone, (build) => build.projectId))
        await announce(env, projectId, {
          type: 'build.deleted',
          by: null,
          data: { buildIds: builds.map(({ id }) => id) },
        });
      return rows.length;
    },
    uncountedBuilds: async () => {
      if (new Date(now).getUTCHours() !== limits.build.retention.hour) return 0;
      const rows = await uncountedBuilds(db, limits.outbox.sweep);
      const outputs = new Map(rows.map((build) => [build.outputOf ?? build.id, build]));
      for (const [source, build] of outputs)
        await each(build.id, async () => {
          const bytes = await countOutput(db, build, await getOutputs(env.BUILDS, source));
          logEvent('build.counted', { build: build.id, project: build.projectId, output: source, bytes });
        });
      return outputs.size;
    },
    invites: () => expireInvites(db, now, limits.outbox.sweep),
    imports: async () => {
      const { objects } = await listObjects(env.EXPORTS, importPrefix, null, limits.outbox.sweep);
      const left = objects.filter(({ uploaded }) => uploaded < now - limits.archive.uploadTtl).map(({ key }) => key);
      if (left.length) await env.EXPORTS.delete(left);
      return left.length;
    },
    previews: async () => {
      const { objects } = await listObjects(env.BUILDS, previewPrefix, null, limits.gc.listPage);
      const old = objects.filter(({ uploaded }) => uploaded < now - limits.preview.runner.keep).map(({ key }) => key);
      if (old.length) await env.BUILDS.delete(old);
      return old.length;
    },
    sessions: () => expireSessions(db, now, limits.outbox.sweep),
    intake: () => sweepIntake(env.ASSETS, now - limits.intake.abandoned, limits.outbox.sweep),
    idempotency: async () => {
      await expireKeys(db, now);
      return 0;
    },
  };
  for (const [name, work] of Object.entries(sweeps)) {
    const start = Date.now();
    try {
      const handled = await work();
      if (handled) logEvent('sweep', { sweep: name, handled, ms: Date.now() - start });
    } catch (error) {
      logEvent('sweep', { sweep: name, ...describeError(error) }, 'error');
    }
  }
}
