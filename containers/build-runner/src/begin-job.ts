import { newId } from '../../../src/contract/ids.ts';
import type { Job, JobTicket } from '../../../src/contract/jobs.ts';
import { Stopped } from './failure.ts';
import type { JobEnd } from './jobs.ts';
import { describeError, log } from './log.ts';
import type { Platform } from './platform.ts';

/**
 * Takes over the attempt of a ticket that was pulled. The platform gives each attempt to one execution only, so a
 * ticket that is delivered twice is `over` for the second. `again`: the platform could not be asked.
 */
export const beginJob = async (ticket: JobTicket, platform: Platform, signal: AbortSignal): Promise<Job | JobEnd> => {
  const { buildId, attempt, token } = ticket;
  try {
    return { ...(await platform.start(attempt, newId(), signal)), token };
  } catch (error) {
    const over = error instanceof Stopped && error.reason === 'fenced';
    log(over ? 'info' : 'warn', 'job.not_begun', { buildId, attempt, again: !over, error: describeError(error) });
    return over ? 'over' : 'again';
  }
};
