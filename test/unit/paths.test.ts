import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KilnError } from '../../src/contract/errors.ts';
import { limits } from '../../src/contract/limits.ts';
import { ancestors, decodePath, encodePath, foldPath, validPath } from '../../src/core/paths.ts';
import { WorkingTree } from '../../src/core/tree.ts';
import { codeOfSync } from './support/code-of.ts';

/** As they stand in a URL, after `/files/`. */
const hostileUrls: readonly (readonly [name: string, raw: string])[] = [
  ['parents by escaped slashes', '..%2f..%2fetc%2fpasswd'],
  ['parents by escaped slashes in upper case', '..%2F..%2Fetc%2Fpasswd'],
  ['parents by escaped backslashes', '..%5c..%5cwindows'],
  ['parents by escaped backslashes in upper case', '..%5C..'],
  ['escaped dots', '%2e%2e/'],
  ['escaped dots and a name', '%2e%2e/secret'],
  ['half escaped dots', '.%2e/secret'],
  ['everything escaped', '%2e%2e%2f%2e%2e%2fsecret'],
  ['doubly escaped parents', '%252e%252e%252f'],
  ['doubly escaped parents and a name', '%252e%252e%252fetc%252fpasswd'],
  ['doubly escaped backslash', '..%255c..%255cx'],
  ['four dots and two slashes', '....//'],
  ['four dots and two slashes before a name', '....//etc/passwd'],
  ['plain parents', '../../etc/passwd'],
  ['a parent in the middle', 'a/../b'],
  ['a parent at the end', 'a/..'],
  ['only a parent', '..'],
  ['only a dot', '.'],
  ['an absolute path', '/abs'],
  ['an absolute path, escaped', '%2fabs'],
  ['a drive', 'C:/x'],
  ['a drive, escaped', 'c%3a/x'],
  ['a drive with backslash', 'C:%5cx'],
  ['an empty segment', 'a//b'],
  ['an empty segment, escaped', 'a%2f%2fb'],
  ['a dot segment', 'a/./b'],
  ['a dot segment at the start', './a'],
  ['a trailing slash', 'a/'],
  ['a trailing dot', 'a.'],
  ['a trailing dot in a directory', 'a./b'],
  ['three dots', '...'],
  ['a trailing space', 'a%20'],
  ['a trailing space in a directory', 'a%20/b'],
  ['a leading space', '%20a'],
  ['only a space', '%20'],
  ['NUL', 'a%00b'],
  ['NUL before an extension', 'a.txt%00.png'],
  ['CR LF', 'a%0d%0aSet-Cookie:%20x=1'],
  ['LF', 'a%0ab'],
  ['tab', 'a%09b'],
  ['DEL', 'a%7fb'],
  ['a C1 control', 'a%c2%85b'],
  ['a broken escape', 'a%zz'],
  ['a cut escape', 'a%2'],
  ['a lone percent', 'a%'],
  ['invalid UTF-8', 'a%ff'],
  ['overlong UTF-8 of a slash', '..%c0%af..'],
  ['a lone surrogate in UTF-8', '%ed%a0%80'],
  ['the empty path', ''],
  ['an alternate data stream', 'a.txt::$DATA'],
  ['a wildcard', 'a*b'],
  ['a question mark, escaped', 'a%3fb'],
  ['a pipe', 'a|b'],
  ['angle brackets', '<script>'],
  ['a quotation mark', 'a%22b'],
  ['a UNC path', '%5c%5cserver%5cshare'],
  ['a decomposed letter', 'cafe%cc%81'],
  ['a device', 'con'],
  ['a device with an extension', 'CON.txt'],
  ['a device in a directory', 'src/aux.ts'],
  ['a device as a directory', 'nul/x'],
  ['a numbered device', 'COM1'],
  ['a device with a superscript digit', 'lpt%c2%b9.log'],
  ['a name of 512 bytes', 'a'.repeat(512)],
  ['a name of 300 bytes in few characters', encodeURIComponent('é'.repeat(150))],
  ['a name of 5000 bytes', 'a'.repeat(5000)],
  ['a path over the cap', `${'a/'.repeat(250)}b`],
  ['the reserved directory', '.kiln/config'],
  ['the reserved directory in other case', '.KILN/config'],
  ['the reserved directory itself', '.kiln'],
  ['the reserved directory, escaped', '%2ekiln/x'],
];

const inert: readonly string[] = [
  '__proto__',
  '__proto__/constructor',
  'constructor',
  'hasOwnProperty',
  'toString',
  '.git/config',
  'node_modules/x',
  '.npmrc',
  '.env',
  'package.json',
  'vite.config.ts',
  'a b.txt',
  'a;x=y',
  'a&b=c#d',
  'über/straße.txt',
  '日本語/ファイル.ts',
  '🎮/🕹️.png',
  'console.ts',
  'com10.ts',
  'auxiliary/null.ts',
  '.kilnrc',
  'a/.kiln/b',
  '..a',
  'a..b',
  '100%',
];

describe('Paths', () => {
  it.each(hostileUrls)('refuse %s [hostile 37, 39]', (_name, raw) => {
    expect(codeOfSync(() => decodePath(raw))).toBe('invalid_path');
  });

  it.each(['a\u0000', '\ud800', 'a\udc00b', '\udc00\ud800', 'a\\b', 'a\rb', 'cafe\u0301', '/', '//', 'COM¹'])(
    'refuse %j also when it did not come by a URL',
    (path) => {
      expect(codeOfSync(() => validPath(path))).toBe('invalid_path');
    },
  );

  it('name the reason in `detail` and `issues`', () => {
    try {
      validPath('a//b');
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(KilnError);
      const { detail, issues } = error as KilnError;
      expect(detail).toContain('empty segment');
      expect(issues).toEqual([{ path: 'path', message: 'it has an empty segment' }]);
    }
  });

  it.each(inert)('may have a name with a meaning elsewhere, which is stored inertly: %j', (path) => {
    expect(validPath(path)).toBe(path);
    expect(decodePath(encodePath(path))).toBe(path);
  });

  it('are decoded once: a percent sign that is left is part of the name', () => {
    expect(decodePath('100%25')).toBe('100%');
    expect(decodePath('a%2541')).toBe('a%41');
  });

  it('may be 200 levels deep, and the tree survives it', () => {
    const path = `${'a/'.repeat(199)}a`;
    expect(path.length).toBeLessThanOrEqual(limits.file.pathMax);
    expect(decodePath(path)).toBe(path);
    const tree = new WorkingTree([{ path, hash: '0'.repeat(64), size: 1, mode: 0o644 }]);
    expect(tree.count).toBe(1);
    expect(ancestors(path)).toHaveLength(199);
  });

  it('of exactly the longest length and the longest segment are accepted', () => {
    const segment = 'a'.repeat(limits.file.segmentBytes);
    expect(validPath(segment)).toBe(segment);
    expect(codeOfSync(() => validPath(`${segment}a`))).toBe('invalid_path');
    const longest = `${'a'.repeat(250)}/${'b'.repeat(limits.file.pathMax - 251)}`;
    expect(longest).toHaveLength(limits.file.pathMax);
    expect(validPath(longest)).toBe(longest);
    expect(codeOfSync(() => validPath(`${longest}b`))).toBe('invalid_path');
  });

  const segment = fc.oneof(
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
    fc.string({ unit: 'binary', minLength: 0, maxLength: 20 }),
    fc.constantFrom('.', '..', 'con', 'a', 'src', '%2e', 'main.ts', 'x ', '.kiln', '\\', 'a:b', '__proto__'),
  );
  const anyPath = fc.array(segment, { minLength: 1, maxLength: 6 }).map((parts) => parts.join('/'));

  it('that are accepted come back unchanged from a URL', () => {
    let accepted = 0;
    fc.assert(
      fc.property(anyPath, (path) => {
        if (codeOfSync(() => validPath(path)) !== 'done') return;
        accepted += 1;
        expect(decodePath(encodePath(path))).toBe(path);
        expect(new URL(`https://kiln.example/api/files/${encodePath(path)}`).pathname).toBe(
          `/api/files/${encodePath(path)}`,
        );
      }),
      { numRuns: 500 },
    );
    expect(accepted).toBeGreaterThan(20);
  });

  it('that are accepted never climb, never start anew and hold nothing that a file system reads otherwise', () => {
    fc.assert(
      fc.property(anyPath, (path) => {
        if (codeOfSync(() => validPath(path)) !== 'done') return;
        const parts = path.split('/');
        expect(parts.every((part) => part !== '' && part !== '.' && part !== '..')).toBe(true);
        expect(/[\\:\p{Cc}]/u.test(path)).toBe(false);
        expect(path.normalize('NFC')).toBe(path);
        expect(path.isWellFormed()).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('decoding answers a path or `invalid_path`, whatever it is given', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (raw) => {
        expect(['done', 'invalid_path']).toContain(codeOfSync(() => decodePath(raw)));
      }),
      { numRuns: 500 },
    );
  });
});

describe('ancestors and folds', () => {
  it('ancestors are the directories from the outermost in', () => {
    expect(ancestors('a/b/c')).toEqual(['a', 'a/b']);
    expect(ancestors('a')).toEqual([]);
  });

  it('paths that differ only in case have one fold', () => {
    expect(foldPath('Src/Main.TS')).toBe(foldPath('src/main.ts'));
    expect(foldPath('a')).not.toBe(foldPath('b'));
  });
});
