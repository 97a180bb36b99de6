import { computed, signal } from '@preact/signals';
import type { KilnClient } from '../../../src/client/index.ts';
import { limits } from '../../../src/contract/limits.ts';
import type { Preview, PreviewProblem } from '../../../src/contract/preview.ts';
import { toastError } from '../state/toasts.ts';
import type { Remark } from './build-problems.ts';

/** The newest state, played beside the editor: bundled anew after every save, and started anew when it has changed. */
export class LivePreview {
  readonly on = signal(false);
  readonly busy = signal(false);
  /** What was bundled last, whether it can be played or not. */
  readonly last = signal<Preview | undefined>(undefined);
  /** What is played: stays while somebody is in the middle of a line. */
  readonly playing = signal<Preview | undefined>(undefined);
  /** Why what was written last is not what is played. */
  readonly trouble = computed(() => (this.on.value && this.last.value?.ready === false ? this.last.value : undefined));
  /** What may be meant otherwise, though it plays. */
  readonly warnings = computed<readonly PreviewProblem[]>(() => (this.on.value && this.last.value?.warnings) || []);
  /** What it says of a place in a file, by path; undefined before it has said anything. */
  readonly remarks = computed<ReadonlyMap<string, readonly Remark[]> | undefined>(() => {
    const last = this.on.value ? this.last.value : undefined;
    if (last === undefined) return undefined;
    const said = [
      ...last.problems.map((problem): Remark => ({ ...problem, level: 'error', step: 'preview' })),
      ...last.warnings.map((warning): Remark => ({ ...warning, level: 'warn', step: 'preview' })),
    ];
    return Map.groupBy(
      said.filter(({ line }) => line !== undefined),
      ({ file }) => file ?? '',
    );
  });

  readonly #client: KilnClient;
  readonly #projectId: string;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #again = false;

  constructor(client: KilnClient, projectId: string) {
    this.#client = client;
    this.#projectId = projectId;
  }

  start(): void {
    this.on.value = true;
    void this.#refresh();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.on.value = false;
    this.last.value = undefined;
    this.playing.value = undefined;
  }

  /** Something that may be part of the game was saved. */
  changed(): void {
    if (!this.on.value) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#refresh(), limits.workspace.previewAfter);
  }

  async #refresh(): Promise<void> {
    if (this.busy.value) {
      this.#again = true;
      return;
    }
    this.busy.value = true;
    try {
      const { preview } = await this.#client.call('previewProject', { params: { id: this.#projectId } });
      if (!this.on.value) return;
      this.last.value = preview;
      if (preview.ready && preview.sourceHash !== this.playing.value?.sourceHash) this.playing.value = preview;
    } catch (error) {
      toastError(error);
    } finally {
      this.busy.value = false;
      if (this.#again) {
        this.#again = false;
        this.changed();
      }
    }
  }
}
