import { KilnError } from '../../contract/errors.ts';
import { newId } from '../../contract/ids.ts';
import { limits } from '../../contract/limits.ts';
import { canonicalJson } from '../../core/canonical-json.ts';
import { describeError, logEvent } from '../../core/log.ts';
import { sha256 } from '../../core/tree.ts';
import {
  type Claim,
  claimKey,
  earlierClaim,
  finishKey,
  type HeldKey,
  releaseKey,
  renewKey,
} from '../../data/idempotency.ts';
import type { AppContext } from './context.ts';

/** The key of a request, which its header says where nothing else does, and the hash of what it asks for; null without a key. */
function keyOf(c: AppContext, userId: string, body: unknown, key = c.req.header('idempotency-key')) {
  if (key === undefined) return null;
  if (key === '' || key.length > limits.http.idempotencyKeyMax)
    throw new KilnError('validation_failed', {
      issues: [{ path: 'header.idempotency-key', message: `1–${limits.http.idempotencyKeyMax} characters` }],
    });
  const requestHash = sha256(canonicalJson([c.req.method, c.req.path.replace('/api/v1/', '/api/'), body ?? null]));
  // The time of the claim, not of the request: a body may have been on its way for long.
  return { userId, key, requestHash, now: Date.now() };
}

/** The answer to a request that is not the first with its key. */
function repeated(claim: Exclude<Claim, { outcome: 'first' }>): Response {
  if (claim.outcome === 'other-request') throw new KilnError('idempotency_key_reused');
  if (claim.outcome === 'running')
    throw new KilnError('conflict', { detail: 'The first request with this key is still running.', retryAfter: 1 });
  return new Response(claim.body, {
    status: claim.status,
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'private, no-store',
      'idempotency-replayed': 'true',
    },
  });
}

/**
 * For work that is long and changes nothing until its end: the answer that the same request got before,
 * before the work; `idempotently` around the end decides. Null: there is none yet.
 */
export async function earlierAnswer(
  c: AppContext,
  userId: string,
  body: unknown,
  key?: string,
): Promise<Response | null> {
  const request = keyOf(c, userId, body, key);
  const claim = request && (await earlierClaim(c.var.db, request));
  // One that is running may still fail.
  return claim === null || claim.outcome === 'running' ? null : repeated(claim);
}

/** Until the function that it returns is called, says that the holder of a key still runs. */
function renewing(c: AppContext, held: HeldKey): () => void {
  const timer = setInterval(() => {
    renewKey(c.var.db, held, Date.now()).catch((error: unknown) =>
      logEvent('idempotency.not_renewed', describeError(error), 'warn'),
    );
  }, limits.http.idempotencyRenewal);
  return () => clearInterval(timer);
}

/**
 * Runs a request once per `Idempotency-Key` and replays its first answer for a day. Answers of the
 * 5xx kind are not kept: they promise that nothing was changed, so the same key may try again. Work that is
 * decided by one batch keeps its answer there, by `c.var.claimed`, and work of several batches its steps:
 * no crash comes between the two.
 */
export async function idempotently(
  c: AppContext,
  userId: string,
  body: unknown,
  respond: () => Promise<Response>,
  ownKey?: string,
): Promise<Response> {
  const request = keyOf(c, userId, body, ownKey);
  if (request === null) return await respond();
  const held = { userId, key: request.key, holder: newId() };
  const claim = await claimKey(c.var.db, { ...request, ...held });
  if (claim.outcome !== 'first') return repeated(claim);
  const { claimed } = c.var;
  claimed.keys.push(held);
  const stop = renewing(c, held);
  let response: Response;
  try {
    response = await respond();
  } catch (error) {
    await releaseKey(c.var.db, held);
    throw error;
  } finally {
    stop();
  }
  if (claimed.answered) return response;
  // Done is done: when its answer cannot be kept, the key stays taken rather than free for a second time.
  await finishKey(c.var.db, held, { status: response.status, body: await response.clone().text() }).catch(
    (error: unknown) => logEvent('idempotency.not_kept', describeError(error), 'error'),
  );
  return response;
}
