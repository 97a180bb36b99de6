import { runInDurableObject } from 'cloudflare:test';
import { describe } from 'vitest';
import { newId } from '../../src/contract/ids.ts';
import { storageSql } from '../../src/durable-objects/sql.ts';
import { describeSql } from '../support/sql-contract.ts';
import { roomStub } from './support.ts';

describe('Storage of a Durable Object', () => {
  describeSql((work) => runInDurableObject(roomStub(newId()), (_room, state) => work(storageSql(state.storage))));
});
