import { describe, expect, it } from 'vitest';
import { parseJson, readJson, spotOfValue } from '../../src/core/game/json.ts';

describe('JSON that somebody wrote', () => {
  it.each([
    ["{'a': 1}", 1, 1, "JSON has no place for 'a' here. Names and texts are in double quotes."],
    ['{\n  "a": 1\n  "b": 2\n}', 3, 2, 'Here a comma is needed, between two entries.'],
    ['{\n  "ä": [1,\n  ]}', 3, 2, 'There is a comma after the last entry. JSON has none there: take it away.'],
    ['{"a": 1,, "b": 2}', 1, 8, 'This comma is one too many.'],
    ['{"a": {"b": 1}', 1, 14, 'The file ends before everything is closed. Look for a missing } or ].'],
    ['{"a": 1}}', 1, 8, 'Everything is closed before this. A } or ] is one too many.'],
    ['{"a" 1}', 1, 5, 'Here ":" is needed, between a name and its value.'],
    ['{"a": }', 1, 6, 'Here a value is needed'],
    ['{"a": "x}\n', 1, 6, 'A text begins here and does not end. Close it with a double quote.'],
    ['{"a": "\\q"}', 1, 6, 'A backslash is written twice'],
    ['{"a": 1} // x', 1, 9, 'JSON has no comments: take it away.'],
    ['', 1, 0, 'The file is empty.'],
    ['{\n<<<<<<< HEAD\n"a": 1\n=======\n}', 2, 0, 'Two versions of this file were merged here'],
  ])('%j is told with its place', (text, line, column, words) => {
    expect(() => JSON.parse(text)).toThrow();
    const read = parseJson(text, 'strict');
    if (!('problem' in read)) throw new Error('it was read');
    expect(read.problem).toContain(words);
    expect(read.spot).toMatchObject({ line, column });
  });

  it('may have comments and trailing commas in settings', () => {
    const text = '\uFEFF{ // x\n "a": [1, 2,], }';
    expect(parseJson(text)).toEqual({ value: { a: [1, 2] } });
    expect(readJson(text)).toEqual({ a: [1, 2] });
    expect(parseJson(text, 'strict')).toHaveProperty('problem');
    expect(readJson('{')).toBeUndefined();
  });

  it('says where a value is', () => {
    const text = '{\n  "paths": { "@/*": ["./a", "../b"] } /* x */ }';
    expect(spotOfValue(text, ['paths', '@/*', 1])).toEqual({ line: 2, column: 28, source: text.split('\n')[1] });
    expect(spotOfValue(text, ['paths', 'gone'])).toBeUndefined();
    expect(spotOfValue('{', ['paths'])).toBeUndefined();
  });
});
