/** The browser's build of the package, which workerd runs; its types are those of the package. */
declare module 'esbuild-wasm/esm/browser.js' {
  export { build, initialize } from 'esbuild-wasm';
}

declare module 'esbuild-wasm/esbuild.wasm' {
  const module: WebAssembly.Module;
  export default module;
}
