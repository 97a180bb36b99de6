import { limits } from '../contract/limits.ts';
import type { BundleAnswer, BundleOrder } from '../contract/preview.ts';
import { bundle } from './bundle.ts';
import { compile, heapBytes } from './compiler.ts';

/** One at a time: the memory of the isolate is for one project. */
let last: Promise<unknown> = Promise.resolve();
let waiting = 0;

async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const before = last;
  const mine = (async () => {
    await before.catch(() => undefined);
    return await work();
  })();
  last = mine;
  return await mine;
}

/** Bundles the project that is sent with the request. Only the main Worker reaches this, by its service binding. */
export default {
  async fetch(request: Request): Promise<Response> {
    // That it is there; the compiler is not loaded for it.
    if (request.method === 'HEAD') return new Response(null, { status: 204 });
    if (request.method !== 'POST') return new Response(null, { status: 405 });
    if (waiting >= limits.preview.waiting) return new Response(null, { status: 503 });
    waiting += 1;
    try {
      const order = (await request.json()) as BundleOrder;
      const started = Date.now();
      const result = await inTurn(() => bundle(order, compile));
      return Response.json({ ...result, ms: Date.now() - started, heap: heapBytes() } satisfies BundleAnswer);
    } finally {
      waiting -= 1;
    }
  },
} satisfies ExportedHandler;
