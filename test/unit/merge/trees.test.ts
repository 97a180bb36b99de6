import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ErrorCode, KilnError } from '../../../src/contract/errors.ts';
import { limits } from '../../../src/contract/limits.ts';
import { type MergeConflict, mergeTrees, type TreeFile } from '../../../src/core/merge/merge-trees.ts';
import { sha256, WorkingTree } from '../../../src/core/tree.ts';
import {
  apply,
  type Files,
  fileOf,
  isBinary,
  loaderOf,
  type MergeOptions,
  merge,
  merged,
  treeOf,
} from '../support/merge-world.ts';

const lines = (...all: string[]): string => all.map((line) => `${line}\n`).join('');
const abc = lines('a', 'b', 'c');

async function conflictOf(base: Files, ours: Files, theirs: Files): Promise<MergeConflict> {
  const { conflicts } = await merge(base, ours, theirs);
  expect(conflicts).toHaveLength(1);
  return conflicts[0] as MergeConflict;
}

const outline = ({ path, kind, base, ours, theirs }: MergeConflict): unknown => [
  kind,
  path,
  ...[base, ours, theirs].map((side) => side?.path ?? null),
];

async function refusal(work: Promise<unknown>): Promise<{ code: ErrorCode; issues: readonly string[] }> {
  try {
    await work;
  } catch (error) {
    if (error instanceof KilnError) return { code: error.code, issues: (error.issues ?? []).map(({ path }) => path) };
    throw error;
  }
  throw new Error('not refused');
}

describe('A merge of trees', () => {
  it.each<[string, Files, Files, Files, Files]>([
    ['nothing into nothing', {}, {}, {}, {}],
    ['what theirs added', { a: '1' }, { a: '1' }, { a: '1', b: '2' }, { a: '1', b: '2' }],
    ['what theirs changed', { a: '1' }, { a: '1' }, { a: '2' }, { a: '2' }],
    ['what theirs deleted', { a: '1', b: '1' }, { a: '1', b: '1' }, { a: '1' }, { a: '1' }],
    ['nothing of what ours changed', { a: '1', b: '1' }, { a: '2', c: '3' }, { a: '1', b: '1' }, { a: '2', c: '3' }],
    ['the same changes', { a: '1', b: '1' }, { a: '2', c: '3' }, { a: '2', c: '3' }, { a: '2', c: '3' }],
    [
      'edits of one text',
      { 'a.ts': abc },
      { 'a.ts': lines('A', 'b', 'c') },
      { 'a.ts': lines('a', 'b', 'C') },
      { 'a.ts': lines('A', 'b', 'C') },
    ],
    [
      'edits of one document',
      { 'a.json': '{"a":1,"b":1}' },
      { 'a.json': '{"a":2,"b":1}' },
      { 'a.json': '{"a":1,"b":2}' },
      { 'a.json': '{"a":2,"b":2}' },
    ],
    [
      'by line a document that is no JSON',
      { 'a.json': abc },
      { 'a.json': lines('A', 'b', 'c') },
      { 'a.json': lines('a', 'b', 'C') },
      { 'a.json': lines('A', 'b', 'C') },
    ],
    [
      'by line a text that only looks like JSON',
      { 'a.ts': lines('{', '"a":1,', '', '"b":1', '}') },
      { 'a.ts': lines('{', '"a":2,', '', '"b":1', '}') },
      { 'a.ts': lines('{', '"a":1,', '', '"b":2', '}') },
      { 'a.ts': lines('{', '"a":2,', '', '"b":2', '}') },
    ],
    [
      'binary files that one side changed',
      { a: '\u00001', b: '\u00001' },
      { a: '\u00002', b: '\u00001' },
      { a: '\u00001', b: '\u00002' },
      { a: '\u00002', b: '\u00002' },
    ],
    ['a text that became binary on one side', { a: 'x' }, { a: 'x' }, { a: '\0x' }, { a: '\0x' }],
    [
      'an edit into the file that theirs renamed',
      { a: 'x', d: '1' },
      { a: 'y', d: '1' },
      { 'e/b': 'x', d: '2' },
      { 'e/b': 'y', d: '2' },
    ],
    ['an edit of the file that ours renamed', { a: 'x' }, { b: 'x' }, { a: 'y' }, { b: 'y' }],
    ['one rename of both', { a: 'x' }, { b: 'x' }, { b: 'x' }, { b: 'x' }],
    ['renames of two files', { a: 'x', b: 'y' }, { c: 'x', b: 'y' }, { a: 'x', d: 'y' }, { c: 'x', d: 'y' }],
    [
      'a renamed directory, file by file',
      { 'd/a': '1', 'd/b': '2' },
      { 'd/a': '1', 'd/b': '3' },
      { 'e/a': '1', 'e/b': '2' },
      { 'e/a': '1', 'e/b': '3' },
    ],
    ['a chain of renames', { a: '1', b: '2' }, { a: '1', b: '2' }, { b: '1', c: '2' }, { b: '1', c: '2' }],
    ['two files that changed places', { a: '1', b: '2' }, { a: '1', b: '2' }, { a: '2', b: '1' }, { a: '2', b: '1' }],
    [
      'two directories that changed places',
      { 'x/a': '1', 'y/b': '2' },
      { 'x/a': '1', 'y/b': '2' },
      { 'y/a': '1', 'x/b': '2' },
      { 'y/a': '1', 'x/b': '2' },
    ],
    [
      'files that changed into each other’s spelling',
      { 'A/x': '1', 'B/y': '2' },
      { 'A/x': '1', 'B/y': '2' },
      { 'b/x': '1', 'a/y': '2' },
      { 'b/x': '1', 'a/y': '2' },
    ],
    ['another spelling', { 'Readme.md': 'x' }, { 'Readme.md': 'y' }, { 'README.md': 'x' }, { 'README.md': 'y' }],
    [
      'a file that became a directory',
      { a: '1', b: '2' },
      { a: '1', b: '2' },
      { 'a/c': '3', b: '2' },
      { 'a/c': '3', b: '2' },
    ],
    ['a file that moved below its own name', { a: '1' }, { a: '2' }, { 'a/a': '1' }, { 'a/a': '2' }],
    ['a directory that became a file', { 'a/b': '1', 'a/c': '2' }, { 'a/b': '1', 'a/c': '2' }, { a: '1' }, { a: '1' }],
    [
      'an empty file deleted and another added: no rename',
      { a: '', c: '1' },
      { a: '', c: '2' },
      { b: '', c: '1' },
      { b: '', c: '2' },
    ],
  ])('takes %s', async (_name, base, ours, theirs, expected) => {
    expect(await merged(base, ours, theirs)).toEqual(expected);
    expect(await merged(base, theirs, ours)).toEqual(expected);
  });

  it('takes documents that both added, when their fields agree', async () => {
    const [ours, theirs] = [{ 'a.webmanifest': '{"a":1,"b":2}' }, { 'a.webmanifest': '{"b":2,"c":3}' }];
    expect(await merged({}, ours, theirs)).toEqual({ 'a.webmanifest': '{"a":1,"b":2,"c":3}' });
  });

  it('makes a rename a move, so that the file keeps its identity, and a swap of contents two puts', async () => {
    const { changes } = await merge({ a: '1', b: '2', c: '3' }, { a: '1', b: '2', c: '3' }, { d: '1', b: '3', c: '2' });
    expect(changes).toEqual([
      { op: 'move', from: 'a', to: 'd' },
      { op: 'put', path: 'b', file: fileOf('b', '3') },
      { op: 'put', path: 'c', file: fileOf('c', '2') },
    ]);
  });

  it('names the file of theirs where merging came to the same text', async () => {
    const [base, ours, theirs] = [{ a: abc }, { a: lines('A', 'b', 'c') }, { a: lines('A', 'b', 'C') }];
    expect((await merge(base, ours, theirs)).changes).toEqual([{ op: 'put', path: 'a', file: fileOf('a', theirs.a) }]);
  });

  it('takes no empty file for a renamed one: all are the same', async () => {
    expect((await conflictOf({ a: '' }, { a: 'x' }, { b: '' })).kind).toBe('delete-modify');
  });

  it('deletes and adds where moves wait for each other', async () => {
    const base = { 'A/x': '1', 'B/y': '2' };
    const { changes } = await merge(base, base, { 'b/x': '1', 'a/y': '2' });
    expect(changes).toEqual([
      { op: 'delete', path: 'A/x' },
      { op: 'move', from: 'B/y', to: 'a/y' },
      { op: 'put', path: 'b/x', file: fileOf('b/x', '1') },
    ]);
  });

  it.each<[string, Files, Files, Files, unknown[]]>([
    [
      'edits of one line',
      { 'a.ts': abc },
      { 'a.ts': lines('x', 'b', 'c') },
      { 'a.ts': lines('y', 'b', 'c') },
      ['text', 'a.ts', 'a.ts', 'a.ts', 'a.ts'],
    ],
    [
      'one field',
      { 'a.json': '[1]' },
      { 'a.json': '[2]' },
      { 'a.json': '[3]' },
      ['json', 'a.json', 'a.json', 'a.json', 'a.json'],
    ],
    ['a binary file', { a: '\u00001' }, { a: '\u00002' }, { a: '\u00003' }, ['binary', 'a', 'a', 'a', 'a']],
    ['a text that became binary', { a: 'x' }, { a: 'y' }, { a: '\0z' }, ['binary', 'a', 'a', 'a', 'a']],
    ['a file that ours deleted and theirs changed', { a: '1' }, {}, { a: '2' }, ['delete-modify', 'a', 'a', null, 'a']],
    ['a file that ours changed and theirs deleted', { a: '1' }, { a: '2' }, {}, ['delete-modify', 'a', 'a', 'a', null]],
    ['texts that both added', {}, { a: '1' }, { a: '2' }, ['add-add', 'a', null, 'a', 'a']],
    [
      'documents that both added',
      {},
      { 'a.json': '1' },
      { 'a.json': '2' },
      ['add-add', 'a.json', null, 'a.json', 'a.json'],
    ],
    ['binary files that both added', {}, { a: '\u00001' }, { a: '\u00002' }, ['add-add', 'a', null, 'a', 'a']],
    ['two new names', { a: '1' }, { b: '1' }, { c: '1' }, ['move', 'b', 'a', 'b', 'c']],
    ['a file that ours renamed and theirs deleted', { a: '1' }, { b: '1' }, {}, ['move', 'b', 'a', 'b', null]],
    ['a file that ours deleted and theirs renamed', { a: '1' }, {}, { b: '1' }, ['move', 'b', 'a', null, 'b']],
    [
      'names that differ in case',
      {},
      { 'Readme.md': '1' },
      { 'README.md': '2' },
      ['path', 'README.md', null, 'Readme.md', 'README.md'],
    ],
    [
      'directories that differ in case',
      {},
      { 'Src/a': '1' },
      { 'src/b': '2' },
      ['path', 'src/b', null, 'Src/a', 'src/b'],
    ],
    ['a directory where ours has a file', {}, { a: '1' }, { 'a/b': '2' }, ['path', 'a/b', null, 'a', 'a/b']],
    ['a file where ours has a directory', {}, { 'a/b': '1', 'a/c': '2' }, { a: '3' }, ['path', 'a', null, 'a/b', 'a']],
    [
      'a rename onto another spelling of what ours added',
      { a: '1' },
      { a: '1', B: '2' },
      { b: '1' },
      ['path', 'b', 'a', 'B', 'b'],
    ],
  ])('is in conflict about %s, and leaves ours', async (_name, base, ours, theirs, expected) => {
    expect(outline(await conflictOf(base, ours, theirs))).toEqual(expected);
    expect(apply((await merge(base, ours, theirs)).changes, base, ours, theirs)).toEqual(ours);
    expect((await merge(base, theirs, ours)).conflicts[0]?.kind).toBe(expected[0]);
    expect(await merged(base, ours, theirs, { takeAll: 'ours' })).toEqual(ours);
    expect(await merged(base, ours, theirs, { takeAll: 'theirs' })).toEqual(theirs);
  });

  it('takes a rename onto a name that the other side added for a deletion and an addition', async () => {
    const [base, ours, theirs] = [{ a: 'x' }, { a: 'y', b: 'z' }, { b: 'x' }];
    const { conflicts } = await merge(base, ours, theirs);
    expect(conflicts.map(outline)).toEqual([
      ['delete-modify', 'a', 'a', 'a', null],
      ['add-add', 'b', null, 'b', 'b'],
    ]);
  });

  it('takes no rename where the same bytes went to two places, or came from two', async () => {
    expect((await conflictOf({ a: 'x' }, { a: 'y' }, { b: 'x', c: 'x' })).kind).toBe('delete-modify');
    expect((await conflictOf({ a: 'x', b: 'x' }, { a: 'y', b: 'x' }, { c: 'x' })).kind).toBe('delete-modify');
  });

  it('merges around a conflict', async () => {
    const [base, ours, theirs] = [
      { a: '1', b: '1' },
      { a: '2', b: '1' },
      { a: '3', b: '4', c: '5' },
    ];
    const { changes, conflicts } = await merge(base, ours, theirs);
    expect(conflicts.map(({ path }) => path)).toEqual(['a']);
    expect(apply(changes, base, ours, theirs)).toEqual({ a: '2', b: '4', c: '5' });
  });

  it('shows the three contents, and what could be merged', async () => {
    const [base, ours, theirs] = [abc, lines('x', 'b', 'c'), lines('y', 'b', 'C')];
    const conflict = await conflictOf({ a: base }, { a: ours }, { a: theirs });
    expect([conflict.base, conflict.ours, conflict.theirs].map((side) => side?.content)).toEqual([base, ours, theirs]);
    expect(conflict.merged).toBe(
      lines('<<<<<<< ours', 'x', '||||||| base', 'a', '=======', 'y', '>>>>>>> theirs', 'b', 'C'),
    );
    const document = await conflictOf(
      { 'a.json': '{"a":1,"b":1}' },
      { 'a.json': '{"a":2,"b":1}' },
      { 'a.json': '{"a":3,"b":2}' },
    );
    expect(document.merged).toBe('{"a":2,"b":2}');
    expect(document.fields).toEqual([{ pointer: '/a', base: 1, ours: 2, theirs: 3 }]);
  });

  it('shows of binary and large files only what they are, and of many only the first', async () => {
    const binary = await conflictOf({ a: '\u00001' }, { a: '\u00002' }, { a: '\u00003' });
    expect(binary.ours).toEqual(fileOf('a', '\u00002'));
    const large = 'x'.repeat(limits.merge.shownText + 1);
    const conflict = await conflictOf({ a: 'small' }, { a: large }, { a: 'other' });
    expect([conflict.base?.content, conflict.ours?.content, conflict.theirs?.content]).toEqual([
      'small',
      undefined,
      'other',
    ]);
    expect(conflict.merged).toBeUndefined();

    const side = (name: string): Files =>
      Object.fromEntries(
        Array.from({ length: 60 }, (_, index) => [
          `f${index}`,
          `${name}${index}`.padEnd(limits.merge.shownText / 2, name),
        ]),
      );
    const { conflicts } = await merge(side('b'), side('o'), side('t'));
    const bytes = Buffer.byteLength(JSON.stringify(conflicts));
    expect(conflicts).toHaveLength(60);
    expect(bytes).toBeGreaterThan(limits.merge.shownBytes * 0.9);
    expect(bytes).toBeLessThan(limits.merge.shownBytes * 1.1);
    expect(conflicts.at(-1)?.ours).toEqual(fileOf('f9', side('o').f9 ?? ''));

    const document = (value: number): Files => ({
      'a.json': JSON.stringify(Object.fromEntries(Array.from({ length: 9000 }, (_, index) => [`k${index}`, value]))),
    });
    const { fields = [] } = await conflictOf(document(1), document(2), document(3));
    expect(fields[0]).toEqual({ pointer: '/k0', base: 1, ours: 2, theirs: 3 });
    expect(fields.length).toBeGreaterThan(1000);
    expect(Buffer.byteLength(JSON.stringify(fields))).toBeLessThan(limits.merge.shownText * 1.1);
  });

  it('asks for no text that it does not need', async () => {
    const base = { a: '1', b: '1', c: '1', d: '1', e: '\0', f: 'x' };
    const ours = { a: '2', b: '1', c: '2', e: '\u00002', g: 'x' };
    const theirs = { a: '1', b: '2', c: '2', e: '\u00003', f: 'y', h: 'z' };
    const text = (hash: string): Promise<string> => Promise.reject(new Error(`asked for ${hash}`));
    const result = await mergeTrees({ base: treeOf(base), ours: treeOf(ours), theirs: treeOf(theirs), text });
    expect(result.conflicts.map(({ kind }) => kind)).toEqual(['binary']);
  });

  it('passes on that a text could not be read', async () => {
    const [base, ours, theirs] = [{ a: '1' }, { a: '2' }, { a: '3' }].map(treeOf) as [
      TreeFile[],
      TreeFile[],
      TreeFile[],
    ];
    const text = (): Promise<string> => Promise.reject(new Error('storage is away'));
    await expect(mergeTrees({ base, ours, theirs, text })).rejects.toThrow('storage is away');
  });
});

describe('A resolution', () => {
  const [base, ours, theirs] = [
    { a: '1', b: '1', c: '1' },
    { a: '2', b: '2' },
    { a: '3', b: '3', c: '3' },
  ];
  const resolve = (options: MergeOptions): Promise<Files> => merged(base, ours, theirs, options);

  it('takes one side, the other, or a new content, file by file, and all the rest', async () => {
    const resolutions = [
      { path: 'a', take: 'theirs' },
      { path: 'c', take: { content: 'new' } },
    ] as const;
    expect(await resolve({ resolutions, takeAll: 'ours' })).toEqual({ a: '3', b: '2', c: 'new' });
    expect(await resolve({ resolutions, takeAll: 'theirs' })).toEqual({ a: '3', b: '3', c: 'new' });
    const { conflicts } = await merge(base, ours, theirs, { resolutions });
    expect(conflicts.map(({ path }) => path)).toEqual(['b']);
  });

  it('changes nothing where its content is that of ours', async () => {
    const { changes } = await merge(base, ours, theirs, {
      resolutions: [{ path: 'a', take: { content: '2' } }],
      takeAll: 'ours',
    });
    expect(changes).toEqual([]);
  });

  it('of a file with two new names takes one of them', async () => {
    const [b, o, t] = [{ a: '1' }, { b: '1' }, { c: '1' }];
    expect(await merged(b, o, t, { resolutions: [{ path: 'b', take: 'theirs' }] })).toEqual({ c: '1' });
    expect(await merged(b, o, t, { resolutions: [{ path: 'b', take: { content: '2' } }] })).toEqual({ b: '2' });
    expect((await merge(b, o, t, { takeAll: 'theirs' })).changes).toEqual([{ op: 'move', from: 'b', to: 'c' }]);
  });

  it('for theirs removes what stands in the way, for ours leaves theirs out, file by file', async () => {
    const [b, o, t] = [{}, { a: '1' }, { 'a/b': '2', 'a/c': '3' }];
    expect((await merge(b, o, t)).conflicts.map(({ path }) => path)).toEqual(['a/b', 'a/c']);
    const take = (first: 'ours' | 'theirs', second: 'ours' | 'theirs'): Promise<Files> =>
      merged(b, o, t, {
        resolutions: [
          { path: 'a/b', take: first },
          { path: 'a/c', take: second },
        ],
      });
    expect(await take('ours', 'ours')).toEqual(o);
    expect(await take('ours', 'theirs')).toEqual({ 'a/c': '3' });
    expect(await take('theirs', 'theirs')).toEqual(t);
    expect(
      await merged(b, o, t, { resolutions: [{ path: 'a/b', take: { content: 'x' } }], takeAll: 'theirs' }),
    ).toEqual({ 'a/b': 'x', 'a/c': '3' });
  });

  it('for ours leaves a file where it was when its new name is taken', async () => {
    const [b, o, t] = [{ a: '1' }, { a: '2', B: '3' }, { b: '1' }];
    expect(await merged(b, o, t, { takeAll: 'ours' })).toEqual(o);
    expect(await merged(b, o, t, { takeAll: 'theirs' })).toEqual({ b: '2' });
  });

  it('may bring about a conflict that was none before', async () => {
    const [b, o, t] = [{ a: '1' }, { b: '1', C: '2' }, { c: '1' }];
    const first = [{ path: 'b', take: 'theirs' }] as const;
    expect((await merge(b, o, t)).conflicts.map(({ path }) => path)).toEqual(['b']);
    expect((await merge(b, o, t, { resolutions: first })).conflicts.map(({ path }) => path)).toEqual(['c']);
    const take = (second: 'ours' | 'theirs'): Promise<Files> =>
      merged(b, o, t, { resolutions: [...first, { path: 'c', take: second }] });
    expect([await take('ours'), await take('theirs')]).toEqual([o, t]);
  });

  it('is told what would have to go for a file that ours deleted', async () => {
    const [b, o, t] = [{ 'd/x': '1' }, { d: '2' }, { 'd/x': '3' }];
    const conflict = await conflictOf(b, o, t);
    expect([conflict.kind, conflict.reason]).toEqual(['delete-modify', '"d/x" cannot stand beside "d".']);
    expect(await merged(b, o, t, { takeAll: 'theirs' })).toEqual({ 'd/x': '3' });
    expect(await merged(b, o, t, { takeAll: 'ours' })).toEqual(o);
  });

  it('may be needed for what another one brings about, and be needless for it', async () => {
    const [b, o, t] = [{ 'Readme.md': '1' }, { 'Readme.md': '2' }, { 'README.md': '3' }];
    const { conflicts } = await merge(b, o, t);
    expect(conflicts.map(outline)).toEqual([
      ['path', 'README.md', null, 'Readme.md', 'README.md'],
      ['delete-modify', 'Readme.md', 'Readme.md', 'Readme.md', null],
    ]);
    const both = [
      { path: 'Readme.md', take: 'theirs' },
      { path: 'README.md', take: 'theirs' },
    ] as const;
    expect(await merged(b, o, t, { resolutions: both })).toEqual(t);
  });

  it.each<[string, MergeOptions['resolutions'], string]>([
    [
      'names a path without conflict',
      [
        { path: 'a', take: 'ours' },
        { path: 'z', take: 'ours' },
      ],
      'body.resolutions.1.path',
    ],
    [
      'names one path twice',
      [
        { path: 'a', take: 'ours' },
        { path: 'a', take: 'theirs' },
      ],
      'body.resolutions.1.path',
    ],
    ['names a part of an object', [{ path: '__proto__', take: 'ours' }], 'body.resolutions.0.path'],
    ['brings half a character', [{ path: 'a', take: { content: 'x\ud83c' } }], 'body.resolutions.0.take.content'],
    [
      'brings too much',
      [{ path: 'a', take: { content: 'é'.repeat(limits.file.textMax / 2 + 1) } }],
      'body.resolutions.0.take.content',
    ],
  ])('is refused when it %s', async (_name, resolutions, issue) => {
    expect(await refusal(merge(base, ours, theirs, { ...(resolutions && { resolutions }) }))).toEqual({
      code: 'validation_failed',
      issues: [issue],
    });
  });

  it('may be as large as a text', async () => {
    const content = 'é'.repeat(limits.file.textMax / 2);
    const result = await resolve({ resolutions: [{ path: 'a', take: { content } }], takeAll: 'ours' });
    expect(result.a === content).toBe(true);
  });
});

describe('The limits of a merge', () => {
  const many = (count: number, name: string): Files =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`${name}${index}`, `${name}${index}`]));

  it('refuses more files than a project holds', async () => {
    const ours = many(limits.project.filesMax - 1, 'o');
    expect(await refusal(merge({}, ours, many(2, 't')))).toEqual({ code: 'quota_exceeded', issues: [] });
    expect((await merge({}, ours, many(1, 't'))).changes).toHaveLength(1);
  });

  it('refuses more bytes than a project holds, and lets a project that has more shrink', async () => {
    const file = (path: string, size: number): TreeFile => ({ path, hash: sha256(path + size), size, isText: false });
    const text = loaderOf();
    const half = limits.project.totalSize / 2;
    expect(
      await refusal(mergeTrees({ base: [], ours: [file('a', half)], theirs: [file('b', half + 1)], text })),
    ).toEqual({
      code: 'quota_exceeded',
      issues: [],
    });
    expect(
      (await mergeTrees({ base: [], ours: [file('a', half)], theirs: [file('b', half)], text })).changes,
    ).toHaveLength(1);
    const over = file('a', limits.project.totalSize * 2);
    const smaller = await mergeTrees({
      base: [over],
      ours: [over],
      theirs: [file('a', limits.project.totalSize + 1)],
      text,
    });
    expect(smaller.changes).toHaveLength(1);
  });

  it('lets no step on the way exceed what holds before and after', async () => {
    const size = limits.project.totalSize;
    const file = (path: string, bytes: number): TreeFile => ({
      path,
      hash: sha256(`${path}${bytes}`),
      size: bytes,
      isText: false,
    });
    const before = [file('a', 10), file('b', size - 20), file('c', 10)];
    const { changes } = await mergeTrees({
      base: before,
      ours: before,
      theirs: [file('a', size - 20), file('b', 10), file('d', 10)],
      text: loaderOf(),
    });
    expect(changes.map((change) => ('path' in change ? `${change.op} ${change.path}` : change.op))).toEqual([
      'delete c',
      'put b',
      'put a',
      'put d',
    ]);
  });

  it('makes a conflict of a text that became too large by merging', async () => {
    const half = 'x\n'.repeat(limits.file.textMax / 4);
    const [base, ours, theirs] = [`${half}middle\n`, `${half}y\n${half}middle\n`, `${half}middle\n${half}`];
    const conflict = await conflictOf({ a: base }, { a: ours }, { a: theirs });
    expect([conflict.kind, conflict.reason]).toEqual([
      'text',
      `Together they are larger than the ${limits.file.textMax} bytes of a text.`,
    ]);
  });

  it('makes a conflict of texts in which everything moved, and of what comes after too much work', async () => {
    const count = 40_000;
    const all = Array.from({ length: count }, (_, index) => `line ${index}\n`);
    const shuffled = (step: number): string => all.map((_, index) => all[(index * step) % count]).join('');
    const conflict = await conflictOf({ a: all.join('') }, { a: shuffled(7919) }, { a: shuffled(7907) });
    expect([conflict.kind, conflict.merged, conflict.reason]).toEqual([
      'text',
      undefined,
      'The texts differ too much to be compared by line.',
    ]);

    const big = (name: string): Files =>
      Object.fromEntries(Array.from({ length: 9 }, (_, index) => [`${index}`, `${name}${'x'.repeat(1_000_000)}`]));
    const { conflicts } = await merge(big('b'), big('o'), big('t'));
    const isCompared = conflicts.map(({ merged: text, reason }) => text !== undefined || reason === undefined);
    expect(isCompared.slice(0, 3)).toEqual([true, true, true]);
    expect(isCompared.at(-1)).toBe(false);
    expect(conflicts.at(-1)?.reason).toBe('There is too much to compare in one merge.');
    expect(isCompared.indexOf(false)).toBe(isCompared.lastIndexOf(true) + 1);
  }, 60_000);
});

describe('Any merge of trees', () => {
  const content = fc.oneof(
    fc.array(fc.constantFrom('a\n', 'b\n', 'c\n', 'd\n', 'e'), { maxLength: 5 }).map((all) => all.join('')),
    fc.constantFrom('\u00001', '\u00002', '{"a":1,"b":1}', '{"a":2,"b":1}', '{"a":1,"b":2}', 'x'),
  );
  const names = fc.constantFrom('a', 'A', 'b', 'c', 'd.json', 'D');
  const path = fc.array(names, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
  /** What of these files can stand in one tree. */
  const valid = (entries: readonly (readonly [string, string])[]): Files => {
    const tree = new WorkingTree();
    return Object.fromEntries(
      entries.filter(([name]) => {
        if (tree.get(name) || tree.obstacleTo(name) !== null) return false;
        tree.put({ path: name, hash: '', size: 0, mode: 0 });
        return true;
      }),
    );
  };
  const files = fc.array(fc.tuple(path, content), { maxLength: 7 }).map(valid);
  const edit = fc.oneof(
    fc.record({ kind: fc.constant('put' as const), path, content }),
    fc.record({ kind: fc.constant('change' as const), at: fc.nat(), content }),
    fc.record({ kind: fc.constant('delete' as const), at: fc.nat() }),
    fc.record({ kind: fc.constant('move' as const), at: fc.nat(), path }),
  );
  const edited = (base: Files, edits: readonly (typeof edit extends fc.Arbitrary<infer E> ? E : never)[]): Files => {
    let side = Object.entries(base);
    for (const each of edits) {
      const at = 'at' in each ? each.at % Math.max(1, side.length) : -1;
      if (each.kind === 'put') side = [...side.filter(([name]) => name !== each.path), [each.path, each.content]];
      else if (each.kind === 'delete') side = side.filter((_, index) => index !== at);
      else
        side = side.map(([name, old], index) =>
          index !== at ? [name, old] : each.kind === 'move' ? [each.path, old] : [name, each.content],
        );
    }
    return valid(side);
  };
  const triple = fc
    .tuple(files, fc.array(edit, { maxLength: 5 }), fc.array(edit, { maxLength: 5 }))
    .map(([base, ours, theirs]) => [base, edited(base, ours), edited(base, theirs)] as const);
  const check = (property: (base: Files, ours: Files, theirs: Files) => Promise<void>, numRuns = 500): Promise<void> =>
    fc.assert(
      fc.asyncProperty(triple, ([base, ours, theirs]) => property(base, ours, theirs)),
      { numRuns },
    );

  it('with a side that changed nothing is the other side', async () => {
    await check(async (base, ours, theirs) => {
      expect(await merge(base, ours, base)).toEqual({ changes: [], conflicts: [] });
      expect(await merge(base, ours, ours)).toEqual({ changes: [], conflicts: [] });
      expect(await merged(base, base, theirs)).toEqual(theirs);
    });
  });

  it('gives changes that apply one by one, whatever is in conflict and however it is decided', async () => {
    await check(async (base, ours, theirs) => {
      const { changes, conflicts } = await merge(base, ours, theirs);
      const partly = apply(changes, base, ours, theirs);
      for (const conflict of conflicts)
        if (conflict.kind !== 'path') expect(partly[conflict.path]).toBe(ours[conflict.path]);
      expect(new Set(conflicts.map(({ path: each }) => each)).size).toBe(conflicts.length);
      for (const [index, { path: each }] of conflicts.entries()) {
        const take = (['ours', 'theirs', { content: 'decided' }] as const)[index % 3] ?? 'ours';
        const options = { resolutions: [{ path: each, take }] };
        apply((await merge(base, ours, theirs, options)).changes, base, ours, theirs);
        const all = await merged(base, ours, theirs, { ...options, takeAll: 'theirs' });
        if (typeof take !== 'string' && conflicts.length === 1) expect(all[each]).toBe('decided');
      }
    }, 1000);
  });

  it('gives at a path in conflict exactly the side that is taken for all', async () => {
    await check(async (base, ours, theirs) => {
      const { conflicts } = await merge(base, ours, theirs);
      const [allOurs, allTheirs] = [
        await merged(base, ours, theirs, { takeAll: 'ours' }),
        await merged(base, ours, theirs, { takeAll: 'theirs' }),
      ];
      for (const conflict of conflicts) {
        expect(allOurs[conflict.path]).toBe(ours[conflict.path]);
        // A renamed file comes with what ours made of it, where only its name is in conflict.
        if (conflict.kind === 'path' && conflict.base) expect(allTheirs[conflict.path]).toBeDefined();
        else expect(allTheirs[conflict.path]).toBe(theirs[conflict.path]);
      }
    }, 1000);
  });

  it('is in conflict or not whichever side is ours, and the same tree when not', async () => {
    await check(async (base, ours, theirs) => {
      const [one, other] = [await merge(base, ours, theirs), await merge(base, theirs, ours)];
      const kinds = (conflicts: readonly MergeConflict[]): unknown =>
        conflicts
          .filter(({ kind }) => kind !== 'path')
          .map(({ kind, base: from }) => `${kind} ${from?.hash}`)
          .sort();
      expect(one.conflicts.length > 0).toBe(other.conflicts.length > 0);
      expect(kinds(one.conflicts)).toEqual(kinds(other.conflicts));
      if (one.conflicts.length === 0)
        expect(apply(one.changes, base, ours, theirs)).toEqual(apply(other.changes, base, theirs, ours));
    }, 1000);
  });

  it('answers the same again, whatever the order of the files', async () => {
    await check(async (base, ours, theirs) => {
      const turned = (side: Files): Files => Object.fromEntries(Object.entries(side).reverse());
      expect(await merge(turned(base), turned(ours), turned(theirs))).toEqual(await merge(base, ours, theirs));
    }, 200);
  });

  it('changes no path that nobody changed, and loses nothing that one side added or changed', async () => {
    await check(async (base, ours, theirs) => {
      const { changes, conflicts } = await merge(base, ours, theirs);
      if (conflicts.length > 0) return;
      const result = apply(changes, base, ours, theirs);
      for (const name of new Set([base, ours, theirs].flatMap((side) => Object.keys(side)))) {
        const [b, o, t] = [base[name], ours[name], theirs[name]];
        if (b === o && o === t) expect(result[name]).toBe(b);
        // What one side put there and the other never had is there, or was moved on by that other.
        if (b === undefined && o !== undefined && t === undefined && !Object.values(base).includes(o))
          expect(result[name]).toBe(o);
        if (b === undefined && t !== undefined && o === undefined && !Object.values(base).includes(t))
          expect(result[name]).toBe(t);
        if (b !== undefined && o !== undefined && o === b && t !== undefined && t !== b)
          expect(Object.values(result)).toContain(t);
      }
    }, 1000);
  });

  it('keeps edits of different files and of different parts of one file', async () => {
    const places = fc.uniqueArray(fc.nat(29), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(places, places, async (ourPlaces, theirPlaces) => {
        const base = Object.fromEntries(
          Array.from({ length: 3 }, (_, file) => [
            `f${file}.txt`,
            lines(...Array.from({ length: 40 }, (_line, line) => `line ${line}`)),
          ]),
        );
        const edit = (list: readonly number[], parity: number, word: string): Files => {
          const side: Record<string, string> = { ...base, [`${word}.txt`]: word };
          for (const place of list) {
            const [name, line] = [`f${place % 3}.txt`, Math.floor(place / 3) * 4 + parity];
            side[name] = (side[name] ?? '').replace(`line ${line}\n`, `${word} ${line}\n`);
          }
          return side;
        };
        const [ours, theirs] = [edit(ourPlaces, 0, 'ours'), edit(theirPlaces, 2, 'theirs')];
        const result = await merged(base, ours, theirs);
        for (const place of ourPlaces)
          expect(result[`f${place % 3}.txt`]).toContain(`ours ${Math.floor(place / 3) * 4}\n`);
        for (const place of theirPlaces)
          expect(result[`f${place % 3}.txt`]).toContain(`theirs ${Math.floor(place / 3) * 4 + 2}\n`);
        expect([result['ours.txt'], result['theirs.txt']]).toEqual(['ours', 'theirs']);
        expect(Object.values(result).some(isBinary)).toBe(false);
      }),
      { numRuns: 100 },
    );
  });
});
