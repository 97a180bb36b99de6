import { signal } from '@preact/signals';
import type { KilnClient } from '../../../src/client/index.ts';
import type { RoomEvent } from '../../../src/contract/room.ts';
import type { DocumentIssue } from '../../../src/contract/scene.ts';
import { toastError } from '../state/toasts.ts';

/** What an issue is about: a node and a field of it, where its place has them. */
export interface IssuePlace {
  readonly node: string | undefined;
  readonly field: string;
}

/** Reads the place of an issue, a JSON pointer (RFC 6901). */
export const placeOf = ({ pointer }: DocumentIssue): IssuePlace => {
  const [, ...parts] = pointer.split('/').map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  const isNode = parts[0] === 'nodes' && parts[1] !== undefined;
  return { node: isNode ? parts[1] : undefined, field: parts.slice(isNode ? 2 : 0).join('.') };
};

/** What does not fit in the structured documents of a project, by path. */
export class Problems {
  readonly byPath = signal<ReadonlyMap<string, readonly DocumentIssue[]>>(new Map());
  readonly #client: KilnClient;
  readonly #projectId: string;
  /** Raised by everything that is heard: an answer that was asked for before that may be older. */
  #heard = 0;

  constructor(client: KilnClient, projectId: string) {
    this.#client = client;
    this.#projectId = projectId;
  }

  async load(): Promise<void> {
    const before = this.#heard;
    const { documents } = await this.#client.call('listDocumentProblems', { params: { id: this.#projectId } });
    if (before !== this.#heard) return await this.load();
    this.byPath.value = new Map(documents.map(({ path, issues }) => [path, issues]));
  }

  hear({ type, data }: RoomEvent): void {
    if (type === 'document.checked') {
      const { path, issues } = data as unknown as { path: string; issues: readonly DocumentIssue[] };
      this.#heard += 1;
      const next = new Map(this.byPath.value);
      if (issues.length === 0) next.delete(path);
      else next.set(path, issues);
      this.byPath.value = next;
    } else if (this.byPath.value.size > 0 && (type === 'file.moved' || type === 'file.deleted')) {
      this.#heard += 1;
      this.load().catch(toastError);
    }
  }
}
