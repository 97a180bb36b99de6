import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, it } from 'vitest';
import { createApp } from '../../src/worker/app.ts';
import { type Account, expectJson, expectProblem, makeWorld, origin, signUp, type World } from './support.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld({ 'index.html': '<p>hi</p>' });
});

const app = createApp();

/** The Worker with guards of which every use is counted, or which are away. */
function guarded(mode: 'counted' | 'away') {
  let asked = 0;
  const guards = {
    getByName: (name: string) => {
      asked += 1;
      if (mode === 'away') return { ask: () => Promise.reject(new Error('the network is gone')) };
      return env.ACCOUNT_GUARD.getByName(name);
    },
  };
  const changed = { ...env, ACCOUNT_GUARD: guards as unknown as Env['ACCOUNT_GUARD'] } as Env;
  return {
    asked: () => asked,
    read: async (as: Account): Promise<Response> => {
      const context = createExecutionContext();
      const request = new Request(`${origin}/api/projects/${world.projectId}/files/index.html`, {
        headers: { authorization: `Bearer ${as.token}` },
      });
      const response = await app.fetch(request, changed, context);
      await waitOnExecutionContext(context);
      return response;
    },
  };
}

describe('The guard on the way of a request', () => {
  it('is asked once in five seconds, however many requests there are', async () => {
    const { asked, read } = guarded('counted');
    const started = Date.now();
    for (let n = 0; n < 30; n += 1) await expectJson(await read(world.viewer), 200);
    const allowed = 1 + Math.ceil((Date.now() - started) / 3000);
    expect(asked()).toBeLessThanOrEqual(allowed);
  });

  it('lets nobody in whom it has not vouched for when it does not answer', async () => {
    const account = await signUp();
    expect(await expectProblem(await guarded('away').read(account), 503)).toBe('unavailable');
  });
});
