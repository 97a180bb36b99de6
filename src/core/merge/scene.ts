import { limits } from '../../contract/limits.ts';
import { circles, type Hierarchy } from '../../contract/scene.ts';
import { type FieldConflict, fieldConflict, pointerTo } from './field-conflict.ts';
import { type Json, type JsonObject, type Member, objectOf } from './json-document.ts';

export interface ReconciledScene {
  /** Theirs, without what does not fit to the hierarchy of ours. */
  readonly theirs: Json;
  readonly fields: readonly FieldConflict[];
}

const memberOf = (json: Json | undefined, key: string): Member | undefined =>
  json?.kind === 'object' ? json.members.get(key) : undefined;

function hierarchyOf(root: Json | undefined): Hierarchy {
  const hierarchy = new Map<string, string | null>();
  const nodes = memberOf(root, 'nodes')?.value;
  if (nodes?.kind === 'object')
    for (const [id, { value }] of nodes.members) {
      const parent = memberOf(value, 'parent')?.value.text;
      hierarchy.set(id, parent?.startsWith('"') ? JSON.parse(parent) : null);
    }
  return hierarchy;
}

/**
 * Scenes keep their nodes in one map, each with its `parent`. Two hierarchies that are trees may not be one
 * when merged field by field: a node that one side deleted is the parent of another that the other side put
 * there, or two nodes were hung on each other. Then ours stays, and the fields are in conflict.
 */
export function reconcileScene(base: Json | undefined, ours: Json, theirs: Json): ReconciledScene | null {
  const nodesMember = memberOf(theirs, 'nodes');
  if (theirs.kind !== 'object' || nodesMember?.value.kind !== 'object') return null;
  const [b, o, t] = [hierarchyOf(base), hierarchyOf(ours), hierarchyOf(theirs)];

  /** Nodes of which ours decides whether and where they are. */
  const kept = new Set<string>();
  /** Nodes in conflict: their parents, or they as a whole where one side has no such node. */
  const disputed = new Set<string>();
  for (let pass = 1, isSettled = false; !isSettled; pass += 1) {
    if (pass > limits.merge.scenePasses) for (const id of [...o.keys(), ...t.keys()]) kept.add(id);
    const merged = mergedHierarchy(b, o, t, kept);
    isSettled = true;
    for (const [id, parent] of merged) {
      if (parent === null || merged.has(parent)) continue;
      if ([o, t].some((side) => side.get(id) === parent && !side.has(parent))) continue;
      const loser = o.has(parent) ? parent : id;
      kept.add(loser);
      disputed.add(loser);
      isSettled = false;
    }
    for (const circle of circles(merged)) {
      if ([o, t].some((side) => circle.every((id) => side.get(id) === merged.get(id)))) continue;
      for (const id of circle) {
        if (o.get(id) === b.get(id) && t.get(id) === b.get(id)) continue;
        kept.add(id);
        disputed.add(id);
      }
      isSettled = false;
    }
  }
  if (disputed.size === 0) return null;

  const [baseNodes, ourNodes] = [base, ours].map((root) => memberOf(root, 'nodes')?.value);
  const theirNodes = nodesMember.value;
  const nodes = new Map(theirNodes.members);
  for (const id of kept) {
    const [our, their] = [memberOf(ourNodes, id), nodes.get(id)];
    if (!our) nodes.delete(id);
    else if (!their) nodes.set(id, memberOf(baseNodes, id) ?? our);
    else if (their.value.kind === 'object')
      nodes.set(id, { ...their, value: withMember(their.value, 'parent', memberOf(our.value, 'parent')) });
  }
  const fields = Array.from(disputed, (id) => {
    const [baseNode, ourNode, theirNode] = [baseNodes, ourNodes, theirNodes].map((side) => memberOf(side, id)?.value);
    const pointer = pointerTo('/nodes', id);
    if (!ourNode || !theirNode) return fieldConflict(pointer, baseNode, ourNode, theirNode);
    const [before, our, their] = [baseNode, ourNode, theirNode].map((side) => memberOf(side, 'parent')?.value);
    return fieldConflict(`${pointer}/parent`, before, our, their);
  });
  const reconciled = { ...nodesMember, value: objectOf(nodes, theirNodes.tail) };
  return { theirs: withMember(theirs, 'nodes', reconciled), fields };
}

/** Which nodes there will be, and on what they will hang. Of the nodes in `kept`, ours decides. */
function mergedHierarchy(base: Hierarchy, ours: Hierarchy, theirs: Hierarchy, kept: ReadonlySet<string>): Hierarchy {
  const merged = new Map<string, string | null>();
  for (const id of new Set([...ours.keys(), ...theirs.keys()])) {
    const [b, o, t] = [base.get(id), ours.get(id), theirs.get(id)];
    const parent = kept.has(id) || t === b ? o : o === b ? t : o;
    if (parent !== undefined) merged.set(id, parent);
  }
  return merged;
}

function withMember(object: JsonObject, key: string, part: Member | undefined): JsonObject {
  const members = new Map(object.members);
  if (part) members.set(key, part);
  else members.delete(key);
  return objectOf(members, object.tail);
}
