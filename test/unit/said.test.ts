import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { quotedAt, type Said, saidPlace, spotAt, spotOf, wordsOf } from '../../src/core/game/said.ts';
import { findUrlReferences, rewriteUrlReferences, writtenSpot } from '../../src/core/game/url-references.ts';

/** The first thing that esbuild says of a source. */
const saidOf = async (contents: string): Promise<Said> => {
  const error: unknown = await build({ stdin: { contents, loader: 'ts' }, write: false, logLevel: 'silent' }).catch(
    (reason: unknown) => reason,
  );
  const [first] = (error as { errors: Said[] }).errors;
  if (first === undefined) throw new Error('esbuild has nothing to say');
  return first;
};

describe('a place that a compiler points at', () => {
  it.each([
    ['const b = = 2;', 10],
    ['const ä = = 2;', 10],
    ["'öö'; const b = = 2;", 16],
    ["'😀'; const b = = 2;", 16],
    ["'e\u0301'; const b = = 2;", 16],
  ])('in %s is counted as an editor counts', async (source, column) => {
    const { location } = await saidOf(`\n${source}`);
    if (location === null) throw new Error('esbuild says no place');
    expect(spotOf(location)).toEqual({ line: 2, column, source });
    expect(source[column]).toBe('=');
    expect(quotedAt(location)).toBe('=');
  });

  it('in code of a page is in the page', async () => {
    const inline = { code: '', line: 5, before: '<b>ä</b><script>' };
    const placed = async (source: string) => {
      const { location } = await saidOf(source);
      if (location === null) throw new Error('esbuild says no place');
      return spotOf(location, inline);
    };
    expect(await placed('let a = ;')).toEqual({ line: 5, column: 24, source: '<b>ä</b><script>let a = ;' });
    expect(await placed('\nlet a = ;')).toEqual({ line: 6, column: 8, source: 'let a = ;' });
  });

  it('shows no line that nobody can read', () => {
    expect(spotAt('x'.repeat(301), 3)).toEqual({ line: 1, column: 3 });
    expect(spotAt('a\n  \nb', 2)).toEqual({ line: 2, column: 0 });
    expect(spotAt('a\r\nbc\rd', 4)).toEqual({ line: 2, column: 1, source: 'bc' });
  });

  it('is the other way round for what we say ourselves', () => {
    const text = "'ä';\nnew URL('./ö', x);";
    const start = text.indexOf("'./ö'");
    const place = saidPlace('a.ts', text, { start, end: start + 5 });
    expect(quotedAt(place)).toBe("'./ö'");
    expect(spotOf(place)).toEqual(spotAt(text, start));
  });
});

describe('notes of a compiler', () => {
  const place = (file: string, line: number) => ({ file, line, column: 0, length: 0, lineText: '' });
  const note = (text: string, file = 'a.ts') => ({ text, location: place(file, 7) });
  const words = (notes: Said['notes'], inline?: { code: string; line: number; before: string }): string =>
    wordsOf(
      { text: 'It is wrong', location: place('a.ts', 1), notes },
      { inline, nameOf: (file) => (file.startsWith('/') ? undefined : file) },
    );

  it('that point name a line instead', () => {
    expect(words([note('The first one is here:')])).toBe('It is wrong. The first one is in line 7.');
    expect(words([note('It is so because of "export" here:', 'b.ts')])).toContain(
      'because of "export" in line 7 of b.ts.',
    );
    expect(words([note('The first one is here:')], { code: '', line: 3, before: '' })).toContain('in line 9.');
  });

  it('are left out where they lead outside, or are about plugins and settings', () => {
    expect(
      words([
        note('The first one is here:', '/etc/passwd'),
        { text: 'The second one is here:', location: null },
        note('The plugin "kiln" was triggered by this import'),
        note('This error came from the "onLoad" callback registered here:'),
        note('You can mark the path "x" as external'),
      ]),
    ).toBe('It is wrong');
  });
});

describe('a source with addresses that were replaced', () => {
  const source =
    "const ä = 1;\nnew Worker(new URL('./w', import.meta.url)); f(new URL('./a/long/name.png', import.meta.url)); g(\n);";
  const references = findUrlReferences(source);
  const text = rewriteUrlReferences(
    source,
    references.map((reference) => ({ reference, importSpec: reference.spec })),
  );
  const spotIn = (what: string) => spotAt(text, text.indexOf(what));

  it('has every place where it was', () => {
    for (const what of ['const ä', 'new Worker', '; f(', '; g(', 'g(\n'])
      expect(writtenSpot({ source, references }, spotIn(what)), what).toEqual(spotAt(source, source.indexOf(what)));
  });

  it('has the imports in place of the addresses', () => {
    for (const [index, { start }] of references.entries())
      expect(writtenSpot({ source, references }, spotIn(`import __kilnUrl${index}`))).toEqual(spotAt(source, start));
  });
});
