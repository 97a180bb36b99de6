import * as z from 'zod';
import { Sha256 } from './ids.ts';
import { limits } from './limits.ts';

/** Name of the list among the files of role `prebundle`. */
export const prebundleIndex = 'index.json';

/** Name of a file beside the list: what the bundler of a build calls what it makes. */
const FileName = z.string().regex(/^assets\/[\w.@-]{1,200}$/);

const PrebundleEntry = z.object({
  /** An ES module; absent for what is a stylesheet alone. */
  script: FileName.optional(),
  style: FileName.optional(),
  /** `value`: the module has one default export, which is what `require` of a CommonJS package gives. */
  format: z.enum(['module', 'value']),
  hasDefault: z.boolean(),
});
export type PrebundleEntry = z.infer<typeof PrebundleEntry>;

const names = <T extends z.ZodType>(value: T) =>
  z
    .record(z.string().min(1).max(limits.file.pathMax), value)
    .refine((all) => Object.keys(all).length <= limits.preview.packages, `at most ${limits.preview.packages}`);

/**
 * The packages of a game as modules that a browser loads: made by every build that succeeds, of what its sources
 * import, for previews to map their imports to. The list is written by the runner and checked by who reads it.
 */
export const Prebundle = z.object({
  v: z.literal(1),
  /** SHA-256 of the `package-lock.json` text of what was installed. */
  lock: Sha256.nullable(),
  /** What made it: another toolchain makes other files. */
  toolchain: z.string().max(limits.preview.toolchainMax),
  /** What `package.json` asked for by the names of the packages in `entries`, as far as it names them. */
  declared: names(z.string().max(limits.file.pathMax)),
  /** SHA-256 of the project's own lock file, where it brought one. */
  lockFile: Sha256.nullable(),
  /** By specifier, as sources write them. */
  entries: names(PrebundleEntry),
  /** Texts of the tsconfig files of packages that the project extends, by their path below the project. */
  configs: names(z.string().max(limits.preview.packageConfigBytes)),
});
export type Prebundle = z.infer<typeof Prebundle>;
