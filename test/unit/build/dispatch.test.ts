import { describe, expect, it } from 'vitest';
import { BuildOptions } from '../../../src/contract/builds.ts';
import { limits } from '../../../src/contract/limits.ts';
import type { Claim } from '../../../src/durable-objects/build/build.ts';
import { type DispatchDeps, dispatch } from '../../../src/queues/build-dispatch.ts';
import type { HandOver } from '../../../src/queues/runner.ts';

const claimOf = (id: string): Claim => ({
  buildId: id,
  projectId: 'p',
  projectName: 'P',
  attempt: 3,
  target: 'web',
  options: BuildOptions.parse({}),
  treeHash: 'a'.repeat(64),
  lockHash: null,
  timeout: 1000,
});

/** Dependencies that write down what is done with them. */
function fake(
  candidates: readonly { id: string; running: number }[],
  { taken = [], answer = 'taken', room = true }: { taken?: readonly string[]; answer?: HandOver; room?: boolean } = {},
): { deps: DispatchDeps; done: string[] } {
  const done: string[] = [];
  return {
    done,
    deps: {
      candidates: async () => candidates,
      hasRoom: async () => room,
      claim: async (id) => {
        done.push(`claim ${id}`);
        return taken.includes(id) ? null : claimOf(id);
      },
      handOver: async ({ buildId }) => {
        done.push(`hand over ${buildId}`);
        return answer;
      },
      release: async (id, attempt, busy) => {
        done.push(`release ${id} ${attempt} ${busy ? 'busy' : 'lost'}`);
      },
      log: () => undefined,
    },
  };
}

const full = limits.build.runningPerUser;

describe('dispatch', () => {
  it('starts the first candidate, claimed before it is handed over, and no second one', async () => {
    const { deps, done } = fake([
      { id: 'a', running: 0 },
      { id: 'b', running: 0 },
    ]);
    expect(await dispatch(deps)).toBe('started');
    expect(done).toEqual(['claim a', 'hand over a']);
  });

  it('passes over users who have as many running as they may', async () => {
    const { deps, done } = fake([
      { id: 'a', running: full },
      { id: 'b', running: full + 1 },
      { id: 'c', running: full - 1 },
    ]);
    expect(await dispatch(deps)).toBe('started');
    expect(done).toEqual(['claim c', 'hand over c']);
  });

  it('takes the next when somebody else was faster', async () => {
    const { deps, done } = fake(
      [
        { id: 'a', running: 0 },
        { id: 'b', running: 0 },
      ],
      { taken: ['a'] },
    );
    expect(await dispatch(deps)).toBe('started');
    expect(done).toEqual(['claim a', 'claim b', 'hand over b']);
  });

  it('gives the claim back and stops when the runner is busy: the next would find the same', async () => {
    const { deps, done } = fake(
      [
        { id: 'a', running: 0 },
        { id: 'b', running: 0 },
      ],
      { answer: 'busy' },
    );
    expect(await dispatch(deps)).toBe('busy');
    expect(done).toEqual(['claim a', 'hand over a', 'release a 3 busy']);
  });

  it('claims nothing while every place is taken', async () => {
    const { deps, done } = fake([{ id: 'a', running: 0 }], { room: false });
    expect(await dispatch(deps)).toBe('busy');
    expect(done).toEqual([]);
  });

  it('fences the attempt off when nobody knows whether the runner has it', async () => {
    const { deps, done } = fake([{ id: 'a', running: 0 }], { answer: 'lost' });
    expect(await dispatch(deps)).toBe('busy');
    expect(done).toEqual(['claim a', 'hand over a', 'release a 3 lost']);
  });

  it('is idle when nothing waits, and held when everybody is at their limit, or all are taken', async () => {
    expect(await dispatch(fake([]).deps)).toBe('idle');
    expect(await dispatch(fake([{ id: 'a', running: full }]).deps)).toBe('held');
    const { deps, done } = fake([{ id: 'a', running: 0 }], { taken: ['a'] });
    expect(await dispatch(deps)).toBe('held');
    expect(done).toEqual(['claim a']);
  });

  it('lets a failure to ask for builds through, so that the message comes again', async () => {
    const { deps } = fake([]);
    const broken: DispatchDeps = {
      ...deps,
      candidates: async () => {
        throw new Error('the database is away');
      },
    };
    await expect(dispatch(broken)).rejects.toThrow('the database is away');
  });

  it('is not held up by a build that cannot be asked', async () => {
    const { deps } = fake([
      { id: 'a', running: 0 },
      { id: 'b', running: 0 },
    ]);
    const broken: DispatchDeps = {
      ...deps,
      claim: async (id) => {
        if (id === 'a') throw new Error('the object is away');
        return await deps.claim(id);
      },
    };
    expect(await dispatch(broken)).toBe('started');
  });
});
