import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { collectOutputs, uploadAhead, uploadOutputs } from '../../containers/build-runner/src/artifacts.ts';
import type { Platform } from '../../containers/build-runner/src/platform.ts';
import { limits } from '../../src/contract/limits.ts';
import { MiB } from '../../src/contract/units.ts';
import { FakePlatform, sha256 } from './support/fake-platform.ts';
import { RunnerProcess } from './support/runner-process.ts';

describe('a site', () => {
  let platform: FakePlatform;
  let runner: RunnerProcess;

  beforeAll(async () => {
    platform = await FakePlatform.start();
    runner = await RunnerProcess.start({ platformUrl: platform.url, capacity: 1 });
  });
  afterAll(async () => {
    await runner?.dispose();
    await platform?.stop();
  });

  it('is uploaded while its packages are made, each content once', async () => {
    const level = randomBytes(6 * MiB).toString('base64');
    const build = await platform.build({ 'src/main.ts': 'console.info(1);', 'public/level.json': `"${level}"` });
    await runner.run(build);
    const outputs = await build.outputs();
    expect(outputs.map(({ role }) => role)).toContain('download');
    // The level, what is small of the site, and later the zip: all that is small would go with the word of success, were it not sent before.
    expect(build.outputRequests).toBe(3);
  });

  it('is sent whole to a platform that cannot say what it has', async () => {
    const level = randomBytes(2 * MiB).toString('base64');
    const build = await platform.build({ 'src/main.ts': 'console.info(3);', 'public/level.json': `"${level}"` });
    build.knowsMissing = false;
    await runner.run(build);
    expect((await build.outputs()).map(({ sha256: hash }) => hash)).toContain(sha256(`"${level}"`));
  });

  it('goes with the word of success where it is small', async () => {
    const build = await runner.run(await platform.build({ 'src/main.ts': 'console.info(2);' }));
    expect((await build.outputs()).length).toBeGreaterThan(2);
    expect(build.outputRequests).toBe(0);
  });
});

describe('what was uploaded ahead', () => {
  const { signal } = new AbortController();
  let dir: string;
  const site = (name: string): string => join(dir, 'site', name);
  const [first, second] = ['a', 'b'].map((letter) => letter.repeat(limits.build.batch.bytes + 1)) as [string, string];

  /** A platform that stores, or says why it does not. */
  const storing = (refuse?: Error): { platform: Platform; stored: Set<string> } => {
    const stored = new Set<string>();
    const platform = {
      missing: async (hashes: readonly string[]) => {
        if (refuse) throw refuse;
        return hashes.filter((hash) => !stored.has(hash));
      },
      putOutputs: async (contents: Parameters<Platform['putOutputs']>[0]) => {
        if (refuse) throw refuse;
        for (const { hash, bytes } of contents) {
          expect(sha256(bytes)).toBe(hash);
          stored.add(hash);
        }
      },
      putOutput: async ({ sha256: hash }: Parameters<Platform['putOutput']>[0]) => {
        if (refuse) throw refuse;
        stored.add(hash);
      },
    };
    return { platform: platform as unknown as Platform, stored };
  };

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kiln-ahead-'));
    await mkdir(join(dir, 'site'));
    await writeFile(site('index.html'), first);
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  it('is not uploaded again', async () => {
    const { platform, stored } = storing();
    const ahead = await uploadAhead(platform, dir, signal);
    expect([...ahead]).toEqual([sha256(first)]);
    expect(stored).toEqual(ahead);
    const told: number[] = [];
    const rest = await uploadOutputs(platform, await collectOutputs(dir, signal), ahead, signal, (done) =>
      told.push(done),
    );
    expect(rest).toEqual([]);
    expect(told.at(-1)).toBe(1);
  });

  it('[70] is not what is named, where a child has changed it since', async () => {
    const { platform, stored } = storing();
    const ahead = await uploadAhead(platform, dir, signal);
    await writeFile(site('index.html'), second);
    const outputs = await collectOutputs(dir, signal);
    expect(outputs.map((output) => output.sha256)).toEqual([sha256(second)]);
    await uploadOutputs(platform, outputs, ahead, signal, () => undefined);
    expect(stored).toContain(sha256(second));
  });

  it('is uploaded at the end where the platform was away', async () => {
    const away = storing(new Error('away'));
    const ahead = await uploadAhead(away.platform, dir, signal);
    expect(ahead.size).toBe(0);
    const { platform, stored } = storing();
    await uploadOutputs(platform, await collectOutputs(dir, signal), ahead, signal, () => undefined);
    expect([...stored]).toEqual([sha256(first)]);
  });

  it('is nothing where there is little', async () => {
    await writeFile(site('index.html'), 'x'.repeat(limits.build.batch.bytes));
    const { platform, stored } = storing();
    expect((await uploadAhead(platform, dir, signal)).size).toBe(0);
    expect(stored.size).toBe(0);
  });
});
