import type { AppContext } from './context.ts';

/** Continents of `request.cf` → location hints (developers.cloudflare.com, Durable Objects, "Data location"). */
const hints: Readonly<Record<string, DurableObjectLocationHint>> = {
  AF: 'afr',
  AS: 'apac',
  EU: 'weur',
  NA: 'enam',
  OC: 'oc',
  SA: 'sam',
};

/** Where a room should live that is made for this request: near its first user. Later hints have no effect. */
export function continentHint(c: AppContext): DurableObjectLocationHint | undefined {
  const cf = c.req.raw.cf as { continent?: string } | undefined;
  return cf?.continent === undefined ? undefined : hints[cf.continent];
}
