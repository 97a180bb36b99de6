import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, symlinkSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { System } from '../../scripts/lib/system.ts';
import { KilnApiError, type KilnClient } from '../../src/client/index.ts';
import { signUp } from '../support/people.ts';
import { freePort } from '../support/ports.ts';

const volume = mkdtempSync(join(tmpdir(), 'kiln-full-'));
/** A file system of its own that is soon full. Only root may mount one, and not in every container. */
const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256m', 'tmpfs', volume]).status === 0;
if (!mounted) rmSync(volume, { recursive: true, force: true });

const ballast = join(volume, 'ballast');

/** Takes all the space there is. */
function fill(): void {
  const file = openSync(ballast, 'w');
  try {
    for (const size of [1 << 20, 1 << 12, 1]) {
      const block = Buffer.alloc(size, 1);
      try {
        for (;;) writeSync(file, block);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    }
  } finally {
    closeSync(file);
  }
  expect(statfsSync(volume).bavail).toBe(0);
}

describe.skipIf(!mounted)('fault 11: the disk is full', () => {
  let system: System;
  let ada: KilnClient;
  let projectId: string;

  const logs = mkdtempSync(join(tmpdir(), 'kiln-full-logs-'));

  beforeAll(async () => {
    // `wrangler dev` ends when it cannot write its log, and it is not what is tested.
    symlinkSync(logs, join(volume, 'logs'));
    system = new System({ port: await freePort(), runnerPort: await freePort(), state: volume });
    await system.start();
    ada = await signUp(system.origin, 'ada');
    projectId = (await ada.call('createProject', { body: { name: 'Kept' } })).project.id;
  });

  afterAll(async () => {
    await system?.kill();
    // Lazily: a process that was killed a moment ago may still hold a file.
    execFileSync('umount', ['-l', volume]);
    for (const folder of [volume, logs]) rmSync(folder, { recursive: true, force: true });
  });

  it('writes are refused with a typed error, and what was acknowledged is there when space is back', async () => {
    const kept = new Map<string, string>();
    /** Writes one file; null when that was acknowledged, else the refusal. */
    const write = async (n: number, size: number): Promise<KilnApiError | null> => {
      const [path, content] = [`f/${n}.txt`, `${n} `.repeat(size)];
      try {
        await ada.call('putFile', { params: { id: projectId, path }, body: { content } });
        kept.set(path, content);
        return null;
      } catch (error) {
        if (error instanceof KilnApiError) return error;
        throw error;
      }
    };
    for (let n = 0; n < 5; n += 1) expect(await write(n, 1000)).toBeNull();
    for (let round = 0; round < 2; round += 1) {
      fill();
      const refusals: KilnApiError[] = [];
      // A few pages may still fit into files that have them.
      for (let n = 100 * (round + 1); refusals.length < 10; n += 1) {
        const refusal = await write(n, 20_000);
        if (refusal) refusals.push(refusal);
      }
      refusals.push(
        ...(await Promise.all(
          [
            ada.call('createProject', { body: { name: 'x'.repeat(100) } }),
            signUp(system.origin, 'late'),
            ada.call('createFromTemplate', { params: { templateId: 'phaser-platformer' }, body: { name: 'y' } }),
          ].map((work) =>
            work.then(
              () => [],
              (error: unknown) => [error as KilnApiError],
            ),
          ),
        ).then((found) => found.flat())),
      );
      for (const { code, status, retryAfter } of refusals) {
        expect([code, status]).toEqual(['unavailable', 503]);
        expect(retryAfter).toBeGreaterThan(0);
      }
      unlinkSync(ballast);

      await system.ready();
      // The object may need a moment to come back with its storage.
      await expect.poll(() => write(99, 10), { timeout: 60_000, interval: 200 }).toBeNull();
      for (const [path, content] of kept)
        expect((await ada.call('getFile', { params: { id: projectId, path } })).file.content, path).toBe(content);
    }
    await system.kill();
    await system.start();
    for (const [path, content] of kept)
      expect((await ada.call('getFile', { params: { id: projectId, path } })).file.content, path).toBe(content);
    await ada.call('createProject', { body: { name: 'After' } });
  });
});
