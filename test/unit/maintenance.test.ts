import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { limits } from '../../src/contract/limits.ts';
import { BackupName } from '../../src/contract/maintenance.ts';
import { dailyCron } from '../../src/core/crons.ts';
import { gunzip, gzip } from '../../src/core/gzip.ts';
import { tables } from '../../src/data/dump.ts';
import { backupKeys, copiedFrom, hashOf, isManifest, refs } from '../../src/data/objects.ts';
import { referencesOf, referringTables } from '../../src/data/references.ts';
import { backupName } from '../../src/durable-objects/maintenance/backup.ts';

describe('Maintenance', () => {
  it('runs at the hour that wrangler.toml names', () => {
    expect(readFileSync('wrangler.toml', 'utf8')).toContain(`"${dailyCron}"`);
  });

  it('has limits that fit together', () => {
    const { backup, gc, room } = limits;
    const day = 86_400_000;
    // Longer than the lease of a `blobs/missing` answer, and than a day between two runs.
    expect(gc.grace).toBeGreaterThan(day);
    expect(backup.insertBytes).toBeLessThan(2_000_000);
    expect(backup.chunkBytes).toBeLessThanOrEqual(backup.partBytes);
    expect(gc.confirmBatch * 70).toBeLessThan(32 * 1024 * 1024);
    // Each item of a step costs a handful of subrequests.
    expect(backup.stepItems * backup.alarmSteps * 3).toBeLessThan(1000);
    expect(room.chunk).toBeLessThan(2_000_000);
  });

  it('names backups so that names sort by time', () => {
    const [first, second] = [
      backupName(Date.UTC(2026, 8, 30, 23), 'ffffffff'),
      backupName(Date.UTC(2026, 9, 1), '00000000'),
    ];
    expect([second, first].sort()).toEqual([first, second]);
    expect(BackupName.safeParse(first).success).toBe(true);
    for (const bad of ['latest', '../x', `${first}/manifest.json`])
      expect(BackupName.safeParse(bad).success).toBe(false);
  });

  it('knows every table, each with a key', () => {
    expect(tables.length).toBeGreaterThan(20);
    for (const table of tables) {
      expect(table.key.length, table.name).toBeGreaterThan(0);
      for (const column of table.key) expect(Object.keys(table.columns), table.name).toContain(column);
    }
    for (const name of referringTables) expect(tables.map((table) => table.name)).toContain(name);
  });

  it('reads every column that names an object by its suffix, or says why it names none', () => {
    // Hashes of secrets and requests, of builds' inputs, and those that another row repeats.
    const innocent = new Set([
      'users.password_hash',
      'idempotency_keys.request_hash',
      'projects.tree_hash',
      'uploads.object_key',
      'uploads.hash',
      'asset_versions.hash',
      'refresh_tokens.hash',
      'api_keys.hash',
      'invites.hash',
      'oauth_flows.state_hash',
      'email_tokens.hash',
    ]);
    for (const { name, columns } of tables)
      for (const column of Object.keys(columns)) {
        if (!/(?:^|_)hash$|object_key$/.test(column) || innocent.has(`${name}.${column}`)) continue;
        const row = { id: 'x', status: 'success', artifacts: '[]', [column]: 'f'.repeat(64) };
        expect(
          referencesOf(name, row)
            .map(({ key }) => key)
            .join(),
          `${name}.${column}`,
        ).toContain('f'.repeat(64));
      }
  });

  it('tells objects apart by their keys, there and back', () => {
    const hash = 'a'.repeat(64);
    for (const ref of [refs.blob(hash), refs.tree(hash), refs.output(hash), refs.lock(hash), refs.site('b')])
      expect(copiedFrom(backupKeys.object(ref))).toEqual(ref);
    expect(copiedFrom(backupKeys.room(hash))).toBeNull();
    expect([refs.tree(hash), refs.site('b')].every(isManifest)).toBe(true);
    expect([refs.blob(hash), refs.output(hash), refs.lock(hash)].some(isManifest)).toBe(false);
    expect(hashOf(refs.blob(hash))).toBe(hash);
    expect(hashOf(refs.output(hash))).toBeNull();
  });

  it('compresses and reads back any text, and refuses what was cut', async () => {
    const text = `{"a":"ü🎮\\u2028"}\n`.repeat(1000);
    const data = await gzip(text);
    expect(data.length).toBeLessThan(text.length / 10);
    expect(await gunzip(data)).toBe(text);
    await expect(gunzip(data.subarray(0, data.length - 9))).rejects.toThrow();
  });
});
