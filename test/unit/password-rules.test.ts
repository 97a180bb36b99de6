import { dictionary } from '@zxcvbn-ts/language-common';
import { describe, expect, it } from 'vitest';
import { weakness } from '../../src/core/password-rules.ts';

const common = new Set(dictionary['passwords-common']);
const own = { email: 'ada.lovelace@kiln.test', username: 'AdaLovelace', displayName: 'Countess Ada' };
const weak = (password: string): string | null => weakness(password, own, (word) => common.has(word));

describe('#15 passwords', () => {
  it('are compared with more than the ten thousand commonest', () => {
    expect(common.size).toBeGreaterThan(10_000);
  });

  it.each(['password', 'Password', 'password123', 'PASSWORD123!', 'iloveyou', 'qwertyuiop', '1234567890', 'sunshine1'])(
    'like %s are refused',
    (password) => {
      expect(weak(password)).toContain('common');
    },
  );

  it.each([
    'ada.lovelace@kiln.test',
    'ADA.LOVELACE@kiln.test',
    'ada.lovelace',
    'AdaLovelace',
    'adalovelace1815',
    'Countess Ada',
  ])('like the own %s are refused', (password) => {
    expect(weak(password)).toContain('own');
  });

  it.each(['aaaaaaaaaaaa', '{}{}{}{}{}', '        '])('like “%s” are refused', (password) => {
    expect(weak(password)).not.toBeNull();
  });

  it.each([
    'correct horse battery staple',
    'a long enough password',
    'Tr0ub4dor&3-x9',
    'пароль из пяти слов',
    `${'x7'.repeat(32)}q`,
    `${'k9-'.repeat(60)}zzzzzzzzzzzzzzzzzzzz`,
  ])('like “%s” are taken', (password) => {
    expect(weak(password)).toBeNull();
  });
});
