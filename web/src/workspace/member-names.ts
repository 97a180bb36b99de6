import { computed, type ReadonlySignal, signal } from '@preact/signals';
import type { KilnClient } from '../../../src/client/index.ts';
import type { Collaborator } from '../../../src/contract/projects.ts';

/** Who the members are: for what says by id who did it, and for whoever is to be named. */
export class MemberNames {
  readonly #members = signal<readonly Collaborator[]>([]);
  readonly #names = computed(
    () => new Map(this.#members.value.map(({ userId, displayName }) => [userId, displayName])),
  );
  readonly #client: KilnClient;
  readonly #projectId: string;

  constructor(client: KilnClient, projectId: string) {
    this.#client = client;
    this.#projectId = projectId;
  }

  /** All of them, whether they are here or not; none before the first answer. */
  get members(): ReadonlySignal<readonly Collaborator[]> {
    return this.#members;
  }

  async load(): Promise<void> {
    const { collaborators } = await this.#client.call('listCollaborators', { params: { id: this.#projectId } });
    this.#members.value = collaborators;
  }

  /** Null is Kiln itself. */
  of(id: string | null): string {
    return id === null ? 'Kiln' : (this.#names.value.get(id) ?? 'A former member');
  }
}
