import { computed, signal } from '@preact/signals';
import { type KilnClient, watchBuild } from '../../../src/client/index.ts';
import type { Build, BuildLogLine, BuildTarget } from '../../../src/contract/builds.ts';
import { newId } from '../../../src/contract/ids.ts';
import { limits } from '../../../src/contract/limits.ts';
import { attempt, toast, toastError } from '../state/toasts.ts';

/** What somebody chose for a build; the rest is as the API has it. */
export interface BuildChoices {
  readonly target?: BuildTarget;
  readonly typecheck?: boolean;
  readonly optimizeAssets?: boolean;
  readonly offline?: boolean;
}

export const isRunning = (build: Build | undefined): boolean =>
  build?.status === 'queued' || build?.status === 'building';

/** The builds of a project, the one that is looked at with its log, and the one that is played. */
export class Builds {
  readonly list = signal<readonly Build[]>([]);
  readonly current = signal<Build | undefined>(undefined);
  readonly lines = signal<readonly BuildLogLine[]>([]);
  readonly dropped = signal(0);
  readonly starting = signal(false);
  readonly playing = signal<Build | undefined>(undefined);
  readonly busy = computed(() => this.starting.value || isRunning(this.current.value));
  /** What the build that is looked at says of a place in a file, by path. */
  readonly problems = computed<ReadonlyMap<string, readonly BuildLogLine[]>>(() => {
    const found = this.lines.value.filter(
      ({ level, line }) => line !== undefined && level !== 'debug' && level !== 'info',
    );
    return Map.groupBy(found, ({ file }) => file ?? '');
  });
  /** The newest build that can be played. */
  readonly playable = computed(() =>
    this.list.value.find((build) => build.status === 'success' && build.playUrl !== null),
  );

  readonly #client: KilnClient;
  readonly #projectId: string;
  #watch: AbortController | undefined;
  #pending: BuildLogLine[] = [];
  #frame: number | undefined;

  constructor(client: KilnClient, projectId: string) {
    this.#client = client;
    this.#projectId = projectId;
  }

  async load(): Promise<void> {
    const { builds } = await this.#client.call('listBuilds', {
      params: { id: this.#projectId },
      query: { limit: limits.workspace.page },
    });
    this.list.value = builds;
    const newest = builds[0];
    if (this.current.value === undefined && newest !== undefined) this.select(newest);
  }

  /** Builds the newest state, or that of a checkpoint, and plays it; with `typecheck` only when its types are right. */
  async start(checkpointId?: string, { target = 'web', ...options }: BuildChoices = {}): Promise<void> {
    if (this.busy.value) return;
    this.starting.value = true;
    await attempt(async () => {
      const { build } = await this.#client.call('createBuild', {
        body: { projectId: this.#projectId, target, options, ...(checkpointId !== undefined && { checkpointId }) },
        idempotencyKey: newId(),
      });
      if (build.cached)
        toast({ kind: 'info', title: 'Nothing has changed', detail: 'This is the build you already had.' });
      this.select(build, true);
    });
    this.starting.value = false;
  }

  async retry(build: Build): Promise<void> {
    await attempt(async () =>
      this.select((await this.#client.call('retryBuild', { params: { id: build.id } })).build, true),
    );
  }

  async cancel(build: Build): Promise<void> {
    await attempt(async () => this.#client.call('deleteBuild', { params: { id: build.id } }));
  }

  play(build: Build): void {
    this.playing.value = build;
  }

  /** Shows a build and follows it; `thenPlay` starts it when it succeeds. */
  select(build: Build, thenPlay = false): void {
    this.#watch?.abort();
    const aborter = new AbortController();
    this.#watch = aborter;
    this.#pending = [];
    this.lines.value = [];
    this.dropped.value = 0;
    this.#update(build);
    if (thenPlay && build.status === 'success') this.play(build);
    const handlers = {
      log: (line: BuildLogLine) => this.#append(line),
      status: (changed: Build) => {
        // The log of a build that came from the cache is that of the build it repeats.
        if (changed.id !== build.id) return;
        this.#update(changed);
        if (thenPlay && changed.status === 'success') this.play(changed);
      },
    };
    watchBuild(this.#client, build.id, handlers, aborter.signal)
      .then(async () => {
        if (aborter.signal.aborted) return;
        // The stream's last status may have been missed over a broken connection.
        const { build: ended } = await this.#client.call('getBuild', { params: { id: build.id } });
        if (aborter.signal.aborted) return;
        this.#update(ended);
        if (thenPlay && ended.status === 'success' && this.playing.value?.id !== ended.id) this.play(ended);
      })
      .catch((error: unknown) => {
        if (!aborter.signal.aborted) toastError(error);
      });
  }

  close(): void {
    this.#watch?.abort();
    if (this.#frame !== undefined) cancelAnimationFrame(this.#frame);
  }

  #update(build: Build): void {
    this.current.value = build;
    const others = this.list.value.filter((other) => other.id !== build.id);
    this.list.value = [...others, build].sort((a, b) => (a.id < b.id ? 1 : -1));
  }

  /** Lines come in bursts: the screen takes one burst per frame. */
  #append(line: BuildLogLine): void {
    this.#pending.push(line);
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = undefined;
      const all = [...this.lines.value, ...this.#pending];
      this.#pending = [];
      const over = Math.max(0, all.length - limits.workspace.logLines);
      this.dropped.value += over;
      this.lines.value = over > 0 ? all.slice(over) : all;
    });
  }
}
