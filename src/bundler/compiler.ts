import wasmModule from 'esbuild-wasm/esbuild.wasm';
import { build, initialize } from 'esbuild-wasm/esm/browser.js';
import type { Compiler } from './bundle.ts';

let memory: WebAssembly.Memory | undefined;
let started: Promise<void> | undefined;

/** The package keeps its instance to itself; its memory is what an isolate has to be watched for. */
async function start(): Promise<void> {
  const { instantiate } = WebAssembly;
  const watched = async (module: WebAssembly.Module, imports?: WebAssembly.Imports): Promise<WebAssembly.Instance> => {
    const instance = await instantiate(module, imports);
    if (instance.exports.mem instanceof WebAssembly.Memory) memory = instance.exports.mem;
    return instance;
  };
  WebAssembly.instantiate = watched as typeof WebAssembly.instantiate;
  try {
    await initialize({ wasmModule, worker: false });
  } finally {
    WebAssembly.instantiate = instantiate;
  }
}

/** esbuild in WebAssembly, started with the first bundle of the isolate. */
export const compile: Compiler = async (options) => {
  started ??= start();
  await started;
  return await build(options);
};

/** Bytes of the compiler's memory; 0 before it was started. */
export const heapBytes = (): number => memory?.buffer.byteLength ?? 0;
