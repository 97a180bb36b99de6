import * as z from 'zod';
import { Id, Sha256, Timestamp } from './ids.ts';
import { limits } from './limits.ts';
import { Prebundle } from './prebundle.ts';

export const PreviewProblem = z
  .object({
    message: z.string(),
    file: z.string().optional(),
    line: z.int().optional().meta({ description: 'From 1' }),
    column: z.int().optional().meta({ description: 'From 0, in UTF-16 units, as editors and JavaScript count' }),
  })
  .meta({ id: 'PreviewProblem' });
export type PreviewProblem = z.infer<typeof PreviewProblem>;

/**
 * Why there is nothing to play. `needs_packages`: the next build prepares them, and then there is. `needs_build` and
 * `too_large` are for a build, which has what a preview has not. `no_runner`: a project of this size needs one, and none
 * answered; the same question may be answered the next time.
 */
export const PreviewReason = z.enum(['errors', 'needs_packages', 'needs_build', 'too_large', 'no_runner']);
export type PreviewReason = z.infer<typeof PreviewReason>;

export const Preview = z
  .object({
    projectId: Id,
    ready: z.boolean(),
    reason: PreviewReason.nullable().meta({
      description:
        'Why it is not ready. `errors`: see `problems`. `needs_packages`: build once, then the preview has them. ' +
        '`needs_build`, `too_large`: make a build, which can do that. `no_runner`: it is too large for the edge, and no ' +
        'build runner answered; ask again',
    }),
    problems: z.array(PreviewProblem),
    warnings: z.array(PreviewProblem).max(limits.preview.problems).meta({
      description:
        'What a build of these sources would warn of, where it is ready. Nothing that keeps it from being played',
    }),
    bundledBy: z.enum(['edge', 'runner']).meta({
      description: 'Where: at the edge, or by a build runner, which takes larger projects and a moment longer',
    }),
    sourceHash: Sha256.meta({ description: 'Of what is shown: the same sources, the same preview' }),
    url: z.string().meta({ description: 'Signed: opens the newest state in the browser that follows it' }),
    expiresAt: Timestamp,
  })
  .meta({ id: 'Preview' });
export type Preview = z.infer<typeof Preview>;

export const PreviewEnvelope = z.object({ preview: Preview });

/** What the bundler is given: every path of the project, and the text of each source. */
export interface BundleOrder {
  readonly paths: readonly string[];
  readonly sources: Readonly<Record<string, string>>;
  /** Packages that are ready: `base` is their folder in the site. */
  readonly packages?: Pick<Prebundle, 'entries' | 'configs'> & { readonly base: string };
  /** The whole page; or one file that the page starts as a worker. */
  readonly want: { readonly kind: 'page'; readonly title: string } | { readonly kind: 'worker'; readonly path: string };
}

export interface BundledFile {
  /** Relative to the site. */
  readonly path: string;
  readonly mimeType: string;
  readonly text: string;
}

export type BundleResult =
  | { readonly ok: true; readonly files: readonly BundledFile[]; readonly warnings: readonly PreviewProblem[] }
  | { readonly ok: false; readonly reason: PreviewReason; readonly problems: readonly PreviewProblem[] };

/** What a build runner answers at `POST {runner}/previews`: believed no more than anything else that it says. */
export const RunnerBundle: z.ZodType<BundleResult> = z.discriminatedUnion('ok', [
  z.object({
    ok: z.literal(true),
    files: z
      .array(
        z.object({
          path: z.string().min(1).max(limits.file.pathMax),
          mimeType: z.enum(['text/javascript; charset=utf-8', 'text/css; charset=utf-8', 'text/html; charset=utf-8']),
          text: z.string(),
        }),
      )
      .max(limits.build.outputFiles),
    // A runner of the release before says none, and goes on bundling while it is replaced.
    warnings: z.array(PreviewProblem).max(limits.preview.problems).default([]),
  }),
  z.object({
    ok: z.literal(false),
    reason: PreviewReason,
    problems: z.array(PreviewProblem).max(limits.preview.problems),
  }),
]);

/** What a build runner is given. Only text is looked at, so the order needs no more of a shape. */
export const RunnerOrder = z.object({
  paths: z.array(z.string()).max(limits.project.filesMax * 2),
  sources: z.record(z.string(), z.string()),
  want: z.union([
    z.object({ kind: z.literal('page'), title: z.string() }),
    z.object({ kind: z.literal('worker'), path: z.string() }),
  ]),
  packages: Prebundle.pick({ entries: true, configs: true }).extend({ base: z.string() }).optional(),
});

export type BundleAnswer = BundleResult & {
  /** Milliseconds in the bundler. */
  readonly ms: number;
  /** Bytes of the compiler's memory, which only ever grows. */
  readonly heap: number;
};
