import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as Y from 'yjs';
import { BuildOptions, BuildStatus } from '../../src/contract/builds.ts';
import { KilnError } from '../../src/contract/errors.ts';
import { limits } from '../../src/contract/limits.ts';
import { buildKey, toolchainPackages, toolchainVersion } from '../../src/core/build-key.ts';
import { canBecome, hasEnded } from '../../src/core/build-lifecycle.ts';
import { concat } from '../../src/core/bytes.ts';
import { canonicalJson } from '../../src/core/canonical-json.ts';
import { mimeTypeOf, textOf } from '../../src/core/content.ts';
import { etag, matches, matchesWeakly } from '../../src/core/etag.ts';
import { describeError } from '../../src/core/log.ts';
import { backoff } from '../../src/core/retry.ts';
import { applyText } from '../../src/core/text-diff.ts';
import { sha256 } from '../../src/core/tree.ts';
import { decodeCursor, encodeCursor, page } from '../../src/data/cursor.ts';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('Entity tags (RFC 9110 §8.8, §13.1)', () => {
  const current = etag('abc');

  it('are strong and quoted', () => {
    expect(etag('abc')).toBe('"abc"');
    expect(etag(7)).toBe('"7"');
  });

  it('If-Match compares strongly: a weak tag never matches', () => {
    expect(matches('"abc"', current)).toBe(true);
    expect(matches('"x", "abc" ,"y"', current)).toBe(true);
    expect(matches('W/"abc"', current)).toBe(false);
    expect(matches('"ab"', current)).toBe(false);
    expect(matches('abc', current)).toBe(false);
    expect(matches('', current)).toBe(false);
  });

  it('If-Match: * matches what exists, and nothing else', () => {
    expect(matches('*', current)).toBe(true);
    expect(matches(' * ', current)).toBe(true);
    expect(matches('*', null)).toBe(false);
    expect(matches('"abc"', null)).toBe(false);
  });

  it('If-None-Match compares weakly', () => {
    expect(matchesWeakly('W/"abc"', current)).toBe(true);
    expect(matchesWeakly('"abc"', current)).toBe(true);
    expect(matchesWeakly('"x", W/"abc"', current)).toBe(true);
    expect(matchesWeakly('"x"', current)).toBe(false);
    expect(matchesWeakly('*', current)).toBe(true);
    expect(matchesWeakly('*', null)).toBe(false);
  });
});

describe('Cursors', () => {
  it('come back as they were', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: 'binary', maxLength: 120 }), fc.integer()),
        fc.string({ unit: 'grapheme', maxLength: 20 }),
        (value, id) => {
          const kind = typeof value === 'string' ? 'string' : 'number';
          expect(decodeCursor(encodeCursor({ value, id }), kind)).toEqual({ value, id });
        },
      ),
    );
  });

  it('of the longest name that a project may have fit into the query parameter', () => {
    const cursor = encodeCursor({ value: 'x'.repeat(limits.project.nameMax), id: '0'.repeat(36) });
    expect(cursor.length).toBeLessThanOrEqual(limits.http.cursorMax);
  });

  it('of the longest name in any script fit into the query parameter', () => {
    const cursor = encodeCursor({ value: '界'.repeat(limits.project.nameMax), id: '0'.repeat(36) });
    expect(cursor.length).toBeLessThanOrEqual(limits.http.cursorMax);
  });

  it.each([
    '',
    'x',
    '%',
    '!!!',
    btoa('[]'),
    btoa('null'),
    btoa('{"value":1}'),
    btoa(encodeURIComponent('[1]')),
    btoa(encodeURIComponent('[1,2]')),
    btoa(encodeURIComponent('[{"a":1},"id"]')),
    btoa(encodeURIComponent(JSON.stringify(['a'.repeat(301), 'id']))),
    btoa(encodeURIComponent(JSON.stringify(['a', 'i'.repeat(65)]))),
    btoa(encodeURIComponent('["a","b","c"]')),
  ])('that nobody made are refused as `validation_failed`: %j [hostile 34]', (text) => {
    expect(() => decodeCursor(text, 'string')).toThrow(KilnError);
    try {
      decodeCursor(text, 'string');
    } catch (error) {
      expect((error as KilnError).code).toBe('validation_failed');
    }
  });

  it('of another sorting are refused: no engine is asked whether a name is later than a time', () => {
    expect(() => decodeCursor(encodeCursor({ value: 'name', id: 'x' }), 'number')).toThrow(KilnError);
    expect(() => decodeCursor(encodeCursor({ value: 1, id: 'x' }), 'string')).toThrow(KilnError);
    expect(() => decodeCursor(btoa('[1.5,"x"]'), 'number')).toThrow(KilnError);
    expect(() => decodeCursor(btoa('[1e999,"x"]'), 'number')).toThrow(KilnError);
  });

  it('any text is a cursor or `validation_failed`', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.base64String()), (text) => {
        try {
          decodeCursor(text, 'string');
        } catch (error) {
          expect(error).toBeInstanceOf(KilnError);
        }
      }),
    );
  });

  it('a page is cut to its limit and has a cursor only when more follows', () => {
    const cursorOf = (n: number) => ({ value: n, id: `id${n}` });
    expect(page([1, 2, 3], 2, cursorOf)).toEqual({ rows: [1, 2], nextCursor: encodeCursor(cursorOf(2)) });
    expect(page([1, 2], 2, cursorOf)).toEqual({ rows: [1, 2], nextCursor: null });
    expect(page([], 2, cursorOf)).toEqual({ rows: [], nextCursor: null });
  });
});

describe('Back-off', () => {
  it('stays within (0, min(cap, base · 2^(attempt−1))]', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 10_000 }),
        fc.integer({ min: 1, max: 100_000 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (attempt, base, cap, random) => {
          const delay = backoff(attempt, base, cap, () => random);
          expect(delay).toBeGreaterThanOrEqual(1);
          expect(delay).toBeLessThanOrEqual(Math.max(1, Math.min(cap, base * 2 ** (attempt - 1))));
        },
      ),
    );
  });

  it('doubles its ceiling until the cap', () => {
    expect([1, 2, 3, 4, 5].map((attempt) => backoff(attempt, 100, 1000, () => 0))).toEqual([100, 200, 400, 800, 1000]);
  });

  it('is jittered over the whole range', () => {
    expect(backoff(3, 100, 1000, () => 0.5)).toBe(200);
    expect(backoff(3, 100, 1000, () => 0.9999)).toBe(1);
  });
});

describe('Build keys', () => {
  const options = BuildOptions.parse({ entry: 'src/main.ts', define: { A: '1', B: '2' } });
  const input = { name: 'Game', treeHash: 'a'.repeat(64), target: 'web' as const, options, lock: null };

  it('do not depend on the order of options or of their entries', () => {
    const reversed = Object.fromEntries(Object.entries(options).reverse()) as BuildOptions;
    expect(buildKey({ ...input, options: { ...reversed, define: { B: '2', A: '1' } } })).toBe(buildKey(input));
  });

  it('are the same whether a default was given or left out', () => {
    expect(buildKey({ ...input, options: BuildOptions.parse({}) })).toBe(
      buildKey({ ...input, options: BuildOptions.parse({ minify: true, define: {}, sourcemap: false }) }),
    );
  });

  it('are of another toolchain once the runner has other packages', () => {
    const manifest = readFileSync(join(import.meta.dirname, '../../containers/build-runner/package.json'), 'utf8');
    const { dependencies } = JSON.parse(manifest) as { dependencies: Record<string, string> };
    const packages = sha256(canonicalJson(dependencies));
    expect(
      packages,
      `The packages of the runner have changed: bump toolchainVersion (${toolchainVersion} now) in src/core/build-key.ts, and put ${packages} beside it.`,
    ).toBe(toolchainPackages);
  });

  it('differ with everything that makes other bytes', () => {
    const keys = [
      buildKey(input),
      buildKey({ ...input, name: 'Another' }),
      buildKey({ ...input, treeHash: 'b'.repeat(64) }),
      buildKey({ ...input, target: 'electron' }),
      buildKey({ ...input, lock: '{}' }),
      buildKey({ ...input, options: { ...options, minify: false } }),
      buildKey({ ...input, options: { ...options, sourcemap: true } }),
      buildKey({ ...input, options: { ...options, define: { A: '1', B: '3' } } }),
      buildKey({ ...input, options: { ...options, define: { A: '1' } } }),
      buildKey({ ...input, options: { ...options, entry: 'index.html' } }),
    ];
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys.every((key) => /^[0-9a-f]{64}$/.test(key))).toBe(true);
  });
});

describe('Canonical JSON', () => {
  it('is one text for one value, whatever the order of keys', () => {
    const shuffled = (value: unknown): unknown =>
      Array.isArray(value)
        ? value.map(shuffled)
        : value !== null && typeof value === 'object'
          ? Object.fromEntries(
              Object.entries(value)
                .reverse()
                .map(([k, v]) => [k, shuffled(v)]),
            )
          : value;
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(canonicalJson(shuffled(value))).toBe(canonicalJson(value));
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});

describe('Content', () => {
  it('textOf gives back every text that may be collaborative, byte-order mark included', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        if (text.includes('\0')) return;
        expect(textOf(encode(text))).toBe(text);
      }),
    );
    expect(textOf(encode('\ufefftext'))).toBe('\ufefftext');
    expect(textOf(new Uint8Array())).toBe('');
  });

  it.each([
    ['NUL', new Uint8Array([97, 0, 98])],
    ['a lone continuation byte', new Uint8Array([0x80])],
    ['an overlong slash', new Uint8Array([0xc0, 0xaf])],
    ['an encoded surrogate', new Uint8Array([0xed, 0xa0, 0x80])],
    ['a cut sequence', new Uint8Array([0xe2, 0x82])],
    ['UTF-16', new Uint8Array([0xff, 0xfe, 97, 0])],
    ['a PNG', new Uint8Array([0x89, 0x50, 0x4e, 0x47])],
  ])('textOf refuses %s', (_name, bytes) => {
    expect(textOf(bytes)).toBeNull();
  });

  it('textOf accepts exactly the cap', () => {
    expect(textOf(new Uint8Array(limits.file.textMax).fill(97))?.length).toBe(limits.file.textMax);
    expect(textOf(new Uint8Array(limits.file.textMax + 1).fill(97))).toBeNull();
  });

  it.each([
    ['src/main.ts', true, 'text/typescript'],
    ['a.TSX', true, 'text/typescript'],
    ['index.html', true, 'text/html'],
    ['data.json', true, 'application/json'],
    ['a.png', false, 'image/png'],
    ['LICENSE', true, 'text/plain'],
    ['LICENSE', false, 'application/octet-stream'],
    ['a.unknownext', false, 'application/octet-stream'],
    ['.gitignore', true, 'text/plain'],
  ])('mimeTypeOf(%j, %j) is %s', (path, isText, type) => {
    expect(mimeTypeOf(path, isText)).toBe(type);
  });

  it.each([
    'constructor',
    '__proto__',
    'a.constructor',
    'a.__proto__',
    'src/constructor',
    'x.toString',
    'x.hasOwnProperty',
  ])('mimeTypeOf(%j) is a media type, although the name means something in JavaScript [hostile 39]', (path) => {
    expect(mimeTypeOf(path, true)).toBe('text/plain');
  });
});

describe('applyText', () => {
  // Characters that share surrogates, combine or repeat: what trips a diff over UTF-16.
  const tricky = fc.string({
    unit: fc.constantFrom('a', 'b', '\n', '\r\n', '😀', '😁', '🎮', '𝒳', 'é', 'e\u0301', '👩‍🚀', ' '),
    maxLength: 30,
  });
  const any = fc.oneof(tricky, fc.string({ unit: 'grapheme', maxLength: 40 }));

  it('makes the text what was asked for, and says whether it changed', () => {
    fc.assert(
      fc.property(any, any, (before, after) => {
        const doc = new Y.Doc();
        const text = doc.getText('content');
        text.insert(0, before);
        expect(applyText(text, after, 'me')).toBe(before !== after);
        expect(text.toString()).toBe(after);
      }),
      { numRuns: 1000 },
    );
  });

  it('makes a large text what was asked for, whatever it was, with few spans where nothing is the same', () => {
    const line = fc.constantFrom('const a = 1;\n', '😀 one\n', '😁 one\n', 'x'.repeat(900), '\n', '}\n');
    const large = fc.array(fc.tuple(line, fc.nat(400)), { maxLength: 12 });
    const textOf = (parts: readonly (readonly [string, number])[]) => parts.map(([one, n]) => one.repeat(n)).join('');
    fc.assert(
      fc.property(large, large, (before, after) => {
        const text = new Y.Doc().getText('content');
        text.insert(0, textOf(before));
        applyText(text, textOf(after), 'me');
        expect(text.toString()).toBe(textOf(after));
      }),
      { numRuns: 50 },
    );
    const other = new Y.Doc();
    other.getText('content').insert(0, 'xy'.repeat(500_000));
    // Two texts of a million characters: compared one by one they would take hours.
    applyText(other.getText('content'), 'vw'.repeat(500_000), 'me');
    expect(other.getText('content').toString()).toBe('vw'.repeat(500_000));
    expect(Y.decodeUpdate(Y.encodeStateAsUpdate(other)).structs.length).toBeLessThan(5);
  });

  it('keeps the lines of a large text that stay, each where it is', () => {
    const lines = Array.from({ length: 20_000 }, (_, n) => `line ${n} of a long file\n`);
    const text = new Y.Doc().getText('content');
    text.insert(0, lines.join(''));
    const cursor = Y.createRelativePositionFromTypeIndex(text, lines.slice(0, 10_000).join('').length);
    const next = lines.map((one, n) => (n === 5 || n === 19_990 ? `changed ${one}` : one));
    applyText(text, next.join(''), 'rest');
    expect(text.toString()).toBe(next.join(''));
    const at = Y.createAbsolutePositionFromRelativePosition(cursor, text.doc as Y.Doc)?.index;
    expect(at).toBe(next.slice(0, 10_000).join('').length);
  });

  it('never cuts a surrogate pair: Yjs would replace both halves, here or where the update arrives', () => {
    // All share their first half, or their second half with that of another.
    const pairs = fc.string({
      unit: fc.constantFrom('😀', '😁', '\u{1F300}', '\u{1F600}', '\u{10600}', '\u{1F601}', 'a'),
      maxLength: 30,
    });
    fc.assert(
      fc.property(fc.oneof(pairs, tricky), fc.oneof(pairs, tricky), (before, after) => {
        const [here, there] = [new Y.Doc(), new Y.Doc()];
        const text = here.getText('content');
        text.insert(0, before);
        Y.applyUpdate(there, Y.encodeStateAsUpdate(here));
        here.on('update', (update: Uint8Array) => Y.applyUpdate(there, update));
        text.observe(({ delta }) => {
          let index = 0;
          for (const { retain = 0, insert = '', delete: deleted = 0 } of delta) {
            index += retain;
            expect(before.slice(0, index).isWellFormed()).toBe(true);
            expect(String(insert).isWellFormed()).toBe(true);
            index += deleted;
          }
        });
        applyText(text, after, 'me');
        expect(there.getText('content').toString()).toBe(after);
        const late = new Y.Doc();
        Y.applyUpdate(late, Y.encodeStateAsUpdate(here));
        expect(late.getText('content').toString()).toBe(after);
      }),
      { numRuns: 2000 },
    );
  });

  it('leaves what a collaborator typed into another character alone, and converges', () => {
    const graphemes = fc.string({
      unit: fc.constantFrom('👩‍🚀', '👨‍👩‍👧', '🇩🇪', 'e\u0301', 'é', 'x', '😀'),
      minLength: 1,
      maxLength: 12,
    });
    fc.assert(
      fc.property(graphemes, graphemes, (before, after) => {
        const [server, client] = [new Y.Doc(), new Y.Doc()];
        server.getText('content').insert(0, `${before}|`);
        Y.applyUpdate(client, Y.encodeStateAsUpdate(server));
        client.getText('content').insert(before.length + 1, '👩‍🚀 typed');
        applyText(server.getText('content'), `${after}|`, 'rest');
        Y.applyUpdate(server, Y.encodeStateAsUpdate(client));
        Y.applyUpdate(client, Y.encodeStateAsUpdate(server));
        expect(server.getText('content').toString()).toBe(`${after}|👩‍🚀 typed`);
        expect(client.getText('content').toString()).toBe(server.getText('content').toString());
      }),
    );
  });

  it('is one transaction of its origin, and none when nothing changes', () => {
    const doc = new Y.Doc();
    const text = doc.getText('content');
    text.insert(0, 'one two three');
    const origins: unknown[] = [];
    doc.on('update', (_update: Uint8Array, origin: unknown) => origins.push(origin));
    applyText(text, 'one 2 three 4', 'me');
    applyText(text, 'one 2 three 4', 'me');
    expect(origins).toEqual(['me']);
  });

  it('lets a concurrent edit outside of the changed span survive', () => {
    const part = fc.string({ unit: fc.constantFrom('a', 'b', 'c', ' ', '\n'), minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(part, part, part, part, (head, old, replacement, typed) => {
        // What was typed is told apart by characters that the rest does not have.
        const mark = 'T'.repeat(typed.length);
        const server = new Y.Doc();
        server.getText('content').insert(0, `${head}|${old}`);
        const client = new Y.Doc();
        Y.applyUpdate(client, Y.encodeStateAsUpdate(server));
        client.getText('content').insert(0, mark);
        applyText(server.getText('content'), `${head}|${replacement}`, 'rest');
        Y.applyUpdate(server, Y.encodeStateAsUpdate(client));
        Y.applyUpdate(client, Y.encodeStateAsUpdate(server));
        expect(server.getText('content').toString()).toBe(`${mark}${head}|${replacement}`);
        expect(client.getText('content').toString()).toBe(server.getText('content').toString());
      }),
    );
  });

  it('keeps relative positions of cursors outside of the change', () => {
    const doc = new Y.Doc();
    const text = doc.getText('content');
    text.insert(0, 'const a = 1;\nconst b = 2;\n');
    const cursor = Y.createRelativePositionFromTypeIndex(text, text.toString().indexOf('b'));
    applyText(text, '// a comment\nconst a = 100;\nconst b = 2;\n', 'rest');
    expect(Y.createAbsolutePositionFromRelativePosition(cursor, doc)?.index).toBe(text.toString().indexOf('b = 2'));
  });
});

describe('The life of a build', () => {
  const legal = new Set([
    'queued→building',
    'queued→failed',
    'queued→cancelled',
    'building→queued',
    'building→success',
    'building→failed',
    'building→cancelled',
    'failed→queued',
    'cancelled→queued',
  ]);

  it.each(BuildStatus.options.flatMap((from) => BuildStatus.options.map((to) => [from, to] as const)))(
    '%s → %s is as documented',
    (from, to) => {
      expect(canBecome(from, to)).toBe(legal.has(`${from}→${to}`));
    },
  );

  it('ends in success, failed or cancelled', () => {
    expect(BuildStatus.options.filter(hasEnded)).toEqual(['success', 'failed', 'cancelled']);
  });

  it('never changes a success', () => {
    expect(BuildStatus.options.some((to) => canBecome('success', to))).toBe(false);
  });
});

describe('Small things', () => {
  it('concat joins parts in order', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 10 }), { maxLength: 6 }), (parts) => {
        expect([...concat(parts)]).toEqual(parts.flatMap((part) => [...part]));
      }),
    );
  });

  it('describeError tells name, message and a short stack, also of what is no Error', () => {
    const told = describeError(new TypeError('bad'));
    expect(told).toMatchObject({ error: 'TypeError', message: 'bad' });
    expect(String(told.stack).split(' | ').length).toBeLessThanOrEqual(6);
    expect(describeError('text')).toEqual({ error: 'thrown', message: 'text' });
  });
});
