import { signal } from '@preact/signals';
import type { KilnClient } from '../../../src/client/index.ts';
import type { Build } from '../../../src/contract/builds.ts';
import type { Publication, PublishBuild } from '../../../src/contract/publications.ts';

/** What the project shows to the world. */
export class Publishing {
  /** Null where nothing is; undefined until that is known. */
  readonly live = signal<Publication | null | undefined>(undefined);
  /** The build that the dialog is about. */
  readonly asked = signal<Build | undefined>(undefined);

  readonly #client: KilnClient;
  readonly #projectId: string;

  constructor(client: KilnClient, projectId: string) {
    this.#client = client;
    this.#projectId = projectId;
  }

  async load(): Promise<void> {
    const { publication } = await this.#client.call('getPublication', { params: { id: this.#projectId } });
    this.live.value = publication;
  }

  async publish(build: Build, settings: PublishBuild): Promise<Publication> {
    const { publication } = await this.#client.call('publishBuild', { params: { id: build.id }, body: settings });
    this.live.value = publication;
    return publication;
  }

  async unpublish(): Promise<void> {
    await this.#client.call('unpublish', { params: { id: this.#projectId } });
    this.live.value = null;
  }

  /** A link to a game that is not public; lives for `expiresIn` seconds. */
  async link(expiresIn: number): Promise<{ url: string; expiresAt: string }> {
    return await this.#client.call('createPlayLink', { params: { id: this.#projectId }, body: { expiresIn } });
  }
}
