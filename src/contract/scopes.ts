import * as z from 'zod';

/** What an API key may be allowed. A key never does more than its owner may. */
export const Scope = z.enum(['projects:read', 'projects:write', 'builds:read', 'builds:write']);
export type Scope = z.infer<typeof Scope>;
