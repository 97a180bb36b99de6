import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KilnError } from '../../src/contract/errors.ts';
import { limits } from '../../src/contract/limits.ts';
import { Effort, finderOf, type LineMatch, pathFilterOf, previewOf, searchText } from '../../src/core/search.ts';

interface Options {
  readonly regex?: boolean;
  readonly case?: boolean;
}

const finder = (q: string, options: Options = {}) => finderOf({ q, regex: false, case: false, ...options });

/** All that a search says, and how often it paused and cut. */
function run(text: string, q: string, options: Options = {}) {
  const matches: LineMatch[] = [];
  const said = { pause: 0, cut: 0 };
  for (const found of searchText(text, finder(q, options), new Effort())) {
    if (typeof found === 'string') said[found] += 1;
    else matches.push(found);
    if (matches.length > 5000) break;
  }
  return { matches, ...said };
}

/** As `line:column+length`. */
const places = (text: string, q: string, options: Options = {}): string[] =>
  run(text, q, options).matches.map(({ line, column, length }) => `${line}:${column}+${length}`);

function issueOf(work: () => unknown): { path: string; message: string } {
  try {
    work();
  } catch (error) {
    if (error instanceof KilnError && error.code === 'validation_failed' && error.issues?.[0]) return error.issues[0];
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('A literal', () => {
  it('is found wherever it stands, in every line', () => {
    expect(places('let a = player;\nplayer.x += player.y;\n\n// player', 'player')).toEqual([
      '1:9+6',
      '2:1+6',
      '2:13+6',
      '4:4+6',
    ]);
  });

  it('means its characters and no pattern', () => {
    expect(places('a.b a+b axb', 'a.b')).toEqual(['1:1+3']);
    expect(places('f(x)*[y]{2}^$\\', ')*[y]{2}^$\\')).toEqual(['1:4+11']);
  });

  it('is found without overlap', () => {
    expect(places('aaaaa', 'aa')).toEqual(['1:1+2', '1:3+2']);
  });

  it('is found in any case unless case is asked for', () => {
    expect(places('Player PLAYER player', 'pLayer')).toHaveLength(3);
    expect(places('Player PLAYER player', 'Player', { case: true })).toEqual(['1:1+6']);
    expect(places('ΟΔΟΣ οδος ΟΔΟΣΑ', 'οδος')).toEqual(['1:1+4', '1:6+4', '1:11+4']);
    expect(places('İSTANBUL ÄÖÜ', 'äöü')).toEqual(['1:10+3']);
  });

  it('that is half of a character is refused', () => {
    expect(issueOf(() => finder('\ud83d')).path).toBe('query.q');
  });

  it('[property] is found where a naive search finds it', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'A', '\n', '\r', '😀', 'é', '\0', '\ud800') });
    const needle = fc.string({ unit: fc.constantFrom('a', 'b', '😀', 'é', '\0'), minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(text, needle, (haystack, q) => {
        const naive: string[] = [];
        for (const [index, raw] of haystack.split('\n').entries()) {
          const line = raw.replace(/\r$/, '');
          for (let at = 0; at + q.length <= line.length; at += 1)
            if (line.startsWith(q, at)) {
              naive.push(`${index + 1}:${at + 1}+${q.length}`);
              at += q.length - 1;
            }
        }
        expect(places(haystack, q, { case: true })).toEqual(naive);
      }),
      { numRuns: 500 },
    );
  });

  it('[property] in any case is found unit for unit: the folded form of a text is as long as the text', () => {
    // No letter beyond has a case.
    for (let code = 0; code <= 0x1ffff; code += 1) {
      const text = `x${String.fromCodePoint(code)}Σ`;
      const folded = finder('x').prepare(text);
      if (folded.length !== text.length) throw new Error(`U+${code.toString(16)} becomes ${folded.length - 2} units`);
    }
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(finder('x').prepare(text)).toHaveLength(text.length);
      }),
    );
  });
});

/**
 * As `matchAll` says, asked place by place: V8 14 begins a search for a pattern of bounded length that ends in `$` so many code units
 * from the end, though each of its characters may be two: /[^a]{1,2}$/gu finds one of the two in 'é😀'.
 */
function nativeMatches(source: string, line: string): RegExpExecArray[] {
  const pattern = new RegExp(source, 'yu');
  const found: RegExpExecArray[] = [];
  for (let at = 0; at <= line.length; ) {
    pattern.lastIndex = at;
    const match = pattern.exec(line);
    if (match) found.push(match);
    at += match?.[0].length || String.fromCodePoint(line.codePointAt(at) ?? 0).length;
  }
  return found;
}

describe('A pattern', () => {
  it('finds what RE2 finds, with anchors at the ends of lines', () => {
    const text = 'import a from "./a.ts";\r\nimport b from "./b.ts";\r\nconst c = 1;';
    expect(places(text, '^import (\\w+)', { regex: true })).toEqual(['1:1+8', '2:1+8']);
    expect(places(text, ';$', { regex: true })).toEqual(['1:23+1', '2:23+1', '3:12+1']);
    expect(places(text, 'IMPORT', { regex: true })).toHaveLength(2);
    expect(places(text, 'IMPORT', { regex: true, case: true })).toEqual([]);
  });

  it('never goes on over the end of a line', () => {
    expect(places('a\nb\n', 'a\\s*b|[^x]+', { regex: true })).toEqual(['1:1+1', '2:1+1']);
    expect(places('a\nb', 'a\\nb', { regex: true })).toEqual([]);
  });

  it('that is none is refused in the words of RE2', () => {
    for (const [q, message] of [
      ['(', /missing closing \)/],
      ['[a', /missing closing \]/],
      ['a**', /invalid nested repetition operator: \*\*/],
      ['a{1000}{1000}', /invalid nested repetition/],
      ['(((a{30}){30}){30})', /invalid repeat count/],
      ['a{1001}', /invalid repeat count/],
      ['x{2,1}', /invalid repeat count/],
      ['(?=x)', /unsupported Perl syntax: \(\?=/],
      ['(?<!x)y', /./],
      ['(a)\\1', /invalid escape sequence: \\1/],
      ['\\p{Nope}', /invalid character class/],
      ['*', /missing argument to repetition operator/],
      ['('.repeat(limits.search.queryMax), /./],
    ] as const) {
      const issue = issueOf(() => finder(q, { regex: true }));
      expect(issue.path).toBe('query.q');
      expect(issue.message).toMatch(message);
    }
  });

  it('that grows beyond the limit is refused', () => {
    expect(issueOf(() => finder('a{1000}'.repeat(5), { regex: true })).message).toBe('the pattern is too large');
    expect(finder('a{1000}', { regex: true }).cost).toBeLessThan(limits.search.programMax);
  });

  it('[property] finds what the native engine finds, where that is safe', () => {
    const atom = fc.oneof(
      fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\w', '\\s', '\\d', 'é', '😀', '\\.', '[b-y]'),
      fc.constantFrom('^', '$', '\\b'),
    );
    const piece = fc
      .tuple(atom, fc.constantFrom('', '', '+', '*', '?', '+?', '{1,2}'))
      .map(([what, times]) => (/^[\^$]$|^\\b$/.test(what) ? what : `${what}${times}`));
    const sequence = fc.array(piece, { minLength: 1, maxLength: 4 }).map((pieces) => pieces.join(''));
    const source = fc.array(sequence, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('|'));
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '1', ' ', '.', '\n', 'é', '😀'), maxLength: 30 });
    fc.assert(
      fc.property(source, text, (q, haystack) => {
        const native = haystack
          .split('\n')
          .flatMap((line, index) =>
            nativeMatches(q, line).map((match) => `${index + 1}:${match.index + 1}+${match[0].length}`),
          );
        expect(places(haystack, q, { regex: true, case: true })).toEqual(native);
      }),
      { numRuns: 1000 },
    );
  });

  it('[property] of any characters is either refused as invalid or searched', () => {
    const odd = fc.string({
      unit: fc.constantFrom(...Array.from('()[]{}|*+?^$\\.,-<>=!:PpQEdDwWsSbBzAi019aé😀 \0')),
      minLength: 1,
      maxLength: 20,
    });
    fc.assert(
      fc.property(odd, (q) => {
        try {
          for (const found of searchText('a😀 b\n01', finder(q, { regex: true }), new Effort()))
            if (typeof found !== 'string') expect(found.length).toBeGreaterThanOrEqual(0);
        } catch (error) {
          if (!(error instanceof KilnError)) throw error;
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('#75 hostile queries', () => {
  const mebibyte = 1024 * 1024;

  it('(a+)+$ over a mebibyte of a…a! does its share of work and stops', () => {
    const text = `${'a'.repeat(mebibyte - 1)}!`;
    // The line is longer than this pattern may be run over, and says so.
    expect(run(text, '(a+)+$', { regex: true })).toEqual({ matches: [], pause: 0, cut: 1 });
    // Where the lines are short nothing is left out, and others go first many times.
    const lines = `${'a'.repeat(1022)}!\n`.repeat(1024);
    const { matches, pause, cut } = run(lines, '(a+)+$', { regex: true });
    expect([matches, cut]).toEqual([[], 0]);
    expect(pause).toBeGreaterThan(2);
    expect(run(lines, '(a+)+!$', { regex: true }).matches).toHaveLength(1024);
  });

  it('a mebibyte in one line is searched to its end for a literal', () => {
    const text = `${'x'.repeat(mebibyte - 7)}Needle!`;
    const { matches, cut } = run(text, 'needle');
    expect(cut).toBe(0);
    expect(matches).toMatchObject([{ line: 1, column: mebibyte - 6, length: 6 }]);
    expect(matches[0]?.preview).toHaveLength(limits.search.preview);
  });

  it('a literal that almost matches everywhere takes no longer than another', () => {
    const text = 'a'.repeat(mebibyte);
    expect(run(text, `${'a'.repeat(250)}b${'a'.repeat(249)}`).matches).toEqual([]);
    expect(run(text, `b${'a'.repeat(499)}`).matches).toEqual([]);
  });

  it('a pattern of any size is never run over more than a share of work at a stretch', () => {
    for (const q of ['(a?){300}!', '(?:(?:a{1,30}){1,30}b?)+$', '[ab]*a[ab]{100}$', '.*.*.*x', '(.*)*x'])
      expect(run(`${'a'.repeat(mebibyte)}\n`, q, { regex: true }).cut, q).toBe(1);
  });

  it('a thousand alternatives are found like one', () => {
    const words = Array.from({ length: 1000 }, (_, index) => `${index.toString(36).padStart(2, '0')}!`);
    const { matches } = run(words.toReversed().join('\n'), words.join('|'), { regex: true });
    expect(matches).toHaveLength(1000);
    expect(matches.every(({ column, length }) => column === 1 && length === 3)).toBe(true);
  });

  it('patterns of no width find each place once and come to an end', () => {
    expect(places('ab\r\n\nc', '^', { regex: true })).toEqual(['1:1+0', '2:1+0', '3:1+0']);
    expect(places('ab\r\n\nc', '$', { regex: true })).toEqual(['1:3+0', '2:1+0', '3:2+0']);
    expect(places('a\n', '^$', { regex: true })).toEqual(['2:1+0']);
    expect(places('', '^$', { regex: true })).toEqual(['1:1+0']);
    for (const q of ['()', 'x*', '(|a)*', '\\b|', '(?:)*'])
      expect(new Set(places('a😀b', q, { regex: true })).size, q).toBe(places('a😀b', q, { regex: true }).length);
    expect(places('a😀b', 'x*', { regex: true })).toEqual(['1:1+0', '1:2+0', '1:4+0', '1:5+0']);
  });

  it('lone surrogates and NUL in a text are characters like others', () => {
    expect(places('\ud800x\udc00x\0x', 'x')).toEqual(['1:2+1', '1:4+1', '1:6+1']);
    expect(places('a\0b', '\\x00', { regex: true })).toEqual(['1:2+1']);
    expect(places('\ud800', '.', { regex: true })).toEqual(['1:1+1']);
  });

  it('\\r alone ends no line, and \\r\\n ends one', () => {
    expect(places('a\rb\r\nc', '[abc]', { regex: true })).toEqual(['1:1+1', '1:3+1', '2:1+1']);
    expect(run('a\r\n', 'a').matches[0]?.preview).toBe('a');
  });
});

describe('A preview', () => {
  const max = limits.search.preview;

  it('of a short line is the line', () => {
    expect(previewOf('  let a = 1;', 6)).toEqual({ preview: '  let a = 1;', offset: 6 });
  });

  it('of a long line is the part around the match', () => {
    const line = `${'l'.repeat(1000)}match${'r'.repeat(1000)}`;
    const { preview, offset } = previewOf(line, 1000);
    expect(preview).toHaveLength(max);
    expect(preview.slice(offset, offset + 5)).toBe('match');
    expect(preview.startsWith('l') && preview.endsWith('r')).toBe(true);
  });

  it('[property] is a part of the line in which the match begins, and halves no character', () => {
    const line = fc
      .array(fc.constantFrom('a', '😀', '日本', '\ud800', '\udc00', 'x'.repeat(50)), { maxLength: 300 })
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(line, fc.nat(), (text, nat) => {
        const characters = [...text];
        const start = characters.slice(0, nat % (characters.length + 1)).join('').length;
        const { preview, offset } = previewOf(text, start);
        expect(preview.length).toBeLessThanOrEqual(max);
        expect(offset).toBeGreaterThanOrEqual(0);
        expect(offset).toBeLessThanOrEqual(preview.length);
        const from = start - offset;
        expect(text.slice(from, from + preview.length)).toBe(preview);
        const boundaries = new Set([0]);
        let end = 0;
        for (const character of characters) {
          end += character.length;
          boundaries.add(end);
        }
        expect(boundaries.has(from) && boundaries.has(from + preview.length)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});

describe('Paths to look into', () => {
  const paths = [
    'README.md',
    'index.html',
    'levels/1/map.json',
    'levels/2.json',
    'src/[id].ts',
    'src/core/math.test.ts',
    'src/core/math.ts',
    'src/main.ts',
    'srcs/x.js',
  ];
  const through = (list: string | undefined): string[] => paths.filter((path) => pathFilterOf(list).test(path));

  it('are all, where nothing is said', () => {
    for (const list of [undefined, '', ' , ']) expect(through(list)).toEqual(paths);
  });

  it('are those that begin with what is given', () => {
    expect(through('src/')).toEqual(['src/[id].ts', 'src/core/math.test.ts', 'src/core/math.ts', 'src/main.ts']);
    expect(through('src/ma')).toEqual(['src/main.ts']);
    expect(through('./readme.MD')).toEqual(['README.md']);
    expect(through('/levels/2')).toEqual(['levels/2.json']);
    expect(through('src/[id]')).toEqual(['src/[id].ts']);
  });

  it('are those that a glob matches', () => {
    expect(through('*.json')).toEqual(['levels/1/map.json', 'levels/2.json']);
    expect(through('levels/*.json')).toEqual(['levels/2.json']);
    expect(through('levels/**/*.json')).toEqual(['levels/1/map.json', 'levels/2.json']);
    expect(through('**/core')).toEqual(['src/core/math.test.ts', 'src/core/math.ts']);
    expect(through('**/core/*')).toEqual(['src/core/math.test.ts', 'src/core/math.ts']);
    expect(through('cor?')).toEqual(['src/core/math.test.ts', 'src/core/math.ts']);
    expect(through('*.{html,md}')).toEqual(['README.md', 'index.html']);
    expect(through('*.[jh]*')).toEqual(['index.html', 'levels/1/map.json', 'levels/2.json', 'srcs/x.js']);
    expect(through('src/m*.[!j]s')).toEqual(['src/main.ts']);
  });

  it('are those of any part of a list, without those after !', () => {
    expect(through('*.md, srcs/')).toEqual(['README.md', 'srcs/x.js']);
    expect(through('src/,!*.test.*')).toEqual(['src/[id].ts', 'src/core/math.ts', 'src/main.ts']);
    expect(through('!src/,!levels/')).toEqual(['README.md', 'index.html', 'srcs/x.js']);
  });

  it('#75 that are no glob are refused, and hostile ones are run in linear time', () => {
    for (const list of ['{a*', 'a}*', '[z-a]*', '{', 'a{b,*', '*.ts,{'])
      expect(issueOf(() => pathFilterOf(list)).path, list).toBe('query.path');
    const hostile = pathFilterOf('*a'.repeat(limits.search.pathMax / 2));
    expect(hostile.test('a'.repeat(500))).toBe(true);
    expect(hostile.test(`${'a'.repeat(499)}b`)).toBe(false);
    expect(pathFilterOf('*a*a*a*a*a*a*a*a*b').test('a'.repeat(500))).toBe(false);
    expect(pathFilterOf('{'.repeat(200) + '}'.repeat(200)).test('x')).toBe(false);
  });

  it('[property] of any characters are a filter or a refusal', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'*?[]{}!,./\\^-ab'.split('')), maxLength: 30 }), (list) => {
        try {
          pathFilterOf(list).test('a/b.ts');
        } catch (error) {
          if (!(error instanceof KilnError)) throw error;
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('Effort', () => {
  it('asks for a pause before the work that is too much, and not before', () => {
    const effort = new Effort();
    expect(effort.spend(limits.search.steps)).toBe(false);
    expect(effort.spend(1)).toBe(true);
    expect(effort.spend(limits.search.steps - 1)).toBe(false);
    expect(effort.spend(1)).toBe(true);
  });
});
