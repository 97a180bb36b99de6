import { errorSpec, KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import type { Problem } from '../../contract/problem.ts';
import { second } from '../../contract/units.ts';

/** What the platform says of its own faults: a full or ailing disk below an object, a fault that it keeps to itself, R2's codes for "try again". */
const platformFault = /\bSQLITE_(?:FULL|IOERR|BUSY|CANTOPEN)|^internal error; reference = |\((?:10001|10043|10058)\)$/;

/**
 * Whether a store or an object was away for reasons that pass: it was reset, moved or overloaded
 * (developers.cloudflare.com, Durable Objects, "Error handling"), or the platform below it failed.
 */
const isPassing = (error: unknown): boolean =>
  error instanceof Error &&
  (('retryable' in error && error.retryable === true) ||
    ('overloaded' in error && error.overloaded === true) ||
    platformFault.test(error.message));

/** The typed error of whatever was thrown: what is not one already is `unavailable` where it passes, else `internal`. */
function typed(error: unknown): KilnError {
  if (error instanceof KilnError) return error;
  return new KilnError(isPassing(error) ? 'unavailable' : 'internal', { cause: error });
}

/** The problem document of an error. What is not a KilnError answers `internal` and says nothing of itself. */
export function problemResponse(error: unknown, requestId: string, appOrigin: string): Response {
  const known = typed(error);
  const { status, title, retryable } = errorSpec(known.code);
  const problem: Problem = {
    type: `${appOrigin}/docs/errors#${known.code}`,
    title,
    status,
    code: known.code,
    ...(known.detail !== undefined && { detail: known.detail }),
    requestId,
    ...(known.issues && { issues: known.issues.map(({ path, message }) => ({ path, message })) }),
    ...(known.quota && { quota: { used: known.quota.used, limit: known.quota.limit, left: known.quota.left } }),
  };
  const headers = new Headers({
    ...known.headers,
    'content-type': 'application/problem+json',
    'cache-control': 'no-store',
  });
  if (retryable && (status === 429 || status === 503))
    headers.set('retry-after', String(known.retryAfter ?? limits.http.retryAfter / second));
  if (status === 401) headers.set('www-authenticate', 'Bearer realm="kiln"');
  return new Response(JSON.stringify(problem), { status, headers });
}
