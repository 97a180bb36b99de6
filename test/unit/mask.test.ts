import { describe, expect, it } from 'vitest';
import { newApiKey } from '../../src/core/api-keys.ts';
import { maskSecrets } from '../../src/core/mask.ts';

describe('maskSecrets', () => {
  const jwt = `${btoa('{"alg":"EdDSA","typ":"build+jwt"}')}.${btoa('{"sub":"0192f0c1"}')}.c2lnbmF0dXJl`.replaceAll(
    '=',
    '',
  );
  it.each([
    ['a token of ours', `token ${jwt} end`, 'token [masked] end'],
    ['a key of ours', newApiKey('0192f0c1-2a3b-7c4d-8e5f-00000000c001').secret, '[masked]'],
    ['one of GitHub', `const t = 'ghp_${'a1'.repeat(18)}';`, "const t = '[masked]';"],
    ['one of npm', `npm_${'b2'.repeat(18)}`, '[masked]'],
    ['one of AWS', 'AKIAIOSFODNN7EXAMPLE', '[masked]'],
    ['a password in a URL', 'https://ada:secret@registry.example/x', 'https://ada:[masked]@registry.example/x'],
    ['a token in a header', `authorization: Bearer ${'x'.repeat(32)}`, 'authorization: Bearer [masked]'],
    ['a line of .npmrc', '//registry.npmjs.org/:_authToken=abc', '//registry.npmjs.org/:_authToken=[masked]'],
    ['a private key', 'a\n-----BEGIN PRIVATE KEY-----\nMIG\n-----END PRIVATE KEY-----\nb', 'a\n[masked]\nb'],
    ['a private key that is cut off', '-----BEGIN RSA PRIVATE KEY-----\nMIG', '[masked]'],
  ])('masks %s', (_what, text, masked) => {
    expect(maskSecrets(text)).toBe(masked);
  });

  it.each([
    'src/main.ts:3:7: Cannot find name "player".',
    'bearer of bad news',
    'https://example.com:8080/a@b',
    'eyJust a word.',
    '<b>HTML</b> & "quotes"',
    'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=',
  ])('leaves alone what is none: %s', (text) => {
    expect(maskSecrets(text)).toBe(text);
  });

  it.each(['eyJ', '://a:', '-----BEGIN PRIVATE KEY-----', 'bearer ', 'ghp_', 'kiln_', '_authToken ='])(
    'is done with long texts of %j, which a pattern that tries again would never be',
    (part) => {
      const text = `${part.repeat(200_000 / part.length)}\n-----END PRIVATE KEY-----\n tail`;
      expect(maskSecrets(text).endsWith('\n tail')).toBe(true);
    },
  );
});
