import { UndoManager, Map as YMap } from 'yjs';
import { newId } from '../contract/ids.ts';
import { bySceneOrder, documentTypes, ordersBetween, rooted } from '../contract/scene.ts';
import type { RoomDocument } from './document.ts';

/** A node as its file has it. */
export type SceneNodeValue = Readonly<Record<string, unknown>>;

/** A node with what hangs on it, in order. */
export interface SceneBranch {
  readonly id: string;
  readonly value: SceneNodeValue;
  readonly children: readonly SceneBranch[];
}

/** Names the field in an object within a node: `['position', 'x']`. */
export type FieldPath = readonly [string, ...string[]];

/**
 * The scene of a live document. Every change is the smallest one that says it, so that what others do to other fields, and to where
 * nodes stand, stays.
 */
export class SceneDocument {
  readonly root: YMap<unknown>;
  /**
   * Takes back what was done through this object, and nobody else's work. An added, moved or removed node is a step of its own; so is
   * a field, unless it was set a moment before: a drag that writes at every move of the pointer is one step.
   */
  readonly undoManager: UndoManager;
  readonly #origin = this;
  #field = '';

  constructor({ doc }: Pick<RoomDocument, 'doc'>) {
    this.root = doc.getMap(documentTypes.scene);
    this.undoManager = new UndoManager(this.root, { trackedOrigins: new Set([this.#origin]) });
  }

  get ids(): string[] {
    return [...(this.#nodes?.keys() ?? [])];
  }

  node(id: string): SceneNodeValue | undefined {
    return this.#node(id)?.toJSON() as SceneNodeValue | undefined;
  }

  /** The nodes as a tree. Two moves at one time cannot break it: every reader roots a circle alike. */
  tree(): SceneBranch[] {
    const values = new Map(this.ids.flatMap((id) => [[id, this.node(id) ?? {}] as const]));
    const parents = rooted(new Map([...values].map(([id, value]) => [id, textOrNull(value.parent)])));
    const byParent = new Map<string | null, string[]>();
    for (const [id, parent] of parents) byParent.set(parent, [...(byParent.get(parent) ?? []), id]);
    const branches = (parent: string | null): SceneBranch[] =>
      (byParent.get(parent) ?? [])
        .map((id) => ({ id, order: textOrUndefined(values.get(id)?.order) }))
        .sort(bySceneOrder)
        .map(({ id }) => ({ id, value: values.get(id) ?? {}, children: branches(id) }));
    return branches(null);
  }

  /** Adds a node at the end of `parent`'s children and returns its id. */
  add(value: SceneNodeValue, parent: string | null = null): string {
    const id = newId();
    this.#change('', () => {
      const nodes = this.#nodes ?? this.root.set(nodesKey, new YMap<unknown>());
      nodes.set(id, toShared({ ...value, parent, order: this.#orderIn(parent, null, id) }));
    });
    return id;
  }

  /** Sets one field; undefined removes it. Objects on the way are made where they are missing. */
  set(id: string, field: string | FieldPath, value: unknown): void {
    const path = typeof field === 'string' ? [field] : [...field];
    // The numbers of one position belong together.
    this.#change(`${id}.${path[0]}`, () => {
      const last = path.pop();
      let at = this.#node(id);
      for (const key of path) {
        const inner: unknown = at?.get(key);
        at = inner instanceof YMap ? inner : (at?.set(key, toShared(isObject(inner) ? inner : {})) as YMap<unknown>);
      }
      if (at === undefined || last === undefined) return;
      if (value === undefined) at.delete(last);
      else at.set(last, toShared(value));
    });
  }

  /** Hangs a node on another one, before one of its children or at the end. False where that would hang it on itself. */
  move(id: string, parent: string | null, before: string | null = null): boolean {
    const node = this.#node(id);
    if (node === undefined || this.#isWithin(parent, id)) return false;
    this.#change('', () => {
      if (textOrNull(node.get('parent')) !== parent) node.set('parent', parent);
      node.set('order', this.#orderIn(parent, before, id));
    });
    return true;
  }

  /** Removes a node with everything that hangs on it. */
  remove(id: string): void {
    this.#change('', () => {
      for (const inner of this.ids.filter((other) => this.#isWithin(other, id))) this.#nodes?.delete(inner);
    });
  }

  /** Calls back after every change, by whomever. Returns what ends that. */
  observe(listener: () => void): () => void {
    this.root.observeDeep(listener);
    return () => this.root.unobserveDeep(listener);
  }

  destroy(): void {
    this.undoManager.destroy();
  }

  get #nodes(): YMap<unknown> | undefined {
    const nodes = this.root.get(nodesKey);
    return nodes instanceof YMap ? nodes : undefined;
  }

  #node(id: string): YMap<unknown> | undefined {
    const node = this.#nodes?.get(id);
    return node instanceof YMap ? node : undefined;
  }

  #isWithin(id: string | null, ancestor: string): boolean {
    const seen = new Set<string>();
    for (let at = id; at !== null && !seen.has(at); at = textOrNull(this.#node(at)?.get('parent'))) {
      if (at === ancestor) return true;
      seen.add(at);
    }
    return false;
  }

  #orderIn(parent: string | null, before: string | null, moved: string): string {
    const siblings = this.ids
      .filter((id) => id !== moved && textOrNull(this.#node(id)?.get('parent')) === parent)
      .map((id) => ({ id, order: textOrUndefined(this.#node(id)?.get('order')) }))
      .sort(bySceneOrder);
    const index = before === null ? siblings.length : siblings.findIndex(({ id }) => id === before);
    const at = index === -1 ? siblings.length : index;
    const [order] = ordersBetween(siblings[at - 1]?.order ?? null, siblings[at]?.order ?? null, 1);
    return order ?? '';
  }

  /** @param field what `work` sets, where it sets a field. */
  #change(field: string, work: () => void): void {
    if (field === '' || field !== this.#field) this.undoManager.stopCapturing();
    this.#field = field;
    this.root.doc?.transact(work, this.#origin);
  }
}

const nodesKey = 'nodes';

const textOrNull = (value: unknown): string | null => (typeof value === 'string' ? value : null);
const textOrUndefined = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Objects become maps, so that two people may change two fields of one. A list is one value. */
const toShared = (value: unknown): unknown =>
  isObject(value) ? new YMap(Object.entries(value).map(([key, inner]) => [key, toShared(inner)])) : value;
