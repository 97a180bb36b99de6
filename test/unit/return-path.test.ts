import { describe, expect, it } from 'vitest';
import { Username } from '../../src/contract/users.ts';
import { returnPath } from '../../src/core/return-path.ts';
import { usernameFrom, usernameVariant } from '../../src/core/usernames.ts';

const app = 'https://kiln.example';

describe('#22 where a browser goes on', () => {
  it.each(['/', '/p/1', '/p/1?tab=2#top', '/invite/abc', '/%0d%0aSet-Cookie:a'])('is %s itself', (path) => {
    expect(returnPath(path, app)).toBe(path);
  });

  it.each([
    undefined,
    '',
    '//evil',
    '///evil',
    '/\\evil',
    '\\evil',
    'https://good@evil',
    'javascript:alert(1)',
    '/\r\nSet-Cookie: a=b',
    '/\tx',
    '/ /evil',
    '/.//evil',
    '/x/..//evil',
    '/api/auth/logout',
    `/${'x'.repeat(600)}`,
    'p/1',
  ])('is home for %j', (path) => {
    expect(returnPath(path, app)).toBe('/');
  });
});

describe('a user name from elsewhere', () => {
  it.each([
    ['Ada Łovelace', 'Ada-ovelace'],
    ['josé.garcía', 'jose.garcia'],
    ['--x--', 'user-x'],
    ['名前', 'user'],
    ['a__b', 'a-b'],
    ['x'.repeat(60), 'x'.repeat(32)],
  ])('%s becomes %s', (text, name) => {
    expect(usernameFrom(text)).toBe(name);
    for (const attempt of [0, 1, 2, 5]) expect(Username.parse(usernameVariant(name, attempt, () => 0.5))).toBeTruthy();
  });
});
