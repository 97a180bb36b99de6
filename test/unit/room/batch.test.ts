import { beforeEach, describe, expect, it } from 'vitest';
import * as Y from 'yjs';
import { KilnError } from '../../../src/contract/errors.ts';
import { limits } from '../../../src/contract/limits.ts';
import { etag } from '../../../src/core/etag.ts';
import { sha256 } from '../../../src/core/tree.ts';
import type { BatchStep } from '../../../src/durable-objects/room/landing.ts';
import { replay } from '../../support/replay.ts';
import { codeOf } from '../support/code-of.ts';
import { newWorld, world, worldPerTest, write } from '../support/room-setup.ts';
import { dyingEverywhere, ids, type World } from '../support/room-world.ts';

worldPerTest();

const put = (path: string, text: string, ifMatch?: string): BatchStep => ({
  op: 'put',
  path,
  content: { text },
  ifMatch,
});
const create = (path: string, text: string): BatchStep => ({ op: 'create', path, content: { text } });
const name = (path: string, hash: string): BatchStep => ({ op: 'put', path, content: { hash } });
const remove = (path: string, ifMatch?: string): BatchStep => ({ op: 'delete', path, ifMatch });
const move = (from: string, to: string): BatchStep => ({ op: 'move', from, to });
const copy = (from: string, to: string): BatchStep => ({ op: 'copy', from, to });

const run = (operations: readonly BatchStep[], message?: string) => world.room.batch(operations, ids.owner, message);

async function writeAll(files: Record<string, string>): Promise<void> {
  for (const [path, text] of Object.entries(files)) await write(path, text);
}

/** A tree of bytes with these sizes; nobody reads them. */
const bytes = (sizes: Record<string, number>) =>
  Object.entries(sizes).map(([path, size]) => ({ path, hash: sha256(path), size, mode: 0o644, isText: false }));

/** The refusal of a batch: its code and the operation that it names. Everything must be as it was before. */
async function refusal(operations: readonly BatchStep[]): Promise<[string, string | undefined]> {
  const tree = world.room.tree();
  const before = { disk: world.dump(), tree, events: world.room.events(0) };
  let refused: [string, string | undefined] = ['done', undefined];
  await run(operations).catch((error: unknown) => {
    if (!(error instanceof KilnError)) throw error;
    refused = [error.code, error.issues?.[0]?.path];
  });
  expect({ disk: world.dump(), tree: world.room.tree(), events: world.room.events(0) }).toEqual(before);
  return refused;
}

describe('[R19] The operations of a batch', () => {
  const start = { a: '1', b: '2', 'd/x': '3', 'd/e/y': '4', 'Case/f': '5' };

  const cases: readonly (readonly [string, readonly BatchStep[], Record<string, string>])[] = [
    ['put a new file', [put('new', 'n')], { ...start, new: 'n' }],
    ['put over a file', [put('a', 'n')], { ...start, a: 'n' }],
    ['create, then put', [create('new', 'n'), put('new', 'm')], { ...start, new: 'm' }],
    ['delete, then create', [remove('a'), create('a', 'n')], { ...start, a: 'n' }],
    ['delete a directory', [remove('d')], { a: '1', b: '2', 'Case/f': '5' }],
    ['move a file', [move('a', 'z/a')], { b: '2', 'd/x': '3', 'd/e/y': '4', 'Case/f': '5', 'z/a': '1' }],
    ['move a directory', [move('d', 'z/q')], { a: '1', b: '2', 'z/q/x': '3', 'z/q/e/y': '4', 'Case/f': '5' }],
    [
      'move a directory into one that is there',
      [move('d', 'Case')],
      { a: '1', b: '2', 'Case/x': '3', 'Case/e/y': '4', 'Case/f': '5' },
    ],
    ['move a directory up, over itself', [move('d/e', 'd')], { ...without(start, 'd/e/y'), 'd/y': '4' }],
    ['move a file into the directory of its name', [move('a', 'a/b')], { ...without(start, 'a'), 'a/b': '1' }],
    ['move nowhere', [move('a', 'a'), move('d', 'd')], start],
    ['copy a file', [copy('a', 'z/a')], { ...start, 'z/a': '1' }],
    ['copy a directory', [copy('d', 'z')], { ...start, 'z/x': '3', 'z/e/y': '4' }],
    ['copy, then change the copy', [copy('a', 'z'), put('z', 'n')], { ...start, z: 'n' }],
    ['copy, then delete the original', [copy('a', 'z'), remove('a')], { ...without(start, 'a'), z: '1' }],
    ['move away, then create in its place', [move('a', 'z'), create('a', 'n')], { ...start, a: 'n', z: '1' }],
    ['change the case of a file', [move('a', 'A')], { ...without(start, 'a'), A: '1' }],
    ['change the case of a directory', [move('Case', 'case')], { ...without(start, 'Case/f'), 'case/f': '5' }],
    [
      'swap two files through a third name',
      [move('a', 'tmp'), move('b', 'a'), move('tmp', 'b')],
      { ...start, a: '2', b: '1' },
    ],
    ['put a file where a directory was', [remove('d'), create('d', 'n')], { a: '1', b: '2', 'Case/f': '5', d: 'n' }],
    ['put a directory where a file was', [remove('a'), create('a/b/c', 'n')], { ...without(start, 'a'), 'a/b/c': 'n' }],
    ['undo themselves', [put('a', 'n'), move('b', 'z'), put('a', '1'), move('z', 'b')], start],
  ];

  it.each(cases)('%s', async (_title, operations, wanted) => {
    await writeAll(start);
    const before = world.room.events(0).seq;
    const { seq } = await run(operations);
    expect(await world.contents()).toEqual(wanted);
    expect(world.room.events(before).seq).toBe(seq);
    // What the room remembers is what is on disk, and what its events say.
    const tree = world.room.tree();
    expect(world.crash().tree()).toEqual(tree);
    expect(hashes(replay(world.room.events(0).events))).toEqual(
      Object.fromEntries(Object.entries(wanted).map(([path, text]) => [path, sha256(text)])),
    );
    // The index hears of every path that came, changed or went.
    await world.room.writeIndex();
    const index = new Map(world.indexed.at(-1)?.changed.map(({ path, hash }) => [path, hash]));
    for (const [path, text] of Object.entries(wanted)) expect(index.get(path), path).toBe(sha256(text));
    expect(
      world.indexed
        .at(-1)
        ?.removed.map(({ path }) => path)
        .filter((path) => path in wanted),
    ).toEqual([]);
  });

  it('answer each with what it wrote and how many files it touched', async () => {
    await writeAll(start);
    const { results, seq } = await run([
      create('n', 'n'),
      put('a', '1'),
      move('b', 'B'),
      copy('d', 'z'),
      move('z', 'y'),
      copy('n', 'm'),
      remove('d'),
      move('y/e', 'y/e'),
    ]);
    expect(results.map(({ op, path, file, files }) => [op, path, file?.path ?? null, files])).toEqual([
      ['create', 'n', 'n', 1],
      ['put', 'a', 'a', 1],
      ['move', 'B', 'B', 1],
      ['copy', 'z', null, 2],
      ['move', 'y', null, 2],
      ['copy', 'm', 'm', 1],
      ['delete', 'd', null, 2],
      ['move', 'y/e', null, 0],
    ]);
    expect(results[0]?.file).toMatchObject({ hash: sha256('n'), size: 1, isText: true, updatedBy: ids.owner });
    expect(results[2]?.file).toMatchObject({ hash: sha256('2'), seq: 7 });
    expect(seq).toBe(world.room.events(0).seq);
  });

  it('are told as events in their order, and the message after them', async () => {
    await writeAll({ a: '1', 'd/x': '2', 'd/y': '3' });
    const peer = await world.channel(ids.viewer);
    await run([put('a', 'n'), move('a', 'b'), move('d', 'e'), copy('e', 'f'), remove('e'), put('b', 'n')], 'tidy up');
    const told = peer.heard('event').map(({ event: { type, by, data } }) => [type, by, data]);
    const [x, y] = [
      { hash: sha256('2'), size: 1 },
      { hash: sha256('3'), size: 1 },
    ];
    expect(told).toEqual([
      ['file.updated', ids.owner, { path: 'a', hash: sha256('n'), size: 1 }],
      ['file.moved', ids.owner, { from: 'a', path: 'b' }],
      ['file.moved', ids.owner, { from: 'd', path: 'e', files: 2 }],
      ['file.created', ids.owner, { path: 'f/x', ...x }],
      ['file.created', ids.owner, { path: 'f/y', ...y }],
      ['file.deleted', ids.owner, { path: 'e', files: 2 }],
      ['files.batch', ids.owner, { message: 'tidy up', operations: 6 }],
    ]);
  });

  it('move a file with its type: the extension says how it is shown, not what it is', async () => {
    await write('a.txt', 'text');
    await run([move('a.txt', 'a.ts')]);
    expect((await world.room.read('a.ts')).file).toMatchObject({ mimeType: 'text/typescript', isText: true });
  });

  it('name by hash what the project has, text as text and bytes as bytes', async () => {
    world.room.adopt([world.blobs.seed('t', 'text'), ...bytes({ 'b.png': 7 })], ids.owner);
    await run([name('copy of t', sha256('text')), name('copy.png', sha256('b.png')), remove('t')]);
    expect(world.room.list().files.map(({ path, size, isText }) => [path, size, isText])).toEqual([
      ['b.png', 7, false],
      ['copy of t', 4, true],
      ['copy.png', 7, false],
    ]);
    expect(await world.text('copy of t')).toBe('text');
  });
});

const hashes = (tree: ReadonlyMap<string, { hash: string }>): Record<string, string> =>
  Object.fromEntries([...tree].map(([path, { hash }]) => [path, hash]));

function without(files: Record<string, string>, ...paths: readonly string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(files).filter(([path]) => !paths.includes(path)));
}

describe('[R19] A batch that is refused changes nothing, and names its operation', () => {
  const first = put('first', 'f');

  beforeEach(async () => {
    await writeAll({ a: '1', b: '2', 'd/x': '3', 'd/e/d/e/x': '4', 'd/e/x': '5', 'Case/f': '6' });
  });

  it.each<[string, BatchStep, string]>([
    ['a create over a file', create('a', 'n'), 'file_exists'],
    ['a put where a directory stands', put('d', 'n'), 'path_conflict'],
    ['a put below a file', put('a/b', 'n'), 'path_conflict'],
    ['a put beside a twin', put('A', 'n'), 'path_conflict'],
    ['a put into the twin of a directory', put('case/g', 'n'), 'path_conflict'],
    ['a delete of nothing', remove('nothing'), 'not_found'],
    ['a delete of half a name', remove('d/'), 'not_found'],
    ['a move of nothing', move('nothing', 'n'), 'not_found'],
    ['a move of nothing nowhere', move('nothing', 'nothing'), 'not_found'],
    ['a move onto a file', move('a', 'b'), 'file_exists'],
    ['a move onto a directory', move('a', 'd'), 'path_conflict'],
    ['a move below a file', move('a', 'b/c'), 'path_conflict'],
    ['a move beside a twin', move('a', 'B'), 'path_conflict'],
    ['a move of a directory into itself', move('d', 'd/e'), 'path_conflict'],
    ['a move of a directory into itself, deeper', move('d', 'd/n/m'), 'path_conflict'],
    ['a move of a directory onto a file', move('d', 'a'), 'path_conflict'],
    ['a move of a directory onto files of the same names', move('d/e/d', 'd'), 'file_exists'],
    ['a copy of nothing', copy('nothing', 'n'), 'not_found'],
    ['a copy onto itself', copy('a', 'a'), 'file_exists'],
    ['a copy of a directory onto itself', copy('d', 'd'), 'file_exists'],
    ['a copy onto a file', copy('a', 'b'), 'file_exists'],
    ['a copy of a file below itself', copy('a', 'a/b'), 'path_conflict'],
    ['a copy of a directory into itself', copy('d', 'd/n'), 'path_conflict'],
    ['a copy of a directory up, onto files that stay', copy('d/e/d', 'd'), 'file_exists'],
    ['a copy to the twin of a file', copy('a', 'B'), 'path_conflict'],
    ['a copy that would have twins', copy('Case', 'case'), 'path_conflict'],
    ['a path that grows too long', move('d', 'z'.repeat(limits.file.pathMax)), 'invalid_path'],
    ['a condition that does not hold', put('a', 'n', etag(sha256('other'))), 'precondition_failed'],
    ['a condition on a file that is not there', put('n', 'n', '*'), 'precondition_failed'],
    ['a condition of a delete that does not hold', remove('a', etag(sha256('other'))), 'precondition_failed'],
    ['a condition of a delete of nothing', remove('n', etag(sha256('other'))), 'precondition_failed'],
    // What stands there is not what the client has seen: it must not lose a whole directory to it.
    ['a condition of a delete where a directory stands', remove('d', etag(sha256('a file'))), 'precondition_failed'],
  ])('%s', async (_title, operation, code) => {
    expect(await refusal([first, operation, put('last', 'l')])).toEqual([code, 'body.operations.1']);
  });

  it('a hash that this project does not have', async () => {
    expect(await refusal([first, name('n', sha256('of another project'))])).toEqual([
      'validation_failed',
      'body.operations.1.hash',
    ]);
  });

  it('conditions see the operations before them', async () => {
    await run([put('a', '2', etag(sha256('1'))), put('a', '3', etag(sha256('2'))), remove('a', etag(sha256('3')))]);
    expect(await refusal([put('b', '3', etag(sha256('2'))), remove('b', etag(sha256('2')))])).toEqual([
      'precondition_failed',
      'body.operations.1',
    ]);
  });
});

describe('[R19] The limits of a project', () => {
  it('count files after each operation: the one too many is named', async () => {
    const many = Array.from({ length: limits.project.filesMax - 1 }, (_, n) => world.blobs.seed(`d/${n}`, 'x'));
    world.room.adopt(many, ids.owner);
    expect(await refusal([put('a', '1'), put('b', '2')])).toEqual(['quota_exceeded', 'body.operations.1']);
    expect(await refusal([copy('d', 'e')])).toEqual(['quota_exceeded', 'body.operations.0']);
    await run([put('a', '1'), remove('d/0'), put('b', '2')]);
    // A full project can still be tidied up.
    await run([move('d', 'e'), move('a', 'f'), put('b', '3')]);
    expect(world.room.list().files).toHaveLength(limits.project.filesMax);
  }, 20_000);

  it('count bytes after each operation', async () => {
    world.room.adopt(bytes({ a: limits.project.totalSize - 10, b: 5 }), ids.owner);
    expect(await refusal([put('c', '12345'), put('d', '6')])).toEqual(['quota_exceeded', 'body.operations.1']);
    expect(await refusal([copy('b', 'c'), copy('b', 'd')])).toEqual(['quota_exceeded', 'body.operations.1']);
    await run([copy('b', 'c'), move('a', 'z'), remove('b'), put('d', '12345')]);
    expect(world.room.tree().tree.children?.reduce((sum, { size }) => sum + (size ?? 0), 0)).toBe(
      limits.project.totalSize,
    );
  });

  it('of a text hold for what a merge makes of it', async () => {
    const text = 'x'.repeat(limits.file.textMax - 1000);
    await write('a', text);
    const client = await world.client(ids.editor, 'a');
    client.type(0, '>');
    await world.settle();
    const { hash } = (await world.room.read('a')).file;
    client.type(0, 'y'.repeat(995));
    await world.settle();
    expect(await codeOf(run([put('b', 'n'), put('a', `>${text}seven..`, etag(hash))]))).toBe('payload_too_large');
    expect(world.room.list().files.map(({ path }) => path)).toEqual(['a']);
    expect(client.peer.closed).toBeNull();
    expect(client.content).toBe(`${'y'.repeat(995)}>${text}`);
  });
});

describe('[R8] A batch and an open document', () => {
  it('merge as a minimal diff: cursors stay with their characters', async () => {
    await write('a', 'one two three');
    const [ada, grace] = [await world.client(ids.owner, 'a'), await world.client(ids.editor, 'a')];
    const cursors = [0, 4, 8].map((index) => Y.createRelativePositionFromTypeIndex(ada.text, index));
    await run([put('b', 'n'), put('a', 'zero one 2 three four')]);
    await world.settle();
    for (const client of [ada, grace]) expect(client.content).toBe('zero one 2 three four');
    const places = cursors.map((cursor) => Y.createAbsolutePositionFromRelativePosition(cursor, ada.doc)?.index ?? -1);
    expect(places.map((index) => ada.content.slice(index))).toEqual(['one 2 three four', '2 three four', 'three four']);
  });

  it('keep what is typed at the same moment, on its way or in an open window', async () => {
    await write('a', 'one two');
    const client = await world.client(ids.editor, 'a');
    client.type(3, ' and a half');
    await run([put('a', 'one and a half two three'), put('a', 'ONE and a half two three')]);
    client.type(8, '!');
    await world.settle();
    expect(client.content).toBe('ONE and !a half two three');
    expect(await world.text('a')).toBe('ONE and !a half two three');
    expect(world.durable('a')).toBe('ONE and !a half two three');
  });

  it('merge onto the revision that If-Match names: what was typed since survives', async () => {
    await write('a', 'one two');
    const client = await world.client(ids.editor, 'a');
    client.type(7, ' three');
    await world.settle();
    const { hash } = (await world.room.read('a')).file;
    client.type(client.text.length, ' four');
    await world.settle();
    expect(await refusal([put('a', 'x', etag(sha256('never')))])).toEqual(['precondition_failed', 'body.operations.0']);
    await run([put('a', 'ONE two three', etag(hash))]);
    await world.settle();
    expect(client.content).toBe('ONE two three four');
    expect(await world.text('a')).toBe('ONE two three four');
  });

  it('send each one update, after the storing, however often it writes', async () => {
    await write('a', '1');
    const client = await world.client(ids.editor, 'a');
    const before = client.peer.updates.length;
    client.peer.onSend = () => expect(world.sql.inTransaction).toBe(false);
    await run([put('a', '12'), put('a', '123'), move('a', 'b'), put('b', '1234')]);
    expect(client.peer.updates).toHaveLength(before + 1);
    await world.settle();
    expect(client.content).toBe('1234');
  });

  it('write texts by hash that are in the blob store alone', async () => {
    world.room.adopt([world.blobs.seed('a', 'a'), world.blobs.seed('b', 'b'), world.blobs.seed('c', 'c')], ids.owner);
    const [a, b] = [await world.client(ids.editor, 'a'), await world.client(ids.editor, 'b')];
    for (const hash of ['b', 'c']) world.sql.run('DELETE FROM contents WHERE hash = ?', sha256(hash));
    await run([name('a', sha256('b')), name('b', sha256('c')), put('d', 'd'), copy('a', 'e')]);
    await world.settle();
    expect([a.content, b.content]).toEqual(['b', 'c']);
    expect(await world.contents()).toEqual({ a: 'b', b: 'c', c: 'c', d: 'd', e: 'b' });
  });

  it('judge an operation by what those before it wrote, also when a text has to be fetched first', async () => {
    world.room.adopt([world.blobs.seed('a', 'a'), world.blobs.seed('c', 'cold')], ids.owner);
    const client = await world.client(ids.editor, 'a');
    const { results } = await run([
      name('a', sha256('cold')),
      put('a', 'colder', etag(sha256('cold'))),
      remove('c', etag(sha256('cold'))),
    ]);
    expect(results[1]?.file?.hash).toBe(sha256('colder'));
    await world.settle();
    expect(client.content).toBe('colder');
    world.sql.run('DELETE FROM contents WHERE hash = ?', sha256('cold'));
  });

  it('reach those who have it open, also after a sleep in which the room forgot the document', async () => {
    await write('a', 'one');
    const [ada, grace] = [await world.client(ids.owner, 'a'), await world.client(ids.editor, 'a')];
    world.hibernate([ada.peer, grace.peer]);
    await run([put('a', 'one two')]);
    await world.settle();
    expect([ada.content, grace.content]).toEqual(['one two', 'one two']);
    grace.type(7, ' three');
    await world.settle();
    expect([ada.content, grace.content, await world.text('a')]).toEqual(Array(3).fill('one two three'));
  });

  it('copy what was typed up to now; then each goes its own way', async () => {
    await write('a', '');
    const client = await world.client(ids.editor, 'a');
    client.type(0, 'typed');
    await run([copy('a', 'b')]);
    client.type(5, ' more');
    await world.settle();
    expect(await world.contents()).toEqual({ a: 'typed more', b: 'typed' });
    const other = await world.client(ids.owner, 'b');
    other.type(0, 'un');
    await world.settle();
    expect(await world.contents()).toEqual({ a: 'typed more', b: 'untyped' });
  });

  it('may be of any history: one that nobody has open is written to in its log', async () => {
    await write('a', 'one');
    const client = await world.client(ids.editor, 'a');
    client.type(3, ' two');
    await world.settle();
    await world.leave(client.peer);
    await run([put('a', 'one two three')]);
    expect(world.durable('a')).toBe('one two three');
    // Whoever was away brings what they typed there.
    client.drop();
    client.type(0, 'zero ');
    await client.connect();
    await world.settle();
    expect(client.content).toBe('zero one two three');
    expect(await world.text('a')).toBe('zero one two three');
  });
});

describe('[R19] A move of an open document', () => {
  it('keeps its sockets: people type on, and all lands at the new path', async () => {
    await writeAll({ 'src/a': 'a', 'src/b': 'b' });
    const channel = await world.channel(ids.owner);
    const [ada, grace] = [await world.client(ids.owner, 'src/a'), await world.client(ids.editor, 'src/a')];
    ada.type(1, ' before');
    await run([move('src/a', 'lib/a')]);
    grace.type(0, 'during ');
    await run([move('lib', 'LIB')]);
    await world.settle();
    ada.type(ada.text.length, ' after');
    await world.settle();
    await world.pass(limits.room.flushAfter);
    expect([ada.peer.closed, grace.peer.closed]).toEqual([null, null]);
    expect(ada.content).toBe('during a before after');
    expect(grace.content).toBe('during a before after');
    expect(await world.contents()).toEqual({ 'LIB/a': 'during a before after', 'src/b': 'b' });
    expect(channel.heard('event').filter(({ event }) => event.type === 'file.moved')).toHaveLength(2);
    expect(channel.heard('saved').map(({ path }) => path)).toContain('LIB/a');
    expect(world.room.presence().map(({ path }) => path)).toEqual(['LIB/a', 'LIB/a']);
  });

  it('survives a crash and a sleep right after it', async () => {
    await write('a', 'a');
    const client = await world.client(ids.editor, 'a');
    client.type(1, '!');
    await run([move('a', 'b')]);
    world.hibernate([client.peer]);
    client.type(0, '>');
    await world.settle();
    world.crash();
    expect(await world.contents()).toEqual({ b: '>a!' });
  });

  it('and one to its old place and name leave what is typed in between in the right files', async () => {
    await writeAll({ a: 'A', b: 'B' });
    const [a, b] = [await world.client(ids.owner, 'a'), await world.client(ids.editor, 'b')];
    await run([move('a', 'tmp'), move('b', 'a'), move('tmp', 'b')]);
    a.type(1, '1');
    b.type(1, '2');
    await world.settle();
    expect(await world.contents()).toEqual({ a: 'B2', b: 'A1' });
  });

  it('tells whoever opens the old path that it is gone elsewhere', async () => {
    await writeAll({ 'd/e/f': '1', g: '2', '%/f': '3' });
    await run([move('d', 'z'), move('g', 'h'), move('%', 'p')]);
    for (const path of ['d/e/f', 'g', '%/f']) expect(await codeOf(() => world.room.documentTarget(path))).toBe('moved');
    for (const path of ['d', 'd/', 'd/e', 'h/g', 'x/f', 'never'])
      expect(await codeOf(() => world.room.documentTarget(path)), path).not.toBe('done');
    expect(await codeOf(() => world.room.documentTarget('x/f'))).toBe('not_found');
    // Something new may stand at the old place.
    await write('g', 'new');
    expect(await codeOf(() => world.room.documentTarget('g'))).toBe('done');
  });
});

describe('What is open when it goes', () => {
  /** Texts of the newest checkpoint. */
  const kept = (): Record<string, string> => {
    const newest = world.room.history.checkpoints.newest();
    const entries = world.blobs.trees.get(newest?.treeHash ?? '') ?? [];
    return Object.fromEntries(
      entries.map(({ path, hash }) => [path, new TextDecoder().decode(world.blobs.blobs.get(hash))]),
    );
  };

  it('ends its sockets with `not_found`, and the state before is a checkpoint', async () => {
    await writeAll({ a: 'a', 'd/b': 'b', c: 'c' });
    const [a, b] = [await world.client(ids.owner, 'a'), await world.client(ids.editor, 'd/b')];
    a.type(1, ' typed');
    b.type(1, ' typed');
    await run([remove('a'), remove('d')]);
    expect([a.peer.closed, b.peer.closed]).toEqual(['not_found', 'not_found']);
    expect(world.room.history.checkpoints.list({ limit: 10 }).checkpoints).toMatchObject([
      { kind: 'auto', author: ids.owner },
    ]);
    expect(kept()).toEqual({ a: 'a typed', 'd/b': 'b typed', c: 'c' });
    expect(world.sql.all('SELECT * FROM document_log')).toEqual([]);
    expect(world.sql.all('SELECT * FROM dirty')).toEqual([]);
  });

  it('is kept when it was moved first', async () => {
    await writeAll({ a: 'a', 'd/b': 'b' });
    const [a, b] = [await world.client(ids.owner, 'a'), await world.client(ids.editor, 'd/b')];
    a.type(1, ' typed');
    b.type(1, ' typed');
    await run([move('a', 'e/a'), move('d', 'e/d'), remove('e')]);
    expect(kept()).toEqual({ a: 'a typed', 'd/b': 'b typed' });
  });

  it('is kept when bytes take its place', async () => {
    await writeAll({ a: 'a', b: 'b' });
    const [a, b] = [await world.client(ids.owner, 'a'), await world.client(ids.owner, 'b')];
    a.type(1, ' typed');
    await world.blobs.put(sha256('bytes'), new TextEncoder().encode('bytes'));
    world.room.uploaded({ hash: sha256('bytes'), size: 5, isText: false });
    await run([name('a', sha256('bytes'))]);
    expect(a.peer.closed).toBe('not_a_document');
    expect(kept()).toEqual({ a: 'a typed', b: 'b' });
    b.type(1, ' typed');
    await world.room.write('b', { hash: sha256('bytes'), size: 5 }, ids.owner);
    expect(b.peer.closed).toBe('not_a_document');
    const entries = world.blobs.trees.get(world.room.history.checkpoints.newest()?.treeHash ?? '') ?? [];
    expect(entries.find(({ path }) => path === 'b')?.hash).toBe(sha256('b typed'));
  });

  it('is kept with what is typed while it is being kept', async () => {
    await write('a', 'a');
    const client = await world.client(ids.owner, 'a');
    client.type(1, ' typed');
    let typed = 0;
    world.blobs.before = (call) => {
      if (call === 'putTree' && typed++ < 2) client.type(client.text.length, ' more');
    };
    await run([remove('a')]);
    expect(typed).toBe(3);
    expect(kept()).toEqual({ a: 'a typed more more' });
  });

  it('stays when it cannot be kept', async () => {
    await write('a', 'a');
    const client = await world.client(ids.owner, 'a');
    client.type(1, ' typed');
    world.blobs.before = () => {
      throw new Error('R2 is away');
    };
    await expect(run([remove('a')])).rejects.toThrow('R2 is away');
    await expect(world.room.delete('a', ids.owner)).rejects.toThrow('R2 is away');
    expect(client.peer.closed).toBeNull();
    expect(await world.contents()).toEqual({ a: 'a typed' });
  });

  it('needs no checkpoint when nobody has it open', async () => {
    await writeAll({ a: 'a', b: 'b' });
    await world.leave((await world.client(ids.owner, 'a')).peer);
    await world.client(ids.owner, 'b');
    await run([remove('a')]);
    expect(world.room.history.checkpoints.newest()).toBeNull();
  });
});

describe('A batch and a storage that fails', () => {
  /** Something of everything: open documents that are written, moved, deleted and turned into bytes. */
  const operations: readonly BatchStep[] = [
    put('new', 'n'),
    put('open', 'open and written'),
    move('open', 'dir/moved'),
    put('dir/moved', 'open and written twice'),
    copy('dir', 'copied'),
    remove('doomed'),
    name('becomes bytes', sha256('bytes')),
    remove('plain'),
    move('dir', 'other'),
  ];
  const wanted = {
    new: 'n',
    'other/moved': 'open and written twice',
    'other/x': 'x',
    'copied/moved': 'open and written twice',
    'copied/x': 'x',
    'becomes bytes': sha256('bytes'),
  };
  const open = ['open', 'doomed', 'becomes bytes'] as const;

  async function prepare(): Promise<World> {
    newWorld();
    await writeAll({ open: 'open', doomed: 'doomed', 'becomes bytes': 'text', plain: 'plain', 'dir/x': 'x' });
    world.room.uploaded({ hash: sha256('bytes'), size: 5, isText: false });
    for (const path of open) (await world.client(ids.editor, path)).type(0, '>');
    await world.settle();
    // The second finds the first, and nothing that it does not have.
    for (let n = 0; n < 2; n += 1) await world.room.history.checkpoint({ kind: 'auto', by: null });
    return world;
  }

  it('at any of its statements: nothing is half-applied, on disk, in memory, or before anybody’s eyes', async () => {
    await prepare();
    // That a checkpoint is being made is written before it is: the alarm forgets what came of none.
    const onDisk = () => ({ ...world.dump(), asset_marks_pending: [] });
    const before = { disk: onDisk(), contents: await world.contents(), events: world.room.events(0) };
    const frames = world.clients.map(({ peer }) => peer.frames.length);
    let failures = 0;
    for (let nth = 1; ; nth += 1) {
      let count = 0;
      world.sql.failure = () => (++count === nth ? new Error('disk I/O error') : undefined);
      const outcome = await run(operations).then(
        () => 'done',
        (error: unknown) => String(error),
      );
      world.sql.failure = null;
      if (outcome === 'done') break;
      failures += 1;
      expect(outcome).toBe('Error: disk I/O error');
      expect(onDisk(), `statement ${nth}`).toEqual(before.disk);
      expect(await world.contents()).toEqual(before.contents);
      expect(world.room.events(0)).toEqual(before.events);
      expect(world.clients.map(({ peer }) => [peer.frames.length, peer.closed])).toEqual(
        frames.map((length) => [length, null]),
      );
    }
    expect(failures).toBeGreaterThan(operations.length * 3);
    await world.settle();
    expect(await world.contents()).toEqual(wanted);
    expect(world.clients.map(({ content, peer }) => [content, peer.closed])).toEqual([
      ['open and written twice', null],
      ['>doomed', 'not_found'],
      ['>text', 'not_a_document'],
    ]);
    const tree = world.room.tree();
    expect(world.crash().tree()).toEqual(tree);
  });

  it('for good: the room shows nothing that is not on disk, and goes on when it is back', async () => {
    await prepare();
    const before = await world.contents();
    let inside = false;
    world.sql.failure = (query) => {
      inside ||= /DELETE FROM files/.test(query);
      return inside ? new Error('disk I/O error') : undefined;
    };
    await expect(run(operations)).rejects.toThrow('disk I/O error');
    // As long as it is away, an error is the only answer that is not wrong.
    expect(() => world.room.tree()).toThrow('disk I/O error');
    world.sql.failure = null;
    expect(await world.contents()).toEqual(before);
    await run(operations);
    expect(await world.contents()).toEqual(wanted);
  });

  it('fault: the process dies at any await: all of it is there, or none', async () => {
    const steps = await dyingEverywhere(
      async () => {
        await prepare();
        world.clients[0]?.type(0, '>');
        for (const hash of ['plain', 'x']) world.sql.run('DELETE FROM contents WHERE hash = ?', sha256(hash));
        return world;
      },
      async () => {
        await world.settle();
        await run(operations);
      },
      async (_world, isDone) => {
        if (isDone) expect(Object.keys(await world.contents())).toEqual(Object.keys(wanted).sort());
        else {
          const { open: text, ...others } = await world.contents();
          expect(text).toMatch(/^>+open$/);
          expect(Object.keys(others).sort()).toEqual(['becomes bytes', 'dir/x', 'doomed', 'plain']);
        }
        for (const { treeHash } of world.room.history.checkpoints.list({ limit: 10 }).checkpoints)
          for (const { hash } of world.blobs.trees.get(treeHash) ?? []) expect(world.blobs.blobs.has(hash)).toBe(true);
      },
    );
    expect(steps).toBeGreaterThan(2);
  });
});
