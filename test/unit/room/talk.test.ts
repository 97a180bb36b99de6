import { describe, expect, it, vi } from 'vitest';
import * as Y from 'yjs';
import type { Comment, CreateComment } from '../../../src/contract/comments.ts';
import { limits } from '../../../src/contract/limits.ts';
import { codeOf } from '../support/code-of.ts';
import { world, worldPerTest } from '../support/room-setup.ts';
import { ids, personOf, World } from '../support/room-world.ts';

worldPerTest({ 'a.txt': 'one two three\n' });

const say = (frame: object): string => JSON.stringify(frame);
const page = { limit: 50 };
const types = (): string[] => world.room.events(0).events.map(({ type }) => type);

describe('[R23] The chat', () => {
  it('carries what somebody says on the channel, by the name that the ticket proved, as an event', async () => {
    const [one, two] = [await world.channel(ids.viewer), await world.channel(ids.owner)];
    await world.send(one, say({ type: 'chat', body: '  hello ', ref: 'r1' }));
    const message = { author: personOf(ids.viewer), body: 'hello', mentions: [], seq: 2 };
    expect(two.heard('event').at(-1)?.event).toMatchObject({ type: 'chat', by: ids.viewer, seq: 2, data: { message } });
    expect(one.heard('posted')).toMatchObject([{ ref: 'r1', seq: 2 }]);
    expect(world.room.talk.history(page).messages).toMatchObject([message]);
  });

  it('is read backwards, page by page, and survives a crash', async () => {
    for (let n = 0; n < 5; n += 1) await world.room.talk.chat(ids.owner, { body: `m${n}`, mentions: [] });
    world.crash();
    const first = world.room.talk.history({ limit: 2 });
    expect(first.messages.map(({ body }) => body)).toEqual(['m4', 'm3']);
    const second = world.room.talk.history({ limit: 3, before: first.nextCursor ?? '' });
    expect(second.messages.map(({ body }) => body)).toEqual(['m2', 'm1', 'm0']);
    expect(second.nextCursor).toBeNull();
  });

  it('mentions members and nobody else', async () => {
    const { mentions } = await world.room.talk.chat(ids.owner, { body: '@e', mentions: [ids.editor, ids.editor] });
    expect(mentions).toEqual([personOf(ids.editor)]);
    expect(await codeOf(world.room.talk.chat(ids.owner, { body: 'x', mentions: [ids.stranger] }))).toBe(
      'validation_failed',
    );
    const peer = await world.channel(ids.editor);
    await world.send(peer, say({ type: 'chat', body: 'x', mentions: [ids.stranger], ref: 'r' }));
    expect(peer.heard('error')).toMatchObject([{ code: 'validation_failed', ref: 'r' }]);
    expect(world.room.talk.history(page).messages).toHaveLength(1);
  });

  it('has a pace: bursts, then one at a time, for each person', async () => {
    const peer = await world.channel(ids.editor);
    for (let n = 0; n <= limits.talk.pace.limit; n += 1) await world.send(peer, say({ type: 'chat', body: 'x' }));
    expect(peer.heard('error')).toMatchObject([{ code: 'rate_limited' }]);
    expect(peer.closed).toBeNull();
    expect(await codeOf(world.room.talk.chat(ids.editor, { body: 'x', mentions: [] }))).toBe('rate_limited');
    await world.room.talk.chat(ids.viewer, { body: 'x', mentions: [] });
    await vi.advanceTimersByTimeAsync(limits.talk.pace.window / limits.talk.pace.limit);
    await world.room.talk.chat(ids.editor, { body: 'y', mentions: [] });
    expect(world.room.talk.history({ limit: 200 }).messages).toHaveLength(limits.talk.pace.limit + 2);
  });

  it('shares its pace with comments, replies and changes of them', async () => {
    const said = { body: 'x', mentions: [] };
    const { talk } = world.room;
    const { id } = await talk.comment(ids.editor, { path: 'a.txt', ...said });
    const ways = [
      () => talk.chat(ids.editor, said),
      () => talk.comment(ids.editor, { path: 'a.txt', ...said }),
      () => talk.reply(ids.editor, id, said),
      () => talk.update(ids.editor, id, { body: 'y' }),
    ];
    const { limit, window } = limits.talk.pace;
    for (let n = 1; n < limit; n += 1) await ways[n % ways.length]?.();
    for (const way of ways) expect(await codeOf(way())).toBe('rate_limited');
    // Whichever comes next, it is the one that there is time for.
    for (const way of ways) {
      await vi.advanceTimersByTimeAsync(window / limit);
      await way();
      expect(await codeOf(talk.chat(ids.editor, said))).toBe('rate_limited');
    }
  });

  it('keeps the newest messages', async () => {
    await world.room.talk.chat(ids.owner, { body: 'old', mentions: [] });
    const [row] = world.sql.all<{ id: string }>('SELECT id FROM chat');
    world.sql.run(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${limits.talk.chatKept})
       INSERT INTO chat SELECT 'x' || printf('%06d', i), 1, 1, '{}', 'b', '[]' FROM n`,
    );
    expect(row?.id.startsWith('0')).toBe(true);
    await world.room.talk.chat(ids.owner, { body: 'new', mentions: [] });
    const [count] = world.sql.all<{ n: number }>('SELECT count(*) AS n FROM chat');
    expect(count?.n).toBe(limits.talk.chatKept);
    expect(world.sql.all('SELECT 1 FROM chat WHERE body = ?', 'old')).toEqual([]);
  });

  it('takes no empty, overlong or unprintable line, and nothing of somebody who was removed', async () => {
    const peer = await world.channel(ids.viewer);
    for (const body of ['', ' ', 'x'.repeat(limits.talk.chatMax + 1), 'a\u0000b', '\ud800'])
      await world.send(peer, say({ type: 'chat', body }));
    expect(peer.heard('error')).toHaveLength(5);
    world.access.delete(ids.viewer);
    await world.room.membersChanged();
    peer.closed = null;
    await world.room.receive(peer, say({ type: 'chat', body: 'still here' }));
    expect(world.room.talk.history(page).messages).toEqual([]);
    expect(await codeOf(world.room.talk.chat(ids.viewer, { body: 'x', mentions: [] }))).toBe('forbidden');
  });
});

const comment = (input: Partial<CreateComment> & object = {}, by: string = ids.viewer): Promise<Comment> =>
  world.room.talk.comment(by, { path: 'a.txt', body: 'why?', mentions: [], ...input });
const passage = (from: number, to: number) => ({ anchor: { kind: 'text', from, to } as const });
const where = async ({ id }: Comment): Promise<{ text: string; orphaned: boolean }> => {
  const { anchor, orphaned, path } = await world.room.comments.get(id);
  if (anchor?.kind !== 'text') throw new Error('not a passage');
  return { text: ((await world.text(path)) ?? '').slice(anchor.from, anchor.to), orphaned };
};
const two = { text: 'two', orphaned: false };

describe('[R13] Comments', () => {
  it('are threads with replies, resolved and reopened, by names of the room', async () => {
    const checkpoint = await world.room.history.checkpoint({ kind: 'manual', by: ids.owner });
    const thread = await comment({ ...passage(4, 7), mentions: [ids.owner] });
    expect(thread).toMatchObject({
      author: personOf(ids.viewer),
      mentions: [personOf(ids.owner)],
      quote: 'two',
      checkpointId: checkpoint.id,
      orphaned: false,
      anchor: { kind: 'text', from: 4, to: 7 },
      resolvedAt: null,
      replies: [],
    });
    const reply = await world.room.talk.reply(ids.owner, thread.id, { body: 'because', mentions: [] });
    await world.room.talk.update(ids.editor, thread.id, { resolved: true });
    const [listed] = (await world.room.comments.list({ limit: 10, resolved: true })).comments;
    expect(listed).toMatchObject({ id: thread.id, resolvedBy: personOf(ids.editor), replies: [reply] });
    expect((await world.room.comments.list({ limit: 10, resolved: false })).comments).toEqual([]);
    expect(await world.room.talk.update(ids.viewer, thread.id, { resolved: false })).toMatchObject({
      resolvedAt: null,
      resolvedBy: null,
    });
    expect(types().slice(-4)).toEqual(['comment.created', 'comment.replied', 'comment.resolved', 'comment.resolved']);
  });

  it('are changed by their author alone, and deleted by the owner, too', async () => {
    const thread = await comment();
    const reply = await world.room.talk.reply(ids.editor, thread.id, { body: 'r', mentions: [] });
    expect(await codeOf(world.room.talk.update(ids.owner, thread.id, { body: 'mine' }))).toBe('forbidden');
    expect(await codeOf(world.room.talk.update(ids.viewer, reply.id, { body: 'mine' }))).toBe('forbidden');
    expect(await codeOf(world.room.talk.update(ids.editor, reply.id, { resolved: true }))).toBe('validation_failed');
    const changed = await world.room.talk.update(ids.editor, reply.id, { body: 'better' });
    expect(changed.replies).toMatchObject([{ body: 'better', editedAt: expect.any(String) }]);
    expect(await codeOf(() => world.room.comments.delete(thread.id, { userId: ids.editor, access: 'editor' }))).toBe(
      'forbidden',
    );
    world.room.comments.delete(reply.id, { userId: ids.owner, access: 'owner' });
    expect((await world.room.comments.get(thread.id)).replies).toEqual([]);
    await world.room.talk.reply(ids.editor, thread.id, { body: 'r', mentions: [] });
    world.room.comments.delete(thread.id, { userId: ids.viewer, access: 'viewer' });
    expect(await codeOf(world.room.comments.get(thread.id))).toBe('not_found');
    expect(world.dump().replies).toEqual([]);
  });

  it('stay with their words while others type around them, also over a crash', async () => {
    const thread = await comment(passage(4, 7));
    const client = await world.client(ids.editor, 'a.txt');
    client.type(0, 'zero ');
    client.type(client.content.indexOf('two') + 3, '!');
    client.type(client.content.indexOf('two'), '(');
    await world.settle();
    expect(await where(thread)).toEqual(two);
    world.crash();
    expect(await where(thread)).toEqual(two);
    client.drop();
  });

  it('are placed by relative positions of a client', async () => {
    const client = await world.client(ids.editor, 'a.txt');
    const encode = (index: number, assoc: number): string =>
      Buffer.from(Y.encodeRelativePosition(Y.createRelativePositionFromTypeIndex(client.text, index, assoc))).toString(
        'base64',
      );
    const anchor = { kind: 'text', start: encode(4, 0), end: encode(7, -1) } as const;
    client.type(0, '>> ');
    const thread = await comment({ anchor });
    expect(thread.quote).toBe('two');
    expect(await where(thread)).toEqual(two);
    for (const start of ['', 'AAAA', Buffer.from('rubbish').toString('base64')])
      expect(await codeOf(comment({ anchor: { ...anchor, start } })), start).toBe('validation_failed');
  });

  it('follow writes through HTTP, moves, a restore and another file in place of theirs', async () => {
    const words = { text: 'two three', orphaned: false };
    const thread = await comment(passage(4, 13));
    // Without a history, by their quote.
    await world.room.write('a.txt', { text: 'ONE AND two three\n' }, ids.owner);
    expect(await where(thread)).toEqual(words);
    const kept = await world.room.history.checkpoint({ kind: 'manual', by: ids.owner });
    await world.client(ids.editor, 'a.txt');
    await world.room.write('a.txt', { text: 'a line\nONE two three\n' }, ids.owner);
    expect(await where(thread)).toEqual(words);
    await world.room.batch([{ op: 'move', from: 'a.txt', to: 'dir/b.txt' }], ids.owner);
    expect((await world.room.comments.get(thread.id)).path).toBe('dir/b.txt');
    expect(await where(thread)).toEqual(words);
    await world.room.history.restore(kept.id, ids.owner);
    // Its file was deleted: the checkpoint has the text at its old path, as a file of its own.
    const gone = await world.room.comments.get(thread.id);
    expect(gone.orphaned).toBe(true);
    await world.room.write('dir/b.txt', { text: 'again two three' }, ids.owner);
    expect(await where(thread)).toEqual(words);
  });

  it('say that their words are gone, keep the quote, and find them when they come back', async () => {
    const client = await world.client(ids.editor, 'a.txt');
    const [long, short] = [await comment(passage(4, 13)), await comment(passage(4, 7))];
    client.text.delete(4, 9);
    await world.settle();
    for (const thread of [long, short]) expect(await where(thread)).toEqual({ text: '', orphaned: true });
    expect((await world.room.comments.get(long.id)).quote).toBe('two three');
    await world.room.write('a.txt', { text: 'and two three again' }, ids.owner);
    expect(await where(long)).toEqual({ text: 'two three', orphaned: false });
    // Three letters stand everywhere.
    expect((await where(short)).orphaned).toBe(true);
  });

  it('hang on nodes of scenes, and on what is in them', async () => {
    const at = 's.scene.json';
    await world.room.write(at, { text: '{"nodes":{"n":{"name":"Hero","t":{"x/y":1}}}}' }, ids.owner);
    const node = (pointer: string) => ({ path: at, anchor: { kind: 'node', node: 'n', pointer } as const });
    const thread = await comment(node('/t/x~1y'));
    expect(thread).toMatchObject({ quote: 'Hero', orphaned: false });
    expect(await codeOf(comment(node('/t/z')))).toBe('validation_failed');
    const client = await world.client(ids.editor, at);
    expect((await world.room.comments.get(thread.id)).orphaned).toBe(false);
    (client.doc.getMap('root').get('nodes') as Y.Map<unknown>).delete('n');
    await world.settle();
    expect((await world.room.comments.get(thread.id)).orphaned).toBe(true);
  });

  it('go with a project into another, and are the same there', async () => {
    const client = await world.client(ids.editor, 'a.txt');
    const threads = [await comment(passage(4, 7)), await comment(), await comment(passage(8, 13))];
    await world.room.talk.reply(ids.owner, threads[0]?.id ?? '', { body: 'r', mentions: [ids.viewer] });
    client.type(0, 'zero ');
    client.text.delete(client.content.indexOf('three'), 5);
    await world.settle();
    const carried = world.room.carriedComments();
    const { entries, texts } = await world.room.history.copy();
    const copy = new World(world.blobs);
    copy.room.adopt(entries, ids.owner, texts, undefined, carried);
    expect(copy.room.carriedComments()).toEqual(carried);
    const strip = ({ seq: _, anchor, ...rest }: Comment) => ({
      ...rest,
      anchor: anchor?.kind === 'text' ? [anchor.from, anchor.to] : anchor,
    });
    const all = async (of: World) => (await of.room.comments.list({ limit: 100 })).comments.map(strip);
    expect(await all(copy)).toEqual(await all(world));
    // They hang on the text there, too.
    const there = await copy.client(ids.editor, 'a.txt');
    there.type(0, '....');
    await copy.settle();
    const moved = await copy.room.comments.get(threads[0]?.id ?? '');
    expect(moved.anchor).toMatchObject({ from: 13, to: 16 });
    expect(copy.room.carriedComments().map(({ anchor, ...rest }) => rest)).toEqual(
      carried.map(({ anchor, ...rest }) => rest),
    );
  });

  it('are listed by file and page by page, newest first', async () => {
    await world.room.write('b.txt', { text: 'b' }, ids.owner);
    const made: string[] = [];
    for (let n = 0; n < 5; n += 1) made.unshift((await comment({ path: n === 2 ? 'b.txt' : 'a.txt' })).id);
    const first = await world.room.comments.list({ limit: 2, path: 'a.txt' });
    const second = await world.room.comments.list({ limit: 2, path: 'a.txt', cursor: first.nextCursor ?? '' });
    expect([...first.comments, ...second.comments].map(({ id }) => id)).toEqual(made.filter((_, n) => n !== 2));
    expect(second.nextCursor).toBeNull();
  });

  it('have limits: threads, replies and all their bytes', async () => {
    const thread = await comment();
    world.sql.run(`UPDATE comments SET size = ${limits.comment.totalBytes}`);
    expect(await codeOf(comment())).toBe('quota_exceeded');
    world.sql.run('UPDATE comments SET size = 100');
    world.sql.run(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${limits.comment.repliesMax})
       INSERT INTO replies SELECT 'r' || i, '${thread.id}', '{}', 'b', '[]', 1, NULL, 1 FROM n`,
    );
    expect(await codeOf(world.room.talk.reply(ids.owner, thread.id, { body: 'r', mentions: [] }))).toBe(
      'quota_exceeded',
    );
    world.sql.run(
      `WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ${limits.comment.threadsMax})
       INSERT INTO comments (id, path, author, body, mentions, at, seq, size) SELECT 't' || i, 'a', '{}', 'b', '[]', 1, 1, 1 FROM n`,
    );
    expect(await codeOf(comment())).toBe('quota_exceeded');
    expect(types().filter((type) => type.startsWith('comment'))).toEqual(['comment.created']);
  });

  it('are refused where there is no such file, passage or member', async () => {
    expect(await codeOf(comment({ path: 'none' }))).toBe('not_found');
    expect(await codeOf(comment(passage(0, 999)))).toBe('validation_failed');
    expect(await codeOf(comment(passage(5, 4)))).toBe('validation_failed');
    expect(await codeOf(comment({ mentions: [ids.stranger] }))).toBe('validation_failed');
    expect(await codeOf(comment({}, ids.stranger))).toBe('forbidden');
    expect(await codeOf(world.room.talk.reply(ids.owner, 'none', { body: 'x', mentions: [] }))).toBe('not_found');
  });
});
