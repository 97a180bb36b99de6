import { afterAll, beforeAll } from 'vitest';
import { type FakeBuild, FakePlatform, type Files, type JobOverrides } from './fake-platform.ts';
import { type RunnerOptions, RunnerProcess } from './runner-process.ts';

/** A platform and a runner of it, for all tests of a file. */
export class RunnerWorld {
  #platform: FakePlatform | undefined;
  #runner: RunnerProcess | undefined;

  constructor(options: Omit<RunnerOptions, 'platformUrl'> = {}) {
    beforeAll(async () => {
      this.#platform = await FakePlatform.start();
      this.#runner = await RunnerProcess.start({ ...options, platformUrl: this.#platform.url });
    });
    afterAll(async () => {
      await this.#runner?.dispose();
      await this.#platform?.stop();
    });
  }

  get platform(): FakePlatform {
    if (!this.#platform) throw new Error('the platform is not up yet');
    return this.#platform;
  }

  get runner(): RunnerProcess {
    if (!this.#runner) throw new Error('the runner is not up yet');
    return this.#runner;
  }

  /** Builds files to the end, successful or not. */
  async build(files: Files, overrides?: JobOverrides): Promise<FakeBuild> {
    return await this.runner.run(await this.platform.build(files, overrides));
  }

  /** Another runner goes on in the folder of the one that there is. */
  async restart(env: RunnerOptions['env'] = {}): Promise<void> {
    const { dir } = this.runner;
    await this.runner.stop();
    this.#runner = await RunnerProcess.start({ platformUrl: this.platform.url, dir, env });
  }
}
