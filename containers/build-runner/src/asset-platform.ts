import { openAsBlob } from 'node:fs';
import { AssetJob, type AssetOutcome, type AssetTicket } from '../../../src/contract/jobs.ts';
import { callerOf, postOf } from './platform.ts';
import { runnerLimits } from './runner-limits.ts';

/** What making an asset smaller needs of the platform. Every call ends with `Stopped('fenced')` once the token opens nothing any more. */
export interface AssetPlatform {
  /** Begins the attempt, and answers what it is. `execution` names this try of it. */
  start(execution: string, signal: AbortSignal): Promise<AssetJob>;
  /** Hands the bytes to `consume`, which is called anew for every retry. */
  source(signal: AbortSignal, consume: (body: AsyncIterable<Uint8Array>) => Promise<void>): Promise<void>;
  /** Hands in the bytes of a local file, which ends the attempt. */
  result(path: string, signal: AbortSignal): Promise<void>;
  /** Ends the attempt without. */
  end(outcome: AssetOutcome, signal: AbortSignal): Promise<void>;
}

const retries = runnerLimits.transferRetries;
const drop = async (response: Response): Promise<void> => void (await response.body?.cancel());

/** The platform over HTTP, opened by the token of one attempt. */
export const connectAssetPlatform = (baseUrl: URL, ticket: AssetTicket): AssetPlatform => {
  const call = callerOf(new URL(`api/runner/optimizations/${ticket.optimizationId}/`, baseUrl), ticket.token);
  return {
    start: (execution, signal) =>
      call('start', { signal, retries, init: postOf({ execution }) }, async (response) =>
        AssetJob.parse(await response.json()),
      ),

    source: (signal, consume) =>
      call('source', { signal, retries }, async (response) => {
        if (response.body === null) throw new Error('an asset without a body');
        await consume(response.body);
      }),

    result: (path, signal) =>
      call(
        'result',
        {
          signal,
          retries,
          init: async () => ({
            method: 'PUT',
            body: await openAsBlob(path),
            headers: { 'content-type': 'application/octet-stream' },
          }),
        },
        drop,
      ),

    end: (outcome, signal) => call('end', { signal, retries, init: postOf(outcome) }, drop),
  };
};
