import { afterEach, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { Doc } from 'yjs';
import type { KilnClient } from '../../src/client/index.ts';
import { importExample } from '../support/examples.ts';
import { signUp, until } from '../support/people.ts';
import { type ProviderExample, type StockProvider, stockProviders } from '../support/stock-providers.ts';

const origin = inject('origin');
const path = 'src/shared notes.txt';
let ada: KilnClient;
let grace: KilnClient;
let graceId: string;
let project: string;

const opened: StockProvider[] = [];
afterEach(() => {
  for (const provider of opened.splice(0)) {
    provider.destroy();
    provider.doc.destroy();
  }
});

beforeAll(async () => {
  [ada, grace] = [await signUp(origin, 'ada'), await signUp(origin, 'grace')];
  graceId = (await grace.call('getMe')).user.id;
});

const ticketOf = (client: KilnClient) => async () =>
  (await client.call('createTicket', { params: { id: project } })).ticket;
const stored = async (file = path): Promise<string> =>
  (await ada.call('getFile', { params: { id: project, path: file } })).file.content;

describe.each(stockProviders)('%s, as it comes', (name) => {
  let connect: ProviderExample['connect'];

  beforeAll(async () => {
    ({ connect } = await importExample<ProviderExample>('realtime', name));
    project = (await ada.call('createProject', { body: { name } })).project.id;
    await ada.call('addCollaborator', { params: { id: project }, body: { userId: graceId, role: 'editor' } });
    await ada.call('putFile', { params: { id: project, path }, body: { content: 'start\n' } });
  });

  const open = (ticket: () => Promise<string>, file = path): StockProvider => {
    const provider = connect(origin, project, file, new Doc(), ticket);
    opened.push(provider);
    return provider;
  };
  const textOf = ({ doc }: StockProvider) => doc.getText('content');

  it('connects, syncs, and edits with others', async () => {
    const [left, right] = [open(ticketOf(ada)), open(ticketOf(grace))];
    await until(() => left.synced && right.synced);
    expect(textOf(left).toString()).toBe('start\n');
    textOf(left).insert(0, 'left ');
    textOf(right).insert(textOf(right).length, 'right');
    await until(() => [left, right].every((side) => /^left start\nright$/.test(textOf(side).toString())));
    await until(async () => (await stored()) === 'left start\nright');
  });

  it('[R7] shows others where somebody is, with the name that the ticket proved', async () => {
    const [left, right] = [open(ticketOf(ada)), open(ticketOf(grace))];
    await until(() => left.synced && right.synced);
    right.awareness.setLocalStateField('user', { name: 'Somebody else', color: 'red' });
    right.awareness.setLocalStateField('cursor', { anchor: 1, head: 2 });
    const seen = () => left.awareness.getStates().get(right.doc.clientID);
    await until(() => seen()?.cursor !== undefined);
    expect(seen()).toMatchObject({ cursor: { anchor: 1, head: 2 }, user: { id: graceId, role: 'editor' } });
    right.disconnect();
    await until(() => seen() === undefined);
  });

  it('[R14] comes back with a fresh ticket after a lost connection, and brings what was typed meanwhile', async () => {
    const asked: string[] = [];
    const ticket = async () => {
      const fresh = await ticketOf(grace)();
      asked.push(fresh);
      return fresh;
    };
    const [left, right] = [open(ticketOf(ada)), open(ticket)];
    await until(() => left.synced && right.synced);
    for (let round = 1; round <= 2; round += 1) {
      right.ws?.close();
      await until(() => !right.wsconnected);
      textOf(right).insert(0, `<offline ${round}>`);
      textOf(left).insert(0, `<online ${round}>`);
      await until(() => right.synced);
      await until(() => textOf(left).toString() === textOf(right).toString());
      expect(textOf(left).toString()).toContain(`<offline ${round}>`);
      expect(textOf(left).toString()).toContain(`<online ${round}>`);
    }
    expect(new Set(asked).size).toBe(3);
    expect(asked).toHaveLength(3);
  });

  it('stays away when it is left while it comes back', async () => {
    let asked = 0;
    const { promise: laterTicket, resolve: giveTicket } = Promise.withResolvers<void>();
    const ticket = async () => {
      asked += 1;
      if (asked > 1) await laterTicket;
      return ticketOf(grace)();
    };
    const [left, waiting] = [open(ticket), open(ticketOf(ada))];
    await until(() => left.synced && waiting.synced);
    for (const provider of [left, waiting]) {
      provider.ws?.close();
      await until(() => !provider.wsconnected);
    }
    waiting.destroy();
    await until(() => asked > 1);
    left.destroy();
    giveTicket();
    // Longer than any of them waits before it tries again.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect([left, waiting].map(({ ws }) => ws === null)).toEqual([true, true]);
  });

  it('[R6] sees everything as a viewer, and changes nothing', async () => {
    const params = { id: project, userId: graceId };
    await ada.call('updateCollaborator', { params, body: { role: 'viewer' } });
    const [left, right] = [open(ticketOf(ada)), open(ticketOf(grace))];
    await until(() => left.synced && right.synced);
    const before = textOf(left).toString();
    const warned = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    textOf(right).insert(0, 'not mine to write');
    await until(() => warned.mock.calls.length > 0);
    expect(warned.mock.calls[0]?.[0]).toMatch(/You may read this document, not change it\.$/);
    warned.mockRestore();
    textOf(left).insert(0, 'seen ');
    await until(() => textOf(right).toString().includes('seen '));
    expect([right.synced, right.wsconnected]).toEqual([true, true]);
    right.awareness.setLocalStateField('cursor', { anchor: 3 });
    await until(() => left.awareness.getStates().get(right.doc.clientID)?.cursor !== undefined);
    expect(textOf(left).toString()).toBe(`seen ${before}`);
    expect(await stored()).toBe(`seen ${before}`);
    await ada.call('updateCollaborator', { params, body: { role: 'editor' } });
  });

  it.each([
    ['wrong', async () => 'not.a.ticket'],
    [
      'spent',
      (() => {
        let spent: Promise<string> | undefined;
        return () => {
          spent ??= ticketOf(ada)();
          return spent;
        };
      })(),
    ],
  ])('is not let in with a ticket that is %s', async (kind, ticket) => {
    const provider = open(ticket);
    if (kind === 'spent') {
      await until(() => provider.synced);
      provider.ws?.close();
      await until(() => !provider.wsconnected);
    }
    let refused = 0;
    let connected = 0;
    provider.on('connection-close', () => {
      refused += 1;
    });
    provider.on('status', (({ status }: { status: string }) => {
      if (status === 'connected') connected += 1;
    }) as never);
    await until(() => refused > 0);
    expect(connected).toBe(0);
  });

  it('stops where the room ends the document for good', async () => {
    const provider = open(ticketOf(ada), 'not there.txt');
    const codes: number[] = [];
    provider.on('connection-close', ((event: { code: number } | null) => codes.push(event?.code ?? 0)) as never);
    await until(() => codes.length > 0);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(codes).toEqual([4404]);
    expect(provider.wsconnected).toBe(false);
  });

  it('[R12] sends a frame of more than 1 MB', async () => {
    const file = 'large.txt';
    await ada.call('putFile', { params: { id: project, path: file }, body: { content: '' } });
    const [left, right] = [open(ticketOf(ada), file), open(ticketOf(grace), file)];
    await until(() => left.synced && right.synced);
    const large = 'brick '.repeat(170_000);
    textOf(left).insert(0, large);
    await until(() => textOf(right).length === large.length);
    expect(textOf(right).toString()).toBe(large);
    expect(await stored(file)).toBe(large);
  });
});
