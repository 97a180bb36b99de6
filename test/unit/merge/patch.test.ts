import { applyPatch, parsePatch } from 'diff';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/contract/limits.ts';
import { diffTrees, type PatchBudget, type TreeDiff } from '../../../src/core/patch.ts';
import { type Files, fileOf, loaderOf, treeOf } from '../support/merge-world.ts';

const diff = (before: Files, after: Files, budget?: PatchBudget): Promise<TreeDiff & { truncated: boolean }> =>
  diffTrees(treeOf(before), treeOf(after), loaderOf(before, after), budget);

async function patchOf(before: string, after: string, path = 'a.ts'): Promise<string | undefined> {
  return (await diff({ [path]: before }, { [path]: after })).modified[0]?.patch;
}

const numbered = (count: number, name: string): string =>
  Array.from({ length: count }, (_, index) => `${name} ${index}\n`).join('');

describe('A diff of trees', () => {
  it('says what was added, removed and modified, sorted by path', async () => {
    const before = { z: '1', same: '1', gone: '1', b: '1', moved: 'x' };
    const after = { 'new/b': '1', b: '2', same: '1', z: '2', a: 'x' };
    const { added, removed, modified, truncated } = await diff(before, after);
    expect(added).toEqual([fileOf('a', 'x'), fileOf('new/b', '1')]);
    expect(removed).toEqual([fileOf('gone', '1'), fileOf('moved', 'x')]);
    expect(modified.map(({ path }) => path)).toEqual(['b', 'z']);
    expect(modified[0]).toMatchObject({ before: fileOf('b', '1'), after: fileOf('b', '2') });
    expect(truncated).toBe(false);
  });

  it('is empty between equal trees, and reads nothing for it', async () => {
    const tree = treeOf({ a: '1', b: '\0' });
    const text = (): Promise<string> => Promise.reject(new Error('asked'));
    expect(await diffTrees(tree, tree, text)).toEqual({ added: [], removed: [], modified: [], truncated: false });
  });

  it('has a unified patch with three lines of context, named as git names it', async () => {
    const before = numbered(9, 'line');
    expect(await patchOf(before, before.replace('line 4', 'new 4'), 'src/a b.ts')).toBe(
      `--- a/src/a b.ts\n+++ b/src/a b.ts\n@@ -2,7 +2,7 @@\n line 1\n line 2\n line 3\n-line 4\n+new 4\n line 5\n line 6\n line 7\n`,
    );
  });

  it('quotes a path that is not plain', async () => {
    const patch = (await patchOf('1', '2', 'ä"\t.ts')) ?? '';
    expect(patch).toContain('--- "a/\\303\\244\\"\\t.ts"\n');
    expect(parsePatch(patch)[0]?.newFileName).toBe('b/ä"\t.ts');
  });

  it('says that a last line has no end', async () => {
    expect(await patchOf('a\nb', 'a\nb\n')).toBe(
      '--- a/a.ts\n+++ b/a.ts\n@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n',
    );
  });

  it('has no patch for what is or was no text', async () => {
    const { modified, truncated } = await diff({ a: '\0', b: 'x', c: '\u00001' }, { a: 'x', b: '\0', c: '\u00002' });
    expect(modified.map(({ patch }) => patch)).toEqual([undefined, undefined, undefined]);
    expect(truncated).toBe(false);
  });

  it('leaves out what does not fit into the lines or bytes, and goes on with what does', async () => {
    const before = { a: numbered(50, 'a'), b: 'x\n', c: numbered(50, 'c') };
    const after = { a: numbered(50, 'A'), b: 'y\n', c: `${before.c}end\n` };
    const patched = async (budget: PatchBudget): Promise<unknown> => {
      const { modified, truncated } = await diff(before, after, budget);
      return [
        modified
          .filter(({ patch }) => patch !== undefined)
          .map(({ path }) => path)
          .join(''),
        truncated,
      ];
    };
    expect(await patched(limits.diff)).toEqual(['abc', false]);
    expect(await patched({ lines: 102, bytes: 1e6 })).toEqual(['bc', true]);
    expect(await patched({ lines: 103, bytes: 1e6 })).toEqual(['a', true]);
    expect(await patched({ lines: 5, bytes: 1e6 })).toEqual(['b', true]);
    expect(await patched({ lines: 0, bytes: 1e6 })).toEqual(['', true]);
    expect(await patched({ lines: 1e6, bytes: 60 })).toEqual(['b', true]);
  });

  it('gives up on texts in which everything moved, however many lines may be shown', async () => {
    const count = 40_000;
    const lines = Array.from({ length: count }, (_, index) => `${index}\n`);
    const moved = lines.map((_, index) => lines[(index * 7919) % count]).join('');
    const { modified, truncated } = await diff({ a: lines.join('') }, { a: moved }, { lines: 1e6, bytes: 1e9 });
    expect([modified[0]?.patch, truncated]).toEqual([undefined, true]);
  }, 60_000);

  it('bears a million empty lines, and one line of a megabyte', async () => {
    const empty = '\n'.repeat(1_000_000);
    expect(applyPatch(empty, (await patchOf(empty, `${empty}x`)) ?? '') === `${empty}x`).toBe(true);
    const long = 'a'.repeat(limits.file.textMax);
    expect((await patchOf(long, 'b'))?.length).toBeGreaterThan(limits.file.textMax);
    const { modified, truncated } = await diff({ a: long }, { a: 'b' }, { lines: 100, bytes: limits.file.textMax });
    expect([modified[0]?.patch, truncated]).toEqual([undefined, true]);
  }, 60_000);

  it('has patches that make the old text the new one', async () => {
    const line = fc.constantFrom(
      'a\n',
      'b\n',
      '\n',
      'a\r\n',
      '\r\n',
      '-x\n',
      '+x\n',
      '@@ -1 +1 @@\n',
      '--- a\n',
      '\\ No newline at end of file\n',
      '\uFEFF\n',
      '🎮\n',
      '\u2028x\n',
      'a\rb\n',
      '__proto__\n',
    );
    const text = fc
      .tuple(fc.array(line, { maxLength: 30 }), fc.constantFrom('', 'end', '\r'))
      .map((all) => all.flat().join(''));
    await fc.assert(
      fc.asyncProperty(text, text, async (before, after) => {
        const patch = await patchOf(before, after);
        if (before === after) expect(patch).toBeUndefined();
        else expect(applyPatch(before, patch ?? '', { autoConvertLineEndings: false })).toBe(after);
      }),
      { numRuns: 1000 },
    );
  });
});
