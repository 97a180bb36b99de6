import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../../src/contract/limits.ts';
import { hashTree, nest, sha256, sorted, type TreeEntry, WorkingTree } from '../../src/core/tree.ts';
import { codeOfSync } from './support/code-of.ts';

const entry = (path: string, content = path, size = content.length): TreeEntry => ({
  path,
  hash: sha256(content),
  size,
  mode: 0o644,
});

const put = (tree: WorkingTree<TreeEntry>, path: string, content?: string): string =>
  codeOfSync(() => tree.put(entry(path, content)));

describe('WorkingTree', () => {
  it('holds what was put, sorted by UTF-16 code unit', () => {
    const tree = new WorkingTree<TreeEntry>();
    for (const path of ['b', 'a/z', 'a-b', 'Z', 'ä', 'a.b']) expect(put(tree, path)).toBe('done');
    expect(tree.list().map(({ path }) => path)).toEqual(['Z', 'a-b', 'a.b', 'a/z', 'b', 'ä']);
    expect(tree.count).toBe(6);
  });

  it('replaces a file in place and counts its new size only', () => {
    const tree = new WorkingTree([entry('a', '12345')]);
    tree.put(entry('a', '123'));
    expect([tree.count, tree.size]).toEqual([1, 3]);
    expect(tree.get('a')?.hash).toBe(sha256('123'));
  });

  it('forgets what is deleted, and answers undefined for what was not there', () => {
    const tree = new WorkingTree([entry('a')]);
    expect(tree.delete('b')).toBeUndefined();
    expect(tree.delete('a')?.path).toBe('a');
    expect([tree.count, tree.size, tree.list().length]).toEqual([0, 0, 0]);
  });

  it.each([
    ['a file that differs only in case', 'Readme.md', 'README.md'],
    ['a file that differs only in the case of a directory', 'Src/a.ts', 'src/b.ts'],
    ['a directory where a file stands', 'a', 'a/b'],
    ['a directory where a file of other case stands', 'A', 'a/b'],
    ['a file where a directory stands', 'a/b', 'a'],
    ['a file where a directory of other case stands', 'A/b', 'a'],
    ['a deep directory where a file stands', 'a/b/c', 'a/b/c/d/e'],
    ['a directory that differs only in case further down', 'x/Y/a', 'x/y/b'],
  ])('refuses %s', (_name, first, second) => {
    const tree = new WorkingTree([entry(first)]);
    const hash = tree.hash();
    expect(put(tree, second)).toBe('path_conflict');
    expect(tree.hash()).toBe(hash);
    expect([tree.count, tree.size]).toEqual([1, entry(first).size]);
  });

  it('accepts the other case once the first is gone', () => {
    const tree = new WorkingTree([entry('Src/a')]);
    tree.delete('Src/a');
    expect(put(tree, 'src/a')).toBe('done');
  });

  it('keeps a directory taken until its last file is gone', () => {
    const tree = new WorkingTree([entry('d/a'), entry('d/b')]);
    tree.delete('d/a');
    expect(put(tree, 'd')).toBe('path_conflict');
    tree.delete('d/b');
    expect(put(tree, 'd')).toBe('done');
  });

  it('refuses one file too many, and is then unchanged', () => {
    const tree = new WorkingTree(Array.from({ length: limits.project.filesMax }, (_, index) => entry(`f${index}`)));
    expect(put(tree, 'one-more')).toBe('quota_exceeded');
    expect(tree.count).toBe(limits.project.filesMax);
    expect(put(tree, 'f0', 'other')).toBe('done');
  });

  it('refuses a byte too many, accepts the very last one', () => {
    const tree = new WorkingTree([entry('a', 'a', limits.project.totalSize - 10)]);
    expect(codeOfSync(() => tree.put(entry('b', 'b', 11)))).toBe('quota_exceeded');
    expect(tree.get('b')).toBeUndefined();
    expect(codeOfSync(() => tree.put(entry('b', 'b', 10)))).toBe('done');
    expect(tree.size).toBe(limits.project.totalSize);
  });

  it('lets a tree that is over the limit shrink', () => {
    const tree = new WorkingTree([entry('a', 'a', limits.project.totalSize), entry('b', 'b', 100)]);
    expect(codeOfSync(() => tree.put(entry('b', 'b', 50)))).toBe('done');
    expect(codeOfSync(() => tree.put(entry('b', 'b', 51)))).toBe('quota_exceeded');
  });

  it('behaves like a plain map with the same rules under any sequence of puts and deletes', () => {
    const names = fc.constantFrom('a', 'A', 'b', 'c', 'C');
    const path = fc.array(names, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
    const step = fc.oneof(
      fc.record({ kind: fc.constant('put' as const), path, content: fc.string({ maxLength: 5 }) }),
      fc.record({ kind: fc.constant('delete' as const), path }),
    );
    const prefixes = (full: string): string[] => full.split('/').map((_, i, parts) => parts.slice(0, i + 1).join('/'));
    /** Whether two files can stand in one tree: no spelling of a prefix twice, no file that is a directory of the other. */
    const agree = (a: string, b: string): boolean => {
      for (const x of prefixes(a))
        for (const y of prefixes(b)) {
          if (x.toLowerCase() !== y.toLowerCase()) continue;
          if (x !== y || x === a || y === b) return false;
        }
      return true;
    };
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const tree = new WorkingTree<TreeEntry>();
        const model = new Map<string, TreeEntry>();
        for (const action of steps) {
          if (action.kind === 'delete') {
            expect(tree.delete(action.path)).toEqual(model.get(action.path));
            model.delete(action.path);
          } else {
            const wanted = entry(action.path, action.content);
            const fits = model.has(action.path) || [...model.keys()].every((other) => agree(action.path, other));
            expect(codeOfSync(() => tree.put(wanted))).toBe(fits ? 'done' : 'path_conflict');
            if (fits) model.set(action.path, wanted);
          }
          expect(tree.list()).toEqual(sorted(model.values()));
          expect(tree.count).toBe(model.size);
          expect(tree.size).toBe([...model.values()].reduce((sum, { size }) => sum + size, 0));
          expect(tree.hash()).toBe(hashTree(model.values()));
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('hashTree', () => {
  const files = fc.uniqueArray(
    fc.record({ path: fc.string({ minLength: 1, maxLength: 8 }), content: fc.string({ maxLength: 8 }) }),
    { selector: ({ path }) => path, minLength: 1, maxLength: 8 },
  );

  it('does not depend on the order of the entries', () => {
    fc.assert(
      fc.property(files, (list) => {
        const entries = list.map(({ path, content }) => entry(path, content));
        expect(hashTree([...entries].reverse())).toBe(hashTree(entries));
      }),
    );
  });

  it('changes with path, content, size and mode of every entry, and with their number', () => {
    fc.assert(
      fc.property(files, fc.nat(), (list, index) => {
        const entries = list.map(({ path, content }) => entry(path, content));
        const at = index % entries.length;
        const hash = hashTree(entries);
        const changed = (change: Partial<TreeEntry>): string =>
          hashTree(entries.map((each, i) => (i === at ? { ...each, ...change } : each)));
        expect(changed({ path: 'another path' })).not.toBe(hash);
        expect(changed({ hash: sha256('something else entirely') })).not.toBe(hash);
        expect(changed({ size: 999 })).not.toBe(hash);
        expect(changed({ mode: 0o755 })).not.toBe(hash);
        expect(hashTree(entries.filter((_, i) => i !== at))).not.toBe(hash);
      }),
    );
  });

  it('is SHA-256 over the documented lines, so that others can compute it', () => {
    const a = entry('a', 'x');
    expect(hashTree([a])).toBe(sha256(`644 ${a.hash} 1 a\n`));
    expect(hashTree([])).toBe(sha256(''));
  });
});

describe('nest', () => {
  it('makes one directory per prefix, children sorted by name', () => {
    const tree = nest(sorted([entry('b.ts'), entry('a/z/deep.ts'), entry('a/b.ts'), entry('a-first')]));
    const shape = (node: typeof tree): unknown =>
      node.children ? { [node.path || '/']: node.children.map(shape) } : node.path;
    expect(shape(tree)).toEqual({ '/': [{ a: ['a/b.ts', { 'a/z': ['a/z/deep.ts'] }] }, 'a-first', 'b.ts'] });
  });

  it('gives files their size and hash, directories neither', () => {
    const [directory] = nest([entry('d/f', 'abc')]).children ?? [];
    expect(directory).toEqual({
      name: 'd',
      type: 'directory',
      path: 'd',
      children: [{ name: 'f', type: 'file', path: 'd/f', size: 3, hash: sha256('abc') }],
    });
  });

  it('of an empty tree is an empty root', () => {
    expect(nest([])).toEqual({ name: '', type: 'directory', path: '', children: [] });
  });

  it('survives names with a meaning in JavaScript and 200 levels', () => {
    const tree = nest(sorted([entry('__proto__/constructor'), entry(`${'d/'.repeat(199)}f`)]));
    expect(tree.children?.map(({ name }) => name)).toEqual(['__proto__', 'd']);
    expect(({} as Record<string, unknown>).constructor).toBe(Object);
  });
});
