import { WebSocket } from 'ws';

/** What V8 holds, with array buffers; bytes (Chrome DevTools Protocol, Runtime.getHeapUsage). */
interface HeapUsage {
  readonly usedSize: number;
  readonly backingStorageSize?: number;
  readonly embedderHeapUsedSize?: number;
}

/** Milliseconds between samples. */
const interval = 200;
/** Milliseconds for the answer to the last one. */
const patience = 1000;

/**
 * Watches the memory of the Worker's isolate from now until `stop`, which tells the highest sample. Garbage
 * is collected before each one: what counts is what cannot be freed, for the platform frees the rest when it
 * has to.
 */
export async function watchHeap(inspector: string): Promise<() => Promise<{ peak: number; samples: number }>> {
  const socket = new WebSocket(`${inspector.replace(/\/$/, '')}/core:user:server`, { perMessageDeflate: false });
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  let next = 0;
  const waiting = new Map<number, (result: unknown) => void>();
  socket.on('message', (data) => {
    const message = JSON.parse(String(data)) as { id?: number; result?: unknown };
    if (message.id !== undefined) waiting.get(message.id)?.(message.result);
  });
  const call = (method: string): Promise<unknown> => {
    next += 1;
    const id = next;
    socket.send(JSON.stringify({ id, method }));
    return new Promise((resolve) => waiting.set(id, resolve));
  };
  await call('HeapProfiler.enable');
  let peak = 0;
  let samples = 0;
  let watching = true;
  const sample = async (): Promise<void> => {
    await call('HeapProfiler.collectGarbage');
    const heap = (await call('Runtime.getHeapUsage')) as HeapUsage;
    peak = Math.max(peak, heap.usedSize + (heap.backingStorageSize ?? 0) + (heap.embedderHeapUsedSize ?? 0));
    samples += 1;
  };
  const loop = (async () => {
    while (watching) {
      await sample();
      await new Promise((resolve) => setTimeout(resolve, interval));
    }
  })();
  return async () => {
    watching = false;
    // An isolate that has nothing to do may leave the last question open.
    await Promise.race([loop, new Promise((resolve) => setTimeout(resolve, patience))]);
    socket.close();
    return { peak, samples };
  };
}
