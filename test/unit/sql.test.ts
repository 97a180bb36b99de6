import { describe, expect, it } from 'vitest';
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
