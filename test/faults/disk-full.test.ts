import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  statfsSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { System } from '../../scripts/lib/system.ts';
import { KilnApiError, type KilnClient } from '../../src/client/index.ts';
import { signUp, until } from '../support/people.ts';
import { newSystem } from '../support/system.ts';

const volume = mkdtempSync(join(tmpdir(), 'kiln-full-'));
const ballast = (folder: string): string => join(folder, 'ballast');

/** A file system of its own that is soon full. Only root may mount one, and not in every container. */
function mount(folder: string): boolean {
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256m', 'tmpfs', folder], {
    encoding: 'utf8',
  });
  if (status !== 0) process.stderr.write(`Fault 11 is not tested, for no small disk can be mounted: ${stderr}\n`);
  return status === 0;
}

// Lazily: a process that was killed a moment ago may still hold a file.
const unmount = (folder: string): unknown => execFileSync('umount', ['-l', folder]);

const mounted = mount(volume);
if (mounted) unmount(volume);
else rmSync(volume, { recursive: true, force: true });

/** Takes all the space there is. */
function fill(folder: string): void {
  const file = openSync(ballast(folder), 'w');
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
  expect(statfsSync(folder).bavail).toBe(0);
}

describe.skipIf(!mounted)('fault 11: the disk is full', () => {
  let system: System;
  let ada: KilnClient;
  let projectId: string;

  const logs = mkdtempSync(join(tmpdir(), 'kiln-full-logs-'));

  beforeAll(async () => {
    mount(volume);
    // `wrangler dev` ends when it cannot write its log, and it is not what is tested.
    symlinkSync(logs, join(volume, 'logs'));
    system = await newSystem({ state: volume });
    await system.start();
    ada = await signUp(system.origin, 'ada');
    projectId = (await ada.call('createProject', { body: { name: 'Kept' } })).project.id;
  });

  afterAll(async () => {
    await system?.kill();
    unmount(volume);
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
      fill(volume);
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
      unlinkSync(ballast(volume));

      await system.ready();
      // The object may need a moment to come back with its storage.
      await expect.poll(() => write(99, 10), { interval: 200 }).toBeNull();
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

describe.skipIf(!mounted)('fault 11: the disk of PostgreSQL is full', () => {
  const state = mkdtempSync(join(tmpdir(), 'kiln-full-postgres-'));
  const disk = join(state, 'postgres');
  let system: System;
  let ada: KilnClient;
  /** Settings of the projects that were acknowledged. */
  const kept = new Map<string, unknown>();

  beforeAll(async () => {
    mkdirSync(disk);
    mount(disk);
    system = await newSystem({ state, db: 'postgres' });
    await system.start();
    ada = await signUp(system.origin, 'ada');
  });

  afterAll(async () => {
    await system?.kill();
    unmount(disk);
    rmSync(state, { recursive: true, force: true });
  });

  /** Makes a project whose row takes pages of its own; null when that was acknowledged, else the refusal. */
  async function make(): Promise<KilnApiError | null> {
    // PostgreSQL cannot compress it.
    const settings = { noise: randomBytes(30_000).toString('base64') };
    try {
      const { project } = await ada.call('createProject', { body: { name: 'Large', settings } });
      kept.set(project.id, settings);
      return null;
    } catch (error) {
      if (error instanceof KilnApiError) return error;
      throw error;
    }
  }

  async function expectAll(): Promise<void> {
    for (const [id, settings] of kept)
      expect((await ada.call('getProject', { params: { id } })).project.settings, id).toEqual(settings);
  }

  const expectAway = ({ code, status, retryAfter }: KilnApiError): void => {
    expect([code, status]).toEqual(['unavailable', 503]);
    expect(retryAfter).toBeGreaterThan(0);
  };

  it('for rows: writes are refused with a typed error, reads go on, and so does everything when space is back', async () => {
    for (let n = 0; n < 5; n += 1) expect(await make()).toBeNull();
    for (let round = 0; round < 2; round += 1) {
      fill(disk);
      for (let refusals = 0; refusals < 10; ) {
        const refusal = await make();
        if (!refusal) continue;
        expectAway(refusal);
        refusals += 1;
      }
      await expectAll();
      unlinkSync(ballast(disk));
      expect(await make()).toBeNull();
      await system.ready();
      await expectAll();
    }
  });

  it('for its log: it ends rather than promise what it cannot keep; started again with space, it has all that was acknowledged', async () => {
    fill(disk);
    const client = new Client({ connectionString: system.databaseUrl ?? '' });
    client.on('error', () => undefined);
    await client.connect();
    // Log without rows, until it needs a file more.
    const flood = async (): Promise<never> => {
      for (;;) await client.query("SELECT pg_logical_emit_message(true, 'flood', repeat('x', 500000))");
    };
    await expect(flood()).rejects.toThrow();
    const refusal = await make();
    if (!refusal) throw new Error('it was acknowledged');
    expectAway(refusal);
    const ready = await fetch(`${system.address}/health/ready`);
    expect(await ready.json()).toMatchObject({ status: 'unready', checks: { database: { ok: false } } });

    // Without space its recovery does not succeed either.
    await until(() => !system.postgres?.running);
    unlinkSync(ballast(disk));
    // As whatever watches over a server does.
    await system.postgres?.start();
    await system.ready();
    await expectAll();
    expect(await make()).toBeNull();
    await expectAll();
  });
});
