import { batch, signal } from '@preact/signals';
import {
  KilnApiError,
  type KilnClient,
  type UploadProgress,
  uploadAsset,
  uploadAssets,
} from '../../../../src/client/index.ts';
import type { Asset, AssetType, AssetVersion, Optimization } from '../../../../src/contract/assets.ts';
import { limits } from '../../../../src/contract/limits.ts';
import { attempt, reasonOf, toast, toastError } from '../../state/toasts.ts';
import { formatBytes, plural } from '../../ui/format.ts';
import { shrinkable, whyNotSmaller } from './kinds.ts';

/** A file on its way to become an asset. */
export interface Sending {
  readonly id: number;
  readonly file: File;
  readonly state: 'waiting' | UploadProgress['phase'] | 'stopped' | 'refused';
  /** 0–1, of the phase. */
  readonly progress: number;
  /** The connection was lost, and it goes on when it is back. */
  readonly interrupted: boolean;
  /** Why it was refused. */
  readonly refusal?: string;
  /** It is not sent in one form with others. */
  readonly alone?: boolean;
}

/** The assets of a project, those that are being uploaded, and the one that is looked at. */
export class Assets {
  readonly open = signal(false);
  readonly type = signal<AssetType | undefined>(undefined);
  readonly query = signal('');
  readonly trashed = signal(false);
  /** Undefined until they were read. */
  readonly list = signal<readonly Asset[] | undefined>(undefined);
  readonly nextCursor = signal<string | null>(null);
  readonly looked = signal<Asset | undefined>(undefined);
  /** Of the one that is looked at, newest first. */
  readonly versions = signal<readonly AssetVersion[] | undefined>(undefined);
  /** Of the one that is looked at: how making it smaller goes, where a runner does that. */
  readonly optimization = signal<Optimization | undefined>(undefined);
  /** Pictures that are to become one sheet, in the order of choosing. */
  readonly picked = signal<readonly Asset[]>([]);
  readonly sending = signal<readonly Sending[]>([]);
  readonly #client: KilnClient;
  readonly #projectId: string;
  /** Of those that are on their way; those in one form have one. */
  readonly #aborters = new Map<number, AbortController>();
  #turns = 0;
  #lastId = 0;
  /** Counts readings: an answer to an older question is not shown. */
  #reading = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Those that this person had made smaller by a runner, and has not heard of. */
  readonly #awaited = new Map<string, Asset>();
  #asking: ReturnType<typeof setTimeout> | undefined;

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
  }

  /** What is being sent can be gone on with: it is not given up. */
  close(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#asking);
    for (const aborter of this.#aborters.values()) aborter.abort();
  }

  get busy(): boolean {
    return this.#aborters.size > 0;
  }

  filter(change: { type?: AssetType | undefined; query?: string; trashed?: boolean }): void {
    batch(() => {
      if ('type' in change) this.type.value = change.type;
      if (change.query !== undefined) this.query.value = change.query;
      if (change.trashed !== undefined) {
        this.trashed.value = change.trashed;
        this.list.value = undefined;
      }
    });
    this.load().catch(toastError);
  }

  /** As many as are shown already, so that a list that was read on stays as long. */
  async load(): Promise<void> {
    const reading = ++this.#reading;
    const page = await this.#read(
      Math.min(limits.http.pageMax, Math.max(limits.workspace.cards, this.list.value?.length ?? 0)),
    );
    if (reading !== this.#reading) return;
    batch(() => {
      this.list.value = page.assets;
      this.nextCursor.value = page.nextCursor;
    });
  }

  async more(): Promise<void> {
    const cursor = this.nextCursor.value;
    if (cursor === null) return;
    const reading = ++this.#reading;
    const page = await attempt(() => this.#read(limits.workspace.cards, cursor));
    if (page === undefined || reading !== this.#reading) return;
    batch(() => {
      this.list.value = [...(this.list.value ?? []), ...page.assets];
      this.nextCursor.value = page.nextCursor;
    });
  }

  look(asset: Asset): void {
    if (asset.id !== this.looked.value?.id) {
      this.versions.value = undefined;
      this.optimization.value = undefined;
    }
    this.looked.value = asset;
    void this.#loadVersions();
    void this.#loadOptimization();
  }

  /** The same of one that is known by its id; false where it is not to be had. */
  async lookAt(id: string): Promise<boolean> {
    const read = await attempt(() => this.#client.call('getAsset', { params: { id } }));
    if (read !== undefined) this.look(read.asset);
    return read !== undefined;
  }

  /** Somebody changed an asset. Uploads of many files make many of these. */
  changed(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.open.value) this.load().catch(toastError);
      const { value } = this.looked;
      if (value !== undefined) void this.#reloadLooked(value.id);
      void this.#askForAwaited();
    }, limits.workspace.reloadListsAfter);
  }

  upload(files: readonly File[]): void {
    const added = files.map(
      (file): Sending => ({ id: ++this.#lastId, file, state: 'waiting', progress: 0, interrupted: false }),
    );
    this.sending.value = [...this.sending.value, ...added];
    this.#next();
  }

  /** What has arrived of a large file stays for a day. Those in one form with a small one begin anew without it. */
  stop(id: number): void {
    if (this.sending.value.some((one) => one.id === id && !canStop(one))) return;
    const aborter = this.#aborters.get(id);
    this.#update(id, { state: 'stopped', interrupted: false });
    if (aborter === undefined) return;
    for (const one of this.sending.value) {
      if (one.id === id || this.#aborters.get(one.id) !== aborter) continue;
      if (one.state === 'sending' || one.state === 'verifying') this.#update(one.id, { state: 'waiting', progress: 0 });
    }
    aborter.abort();
  }

  resume(id: number): void {
    this.#update(id, { state: 'waiting', progress: 0 });
    this.#next();
  }

  dismiss(id: number): void {
    this.sending.value = this.sending.value.filter((one) => one.id !== id);
  }

  async rename(asset: Asset, name: string): Promise<boolean> {
    const done = await attempt(() => this.#client.call('updateAsset', { params: { id: asset.id }, body: { name } }));
    if (done === undefined) return false;
    this.changed();
    return true;
  }

  /** Into the trash, or for good out of it. */
  async remove(asset: Asset): Promise<void> {
    const permanent = asset.deletedAt !== null;
    const done = await attempt(async () => {
      await this.#client.call('deleteAsset', { params: { id: asset.id }, query: { permanent } });
      return true;
    });
    if (done === undefined) return;
    if (this.looked.value?.id === asset.id) this.looked.value = undefined;
    this.list.value = this.list.value?.filter(({ id }) => id !== asset.id);
    this.picked.value = this.picked.value.filter(({ id }) => id !== asset.id);
    this.changed();
  }

  async restore(asset: Asset): Promise<void> {
    const done = await attempt(() => this.#client.call('restoreAsset', { params: { id: asset.id } }));
    if (done === undefined) return;
    toast({ kind: 'success', title: `${asset.name} is back` });
    if (this.looked.value?.id === asset.id) this.looked.value = done.asset;
    this.changed();
  }

  async restoreVersion(asset: Asset, version: number): Promise<void> {
    const done = await attempt(() =>
      this.#client.call('restoreAssetVersion', { params: { id: asset.id, version: String(version) } }),
    );
    if (done === undefined) return;
    toast({ kind: 'success', title: `Version ${version} of ${asset.name} is the newest again` });
    this.look(done.asset);
    this.changed();
  }

  /** Takes a picture into the choice, or out of it. */
  pick(asset: Asset): void {
    const others = this.picked.value.filter(({ id }) => id !== asset.id);
    const isNew = others.length === this.picked.value.length;
    this.picked.value = isNew ? [...others, asset] : others;
  }

  /** Makes a sheet of the chosen pictures, as two assets: the picture and where each lies in it. */
  async pack(name: string): Promise<Asset | undefined> {
    const assetIds = this.picked.value.map(({ id }) => id);
    const made = await attempt(() =>
      this.#client.call('packAssets', { params: { id: this.#projectId }, body: { assetIds, name } }),
    );
    if (made === undefined) return undefined;
    this.picked.value = [];
    toast({
      kind: 'success',
      title: `${plural(assetIds.length, 'picture')} in ${made.image.name}`,
      detail: `Load it with ${made.atlas.name}.`,
    });
    this.changed();
    return made.image;
  }

  /** Makes its file smaller; what it was stays as the version before. */
  async optimize(asset: Asset): Promise<void> {
    const done = await attempt(() => this.#client.call('optimizeAsset', { params: { id: asset.id }, body: {} }));
    if (done === undefined) return;
    if ('optimization' in done) {
      this.#awaited.set(asset.id, asset);
      if (this.looked.value?.id === asset.id) this.optimization.value = done.optimization;
      this.#askSoon();
      return;
    }
    tellSaved(asset, done.savedBytes);
    this.changed();
  }

  /** The bytes as they were uploaded. */
  async bytes(asset: Asset, version?: number): Promise<Blob> {
    const response = await this.#client.raw('downloadAsset', {
      params: { id: asset.id },
      query: version === undefined ? {} : { version },
    });
    return response.blob();
  }

  #read(limit: number, cursor?: string) {
    const q = this.query.value.trim();
    return this.#client.call('listAssets', {
      params: { id: this.#projectId },
      query: {
        limit,
        trashed: this.trashed.value,
        ...(cursor === undefined ? {} : { cursor }),
        ...(this.type.value === undefined ? {} : { type: this.type.value }),
        ...(q === '' ? {} : { q }),
      },
    });
  }

  async #reloadLooked(id: string): Promise<void> {
    const now = await this.#client.call('getAsset', { params: { id } }).catch(() => undefined);
    if (this.looked.value?.id !== id) return;
    // One in the trash is not to be read.
    if (now !== undefined) this.look(now.asset);
    else if (this.looked.value.deletedAt === null) this.looked.value = undefined;
  }

  async #loadVersions(): Promise<void> {
    const asset = this.looked.value;
    if (asset === undefined || asset.deletedAt !== null) return;
    const read = await attempt(() => this.#client.call('listAssetVersions', { params: { id: asset.id } }));
    if (this.looked.value?.id === asset.id) this.versions.value = read?.versions;
  }

  /** How the one that is looked at is being made smaller, whoever asked for it. */
  async #loadOptimization(): Promise<void> {
    const asset = this.looked.value;
    if (asset === undefined || asset.deletedAt !== null || !shrinkable(asset)) return;
    const read = await this.#client.call('getOptimization', { params: { id: asset.id } }).catch(() => undefined);
    if (this.looked.value?.id !== asset.id || read === undefined) return;
    this.optimization.value = read.optimization ?? undefined;
    if (read.optimization !== null && !hasEnded(read.optimization)) this.#askSoon();
  }

  /** The room tells when one has ended; this is for when that is not heard. */
  #askSoon(): void {
    clearTimeout(this.#asking);
    this.#asking = setTimeout(() => {
      void this.#loadOptimization();
      void this.#askForAwaited();
    }, limits.workspace.optimizationPoll);
  }

  async #askForAwaited(): Promise<void> {
    for (const [id, asset] of this.#awaited) {
      const read = await this.#client.call('getOptimization', { params: { id } }).catch(() => undefined);
      const optimization = read?.optimization ?? undefined;
      // Asked twice at once: the first answer tells it.
      if (read === undefined || !this.#awaited.has(id)) continue;
      if (optimization !== undefined && !hasEnded(optimization)) {
        this.#askSoon();
        continue;
      }
      this.#awaited.delete(id);
      if (optimization?.status === 'done') tellSaved(asset, optimization.savedBytes);
      else if (optimization !== undefined)
        toast({
          kind: 'error',
          title: `${asset.name} could not be made smaller`,
          detail: whyNotSmaller(optimization),
        });
      if (this.looked.value?.id === id) this.optimization.value = optimization;
      if (optimization?.status === 'done') this.changed();
    }
  }

  #next(): void {
    while (this.#turns < limits.workspace.sending) {
      const waiting = this.sending.value.filter(({ state }) => state === 'waiting');
      const [first] = waiting;
      if (first === undefined) return;
      const form = formOf(waiting);
      // One by itself is sent as large ones are; a form of one would be no less of a request.
      if (form.length > 1 && form.includes(first)) void this.#sendTogether(form);
      else void this.#send(first);
    }
  }

  /** Sends what can be read of some; what cannot, as a folder, would fail for ever. Calls `send` with those alone. */
  async #take(some: readonly Sending[], send: (readable: readonly Sending[], signal: AbortSignal) => Promise<void>) {
    const aborter = new AbortController();
    this.#turns += 1;
    for (const { id } of some) {
      this.#aborters.set(id, aborter);
      this.#update(id, { state: 'sending', progress: 0, interrupted: false });
    }
    try {
      const readable: Sending[] = [];
      for (const one of some) {
        if (await isReadable(one.file)) readable.push(one);
        else
          this.#update(one.id, { state: 'refused', refusal: 'It cannot be read: a folder, or a file that is gone.' });
      }
      aborter.signal.throwIfAborted();
      await send(readable, aborter.signal);
      this.changed();
    } catch (error) {
      if (aborter.signal.aborted) return;
      for (const { id, state } of this.sending.value)
        if (this.#aborters.get(id) === aborter && state !== 'refused')
          this.#update(id, { state: 'refused', refusal: reasonOf(error) });
    } finally {
      this.#turns -= 1;
      for (const { id } of some) if (this.#aborters.get(id) === aborter) this.#aborters.delete(id);
      this.#next();
    }
  }

  #send(one: Sending): Promise<void> {
    return this.#take([one], async ([readable], signal) => {
      if (readable === undefined) return;
      const { id, file } = readable;
      await uploadAsset(this.#client, {
        projectId: this.#projectId,
        file,
        signal,
        keepOnAbort: true,
        onProgress: ({ phase, done, total }) => {
          if (!signal.aborted)
            this.#update(id, { state: phase, progress: total === 0 ? 1 : done / total, interrupted: false });
        },
        onInterrupted: () => this.#update(id, { interrupted: true }),
      });
      this.dismiss(id);
    });
  }

  /** Small files in one form. Each ends by itself; where the form was too much for the project, each is tried by itself. */
  #sendTogether(some: readonly Sending[]): Promise<void> {
    return this.#take(some, async (readable, signal) => {
      const ids = new Map(readable.map(({ id, file }) => [file, id]));
      const alive = (): readonly Sending[] => this.sending.value.filter(({ id, file }) => ids.get(file) === id);
      try {
        await uploadAssets(this.#client, {
          projectId: this.#projectId,
          files: [...ids.keys()],
          signal,
          onProgress: ({ done, total }) => {
            if (!signal.aborted) this.#share(readable, alive(), done, done >= total);
          },
          onInterrupted: () => {
            for (const { id } of alive()) this.#update(id, { interrupted: true });
          },
          onFile: (file, result) => {
            const id = ids.get(file);
            ids.delete(file);
            if (id === undefined) return;
            if ('asset' in result) this.dismiss(id);
            else this.#update(id, { state: 'refused', refusal: reasonOf(result.error) });
          },
        });
      } catch (error) {
        const isTooMuch = error instanceof KilnApiError && ['quota_exceeded', 'payload_too_large'].includes(error.code);
        if (signal.aborted || !isTooMuch) throw error;
        for (const { id } of alive()) this.#update(id, { state: 'waiting', progress: 0, alone: true });
      }
    });
  }

  /** What of a form has gone belongs to its files in their order; those that have ended stay as they are. */
  #share(some: readonly Sending[], alive: readonly Sending[], done: number, isAll: boolean): void {
    const going = new Set(alive.map(({ id }) => id));
    batch(() => {
      let before = 0;
      for (const { id, file } of some) {
        const progress = file.size === 0 ? 1 : Math.min(1, Math.max(0, (done - before) / file.size));
        before += file.size;
        if (going.has(id)) this.#update(id, { state: isAll ? 'verifying' : 'sending', progress, interrupted: false });
      }
    });
  }

  #update(id: number, change: Partial<Sending>): void {
    this.sending.value = this.sending.value.map((one) => (one.id === id ? { ...one, ...change } : one));
  }
}

/** Whether giving it up can still be: a form that has arrived is stored whole, and its files would come twice. */
export const canStop = ({ state, file }: Sending): boolean =>
  state !== 'verifying' || file.size > limits.asset.wholeBytes;

/** The first small files that wait, as many as one form has. */
function formOf(waiting: readonly Sending[]): readonly Sending[] {
  const form: Sending[] = [];
  let bytes = 0;
  for (const one of waiting) {
    if (one.alone || one.file.size > limits.asset.wholeBytes) continue;
    if (form.length === limits.asset.batchFiles || bytes + one.file.size > limits.client.formBytes) break;
    form.push(one);
    bytes += one.file.size;
  }
  return form;
}

const isReadable = (file: File): Promise<boolean> =>
  file
    .slice(0, 1)
    .arrayBuffer()
    .then(
      () => true,
      () => false,
    );

const hasEnded = ({ status }: Optimization): boolean => status === 'done' || status === 'failed';

const tellSaved = ({ name }: Asset, savedBytes: number): void =>
  toast(
    savedBytes > 0
      ? {
          kind: 'success',
          title: `${name} is ${formatBytes(savedBytes)} smaller`,
          detail: 'The version before is kept.',
        }
      : { kind: 'info', title: `${name} is as small as it gets` },
  );
