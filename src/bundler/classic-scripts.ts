import type { BuildOptions, BuildResult, Message } from 'esbuild-wasm';
import type { ClassicScript } from '../core/game/page-mistakes.ts';
import { type Telling, type Told, tell } from '../core/game/tell.ts';

/** A classic script with its text. */
export interface ClassicSource extends ClassicScript {
  readonly text: string;
}

/**
 * What is wrong with the classic scripts of a page. They are served as they are, so nothing but this would say that one cannot be
 * read at all, or is a module, of which a browser runs not a line.
 */
export async function classicMistakes(
  compile: (options: BuildOptions) => Promise<BuildResult>,
  scripts: readonly ClassicSource[],
  telling: Pick<Telling, 'paths' | 'packages'>,
): Promise<readonly Told[]> {
  if (scripts.length === 0) return [];
  const scriptOf = (file: string): ClassicSource | undefined => scripts[Number(/^classic:(\d+)$/.exec(file)?.[1])];
  const settings: BuildOptions = {
    entryPoints: scripts.map((_, index) => ({ in: `classic:${index}`, out: String(index) })),
    outdir: '/classic',
    absWorkingDir: '/',
    write: false,
    metafile: true,
    logLevel: 'silent',
    plugins: [
      {
        name: 'kiln-classic',
        setup: (build) => {
          build.onResolve({ filter: /^classic:\d+$/ }, ({ path }) => ({ path: path.slice(8), namespace: 'classic' }));
          build.onLoad({ filter: /.*/, namespace: 'classic' }, ({ path }) => ({
            contents: scripts[Number(path)]?.text ?? '',
            loader: 'js',
          }));
        },
      },
    ],
  };
  try {
    const { metafile } = await compile(settings);
    return Object.entries(metafile?.inputs ?? {}).flatMap(([input, { format }]) => {
      const script = scriptOf(input);
      return script && format === 'esm' ? [script.asModule] : [];
    });
  } catch (error) {
    if (!(error instanceof Error && 'errors' in error)) throw error;
    return (error.errors as Message[]).map((message) =>
      tell(message, {
        ...telling,
        inline: scriptOf(message.location?.file ?? '')?.inline,
        nameOf: (file) => scriptOf(file)?.path,
      }),
    );
  }
}
