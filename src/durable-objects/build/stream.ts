import type { Build, BuildLogLine } from '../../contract/builds.ts';
import { limits } from '../../contract/limits.ts';
import { hasEnded } from '../../core/build-lifecycle.ts';
import { concat } from '../../core/bytes.ts';

const encoder = new TextEncoder();
const frame = (event: string, data: unknown, id?: number): Uint8Array =>
  encoder.encode(`${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);

/** What is followed: a build, or what was kept of one. */
export interface LogSource {
  /** Lines after `since`, oldest first. */
  logs(since: number, limit: number): readonly BuildLogLine[];
  /** Resolves at the next change. */
  changed(): Promise<void>;
}

/** The lines of a log that was kept, which do not change any more. */
export function keptLog(text: string): LogSource {
  const lines = text.split('\n').filter(Boolean);
  return {
    // Numbers start at 1 and none is left out.
    logs: (since, limit) => lines.slice(since, since + limit).map((line) => JSON.parse(line) as BuildLogLine),
    changed: () => new Promise(() => undefined),
  };
}

/**
 * The log as server-sent events, from after `since` to the end of the build. Lines are read when the
 * reader takes them, so a slow one costs nothing and a fast one gets everything.
 */
export function logStream(core: LogSource, since: number, show: () => Build): ReadableStream<Uint8Array> {
  let last = since;
  let shown = '';
  let open = true;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        while (open) {
          const lines = core.logs(last, limits.build.streamLines);
          if (lines.length) {
            controller.enqueue(concat(lines.map((line) => frame('log', line, line.seq))));
            last = lines.at(-1)?.seq ?? last;
            return;
          }
          const build = show();
          const status = JSON.stringify([build.status, build.progress, build.step, build.attempt]);
          if (status !== shown) {
            shown = status;
            controller.enqueue(frame('status', { build }));
            return;
          }
          if (hasEnded(build.status)) {
            controller.enqueue(frame('done', { status: build.status }));
            controller.close();
            return;
          }
          if (
            (await Promise.race([core.changed().then(() => 'changed'), pause(limits.build.streamPing)])) === undefined
          ) {
            controller.enqueue(encoder.encode(': waiting\n\n'));
            return;
          }
        }
      },
      cancel() {
        open = false;
      },
    },
    { highWaterMark: 1 },
  );
}

const pause = (ms: number): Promise<undefined> => new Promise((resolve) => setTimeout(() => resolve(undefined), ms));
