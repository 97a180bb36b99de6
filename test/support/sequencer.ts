import { relative } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Of a file that is not in the table. Seconds. */
const usual = 15;

/** How long files take beside others on two cores, where that is far from `usual`: the report of `npm test` says it. Seconds. */
const seconds: Readonly<Record<string, number>> = {
  'test/e2e/pull.test.ts': 50,
  'test/e2e/postgres.test.ts': 65,
  'test/e2e/uploads.test.ts': 87,
  'test/e2e/hostile-archives.test.ts': 31,
  'test/e2e/direct-uploads.test.ts': 35,
  'test/e2e/hostile-sockets.test.ts': 60,
  'test/e2e/crowd.test.ts': 37,
  'test/e2e/builds.test.ts': 22,
  'test/e2e/offline.test.ts': 5,
  'test/e2e/runners.test.ts': 5,
  'test/faults/optimizations.test.ts': 125,
  'test/faults/restore.test.ts': 60,
  'test/faults/uploads.test.ts': 55,
  'test/faults/builds.test.ts': 115,
  'test/faults/imports.test.ts': 47,
  'test/faults/releases.test.ts': 31,
  'test/faults/typing.test.ts': 18,
  'test/faults/database.test.ts': 24,
  'test/faults/writers.test.ts': 20,
  'test/faults/hostile-clients.test.ts': 7,
  'test/faults/disk-full.test.ts': 14,
  'test/runner/lifecycle.test.ts': 170,
  'test/runner/deaths.test.ts': 90,
  'test/runner/each-step.test.ts': 60,
  'test/runner/disk.test.ts': 39,
  'test/runner/games.test.ts': 75,
  'test/runner/queue-pull.test.ts': 56,
  'test/runner/hostile.test.ts': 12,
  'test/runner/hostile-registry.test.ts': 20,
  'test/runner/dependencies.test.ts': 19,
  'test/runner/optimize-asset.test.ts': 19,
  'test/runner/prebundle.test.ts': 8,
  'test/runner/offline.test.ts': 8,
  'test/runner/programs.test.ts': 8,
  'test/runner/web-build.test.ts': 10,
  'test/runner/pictures.test.ts': 6,
  'test/runner/toolchain.test.ts': 3,
  'test/runner/optimize.test.ts': 3,
  'test/runner/caches.test.ts': 3,
  'test/runner/parity.test.ts': 2,
  'test/data/seed.test.ts': 40,
  'test/data/sharing.test.ts': 30,
  'test/workerd/access.test.ts': 35,
  'test/workerd/previews.test.ts': 33,
  'test/workerd/account.test.ts': 32,
  'test/workerd/backup.test.ts': 25,
  'test/workerd/channel-fuzz.test.ts': 25,
};

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

/** Deals files out to shards that take about as long as each other, and begins with the longest. */
export class Sequencer extends BaseSequencer {
  #secondsOf({ moduleId }: TestSpecification): number {
    return seconds[relative(this.ctx.config.root, moduleId)] ?? usual;
  }

  override async shard(files: TestSpecification[]): Promise<TestSpecification[]> {
    const { index = 1, count = 1 } = this.ctx.config.shard ?? {};
    const shards = Array.from({ length: count }, () => ({ files: [] as TestSpecification[], seconds: 0 }));
    for (const file of files.toSorted((a, b) => this.#order(a, b))) {
      const least = shards.reduce((a, b) => (b.seconds < a.seconds ? b : a));
      least.files.push(file);
      least.seconds += this.#secondsOf(file);
    }
    return shards[index - 1]?.files ?? [];
  }

  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    // One project after the other, as they share what it sets up.
    return files.toSorted((a, b) => compare(a.project.name, b.project.name) || this.#order(a, b));
  }

  /** By name where the time is the same: every process has to come to the same shards. */
  #order(a: TestSpecification, b: TestSpecification): number {
    return this.#secondsOf(b) - this.#secondsOf(a) || compare(a.moduleId, b.moduleId);
  }
}
