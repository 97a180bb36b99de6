import type { TreeNode } from '../../../src/contract/files.ts';

/** A visible line of the tree. */
export interface Row {
  node: TreeNode;
  depth: number;
  expanded: boolean;
}

/** Directories before files, each by name as people sort: `level2` before `level10`. */
const collator = new Intl.Collator('en', { numeric: true });
const order = (a: TreeNode, b: TreeNode): number =>
  a.type === b.type ? collator.compare(a.name, b.name) : a.type === 'directory' ? -1 : 1;

/** The rows on screen, from top to bottom. */
export const visibleRows = (root: TreeNode, collapsed: ReadonlySet<string>, depth = 0): Row[] =>
  [...(root.children ?? [])].sort(order).flatMap((node) => {
    const expanded = node.type === 'directory' && !collapsed.has(node.path);
    const row: Row = { node, depth, expanded };
    return expanded ? [row, ...visibleRows(node, collapsed, depth + 1)] : [row];
  });

export const findNode = (root: TreeNode | undefined, path: string): TreeNode | undefined => {
  if (root === undefined || root.path === path) return root;
  for (const child of root.children ?? []) {
    if (child.path === path || path.startsWith(`${child.path}/`)) return findNode(child, path);
  }
  return undefined;
};

/** The file to show first: what a reader would open. */
export const firstFile = (root: TreeNode): string | undefined => {
  const preferred = [
    'src/main.ts',
    'src/main.js',
    'src/index.ts',
    'main.ts',
    'main.js',
    'game.js',
    'index.html',
    'README.md',
  ];
  const found = preferred.find((path) => findNode(root, path)?.type === 'file');
  if (found !== undefined) return found;
  const anyFile = (node: TreeNode): string | undefined =>
    node.type === 'file' ? node.path : [...(node.children ?? [])].map(anyFile).find((path) => path !== undefined);
  return anyFile(root);
};

/** Paths of all directories, the top left out. */
export const directoriesOf = (node: TreeNode): string[] =>
  (node.children ?? []).flatMap((child) => (child.type === 'directory' ? [child.path, ...directoriesOf(child)] : []));

export const countFiles = (node: TreeNode): number =>
  node.type === 'file' ? 1 : (node.children ?? []).reduce((sum, child) => sum + countFiles(child), 0);
