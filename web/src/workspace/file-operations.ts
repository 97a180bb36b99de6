import { KilnApiError, type KilnClient } from '../../../src/client/index.ts';
import type { BatchOperation } from '../../../src/contract/files.ts';
import { reasonOf, toastError } from '../state/toasts.ts';

/** Where files and directories are: `src/enemies/bat.ts` is `bat.ts` in `src/enemies`; the top is ''. */
export const parentOf = (path: string): string => path.split('/').slice(0, -1).join('/');
export const nameOf = (path: string): string => path.split('/').at(-1) ?? path;
export const inside = (directory: string, name: string): string => (directory === '' ? name : `${directory}/${name}`);

/** `bat.ts`, then `bat copy.ts`, `bat copy 2.ts` and so on: the first name that is free. */
export const copyName = (path: string, taken: (path: string) => boolean): string => {
  const [, stem = path, extension = ''] = /^(.*?[^/])(\.[^./]+)?$/.exec(path) ?? [];
  for (let count = 1; ; count += 1) {
    const candidate = `${stem} copy${count === 1 ? '' : ` ${count}`}${extension}`;
    if (!taken(candidate)) return candidate;
  }
};

/** What a batch of one was refused for, without the number of its operation. */
const explain = (error: unknown): string => {
  const issue = error instanceof KilnApiError ? error.issues[0]?.message : undefined;
  return issue ?? reasonOf(error);
};

/** Files and directories as a whole: moved, copied and removed, each in one step for everybody. */
export class FileOperations {
  readonly #client: KilnClient;
  readonly #projectId: string;
  readonly #changed: () => Promise<void>;

  constructor(client: KilnClient, projectId: string, changed: () => Promise<void>) {
    this.#client = client;
    this.#projectId = projectId;
    this.#changed = changed;
  }

  /** Resolves to why not, for people; undefined: it is done. */
  move(from: string, to: string): Promise<string | undefined> {
    return from === to ? Promise.resolve(undefined) : this.#run({ op: 'move', from, to });
  }

  copy(from: string, to: string): Promise<string | undefined> {
    return this.#run({ op: 'copy', from, to });
  }

  remove(path: string): Promise<string | undefined> {
    return this.#run({ op: 'delete', path });
  }

  async #run(operation: BatchOperation): Promise<string | undefined> {
    try {
      await this.#client.call('batchFiles', { params: { id: this.#projectId }, body: { operations: [operation] } });
    } catch (error) {
      return explain(error);
    }
    // Events bring the same, and cannot be waited for.
    await this.#changed().catch(toastError);
    return undefined;
  }
}
