import { signal } from '@preact/signals';
import type { KilnClient } from '../../../src/client/index.ts';
import type { Checkpoint, CheckpointKind } from '../../../src/contract/checkpoints.ts';
import { newId } from '../../../src/contract/ids.ts';
import { limits } from '../../../src/contract/limits.ts';
import { attempt, toast, toastError } from '../state/toasts.ts';
import { plural } from '../ui/format.ts';

const kindTitles: Readonly<Record<CheckpointKind, string>> = {
  manual: 'Kept by hand',
  auto: 'Kept on its own',
  build: 'Built',
  restore: 'Before a restore',
};

const { missingNamed } = limits.workspace;

const restoredTitle = (files: number, assets: number): string => {
  const parts = [...(files > 0 ? [plural(files, 'file')] : []), ...(assets > 0 ? [plural(assets, 'asset')] : [])];
  return parts.length === 0 ? 'Everything was so already' : `Restored: ${parts.join(' and ')} changed`;
};

export const titleOf = ({ name, message, kind }: Checkpoint): string => name ?? (message || kindTitles[kind]);

/** The checkpoints of a project, and the one that is looked at. */
export class History {
  readonly open = signal(false);
  readonly kind = signal<CheckpointKind | undefined>(undefined);
  /** Undefined until they were read. */
  readonly list = signal<readonly Checkpoint[] | undefined>(undefined);
  readonly nextCursor = signal<string | null>(null);
  readonly looked = signal<Checkpoint | undefined>(undefined);
  /** What is looked at is to come, as a preview of a merge: the newest state is the older side. */
  readonly ahead = signal(false);
  /** Counts restores and merges, which change what a comparison with the newest state says. */
  readonly version = signal(0);
  readonly #client: KilnClient;
  readonly #projectId: string;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(client: KilnClient, projectId: string) {
    this.#client = client;
    this.#projectId = projectId;
  }

  show(): void {
    this.open.value = true;
    this.load().catch(toastError);
  }

  hide(): void {
    this.open.value = false;
    this.looked.value = undefined;
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  look(checkpoint: Checkpoint, ahead = false): void {
    this.ahead.value = ahead;
    this.looked.value = checkpoint;
  }

  filter(kind: CheckpointKind | undefined): void {
    this.kind.value = kind;
    this.list.value = undefined;
    this.load().catch(toastError);
  }

  /** As many as are shown already, so that a list that was read on stays as long. */
  async load(): Promise<void> {
    const kind = this.kind.value;
    const limit = Math.min(limits.http.pageMax, Math.max(limits.workspace.page, this.list.value?.length ?? 0));
    const page = await this.#read(limit);
    if (kind !== this.kind.value) return;
    this.list.value = page.checkpoints;
    this.nextCursor.value = page.nextCursor;
    const looked = page.checkpoints.find(({ id }) => id === this.looked.value?.id);
    if (looked !== undefined) this.looked.value = looked;
  }

  more(): Promise<unknown> {
    return attempt(async () => {
      const cursor = this.nextCursor.value;
      if (cursor === null) return;
      const page = await this.#read(limits.workspace.page, cursor);
      this.list.value = [...(this.list.value ?? []), ...page.checkpoints];
      this.nextCursor.value = page.nextCursor;
    });
  }

  /** Something was kept, named, forgotten, restored or merged, by this person or another; unknown, where events were missed. */
  changed(type?: string): void {
    if (type === undefined || type === 'checkpoint.restored' || type === 'project.merged') this.version.value += 1;
    if (!this.open.value) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.load().catch(toastError), limits.workspace.reloadListsAfter);
  }

  keep(name: string): Promise<boolean> {
    return this.#do(async () => {
      await this.#client.call('createCheckpoint', {
        params: { id: this.#projectId },
        body: name === '' ? {} : { name },
        idempotencyKey: newId(),
      });
      toast({ kind: 'success', title: 'Kept', ...(name !== '' && { detail: name }) });
    });
  }

  rename(checkpoint: Checkpoint, name: string | null): Promise<boolean> {
    return this.#do(() => this.#client.call('updateCheckpoint', { params: this.#params(checkpoint), body: { name } }));
  }

  forget(checkpoint: Checkpoint): Promise<boolean> {
    return this.#do(async () => {
      await this.#client.call('deleteCheckpoint', { params: this.#params(checkpoint) });
      if (this.looked.value?.id === checkpoint.id) this.looked.value = undefined;
    });
  }

  restore(checkpoint: Checkpoint): Promise<boolean> {
    return this.#do(async () => {
      const { changed, assets } = await this.#client.call('restoreCheckpoint', { params: this.#params(checkpoint) });
      this.looked.value = undefined;
      toast({
        kind: 'success',
        title: restoredTitle(changed, (assets?.restored ?? 0) + (assets?.trashed ?? 0)),
        detail: assets?.isPending
          ? 'Its assets follow in a minute. The state before is kept in the history.'
          : 'The state before is kept in the history.',
      });
      const missing = assets?.missing ?? [];
      if (missing.length > 0)
        toast({
          kind: 'info',
          title: `${plural(missing.length, 'asset')} could not be brought back`,
          detail: `Erased for good: ${missing
            .slice(0, missingNamed)
            .map(({ name }) => name)
            .join(', ')}${missing.length > missingNamed ? ', …' : ''}`,
        });
    });
  }

  async #do(work: () => Promise<unknown>): Promise<boolean> {
    const done = await attempt(async () => {
      await work();
      if (this.open.value) await this.load();
      return true;
    });
    return done ?? false;
  }

  #params({ id }: Checkpoint) {
    return { id: this.#projectId, checkpointId: id };
  }

  #read(limit: number, cursor?: string) {
    const kind = this.kind.value;
    return this.#client.call('listCheckpoints', {
      params: { id: this.#projectId },
      query: { limit, ...(kind !== undefined && { kind }), ...(cursor !== undefined && { cursor }) },
    });
  }
}
