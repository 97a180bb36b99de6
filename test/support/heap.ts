import { devtools } from './devtools.ts';

/** What V8 holds, with array buffers; bytes (Chrome DevTools Protocol, Runtime.getHeapUsage). */
interface HeapUsage {
  readonly usedSize: number;
  readonly backingStorageSize?: number;
  readonly embedderHeapUsedSize?: number;
}

export interface HeapPeak {
  /** Bytes. */
  readonly peak: number;
  /** How often it was looked at. */
  readonly samples: number;
}

export interface HeapWatch {
  /** The highest sample since the last time, or the beginning. An isolate that has nothing to do is not looked at. */
  take(): HeapPeak;
  /** The same, and ends the watch. */
  stop(): Promise<HeapPeak>;
}

/** Milliseconds for the answer to the last one. */
const patience = 1000;

/**
 * Watches the memory of a Worker's isolate from now on. Garbage
 * is collected before each one: what counts is what cannot be freed, for the platform frees the rest when it
 * has to. `worker` is its name in Miniflare, `interval` the milliseconds between two samples.
 */
export async function watchHeap(inspector: string, worker = 'server', interval = 200): Promise<HeapWatch> {
  const { call, close } = await devtools(inspector, worker);
  await call('HeapProfiler.enable');
  let peak = 0;
  let samples = 0;
  let watching = true;
  const sample = async (): Promise<void> => {
    // Asked in one go: what the isolate throws away between two questions would be counted as held.
    const [, heap] = (await Promise.all([call('HeapProfiler.collectGarbage'), call('Runtime.getHeapUsage')])) as [
      unknown,
      HeapUsage,
    ];
    peak = Math.max(peak, heap.usedSize + (heap.backingStorageSize ?? 0) + (heap.embedderHeapUsedSize ?? 0));
    samples += 1;
  };
  const loop = (async () => {
    while (watching) {
      await sample();
      await new Promise((resolve) => setTimeout(resolve, interval));
    }
  })();
  const take = (): HeapPeak => {
    const taken = { peak, samples };
    peak = 0;
    samples = 0;
    return taken;
  };
  const stop = async (): Promise<HeapPeak> => {
    watching = false;
    // An isolate that has nothing to do may leave the last question open.
    await Promise.race([loop, new Promise((resolve) => setTimeout(resolve, patience))]);
    close();
    return take();
  };
  return { take, stop };
}
