import { System, type SystemOptions } from '../../scripts/lib/system.ts';
import { freePort } from './ports.ts';

/** Children that nothing waits for would take the processor from what is tested. */
const noReserve = { RUNNER_RESERVE: '0' };

/** A system of a test's own on ports of its own: the Worker as it is deployed, without `wrangler dev` and, unless asked for, without previews. */
export const newSystem = async (options: Partial<SystemOptions> & Pick<SystemOptions, 'state'>): Promise<System> =>
  new System({
    port: await freePort(),
    runnerPort: await freePort(),
    host: 'miniflare',
    previews: false,
    ...options,
    runner: { ...noReserve, ...options.runner },
  });
