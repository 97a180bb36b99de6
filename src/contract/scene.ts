import { generateNKeysBetween } from 'fractional-indexing';
import * as z from 'zod';
import { limits } from './limits.ts';

/**
 * Scenes: structured documents. The live form is `doc.getMap('root')`, the file is its canonical JSON.
 * `root.nodes` is a flat map of nodes by id; where a node stands in the tree is said by two of its fields.
 */

/** Files that are scenes. */
export const isScenePath = (path: string): boolean => path.toLowerCase().endsWith('.scene.json');

/** Top-level types of a live document. `meta` holds `form`. */
export const documentTypes = { text: 'content', scene: 'root', meta: 'kiln' } as const;

/**
 * How a live document is to be read: `doc.getMap('kiln').get('form')` where it is set, else by its path.
 * A `.scene.json` that is no JSON object is `text`, so that it can be mended.
 */
export const DocumentForm = z.enum(['text', 'scene']);
export type DocumentForm = z.infer<typeof DocumentForm>;

const nodeId = z.string().min(1).max(limits.scene.idMax);

/** What Kiln knows of a node. Everything else in it is the game's own. */
export const SceneNode = z.looseObject({
  parent: nodeId.nullable().optional().meta({ description: 'The node it hangs on; null or absent: on none' }),
  order: z
    .string()
    .max(limits.scene.orderMax)
    .optional()
    .meta({ description: 'Its place among its siblings: a fractional index; equal ones go by id' }),
  name: z.string().max(limits.scene.nameMax).optional(),
  type: z.string().max(limits.scene.nameMax).optional(),
});

/** A scene as its file has it. */
export const Scene = z.looseObject({ nodes: z.record(nodeId, SceneNode).optional() });
export type Scene = z.infer<typeof Scene>;

/** Node → the node it hangs on; null for one that hangs on none. */
export type Hierarchy = ReadonlyMap<string, string | null>;

/** The nodes of every circle, circle by circle. */
export function circles(hierarchy: Hierarchy): string[][] {
  const found: string[][] = [];
  const seen = new Set<string>();
  for (const start of hierarchy.keys()) {
    const path: string[] = [];
    let id: string | null | undefined = start;
    while (id !== null && id !== undefined && !seen.has(id)) {
      seen.add(id);
      path.push(id);
      id = hierarchy.get(id);
    }
    const entry = id === null || id === undefined ? -1 : path.lastIndexOf(id);
    if (entry !== -1) found.push(path.slice(entry));
  }
  return found;
}

/**
 * The rule for hierarchies that are no trees, as two moves at one time can leave them: of each circle the
 * node with the smallest id hangs on none, and so does a node whose parent is not there. Every reader
 * comes to the same tree.
 */
export function rooted(hierarchy: Hierarchy): Map<string, string | null> {
  const tree = new Map<string, string | null>();
  for (const [id, parent] of hierarchy) tree.set(id, parent !== null && hierarchy.has(parent) ? parent : null);
  for (const id of cuts(tree)) tree.set(id, null);
  return tree;
}

/** The nodes that the rule takes out of circles. */
export const cuts = (hierarchy: Hierarchy): string[] =>
  circles(hierarchy).map((circle) => circle.reduce((least, id) => (id < least ? id : least)));

/** Siblings in their order. */
export const bySceneOrder = (
  a: { readonly id: string; readonly order?: string | undefined },
  b: { readonly id: string; readonly order?: string | undefined },
): number => {
  const [before, after] = [a.order ?? '', b.order ?? ''];
  if (before !== after) return before < after ? -1 : 1;
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
};

/**
 * `count` fresh values of `order` between two neighbours; null: the beginning, the end. Neighbours that
 * have one and the same, or one that is no fractional index, leave no room: the end is used.
 */
export function ordersBetween(before: string | null, after: string | null, count: number): string[] {
  for (const [low, high] of [
    [before, after],
    [before, null],
  ] as const)
    try {
      return generateNKeysBetween(low, high, count);
    } catch {
      // Not a pair of keys of this library, or in the wrong order.
    }
  return generateNKeysBetween(null, null, count);
}

/** What does not fit to the schema of a structured document. The edit stands; people are shown this. */
export const DocumentIssue = z.object({
  pointer: z.string().meta({ description: 'JSON pointer (RFC 6901); empty for the whole' }),
  message: z.string(),
});
export type DocumentIssue = z.infer<typeof DocumentIssue>;

export const DocumentProblems = z
  .object({ path: z.string(), form: DocumentForm, issues: z.array(DocumentIssue) })
  .meta({ id: 'DocumentProblems' });
export type DocumentProblems = z.infer<typeof DocumentProblems>;

export const DocumentProblemList = z.object({ documents: z.array(DocumentProblems) });
