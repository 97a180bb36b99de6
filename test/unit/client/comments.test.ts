import { describe, expect, it } from 'vitest';
import type { KilnClient } from '../../../src/client/api.ts';
import { RoomComments } from '../../../src/client/comments.ts';
import type { HeardMessage } from '../../../src/contract/room.ts';

const comment = (id: string) => ({ id, path: 'a', replies: [], createdAt: `2026-01-01T00:00:0${id}.000Z` });
const created = (id: string) =>
  ({
    type: 'event',
    event: { seq: Number(id), type: 'comment.created', at: '', by: null, data: { comment: comment(id) } },
  }) as unknown as HeardMessage;
const hello = { type: 'hello' } as HeardMessage;
const page = (...ids: string[]) => ({ comments: ids.map(comment), nextCursor: null });

/** Comments of a project whose API gives these answers, one after the other, and then the last one for ever. */
const commentsOf = (...answers: unknown[]): RoomComments => {
  const call = async (): Promise<unknown> => (answers.length > 1 ? answers.shift() : answers[0]);
  return new RoomComments({ call } as unknown as KilnClient, 'p');
};
const idsOf = ({ threads }: RoomComments): string[] => threads.map(({ id }) => id);

describe('threads of a project', () => {
  it('that are begun while the first are being read are there', async () => {
    const answer = Promise.withResolvers<unknown>();
    const comments = commentsOf(answer.promise, page('1', '2'));
    const loading = comments.load();
    comments.hear(created('2'));
    answer.resolve(page('1'));
    await loading;
    expect(idsOf(comments)).toEqual(['1', '2']);
  });

  it('that are begun while they are being read again stay', async () => {
    const answer = Promise.withResolvers<unknown>();
    const comments = commentsOf(page('1'), answer.promise, page('1', '2'));
    await comments.load();
    const again = comments.load();
    comments.hear(created('2'));
    expect(idsOf(comments)).toEqual(['1', '2']);
    answer.resolve(page('1'));
    await again;
    expect(idsOf(comments)).toEqual(['1', '2']);
  });

  it('are what the later of two loads found, whoever asked for which', async () => {
    const answer = Promise.withResolvers<unknown>();
    const comments = commentsOf(answer.promise, page('2'));
    const loads = [comments.load(), comments.load()];
    answer.resolve(page('1'));
    await Promise.all(loads);
    expect(idsOf(comments)).toEqual(['2']);
  });

  it('that were read before the room was there are read again when it is, and not at each return', async () => {
    const comments = commentsOf(page('1'), page('1', '2'), page('3'));
    await comments.load();
    comments.hear(hello);
    await expect.poll(() => idsOf(comments)).toEqual(['1', '2']);
    comments.hear(hello);
    await new Promise((resolve) => setTimeout(resolve));
    expect(idsOf(comments)).toEqual(['1', '2']);
  });

  it('are read again after a reading that failed', async () => {
    const comments = commentsOf(Promise.reject(new Error('away')), page('1'));
    await expect(comments.load()).rejects.toThrow('away');
    await comments.load();
    expect(idsOf(comments)).toEqual(['1']);
  });
});
