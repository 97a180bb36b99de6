import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/contract/limits.ts';
import { type LineMerge, mergeLines } from '../../../src/core/merge/merge-lines.ts';
import { Work } from '../../../src/core/merge/work.ts';

function lines(base: string, ours: string, theirs: string): LineMerge {
  const merged = mergeLines(base, ours, theirs, new Work());
  if (!merged) throw new Error('too much work');
  return merged;
}

const numbered = (count: number, name: string): string[] =>
  Array.from({ length: count }, (_, index) => `${name} ${index}\n`);

describe('A merge by line', () => {
  it.each([
    ['takes edits of both sides', 'a\nb\nc\n', 'A\nb\nc\n', 'a\nb\nC\n', 'A\nb\nC\n'],
    ['takes insertions at both ends', 'a\nb\n', '0\na\nb\n', 'a\nb\n9\n', '0\na\nb\n9\n'],
    ['takes a deletion and an edit elsewhere', 'a\nb\nc\n', 'b\nc\n', 'a\nb\nC\n', 'b\nC\n'],
    ['takes the same edit once', 'a\nb\n', 'a\nB\n', 'a\nB\n', 'a\nB\n'],
    ['takes the same insertion once, beside other edits', 'a\nb\nc\n', 'x\na\nb\nC\n', 'x\na\nb\nc\n', 'x\na\nb\nC\n'],
    ['keeps CRLF where it is', 'a\r\nb\r\nc\r\n', 'A\r\nb\r\nc\r\n', 'a\r\nb\r\nC\n', 'A\r\nb\r\nC\n'],
    ['keeps a missing line end', 'a\nb\nc', 'A\nb\nc', 'a\nb\nC', 'A\nb\nC'],
    ['takes the line end that one side added', 'a\nb\nc', 'A\nb\nc', 'a\nb\nc\n', 'A\nb\nc\n'],
    ['takes a lone CR for a part of its line', 'a\rb\nc\nd\n', 'a\rB\nc\nd\n', 'a\rb\nc\nD\n', 'a\rB\nc\nD\n'],
    ['merges into emptiness what only one side filled', '', '', 'x\n', 'x\n'],
    ['keeps a byte-order mark', '\uFEFFa\nb\nc\n', '\uFEFFa\nb\nC\n', '\uFEFFA\nb\nc\n', '\uFEFFA\nb\nC\n'],
    [
      'takes lines named like parts of an object',
      '__proto__\nb\nconstructor\n',
      '__proto__\nb\nx\n',
      'y\nb\nconstructor\n',
      'y\nb\nx\n',
    ],
  ])('%s', (_name, base, ours, theirs, expected) => {
    expect(lines(base, ours, theirs)).toEqual({ text: expected, isClean: true });
    expect(lines(base, theirs, ours)).toEqual({ text: expected, isClean: true });
  });

  it.each([
    ['edits of one line', 'a\nb\nc\n', 'a\nX\nc\n', 'a\nY\nc\n'],
    ['edits of adjacent lines', 'a\nb\nc\n', 'A\nb\nc\n', 'a\nB\nc\n'],
    ['insertions at one place', 'a\n', 'a\nx\n', 'a\ny\n'],
    ['a deletion and an edit of one line', 'a\nb\nc\n', 'a\nc\n', 'a\nB\nc\n'],
    ['texts that both sides emptied and filled', 'a\n', '', 'b\n'],
    ['a line end that one side removed and an edit of that line', 'a\nb\n', 'a\nb', 'a\nB\n'],
    ['two line ends of one line', 'a\n', 'a\r\n', 'a'],
  ])('is in conflict about %s', (_name, base, ours, theirs) => {
    expect(lines(base, ours, theirs).isClean).toBe(false);
    expect(lines(base, theirs, ours).isClean).toBe(false);
  });

  it('shows all three sides of a conflict, in the line ends of ours, and what merged beside it', () => {
    expect(lines('a\r\nb\r\nc\r\nd\r\n', 'X\r\nb\r\nc\r\nd\r\n', 'Y\r\nb\r\nc\r\nD\r\n').text).toBe(
      '<<<<<<< ours\r\nX\r\n||||||| base\r\na\r\n=======\r\nY\r\n>>>>>>> theirs\r\nb\r\nc\r\nD\r\n',
    );
  });

  it('puts every marker on a line of its own where a text has no last line end', () => {
    expect(lines('a', 'x', 'y').text).toBe('<<<<<<< ours\nx\n||||||| base\na\n=======\ny\n>>>>>>> theirs\n');
  });

  const line = fc.constantFrom('a\n', 'b\n', 'c\n', '\n', 'a\r\n', '}\n');
  const text = fc
    .tuple(fc.array(line, { maxLength: 12 }), fc.constantFrom('', 'end'))
    .map((all) => all.flat().join(''));

  it('of a side that changed nothing is the other side', () => {
    fc.assert(
      fc.property(text, text, (base, side) => {
        expect(lines(base, base, side)).toEqual({ text: side, isClean: true });
        expect(lines(base, side, base)).toEqual({ text: side, isClean: true });
        expect(lines(base, side, side)).toEqual({ text: side, isClean: true });
      }),
    );
  });

  it('answers the same whichever side is ours, but for the order in conflicts', () => {
    fc.assert(
      fc.property(text, text, text, (base, a, b) => {
        const [one, other] = [lines(base, a, b), lines(base, b, a)];
        expect(one.isClean).toBe(other.isClean);
        if (one.isClean) expect(one.text).toBe(other.text);
      }),
      { numRuns: 500 },
    );
  });

  it('holds every line that a side added, and no line that a side deleted, when it is clean', () => {
    const edit = fc.record({ at: fc.nat(), kind: fc.constantFrom('insert', 'delete', 'replace') });
    const change = (base: readonly string[], edits: readonly { at: number; kind: string }[], name: string) => {
      const side = base.map((each) => [each]);
      for (const [index, { at, kind }] of edits.entries()) {
        const place = at % base.length;
        if (kind === 'insert') side[place] = [`${name}${index}\n`, ...(side[place] ?? [])];
        else side[place] = kind === 'delete' ? [] : [`${name}${index}\n`];
      }
      return side.flat();
    };
    fc.assert(
      fc.property(fc.array(edit, { maxLength: 4 }), fc.array(edit, { maxLength: 4 }), (ourEdits, theirEdits) => {
        const base = numbered(30, 'line');
        const [ours, theirs] = [change(base, ourEdits, 'o'), change(base, theirEdits, 't')];
        const { text: result, isClean } = lines(base.join(''), ours.join(''), theirs.join(''));
        if (!isClean) return;
        const [our, their] = [new Set(ours), new Set(theirs)];
        const kept = base.filter((each) => our.has(each) && their.has(each));
        const added = [...ours, ...theirs].filter((each) => !base.includes(each));
        expect(
          result
            .split(/(?<=\n)/)
            .filter(Boolean)
            .sort(),
        ).toEqual([...kept, ...added].sort());
      }),
    );
  });

  it('never is in conflict about edits with a line between them', () => {
    const places = fc.uniqueArray(fc.nat(19), { maxLength: 10 });
    fc.assert(
      fc.property(places, places, (ourPlaces, theirPlaces) => {
        const base = numbered(40, 'line');
        const edited = (all: readonly number[], offset: number, name: string): string[] =>
          base.map((each, index) => (all.includes((index - offset) / 2) ? `${name} ${index}\n` : each));
        // Ours edits lines 0, 4, 8 …, theirs 2, 6, 10 …
        const ours = edited(
          ourPlaces.map((place) => place * 2),
          0,
          'ours',
        );
        const theirs = edited(
          theirPlaces.map((place) => place * 2 + 1),
          0,
          'theirs',
        );
        const expected = base.map((each, index) => (ours[index] === each ? theirs[index] : ours[index]));
        expect(lines(base.join(''), ours.join(''), theirs.join(''))).toEqual({
          text: expected.join(''),
          isClean: true,
        });
      }),
    );
  });
});

describe('The work of a merge by line', () => {
  /** The same lines in another order have many common sequences, and none that is long. */
  const shuffled = (count: number): string => {
    const all = numbered(count, 'line');
    return all.map((_, index) => all[(index * 7919) % count]).join('');
  };

  it('is given up for texts in which everything moved, and is charged', () => {
    const work = new Work();
    const before = work.editsWithin(1000);
    expect(mergeLines(numbered(20_000, 'line').join(''), shuffled(20_000), '', work)).toBeNull();
    for (let round = 0; round < 15; round += 1) work.spend(0, 2000);
    expect(before).toBeGreaterThan(2000);
    expect(work.editsWithin(1000)).toBe(0);
    expect(mergeLines('a\nb\n', 'b\na\n', 'a\nb\n', work)).toBeNull();
    expect(work.read(1)).toBe(false);
  }, 60_000);

  it('is enough for a thousand edits in a hundred thousand lines', () => {
    const base = numbered(100_000, 'line');
    const ours = base.map((each, index) => (index % 200 === 0 ? `ours ${index}\n` : each));
    const theirs = base.map((each, index) => (index % 200 === 100 ? `theirs ${index}\n` : each));
    const expected = ours.map((each, index) => (index % 200 === 0 ? each : theirs[index]));
    expect(lines(base.join(''), ours.join(''), theirs.join(''))).toEqual({ text: expected.join(''), isClean: true });
  }, 60_000);

  it('does not grow with what is inserted or deleted as a whole', () => {
    const block = numbered(50_000, 'block').join('');
    expect(lines('a\nb\nc\n', `a\n${block}b\nc\n`, 'a\nb\nc\nd\n').text).toBe(`a\n${block}b\nc\nd\n`);
    expect(lines(`a\n${block}b\nc\n`, 'a\nb\nc\n', `a\n${block}b\nc\nd\n`).text).toBe('a\nb\nc\nd\n');
  });

  it('bears a million empty lines, and one line of a megabyte', () => {
    const empty = '\n'.repeat(1_000_000);
    expect(lines(empty, `${empty}a`, `b${empty}`)).toEqual({ text: `b${empty}a`, isClean: true });
    expect(lines('a'.repeat(limits.file.textMax), 'b', 'c').isClean).toBe(false);
  }, 60_000);

  it('is counted, so that each answer can be had again', () => {
    const answers = Array.from({ length: 2 }, () => {
      const work = new Work();
      return [mergeLines(numbered(500, 'line').join(''), shuffled(500), '', work)?.text, work.editsWithin(100)];
    });
    expect(answers[0]).toEqual(answers[1]);
  });

  it('is nothing for texts that have no line in common', () => {
    const [base = '', ours = '', theirs = ''] = ['a', 'b', 'c'].map((name) => numbered(50_000, name).join(''));
    expect(lines(base, ours, theirs).isClean).toBe(false);
  });
});
