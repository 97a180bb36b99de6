import { computed, signal } from '@preact/signals';
import type * as z from 'zod';
import { KilnApiError, type KilnClient, watchBuild } from '../../../src/client/index.ts';
import type { Build, BuildLogLine, BuildOptions, CreateBuild } from '../../../src/contract/builds.ts';
import { type ErrorCode, errors } from '../../../src/contract/errors.ts';
import { newId } from '../../../src/contract/ids.ts';
import { limits } from '../../../src/contract/limits.ts';
import { attempt, toast, toastError } from '../state/toasts.ts';
import { orderOf, rememberedForm } from './build-options.ts';

export const isRunning = (build: Build | undefined): boolean =>
  build?.status === 'queued' || build?.status === 'building';

const isCode = (error: unknown, code: ErrorCode): boolean => error instanceof KilnApiError && error.code === code;

/** The builds of a project, the one that is looked at with its log, and the one that is played. */
export class Builds {
  /** Newest first: those of the first page, and what was read on. */
  readonly list = signal<readonly Build[]>([]);
  /** The first page was read. */
  readonly loaded = signal(false);
  /** Where the list goes on; null: it does not, or nothing was read yet. */
  readonly nextCursor = signal<string | null>(null);
  readonly current = signal<Build | undefined>(undefined);
  readonly lines = signal<readonly BuildLogLine[]>([]);
  readonly dropped = signal(0);
  readonly starting = signal(false);
  readonly playing = signal<Build | undefined>(undefined);
  /** What the dialog that asks for options begins with: those of a build, or what was chosen last. */
  readonly asked = signal<Pick<Build, 'target' | 'options'> | 'remembered' | undefined>(undefined);
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
    const { builds, nextCursor } = await this.#read();
    const last = builds.at(-1)?.id;
    const known = this.list.value;
    // What was read on stays where the page meets it: nothing can be missing in between.
    const meets = nextCursor !== null && last !== undefined && known.some(({ id }) => id === last);
    this.list.value = meets ? [...builds, ...known.filter(({ id }) => id < last)] : builds;
    if (!meets) this.nextCursor.value = nextCursor;
    this.loaded.value = true;
    const newest = builds[0];
    if (this.current.value === undefined && newest !== undefined) this.select(newest);
  }

  more(): Promise<unknown> {
    return attempt(async () => {
      const cursor = this.nextCursor.value;
      if (cursor === null) return;
      const { builds, nextCursor } = await this.#read(cursor);
      // Asked for twice, the second answer is the first.
      if (this.nextCursor.value !== cursor) return;
      this.list.value = [...this.list.value, ...builds];
      this.nextCursor.value = nextCursor;
    });
  }

  /** Builds the newest state, or that of a checkpoint, for the web and plays it: as was chosen last, but for `options`. */
  async start(checkpointId?: string, options: Partial<BuildOptions> = {}): Promise<void> {
    const remembered = orderOf({ ...rememberedForm(this.#projectId), target: 'web' }).options;
    await attempt(() =>
      this.order({ options: { ...remembered, ...options }, ...(checkpointId !== undefined && { checkpointId }) }),
    );
  }

  /** Builds what is wanted, and plays it once it is there. Throws what the API refuses. */
  async order(wanted: Omit<z.input<typeof CreateBuild>, 'projectId'>): Promise<void> {
    if (this.busy.value) return;
    this.starting.value = true;
    try {
      const { build } = await this.#client.call('createBuild', {
        body: { projectId: this.#projectId, ...wanted },
        idempotencyKey: newId(),
      });
      if (build.cached)
        toast({ kind: 'info', title: 'Nothing has changed', detail: 'This is the build you already had.' });
      this.select(build, true);
    } finally {
      this.starting.value = false;
    }
  }

  /** Builds the newest state as a build did another one. */
  async again({ target, options }: Build): Promise<void> {
    await attempt(() => this.order({ target, options }));
  }

  /** Builds the same state once more. */
  async retry(build: Build): Promise<void> {
    await attempt(async () =>
      this.select((await this.#client.call('retryBuild', { params: { id: build.id } })).build, true),
    );
  }

  async cancel(build: Build): Promise<void> {
    await attempt(async () => {
      try {
        await this.#client.call('deleteBuild', { params: { id: build.id } });
      } catch (error) {
        if (!isCode(error, 'conflict')) throw error;
        toast({ kind: 'info', title: 'It had ended already', detail: 'There was nothing left to cancel.' });
      }
    });
  }

  /** For good. Resolves to whether it is gone; where it stays, the reason was told. */
  async remove(build: Build): Promise<boolean> {
    const gone = await attempt(async () => {
      try {
        await this.#client.call('deleteBuild', { params: { id: build.id } });
        toast({ kind: 'success', title: 'Build deleted' });
      } catch (error) {
        if (isCode(error, 'build_published')) {
          const { title, help } = errors.build_published;
          toast({ kind: 'error', title, detail: help });
          return false;
        }
        // Somebody else was first.
        if (!isCode(error, 'not_found')) throw error;
      }
      this.forget([build.id]);
      return true;
    });
    return gone ?? false;
  }

  /** Shows these no more: they are gone. */
  forget(ids: readonly string[]): void {
    const gone = new Set(ids);
    const isGone = (build: Build | undefined) => build !== undefined && gone.has(build.id);
    this.list.value = this.list.value.filter(({ id }) => !gone.has(id));
    if (isGone(this.playing.value)) this.playing.value = undefined;
    if (!isGone(this.current.value)) return;
    const [newest] = this.list.value;
    if (newest !== undefined) {
      this.select(newest);
      return;
    }
    this.#unwatch();
    this.current.value = undefined;
  }

  /** Somebody else has removed them: who looks at one is told. */
  lose(ids: readonly string[]): void {
    if (this.current.value !== undefined && ids.includes(this.current.value.id))
      toast({ kind: 'info', title: 'That build is gone', detail: 'Somebody has deleted it.' });
    this.forget(ids);
  }

  play(build: Build): void {
    this.playing.value = build;
  }

  /** Shows a build and follows it; `thenPlay` starts it when it succeeds. */
  select(build: Build, thenPlay = false): void {
    this.#unwatch();
    const aborter = new AbortController();
    this.#watch = aborter;
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
        if (aborter.signal.aborted) return;
        if (isCode(error, 'not_found')) this.lose([build.id]);
        else toastError(error);
      });
  }

  close(): void {
    this.#watch?.abort();
    if (this.#frame !== undefined) cancelAnimationFrame(this.#frame);
  }

  #read(cursor?: string) {
    return this.#client.call('listBuilds', {
      params: { id: this.#projectId },
      query: { limit: limits.workspace.page, ...(cursor !== undefined && { cursor }) },
    });
  }

  #unwatch(): void {
    this.#watch?.abort();
    this.#pending = [];
    this.lines.value = [];
    this.dropped.value = 0;
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
