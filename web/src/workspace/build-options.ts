import * as z from 'zod';
import { type Build, BuildOptions, BuildTarget } from '../../../src/contract/builds.ts';

/** A constant of the form. Its place says which it is: names may be there twice while somebody writes. */
export interface Constant {
  readonly key: number;
  readonly name: string;
  readonly value: string;
}

/** What the dialog asks, as it is shown there. */
export interface BuildForm {
  readonly target: BuildTarget;
  /** Empty: found by itself. */
  readonly entry: string;
  readonly minify: boolean;
  readonly sourcemap: boolean;
  readonly typecheck: boolean;
  readonly optimizeAssets: boolean;
  readonly compressMeshes: boolean;
  readonly offline: boolean;
  readonly constants: readonly Constant[];
}

/** What is built for what, as the API takes it. */
export interface BuildOrder {
  readonly target: BuildTarget;
  readonly options: BuildOptions;
}

const Stored = z.object({ target: BuildTarget.default('web'), options: BuildOptions.prefault({}) });

let lastKey = 0;
export const newConstant = (name = '', value = ''): Constant => ({ key: ++lastKey, name, value });

export const formOf = ({ target, options }: BuildOrder | Pick<Build, 'target' | 'options'>): BuildForm => ({
  target,
  entry: options.entry ?? '',
  minify: options.minify,
  sourcemap: options.sourcemap,
  typecheck: options.typecheck,
  optimizeAssets: options.optimizeAssets,
  compressMeshes: options.compressMeshes ?? false,
  offline: options.offline ?? false,
  constants: Object.entries(options.define).map(([name, value]) => newConstant(name, value)),
});

/** A form as it is where nobody has chosen anything. */
export const plainForm = (): BuildForm => formOf(Stored.parse({}));

/** Leaves out what means nothing for the target or without another option. A row that was left empty is none. */
export const orderOf = (form: BuildForm): BuildOrder => {
  const { target, entry, minify, sourcemap, typecheck, optimizeAssets, compressMeshes, offline, constants } = form;
  const path = entry.trim();
  return {
    target,
    options: {
      ...(path !== '' && { entry: path }),
      minify,
      sourcemap,
      typecheck,
      optimizeAssets,
      ...(optimizeAssets && compressMeshes && { compressMeshes }),
      ...(target === 'web' && offline && { offline }),
      define: Object.fromEntries(
        constants.filter((constant) => !isEmpty(constant)).map(({ name, value }) => [name.trim(), value.trim()]),
      ),
    },
  };
};

/** Whether the dialog shows what it would where nobody has chosen anything. */
export const isPlain = (form: BuildForm): boolean =>
  JSON.stringify(orderOf(form)) === JSON.stringify(orderOf(plainForm()));

/** How many of the options that are folded away are not as they are by themselves. */
export const countAdvanced = (form: BuildForm): number => {
  const plain = plainForm();
  const { entry, define } = orderOf(form).options;
  return (
    Number(entry !== undefined) +
    Number(form.minify !== plain.minify) +
    Number(form.sourcemap !== plain.sourcemap) +
    Object.keys(define).length
  );
};

const isEmpty = ({ name, value }: Constant): boolean => name.trim() === '' && value.trim() === '';

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

/** What a value is to the bundler: a literal, the name of something, or nothing that it takes. */
export const kindOf = (value: string): 'literal' | 'name' | undefined => {
  const text = value.trim();
  if (isJson(text) || text === 'undefined' || /^'(?:[^'\\\n]|\\.)*'$/.test(text)) return 'literal';
  return /^[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)*$/.test(text) ? 'name' : undefined;
};

/** What is wrong with rows of constants that the API would not see, as an object has each name once; by their `key`. */
export const constantFaults = (constants: readonly Constant[]): ReadonlyMap<number, string> => {
  const faults = new Map<number, string>();
  const seen = new Set<string>();
  for (const constant of constants) {
    const name = constant.name.trim();
    if (isEmpty(constant)) continue;
    if (name === '') faults.set(constant.key, 'It has no name.');
    else if (seen.has(name)) faults.set(constant.key, 'That name is there twice.');
    else if (kindOf(constant.value) === undefined)
      faults.set(
        constant.key,
        constant.value.trim() === ''
          ? 'It has no value: "" is an empty text.'
          : `Not a value: a text stands in quotes, ${JSON.stringify(constant.value.trim().slice(0, 20))}.`,
      );
    seen.add(name);
  }
  return faults;
};

const keyOf = (projectId: string): string => `kiln.build.${projectId}`;

/** What was built last with the dialog in this browser; plain where that is nothing that can be read. */
export const rememberedForm = (projectId: string): BuildForm => {
  try {
    return formOf(Stored.parse(JSON.parse(localStorage.getItem(keyOf(projectId)) ?? '{}')));
  } catch {
    return plainForm();
  }
};

/** Keeps also what the target has no use for: it is there again with the other one. */
export const rememberForm = (projectId: string, form: BuildForm): void => {
  const { offline, compressMeshes } = form;
  const { target, options } = orderOf(form);
  try {
    if (isPlain(form) && !offline && !compressMeshes) localStorage.removeItem(keyOf(projectId));
    else
      localStorage.setItem(
        keyOf(projectId),
        JSON.stringify({ target, options: { ...options, offline, compressMeshes } }),
      );
  } catch {
    // A browser that keeps nothing asks anew the next time.
  }
};
