import { mkdir } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AssetTicket, Job, JobTicket } from '../../../src/contract/jobs.ts';
import { AssetCache } from './asset-cache.ts';
import { connectAssetPlatform } from './asset-platform.ts';
import { beginJob } from './begin-job.ts';
import { BlobCache } from './blob-cache.ts';
import { ChildPool } from './children.ts';
import { type Config, readConfig } from './config.ts';
import { Dependencies } from './dependencies.ts';
import { Disk } from './disk.ts';
import { executeJob } from './execute-job.ts';
import { type JobEnd, Jobs } from './jobs.ts';
import { describeError, log } from './log.ts';
import { optimizeAsset } from './optimize-asset.ts';
import { Pictures } from './pictures.ts';
import { connectPlatform, type Platform } from './platform.ts';
import { Previews } from './previews.ts';
import { PulledPictures } from './pulled-pictures.ts';
import { QueuePuller } from './queue-pull.ts';
import { runnerLimits } from './runner-limits.ts';
import { isolation } from './sandbox.ts';
import { createRunnerServer } from './server.ts';

const start = async (config: Config): Promise<void> => {
  await mkdir(config.dir, { recursive: true });
  const { electronCache } = config;
  const dependencies = await Dependencies.open({ dir: config.dir, registry: config.registry, caps: config.caps });
  const [blobs, assets, children] = await Promise.all([
    BlobCache.open(join(config.dir, 'blobs')),
    AssetCache.open(join(config.dir, 'assets')),
    ChildPool.open(config.workDir, {
      size: config.capacity,
      reserve: config.reserve,
      caps: config.caps,
      readable: [dependencies.modulesRoot, ...(electronCache === null ? [] : [electronCache])],
    }),
  ]);

  const caches = { blobs: blobs.kept, assets: assets.kept, ...dependencies.caches };
  const disk = await Disk.share(config.dir, caches, config.cacheBytes);

  const run = async (job: Job, platform: Platform, stop: AbortController, vacate: () => void): Promise<JobEnd> => {
    await executeJob(job, { platform, blobs, assets, dependencies, children, disk, electronCache }, stop, () => {
      vacate();
      // After the word of success is on its way: the next job comes by it, and to start a process holds this one up.
      setImmediate(() => children.refill());
    });
    return 'over';
  };
  const optimize = (ticket: AssetTicket, stop: AbortController, vacate: () => void): Promise<JobEnd> =>
    optimizeAsset(ticket, { platform: connectAssetPlatform(config.platformUrl, ticket), children }, stop, () => {
      vacate();
      children.refill();
    });
  const isOfAsset = (value: unknown): boolean =>
    typeof value === 'object' && value !== null && 'optimizationId' in value;
  const jobs =
    config.source.kind === 'http'
      ? new Jobs<Job | AssetTicket>(
          config,
          (value) => (isOfAsset(value) ? AssetTicket : Job),
          (job, stop, vacate) =>
            'buildId' in job
              ? run(job, connectPlatform(config.platformUrl, job), stop, vacate)
              : optimize(job, stop, vacate),
        )
      : new Jobs<JobTicket | AssetTicket>(
          config,
          (value) => (isOfAsset(value) ? AssetTicket : JobTicket),
          async (ticket, stop, vacate) => {
            if ('optimizationId' in ticket) return await optimize(ticket, stop, vacate);
            const platform = connectPlatform(config.platformUrl, ticket);
            const job = await beginJob(ticket, platform, stop.signal);
            return typeof job === 'string' ? job : await run(job, platform, stop, vacate);
          },
        );
  const pictures = new Pictures(config, children);
  const server = createRunnerServer(config, jobs, new Previews(config, children), pictures);
  const pulled = new PulledPictures(config, pictures);
  const puller = config.source.kind === 'http' ? null : new QueuePuller(config.source, jobs, pulled);

  let stopping = false;
  const stop = async (signal: string): Promise<void> => {
    if (stopping) return;
    stopping = true;
    log('info', 'runner.stopping', { signal });
    server.close();
    await Promise.race([Promise.all([puller?.stop(), pulled.stop(), jobs.drain()]), sleep(runnerLimits.shutdownGrace)]);
    await Promise.all([children.close(), blobs.settle()]);
    process.exit(0);
  };
  process.on('SIGTERM', (signal) => void stop(signal));
  process.on('SIGINT', (signal) => void stop(signal));

  server.listen(config.port, config.host, () => {
    const { port } = server.address() as AddressInfo;
    log('info', 'runner.listening', {
      host: config.host,
      port,
      capacity: config.capacity,
      caps: config.caps,
      caches: disk.budget,
      source: config.source.kind,
      isolation,
    });
    puller?.start();
  });
};

// A log that nobody reads any more is no reason to lose the jobs.
process.stdout.on('error', () => undefined);

try {
  await start(readConfig(process.env));
} catch (error) {
  log('error', 'runner.start_failed', { error: describeError(error) });
  process.exit(1);
}
