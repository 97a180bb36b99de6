import * as z from 'zod';

export const Health = z.object({ status: z.literal('ok'), version: z.string() });

const part = z.object({ ok: z.boolean(), ms: z.number(), detail: z.string().optional() });

export const Readiness = z
  .object({
    status: z.enum(['ready', 'degraded', 'unready']).meta({
      description: 'degraded: a part is away without which everything else goes on, such as the bundler of previews',
    }),
    version: z.string(),
    checks: z
      .record(z.string(), part)
      .meta({ description: 'database, schema, storage, cache, accounts, rooms, queue, runner, bundler' }),
  })
  .meta({ id: 'Readiness' });
export type Readiness = z.infer<typeof Readiness>;
