import { batch, computed, type ReadonlySignal, type Signal, signal } from '@preact/signals';
import {
  indexedDbStore,
  joinProject,
  type KilnApiError,
  type KilnClient,
  type ProjectRoom,
  pathAfterMove,
  type RoomDocument,
  type RoomStatus,
  type SaveState,
} from '../../../src/client/index.ts';
import type { Asset } from '../../../src/contract/assets.ts';
import type { TreeNode } from '../../../src/contract/files.ts';
import { limits } from '../../../src/contract/limits.ts';
import type { Project } from '../../../src/contract/projects.ts';
import type { Presence, RoomEvent } from '../../../src/contract/room.ts';
import { session } from '../state/session.ts';
import { attempt, describeError, toast, toastError } from '../state/toasts.ts';
import { Assets } from './assets/assets.ts';
import { Builds } from './builds.ts';
import { type FileKind, guessKind } from './file-kinds.ts';
import { FileOperations } from './file-operations.ts';
import { History } from './history.ts';
import { MemberNames } from './member-names.ts';
import { Merge, type MergeSource } from './merge.ts';
import { LivePreview } from './preview.ts';
import { Problems } from './problems.ts';
import { Publishing } from './publishing.ts';
import { Search } from './search.ts';
import type { SeenRows } from './seen-rows.ts';
import { Talk } from './talk/talk.ts';
import { findNode, firstFile } from './tree.ts';

export interface Place {
  line: number;
  column?: number | undefined;
  /** Selected from there. */
  length?: number | undefined;
}

/** An open file. */
export interface Tab {
  /** Stays the same while the file is moved. */
  readonly id: number;
  readonly path: string;
  readonly kind: Signal<FileKind>;
  /** Present for live files. */
  readonly document: RoomDocument | undefined;
  readonly state: Signal<SaveState>;
  /** False when this browser has stopped to keep what is typed here. */
  readonly kept: Signal<boolean>;
  /** Why the document ended, when it did. */
  readonly ended: Signal<KilnApiError | undefined>;
  /** What was written here and the project does not have, when the document ended. */
  readonly unsaved: Signal<string | undefined>;
  /** Where the reader is to be taken; taken off once done. */
  readonly reveal: Signal<Place | undefined>;
  /** An asset to be named where this person is; taken off once done. */
  readonly insertion: Signal<Asset | undefined>;
  /** Counts what others wrote to a file without a document, to show it again. */
  readonly version: Signal<number>;
}

/** What the indicator says about everything that was typed. */
export type Indicator = 'connecting' | 'saved' | 'saving' | 'unsaved' | 'offline' | 'unkept' | 'read-only';

export type Loading =
  | { state: 'loading' }
  | { state: 'ready' }
  | { state: 'failed'; title: string; detail?: string | undefined; requestId?: string | undefined };

/** What others do to all files at once, after their name. */
const tellings: Readonly<Record<string, string>> = {
  'checkpoint.restored': 'went back to an older state',
  'project.merged': 'merged another project',
};

const debounce = (ms: number, work: () => void): (() => void) => {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(work, ms);
  };
};

/** Everything a project's screen shows, and what can be done there. */
export class Workspace {
  readonly id: string;
  readonly client: KilnClient;
  readonly builds: Builds;
  readonly publishing: Publishing;
  readonly preview: LivePreview;
  readonly search: Search;
  readonly files: FileOperations;
  readonly history: History;
  readonly names: MemberNames;
  readonly assets: Assets;
  readonly merge = signal<Merge | undefined>(undefined);
  /** What the centre shows. The editors stay below the others. */
  readonly front = signal<'editor' | 'checkpoint' | 'merge' | 'asset'>('editor');
  readonly talk: Talk;
  readonly problems: Problems;
  readonly loading = signal<Loading>({ state: 'loading' });
  readonly project = signal<Project | undefined>(undefined);
  readonly tree = signal<TreeNode | undefined>(undefined);
  readonly tabs = signal<readonly Tab[]>([]);
  readonly activePath = signal<string | undefined>(undefined);
  readonly users = signal<readonly Presence[]>([]);
  readonly self = signal<Presence | undefined>(undefined);
  readonly roomStatus = signal<RoomStatus>('connecting');
  /** The room has shown this user out. */
  readonly ended = signal<KilnApiError | undefined>(undefined);
  /** Counts changes of the members, for the dialog that lists them. */
  readonly membersVersion = signal(0);

  readonly canWrite = computed(
    () => this.ended.value === undefined && ['owner', 'editor'].includes(this.project.value?.role ?? ''),
  );
  /** Viewers have no pen, and a voice. */
  readonly canTalk = computed(
    () => this.ended.value === undefined && ['owner', 'editor', 'viewer'].includes(this.project.value?.role ?? ''),
  );
  readonly canManage = computed(() => this.ended.value === undefined && this.project.value?.role === 'owner');
  readonly canBuild = computed(
    () => this.ended.value === undefined && this.project.value !== undefined && this.project.value.role !== 'public',
  );
  readonly canReadHistory = computed(() => this.canBuild.value);
  readonly activeTab: ReadonlySignal<Tab | undefined> = computed(() =>
    this.tabs.value.find((tab) => tab.path === this.activePath.value),
  );
  readonly indicator: ReadonlySignal<Indicator> = computed(() => this.#indicate());
  /** People by the file they are in, without this user. */
  readonly peopleByPath = computed(() => {
    const map = new Map<string, Presence[]>();
    for (const user of this.users.value) {
      if (user.path === null || user.userId === this.self.value?.userId) continue;
      map.set(user.path, [...(map.get(user.path) ?? []), user]);
    }
    return map;
  });

  #room: ProjectRoom | undefined;
  #closed = false;
  #lastTab = 0;

  constructor(client: KilnClient, id: string) {
    this.client = client;
    this.id = id;
    this.builds = new Builds(client, id);
    this.publishing = new Publishing(client, id);
    this.preview = new LivePreview(client, id);
    this.search = new Search(client, id);
    this.history = new History(client, id);
    this.names = new MemberNames(client, id);
    this.talk = new Talk(this.names);
    this.assets = new Assets(client, id);
    this.problems = new Problems(client, id);
    this.files = new FileOperations(client, id, () => this.#loadTree());
  }

  async load(): Promise<void> {
    this.loading.value = { state: 'loading' };
    try {
      const [{ project }] = await Promise.all([
        this.client.call('getProject', { params: { id: this.id } }),
        this.#loadTree(),
      ]);
      if (this.#closed) return;
      this.project.value = project;
      // A reader of a public project is no member, and has no place in the room.
      if (project.role !== 'public') this.#join();
      this.loading.value = { state: 'ready' };
      const first = this.tree.value === undefined ? undefined : firstFile(this.tree.value);
      if (first !== undefined && this.tabs.value.length === 0) this.open(first);
    } catch (error) {
      if (!this.#closed) this.loading.value = { state: 'failed', ...describeError(error) };
    }
  }

  close(): void {
    this.#closed = true;
    this.builds.close();
    this.preview.stop();
    this.search.close();
    this.history.close();
    this.assets.close();
    this.talk.leave();
    this.#room?.leave();
  }

  /** Whether something that was typed could be lost by leaving. */
  get dirty(): boolean {
    return (
      this.assets.busy || this.tabs.value.some((tab) => tab.document?.dirty === true && tab.state.value !== 'closed')
    );
  }

  open(path: string, place?: Place): void {
    const existing = this.tabs.value.find((tab) => tab.path === path);
    const tab = existing ?? this.#makeTab(path);
    if (existing === undefined) this.tabs.value = [...this.tabs.value, tab];
    if (place !== undefined) tab.reveal.value = place;
    this.front.value = 'editor';
    this.activate(path);
  }

  /** Looks at an asset over the editors. */
  async showAsset(id: string): Promise<void> {
    if (await this.assets.lookAt(id)) this.front.value = 'asset';
  }

  showHistory(): void {
    this.search.close();
    this.history.show();
  }

  /** Whether an asset can be named in what is open. */
  readonly canInsert = computed(() => {
    const tab = this.activeTab.value;
    return this.canWrite.value && tab?.document !== undefined && tab.ended.value === undefined;
  });

  /** Names an asset in the open code, or hangs a node that shows it in the open scene. */
  insertAsset(asset: Asset): void {
    const tab = this.activeTab.value;
    if (tab === undefined || !this.canInsert.value) return;
    tab.insertion.value = asset;
    this.front.value = 'editor';
  }

  startMerge(source: MergeSource): void {
    // One that is being decided about the same project goes on.
    if (this.merge.value?.source.id !== source.id) this.merge.value = new Merge(this.client, this.id, source);
    this.front.value = 'merge';
  }

  activate(path: string): void {
    this.activePath.value = path;
    this.#room?.presence.setCursor({ path });
  }

  closeTab(path: string): void {
    const index = this.tabs.value.findIndex((tab) => tab.path === path);
    const tab = this.tabs.value[index];
    if (tab === undefined) return;
    tab.document?.close();
    this.tabs.value = this.tabs.value.filter((other) => other !== tab);
    if (this.activePath.value !== path) return;
    const next = this.tabs.value[Math.min(index, this.tabs.value.length - 1)];
    if (next !== undefined) this.activate(next.path);
    else {
      this.activePath.value = undefined;
      this.#room?.presence.setCursor({ path: null });
    }
  }

  /** Opens a file anew, after its document ended. */
  reopen(path: string): void {
    const index = this.tabs.value.findIndex((tab) => tab.path === path);
    this.tabs.value[index]?.document?.close();
    this.tabs.value = this.tabs.value.with(index, this.#makeTab(path));
  }

  setCursor(path: string, position: number, selection: { from: number; to: number } | undefined): void {
    if (path === this.activePath.value)
      this.#room?.presence.setCursor({ path, position, ...(selection === undefined ? {} : { selection }) });
  }

  /** Says which nodes of a scene this person has selected. */
  selectNodes(path: string, nodes: readonly string[]): void {
    this.#room?.presence.setSelection({ path, nodes: nodes.slice(0, limits.presence.nodesMax) });
  }

  /** Says what of the open file is on this person's screen. */
  setView(path: string, view: SeenRows): void {
    if (path === this.activePath.value) this.#room?.presence.setViewport({ path, view: { ...view } });
  }

  async createFile(path: string, content = ''): Promise<boolean> {
    const made = await attempt(() =>
      this.client.call('createFile', { params: { id: this.id, path }, body: { content } }),
    );
    if (made === undefined) return false;
    await attempt(() => this.#loadTree());
    this.open(made.file.path);
    return true;
  }

  /** The document of a tab ended because its file is gone, or cannot be a document. */
  #onDocumentEnded(tab: Tab, error: KilnApiError): void {
    tab.state.value = 'closed';
    if (error.code === 'not_a_document') tab.kind.value = 'info';
    else tab.ended.value = error;
    if (tab.document?.dirty) tab.unsaved.value = tab.document.content;
  }

  #makeTab(path: string): Tab {
    const size = findNode(this.tree.value, path)?.size ?? 0;
    const kind = guessKind(path, size, this.#room !== undefined && this.#room.status !== 'closed');
    const document = kind === 'live' || kind === 'scene' ? this.#room?.openDocument(path) : undefined;
    const tab: Tab = {
      id: ++this.#lastTab,
      path,
      kind: signal(kind),
      document,
      state: signal(document?.state ?? 'saved'),
      kept: signal(true),
      ended: signal(undefined),
      unsaved: signal(undefined),
      reveal: signal(undefined),
      insertion: signal(undefined),
      version: signal(0),
    };
    document?.on('state', (state) => {
      tab.state.value = state;
      if (state === 'saved') this.preview.changed();
    });
    document?.on('kept', (kept) => {
      tab.kept.value = kept;
    });
    document?.on('ended', (error) => this.#onDocumentEnded(tab, error));
    if (document !== undefined) this.#introduce(document);
    return tab;
  }

  /** Tells the others in a document who this is. The room stamps the same over it. */
  #introduce(document: RoomDocument): void {
    const self = this.self.value;
    if (self === undefined) return;
    document.awareness.setLocalStateField('user', {
      id: self.userId,
      name: self.displayName,
      color: self.color,
    });
  }

  #join(): void {
    const { value } = session;
    const offline = value.state === 'signed-in' ? { offline: indexedDbStore(value.user.id) } : {};
    const room = joinProject(this.client, this.id, offline);
    this.#room = room;
    this.talk.join(room);
    let isRead = false;
    room.on('status', (status) => {
      this.roomStatus.value = status;
      // Where the room is not to be had, what there is can be looked at all the same.
      if (status !== 'online' && !isRead) this.#readAgain();
      isRead = true;
    });
    room.on('users', (users) => {
      this.users.value = [...users.values()].sort((a, b) => a.since.localeCompare(b.since));
    });
    let again = false;
    room.on('hello', ({ self }) => {
      this.self.value = self;
      this.#takeRole(self.role);
      for (const tab of this.tabs.value) if (tab.document !== undefined) this.#introduce(tab.document);
      // What happened without us is replayed as events; roles may have changed without one.
      if (again) this.#reloadProject();
      // What changed after the project was read and before the room was there is no event that anybody is told.
      else this.#readAgain();
      again = true;
    });
    room.on('event', ({ event }) => this.#onEvent(event));
    room.on('resync', () => this.#readAgain());
    room.on('error', ({ message }) => toast({ kind: 'error', title: 'The room did not accept that', detail: message }));
    room.on('ended', (error) => {
      this.ended.value = error;
      this.users.value = [];
    });
  }

  #onEvent(event: RoomEvent): void {
    const { type, data, by } = event;
    if (type.startsWith('checkpoint.') || type === 'project.merged') this.history.changed(type);
    if (by !== this.self.value?.userId) this.#tell(type, by);
    if (/^(?:file|asset)\.|^checkpoint\.restored$|^project\.merged$|^build\.success$/.test(type))
      this.preview.changed();
    this.problems.hear(event);
    const path = typeof data.path === 'string' ? data.path : undefined;
    if (type === 'file.moved') this.#follow(data);
    if (type === 'file.updated' && path !== undefined && findNode(this.tree.value, path) !== undefined) {
      // Typing makes one of these a second: the tree looks the same after it.
      const tab = this.tabs.value.find((open) => open.path === path);
      if (tab !== undefined) tab.version.value += 1;
    } else if (type.startsWith('file.') || type.startsWith('checkpoint.')) this.#reloadTree();
    else if (type === 'build.deleted') {
      const ids = Array.isArray(data.buildIds) ? data.buildIds.filter((id) => typeof id === 'string') : [];
      if (by === this.self.value?.userId) this.builds.forget(ids);
      else this.builds.lose(ids);
    } else if (type.startsWith('build.')) this.#reloadBuilds();
    else if (type.startsWith('asset.')) this.assets.changed();
    else if (type.startsWith('member.') || type === 'project.transferred') {
      this.#membersChanged();
      this.#reloadProject();
    } else if (type === 'project.published' || type === 'project.unpublished') this.#reloadPublication();
    else if (type.startsWith('project.')) this.#reloadProject();
  }

  /** Said, because text changes where nobody seems to type. */
  #tell(type: string, by: string | null): void {
    const what = tellings[type];
    if (what === undefined) return;
    const who = this.users.value.find(({ userId }) => userId === by)?.displayName ?? 'Somebody';
    toast({
      kind: 'info',
      title: `${who} ${what}`,
      detail: 'What you typed is kept. The state before is in the history.',
    });
  }

  /** Open files go where they were moved to, with their editors and what is typed there. */
  #follow(move: RoomEvent['data']): void {
    const after = new Map(
      this.tabs.value.flatMap((tab) => {
        const path = pathAfterMove(tab.path, move);
        return path === undefined ? [] : [[tab, path] as const];
      }),
    );
    if (after.size === 0) return;
    const taken = new Set(after.values());
    const active = this.activeTab.value;
    batch(() => {
      // A tab that stood at the new path shows a file that is gone.
      this.tabs.value = this.tabs.value.flatMap((tab) => {
        const path = after.get(tab);
        return path !== undefined ? [{ ...tab, path }] : taken.has(tab.path) ? [] : [tab];
      });
      const path = active && after.get(active);
      if (path !== undefined) this.activate(path);
    });
  }

  /** Roles of a room are project roles; what the project said may be older. */
  #takeRole(role: Project['role']): void {
    const project = this.project.value;
    if (project !== undefined && project.role !== role) this.project.value = { ...project, role };
  }

  /** Everything that is shown of the project, where events do not say what has changed of it. */
  #readAgain(): void {
    this.#reloadProject();
    this.#reloadTree();
    this.#reloadBuilds();
    this.assets.changed();
    this.#reloadPublication();
    this.preview.changed();
    this.history.changed();
    this.#membersChanged();
    this.problems.load().catch(toastError);
  }

  #membersChanged(): void {
    this.membersVersion.value += 1;
    this.names.load().catch(toastError);
  }

  async #loadTree(): Promise<void> {
    const { tree } = await this.client.call('getTree', { params: { id: this.id } });
    this.tree.value = tree;
  }

  readonly #reloadTree = debounce(limits.workspace.reloadAfter, () => void this.#loadTree().catch(toastError));
  readonly #reloadBuilds = debounce(
    limits.workspace.reloadBuildsAfter,
    () => void this.builds.load().catch(toastError),
  );
  readonly #reloadPublication = debounce(
    limits.workspace.reloadAfter,
    () => void this.publishing.load().catch(toastError),
  );
  readonly #reloadProject = debounce(limits.workspace.reloadAfter, () => {
    this.client
      .call('getProject', { params: { id: this.id } })
      .then(({ project }) => {
        const before = this.project.value?.role;
        this.project.value = project;
        if (before !== undefined && before !== project.role)
          toast({ kind: 'info', title: `You are now ${project.role} here` });
      })
      // A member who was removed learns it from the room.
      .catch(() => undefined);
  });

  #indicate(): Indicator {
    if (!this.canWrite.value) return 'read-only';
    if (this.tabs.value.some((tab) => tab.unsaved.value !== undefined)) return 'unsaved';
    const states = this.tabs.value.filter((tab) => tab.document !== undefined).map((tab) => tab.state.value);
    if (states.includes('offline') || this.roomStatus.value === 'offline')
      return this.tabs.value.every((tab) => tab.kept.value) ? 'offline' : 'unkept';
    if (states.includes('saving')) return 'saving';
    return states.includes('connecting') || this.roomStatus.value === 'connecting' ? 'connecting' : 'saved';
  }
}
