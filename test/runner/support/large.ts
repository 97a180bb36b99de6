import type { Files } from './fake-platform.ts';

const names = Array.from({ length: 50 }, (_, n) => `a${n}`);

/** A module with so many expressions, of which compilers make some thirty times as many bytes of syntax tree. */
const dense = (terms: number): string => {
  const text = Array.from({ length: terms }, (_, n) => `(${names[n % 50]} + ${n}) * f(${n}, x.y${n})`).join(',\n');
  return `declare const f: (a: number, b: unknown) => number, x: any, ${names.map((name) => `${name}: number`).join(', ')};
export const big = [${text}];
console.info(big);`;
};

/**
 * A project of so many modules of 0.8 MB each: a hundred are seconds of work for any compiler. Larger ones would be read by the child
 * itself, which is not what is to be large here.
 */
export const largeProject = (modules: number): Files => {
  const text = dense(25_000);
  const paths = Array.from({ length: modules }, (_, n) => `m${n}.ts`);
  return {
    'src/main.ts': paths.map((path) => `import './${path}';`).join('\n'),
    // Each differs, so that none is fetched or parsed in place of another.
    ...Object.fromEntries(paths.map((path) => [`src/${path}`, `${text}\nconsole.info('${path}');`])),
  };
};
