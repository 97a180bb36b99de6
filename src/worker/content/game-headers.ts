import type { AppContext } from '../http/context.ts';

/** What every answer of an origin with a game has. */
export const gameHeaders = (c: AppContext): Record<string, string> => ({
  'content-security-policy': `frame-ancestors 'self' ${c.var.config.appOrigin}; base-uri 'self'; object-src 'none'`,
  'cross-origin-resource-policy': 'cross-origin',
  // Without it two games that set the same `document.domain` were one origin.
  'origin-agent-cluster': '?1',
  'referrer-policy': 'no-referrer',
});
