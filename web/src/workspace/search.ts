import { computed, signal } from '@preact/signals';
import { KilnApiError, type KilnClient } from '../../../src/client/index.ts';
import { limits } from '../../../src/contract/limits.ts';
import type { SearchMatch, SearchResults } from '../../../src/contract/search.ts';
import { describeError } from '../state/toasts.ts';

export interface FileMatches {
  readonly path: string;
  readonly matches: readonly SearchMatch[];
}

export interface SearchProblem {
  /** The field that it is about, when it is about one. */
  readonly field: 'q' | 'path' | undefined;
  readonly message: string;
}

/** What is looked for in all files of a project, and what was found. */
export class Search {
  readonly open = signal(false);
  /** Counts wishes to type a query, also while the panel is open. */
  readonly asked = signal(0);
  readonly query = signal('');
  readonly path = signal('');
  readonly matchCase = signal(false);
  readonly regex = signal(false);
  readonly running = signal(false);
  /** Undefined before the first answer, and while there is nothing to look for. */
  readonly results = signal<SearchResults | undefined>(undefined);
  readonly problem = signal<SearchProblem | undefined>(undefined);
  readonly files = computed<readonly FileMatches[]>(() =>
    [...Map.groupBy(this.results.value?.matches ?? [], ({ path }) => path)].map(([path, matches]) => ({
      path,
      matches,
    })),
  );

  readonly #client: KilnClient;
  readonly #projectId: string;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Something was changed since the search that runs began. */
  #again = false;

  constructor(client: KilnClient, projectId: string) {
    this.#client = client;
    this.#projectId = projectId;
  }

  show(): void {
    this.open.value = true;
    this.asked.value += 1;
  }

  close(): void {
    this.open.value = false;
    clearTimeout(this.#timer);
    this.#again = false;
  }

  /** Looks for what is wanted by now, `delay` later unless it changes again. */
  run(delay: number = limits.workspace.searchAfter): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#run(), delay);
  }

  async #run(): Promise<void> {
    // One at a time: the room does not stop for those whom nobody waits for.
    if (this.running.value) {
      this.#again = true;
      return;
    }
    const q = this.query.value;
    if (q === '') {
      this.results.value = undefined;
      this.problem.value = undefined;
      return;
    }
    const path = this.path.value.trim();
    this.running.value = true;
    try {
      this.results.value = await this.#client.call('searchFiles', {
        params: { id: this.#projectId },
        query: { q, regex: this.regex.value, case: this.matchCase.value, ...(path === '' ? {} : { path }) },
      });
      this.problem.value = undefined;
    } catch (error) {
      this.#failed(error);
    }
    this.running.value = false;
    if (this.#again) {
      this.#again = false;
      this.run(0);
    }
  }

  #failed(error: unknown): void {
    if (error instanceof KilnApiError && error.code === 'rate_limited') {
      this.run(1000 * (error.retryAfter ?? 1));
      return;
    }
    const issue = error instanceof KilnApiError ? error.issues[0] : undefined;
    const { title, detail } = describeError(error);
    this.results.value = undefined;
    this.problem.value = {
      field: issue?.path === 'query.q' ? 'q' : issue?.path === 'query.path' ? 'path' : undefined,
      message: issue?.message ?? (detail === undefined ? title : `${title}. ${detail}`),
    };
  }
}
