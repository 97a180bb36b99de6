import { relative } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Of a file that is not in the table. Seconds. */
const usual = 15;

/** How long files take beside others on two cores, where that is far from `usual`: the report of `npm test` says it. Seconds. */
const seconds: Readonly<Record<string, number>> = {
  'test/faults/uploads.test.ts': 200,
  'test/faults/restore.test.ts': 80,
  'test/faults/imports.test.ts': 160,
  'test/faults/builds.test.ts': 128,
  'test/faults/optimizations.test.ts': 136,
  'test/faults/releases.test.ts': 93,
  'test/faults/typing.test.ts': 32,
  'test/faults/disk-full.test.ts': 15,
  'test/faults/writers.test.ts': 53,
  'test/faults/database.test.ts': 31,
  'test/runner/lifecycle.test.ts': 130,
  'test/runner/games.test.ts': 60,
  'test/runner/queue-pull.test.ts': 40,
  'test/runner/dependencies.test.ts': 30,
  'test/runner/hostile-registry.test.ts': 30,
  'test/runner/optimize-asset.test.ts': 25,
  'test/runner/hostile.test.ts': 25,
  'test/data/seed.test.ts': 40,
  'test/data/sharing.test.ts': 30,
  'test/workerd/access.test.ts': 35,
  'test/workerd/previews.test.ts': 33,
  'test/workerd/account.test.ts': 32,
  'test/workerd/backup.test.ts': 25,
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
