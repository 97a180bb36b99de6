import { expect, it } from 'vitest';
import type { KilnClient } from '../../../src/client/api.ts';
import { RoomChat } from '../../../src/client/chat.ts';

const page = (...ids: number[]) => ({
  messages: ids.map((seq) => ({ id: String(seq), seq })),
  nextCursor: null,
});

/** The chat of a project whose API gives these answers, one after the other. */
const chatOf = (...answers: unknown[]): RoomChat => {
  const call = async (): Promise<unknown> => answers.shift();
  return new RoomChat({ call } as unknown as KilnClient, 'p', () => undefined);
};

it('a chat that is still being read when something was missed is read again after that', async () => {
  const first = Promise.withResolvers<unknown>();
  const chat = chatOf(first.promise, page(1, 2));
  const reading = chat.more();
  const again = chat.refresh();
  first.resolve(page(1));
  await Promise.all([reading, again]);
  expect(chat.messages.map(({ seq }) => seq)).toEqual([1, 2]);
});

it('a chat that nobody has read is not read because something was missed', async () => {
  const chat = chatOf(page(1));
  await chat.refresh();
  expect(chat.messages).toEqual([]);
});
