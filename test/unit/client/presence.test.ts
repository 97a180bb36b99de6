import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RoomPresence } from '../../../src/client/presence.ts';
import { limits } from '../../../src/contract/limits.ts';
import type { ClientMessage, Presence } from '../../../src/contract/room.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const user = (userId: string, change: Partial<Presence> = {}): Presence => ({
  userId,
  username: userId,
  displayName: userId,
  color: '#fff',
  role: 'editor',
  path: null,
  idle: false,
  cursor: null,
  nodes: [],
  view: null,
  since: '2026-01-02T03:04:05.000Z',
  ...change,
});

function joined(): { presence: RoomPresence; sent: ClientMessage[] } {
  const sent: ClientMessage[] = [];
  const presence = new RoomPresence((message) => sent.push(message));
  presence.hear({ type: 'hello', seq: 1, self: user('ada'), users: [user('ada'), user('grace')] });
  return { presence, sent };
}

describe('presence of the client', () => {
  it('follows who comes, goes, moves, selects and rests', () => {
    const { presence } = joined();
    const grace = () => presence.users.get('grace');
    expect(presence.self?.userId).toBe('ada');
    presence.hear({ type: 'cursor', userId: 'grace', path: 'a.ts', position: 3 });
    expect(grace()).toMatchObject({ path: 'a.ts', cursor: { position: 3 } });
    presence.hear({ type: 'idle', userId: 'grace', idle: true });
    expect(grace()).toMatchObject({ path: 'a.ts', cursor: { position: 3 }, idle: true });
    presence.hear({ type: 'selection', userId: 'grace', path: 'b.scene.json', nodes: ['n'] });
    // What was said of one file says nothing of another.
    expect(grace()).toMatchObject({ path: 'b.scene.json', cursor: null, nodes: ['n'], idle: false });
    presence.hear({ type: 'user.left', userId: 'grace' });
    expect([...presence.users.keys()]).toEqual(['ada']);
    expect(presence.hear({ type: 'cursor', userId: 'grace', path: 'a.ts' })).toBe(false);
    presence.hear({ type: 'user.joined', user: user('eve') });
    presence.hear({ type: 'user.changed', user: user('eve', { role: 'viewer' }) });
    expect(presence.users.get('eve')?.role).toBe('viewer');
  });

  it('sends of a burst what was said last, of each kind', () => {
    const { presence, sent } = joined();
    for (let position = 0; position < 50; position += 1) presence.setCursor({ path: 'a', position });
    presence.setViewport({ path: 'a', view: { first: 1 } });
    vi.advanceTimersByTime(0);
    expect(sent).toEqual([
      { type: 'cursor', path: 'a', position: 49 },
      { type: 'viewport', path: 'a', view: { first: 1 } },
    ]);
    presence.setCursor({ path: 'a', position: 50 });
    vi.advanceTimersByTime(limits.client.cursor - 1);
    expect(sent).toHaveLength(2);
    vi.advanceTimersByTime(1);
    expect(sent).toHaveLength(3);
  });

  it('says again where this user is to a room that was joined anew, and nothing of the file before', () => {
    const { presence, sent } = joined();
    presence.setCursor({ path: 'a', position: 1 });
    presence.setSelection({ path: 'b', nodes: ['n'] });
    vi.advanceTimersByTime(limits.client.cursor);
    presence.setIdle(true);
    sent.length = 0;
    presence.repeat();
    expect(sent).toEqual([
      { type: 'selection', path: 'b', nodes: ['n'] },
      { type: 'idle', idle: true },
    ]);
  });
});
