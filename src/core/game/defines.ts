const env = { MODE: 'production', PROD: true, DEV: false, SSR: false, BASE_URL: './' };

/** Names that every source may use, with what stands for them, as esbuild's `define` takes them. */
export const gameDefines: Readonly<Record<string, string>> = {
  'process.env.NODE_ENV': '"production"',
  'import.meta.hot': 'undefined',
  'import.meta.env': JSON.stringify(env),
  ...Object.fromEntries(Object.entries(env).map(([name, value]) => [`import.meta.env.${name}`, JSON.stringify(value)])),
};

/** What browsers understand that games are made for: class fields, top-level await. All evergreen ones since 2021–2023. */
export const browserTarget = 'es2022';
