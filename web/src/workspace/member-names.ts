import { signal } from '@preact/signals';
import type { KilnClient } from '../../../src/client/index.ts';

/** Names of the members, for what says by id who did it. */
export class MemberNames {
  readonly #names = signal<ReadonlyMap<string, string>>(new Map());
  readonly #client: KilnClient;
  readonly #projectId: string;

  constructor(client: KilnClient, projectId: string) {
    this.#client = client;
    this.#projectId = projectId;
  }

  async load(): Promise<void> {
    const { collaborators } = await this.#client.call('listCollaborators', { params: { id: this.#projectId } });
    this.#names.value = new Map(collaborators.map(({ userId, displayName }) => [userId, displayName]));
  }

  /** Null is Kiln itself. */
  of(id: string | null): string {
    return id === null ? 'Kiln' : (this.#names.value.get(id) ?? 'A former member');
  }
}
