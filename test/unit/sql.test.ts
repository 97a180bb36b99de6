import { describe, expect, it } from 'vitest';
import { revocable } from '../../src/durable-objects/sql.ts';
import { describeSql } from '../support/sql-contract.ts';
import { NodeSql } from './support/node-sql.ts';

describe('Storage in memory', () => {
  describeSql(async (work) => await work(new NodeSql()));

  it('is as strict as production: no nesting, no value over 2 MB, no hundred-and-first parameter, no other types', () => {
    const sql = new NodeSql();
    expect(() => sql.transaction(() => sql.transaction(() => undefined))).toThrow('do not nest');
    expect(sql.inTransaction).toBe(false);
    expect(() => sql.all('SELECT ?', 'x'.repeat(2_000_001))).toThrow('TOOBIG');
    expect(() => sql.all('SELECT ?', new Uint8Array(2_000_001))).toThrow('TOOBIG');
    expect(() => sql.all('SELECT 1', ...Array<number>(101).fill(1))).toThrow('too many');
    expect(() => sql.all('SELECT ?', true as unknown as number)).toThrow(TypeError);
  });
});

describe('[R26] Storage that can be taken away', () => {
  describeSql(async (work) => await work(revocable(new NodeSql()).sql));

  it('is of no use afterwards to who had it, also in a transaction that is to come, and is there for others', () => {
    const storage = new NodeSql();
    storage.run('CREATE TABLE t (x)');
    const { sql, revoke } = revocable(storage);
    sql.run('INSERT INTO t VALUES (1)');
    revoke();
    for (const use of [
      () => sql.run('INSERT INTO t VALUES (2)'),
      () => sql.all('SELECT * FROM t'),
      () => sql.transaction(() => storage.run('INSERT INTO t VALUES (3)')),
    ])
      expect(use).toThrow(expect.objectContaining({ code: 'unavailable' }));
    expect(storage.all('SELECT x FROM t')).toEqual([{ x: 1 }]);
  });
});
