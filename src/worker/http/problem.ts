import { errorSpec, KilnError } from '../../contract/errors.ts';
import type { Problem } from '../../contract/problem.ts';

/** Seconds to wait when an error is worth a retry and says nothing more exact. */
const defaultRetryAfter = 1;

/** The problem document of an error. What is not a KilnError answers `internal` and says nothing of itself. */
export function problemResponse(error: unknown, requestId: string, appOrigin: string): Response {
  const known = error instanceof KilnError ? error : new KilnError('internal');
  const { status, title, retryable } = errorSpec(known.code);
  const problem: Problem = {
    type: `${appOrigin}/docs/errors#${known.code}`,
    title,
    status,
    code: known.code,
    ...(known.detail !== undefined && { detail: known.detail }),
    requestId,
    ...(known.issues && { issues: known.issues.map(({ path, message }) => ({ path, message })) }),
  };
  const headers = new Headers({ 'content-type': 'application/problem+json', 'cache-control': 'no-store' });
  if (retryable && (status === 429 || status === 503))
    headers.set('retry-after', String(known.retryAfter ?? defaultRetryAfter));
  if (status === 401) headers.set('www-authenticate', 'Bearer realm="kiln"');
  return new Response(JSON.stringify(problem), { status, headers });
}
