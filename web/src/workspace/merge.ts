import { computed, signal } from '@preact/signals';
import { KilnApiError, type KilnClient } from '../../../src/client/index.ts';
import type { MergeAnswer, MergeConflict, MergeResolution } from '../../../src/contract/merge.ts';
import { reasonOf } from '../state/toasts.ts';

export type Take = MergeResolution['take'];

/** The other project of a merge: a fork of this one that comes home, or the one that this is a fork of. */
export interface MergeSource {
  readonly id: string;
  readonly name: string;
  readonly isFork: boolean;
}

/** A merge of another project into this one, while it is decided. */
export class Merge {
  readonly source: MergeSource;
  /** All that were found so far, sorted by path; undefined before the first answer. */
  readonly conflicts = signal<readonly MergeConflict[] | undefined>(undefined);
  readonly decisions = signal<ReadonlyMap<string, Take>>(new Map());
  readonly changes = signal<MergeAnswer['changes']>([]);
  /** The merged state, as it would be; gone as soon as something is decided otherwise. */
  readonly preview = signal<MergeAnswer['checkpoint']>(null);
  readonly busy = signal<'preview' | 'apply' | undefined>(undefined);
  readonly problem = signal<string | undefined>(undefined);
  readonly open = computed(() => (this.conflicts.value ?? []).filter(({ path }) => !this.decisions.value.has(path)));
  readonly decided = computed(() => this.conflicts.value !== undefined && this.open.value.length === 0);

  readonly #client: KilnClient;
  readonly #projectId: string;
  /** What was written for a conflict, also while something else is taken. */
  readonly #drafts = new Map<string, string>();

  constructor(client: KilnClient, projectId: string, source: MergeSource) {
    this.#client = client;
    this.#projectId = projectId;
    this.source = source;
  }

  draft(path: string): string | undefined {
    return this.#drafts.get(path);
  }

  decide(path: string, take: Take): void {
    if (typeof take === 'object') this.#drafts.set(path, take.content);
    this.decisions.value = new Map(this.decisions.value).set(path, take);
    this.preview.value = null;
  }

  /** For every conflict that nobody has decided yet. */
  decideRest(take: 'ours' | 'theirs'): void {
    const decisions = new Map(this.decisions.value);
    for (const { path } of this.open.value) decisions.set(path, take);
    this.decisions.value = decisions;
    this.preview.value = null;
  }

  /** Compares anew, as both projects are by now; what was decided about conflicts that are still there stays. */
  async refresh(): Promise<void> {
    const answer = await this.#ask('preview', []);
    if (answer === undefined) return;
    const paths = new Set(answer.conflicts.map(({ path }) => path));
    this.decisions.value = new Map([...this.decisions.value].filter(([path]) => paths.has(path)));
    this.conflicts.value = answer.conflicts;
    this.#take(answer);
  }

  /** Makes the state that the decisions lead to, to be looked at and played. */
  async makePreview(): Promise<void> {
    this.#found(await this.#ask('preview', this.#resolutions()));
  }

  /** Resolves to whether it is done; a conflict that came up since is shown instead. */
  async apply(): Promise<MergeAnswer | undefined> {
    const answer = await this.#ask('apply', this.#resolutions());
    this.#found(answer);
    return answer?.applied ? answer : undefined;
  }

  #resolutions(): MergeResolution[] {
    return [...this.decisions.value].map(([path, take]) => ({ path, take }));
  }

  #take({ changes, checkpoint }: MergeAnswer): void {
    this.changes.value = changes;
    this.preview.value = checkpoint;
  }

  /** A resolution may bring about another conflict, and somebody may have written since. */
  #found(answer: MergeAnswer | undefined): void {
    if (answer === undefined) return;
    const all = new Map((this.conflicts.value ?? []).map((conflict) => [conflict.path, conflict]));
    const decisions = new Map(this.decisions.value);
    for (const conflict of answer.conflicts) {
      all.set(conflict.path, conflict);
      decisions.delete(conflict.path);
    }
    this.conflicts.value = [...all.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
    this.decisions.value = decisions;
    this.#take(answer);
  }

  async #ask(kind: 'preview' | 'apply', resolutions: MergeResolution[]): Promise<MergeAnswer | undefined> {
    if (this.busy.value !== undefined) return undefined;
    this.busy.value = kind;
    this.problem.value = undefined;
    try {
      return await this.#client.call('mergeProject', {
        params: { id: this.#projectId },
        body: { from: this.source.id, preview: kind === 'preview', resolutions },
      });
    } catch (error) {
      // A resolution whose conflict is gone: somebody has changed one of the projects.
      const stale = error instanceof KilnApiError && error.code === 'validation_failed' && resolutions.length > 0;
      this.problem.value = stale ? 'One of the projects has changed meanwhile. Compare them again.' : reasonOf(error);
      return undefined;
    } finally {
      this.busy.value = undefined;
    }
  }
}
