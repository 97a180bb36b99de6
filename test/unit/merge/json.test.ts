import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/contract/limits.ts';
import { type JsonMerge, mergeJson } from '../../../src/core/merge/merge-json.ts';

const pretty = (value: unknown, indent: number | string = 2): string => `${JSON.stringify(value, null, indent)}\n`;

function json(base: string | null, ours: string, theirs: string, isScene = false): JsonMerge {
  const merged = mergeJson(base, ours, theirs, { isScene });
  if (!merged) throw new Error('cannot be merged by field');
  return merged;
}

/** Of values, each written with two spaces. */
const values = (base: unknown, ours: unknown, theirs: unknown): JsonMerge =>
  json(pretty(base), pretty(ours), pretty(theirs));

function clean(merge: JsonMerge): string {
  expect(merge.fields).toEqual([]);
  return merge.text;
}

const pointers = ({ fields }: JsonMerge): string[] => fields.map(({ pointer }) => pointer);

describe('A merge by field', () => {
  it.each([
    ['changes of two fields', { a: 1, b: 1 }, { a: 2, b: 1 }, { a: 1, b: 2 }, { a: 2, b: 2 }],
    [
      'changes far below',
      { a: { b: { c: 1, d: 1 } } },
      { a: { b: { c: 2, d: 1 } } },
      { a: { b: { c: 1, d: 2 } } },
      { a: { b: { c: 2, d: 2 } } },
    ],
    ['a field that each side added', { a: 1 }, { a: 1, b: 2 }, { a: 1, c: 3 }, { a: 1, b: 2, c: 3 }],
    ['a deleted field and a changed one', { a: 1, b: 1 }, { b: 1 }, { a: 1, b: 2 }, { b: 2 }],
    ['a field that both deleted', { a: 1, b: 1 }, { b: 1 }, { b: 1 }, { b: 1 }],
    ['the same change', { a: 1, b: 1 }, { a: 2, b: 1 }, { a: 2, b: 3 }, { a: 2, b: 3 }],
    ['an object that both sides added', {}, { n: { a: 1 } }, { n: { b: 2 } }, { n: { a: 1, b: 2 } }],
    [
      'a list that one side changed',
      { a: [1, 2], b: 1 },
      { a: [1, 2, 3], b: 1 },
      { a: [1, 2], b: 2 },
      { a: [1, 2, 3], b: 2 },
    ],
    ['a value that became an object', { a: 1, b: 1 }, { a: { x: 1 }, b: 1 }, { a: 1, b: 2 }, { a: { x: 1 }, b: 2 }],
    [
      'null, false and empty texts as values',
      { a: null, b: false, c: '' },
      { a: 1, b: false, c: '' },
      { a: null, b: null, c: '' },
      { a: 1, b: null, c: '' },
    ],
    [
      'a document that is a list',
      [{ id: 1, a: 1 }],
      [{ id: 1, a: 2 }],
      [{ id: 1, a: 1 }, { id: 2 }],
      [{ id: 1, a: 2 }, { id: 2 }],
    ],
  ])('takes %s', (_name, base, ours, theirs, expected) => {
    expect(clean(values(base, ours, theirs))).toBe(pretty(expected));
    expect(JSON.parse(clean(values(base, theirs, ours)))).toEqual(expected);
  });

  it.each([
    [
      'a field that both changed',
      { a: 1, b: 1 },
      { a: 2, b: 1 },
      { a: 3, b: 2 },
      [{ pointer: '/a', base: 1, ours: 2, theirs: 3 }],
      { a: 2, b: 2 },
    ],
    [
      'a field that ours deleted and theirs changed',
      { a: 1, b: 1 },
      { b: 1 },
      { a: 2, b: 2 },
      [{ pointer: '/a', base: 1, theirs: 2 }],
      { b: 2 },
    ],
    [
      'a field that ours changed and theirs deleted',
      { a: 1 },
      { a: 2 },
      {},
      [{ pointer: '/a', base: 1, ours: 2 }],
      { a: 2 },
    ],
    ['a field that both added', {}, { a: 1 }, { a: 2 }, [{ pointer: '/a', ours: 1, theirs: 2 }], { a: 1 }],
    [
      'lists of mere values',
      { a: [1] },
      { a: [1, 2] },
      { a: [0, 1] },
      [{ pointer: '/a', base: [1], ours: [1, 2], theirs: [0, 1] }],
      { a: [1, 2] },
    ],
    ['kinds of values', { a: 1 }, { a: {} }, { a: [] }, [{ pointer: '/a', base: 1, ours: {}, theirs: [] }], { a: {} }],
    [
      'keys with the signs of a pointer',
      { 'a/b~c': 1 },
      { 'a/b~c': 2 },
      { 'a/b~c': 3 },
      [{ pointer: '/a~1b~0c', base: 1, ours: 2, theirs: 3 }],
      { 'a/b~c': 2 },
    ],
    ['the whole document', 1, 2, 3, [{ pointer: '', base: 1, ours: 2, theirs: 3 }], 2],
  ])('is in conflict about %s, and keeps ours there', (_name, base, ours, theirs, fields, expected) => {
    const merged = values(base, ours, theirs);
    expect(merged.fields).toEqual(fields);
    expect(merged.text).toBe(pretty(expected));
    expect(pointers(values(base, theirs, ours))).toEqual(pointers(merged));
  });

  it('merges what both sides made without a base, but for fields that differ', () => {
    expect(clean(json(null, pretty({ a: 1 }), pretty({ a: 1, b: 2 })))).toBe(pretty({ a: 1, b: 2 }));
    expect(json(null, pretty({ a: 1 }), pretty({ a: 2 })).fields).toEqual([{ pointer: '/a', ours: 1, theirs: 2 }]);
  });

  it('leaves to the merge by line what is not JSON, has a key twice, or is nested too deep', () => {
    const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
    const [shallow, deeper] = [deep(limits.merge.jsonDepth), deep(limits.merge.jsonDepth + 1)];
    for (const bad of [
      '',
      '{',
      '{"a":1,}',
      '// c\n{}',
      '{"a":1,"a":2}',
      '{"a":1,"\\u0061":2}',
      "{'a':1}",
      '01',
      deeper,
      deep(400_000),
    ])
      for (const [base, ours, theirs] of [
        [bad, '1', '2'],
        ['1', bad, '2'],
        ['1', '2', bad],
      ] as const)
        expect(mergeJson(base, ours, theirs, { isScene: true }), bad.slice(0, 20)).toBeNull();
    expect(clean(json('[]', '[]', shallow))).toBe(shallow);
  });
});

describe('Lists of things with an identity', () => {
  const list = (...ids: string[]): { id: string; v?: number }[] => ids.map((id) => ({ id }));
  const ids = (merge: JsonMerge): string =>
    JSON.parse(clean(merge))
      .map(({ id }: { id: string }) => id)
      .join('');

  it.each([
    ['an addition of each', 'ab', 'abx', 'aby', 'abxy'],
    ['additions at one place in the middle', 'ab', 'axb', 'ayb', 'axyb'],
    ['additions before the first', 'ab', 'xab', 'yab', 'xyab'],
    ['a deletion of each', 'abcd', 'bcd', 'abd', 'bd'],
    ['an addition behind what ours deleted', 'abc', 'ac', 'abxc', 'axc'],
    ['the order of ours', 'abcd', 'dcba', 'abcd', 'dcba'],
    ['the order of theirs, with what ours added', 'abcd', 'abxcd', 'dcba', 'dcbxa'],
    ['the order of ours, with what theirs added', 'abcd', 'dcba', 'abcdx', 'dxcba'],
    ['one order of both', 'abc', 'cba', 'cbax', 'cbax'],
    ['everything new', '', 'ab', 'cd', 'abcd'],
    ['nothing left', 'ab', 'a', 'b', ''],
  ])('merge %s', (_name, base, ours, theirs, expected) => {
    expect(ids(values(list(...base), list(...ours), list(...theirs)))).toBe(expected);
  });

  it('are in conflict when both sides sorted them differently', () => {
    const merged = values(list(...'abc'), list(...'cab'), list(...'bca'));
    expect(pointers(merged)).toEqual(['']);
    expect(JSON.parse(merged.text)).toEqual(list(...'cab'));
  });

  it('merge field by field within one thing, named by its index', () => {
    const [base, ours, theirs] = [
      [
        { id: 'a', x: 1, y: 1 },
        { id: 'b', x: 1 },
      ],
      [
        { id: 'b', x: 2 },
        { id: 'a', x: 2, y: 1 },
      ],
      [
        { id: 'a', x: 1, y: 2 },
        { id: 'b', x: 3 },
      ],
    ];
    const merged = values(base, ours, theirs);
    expect(merged.fields).toEqual([{ pointer: '/0/x', base: 1, ours: 2, theirs: 3 }]);
    expect(JSON.parse(merged.text)).toEqual([
      { id: 'b', x: 2 },
      { id: 'a', x: 2, y: 2 },
    ]);
  });

  it('are in conflict about a thing that one side deleted and the other changed', () => {
    const merged = values([{ id: 1, v: 1 }, { id: 2 }], [{ id: 2 }], [{ id: 1, v: 2 }, { id: 2 }]);
    expect(merged.fields).toEqual([{ pointer: '/0', base: { id: 1, v: 1 }, theirs: { id: 1, v: 2 } }]);
    expect(JSON.parse(merged.text)).toEqual([{ id: 2 }]);
  });

  it('go by "key" where there is no "id", and tell 1 from "1"', () => {
    expect(
      JSON.parse(clean(values([{ key: 'a' }], [{ key: 'a' }, { key: 'b' }], [{ key: 'c' }, { key: 'a' }]))),
    ).toEqual([{ key: 'c' }, { key: 'a' }, { key: 'b' }]);
    expect(JSON.parse(clean(values([], [{ id: 1 }], [{ id: '1' }])))).toEqual([{ id: 1 }, { id: '1' }]);
  });

  it.each([
    ['a thing without one', [{ id: 1 }, {}]],
    ['an identity twice', [{ id: 1 }, { id: 1 }]],
    ['a value among them', [{ id: 1 }, 2]],
    ['an identity that is no text or number', [{ id: null }]],
    ['only names, which lists that are referred to by index have', [{ name: 'a' }]],
  ])('are merged as a whole when there is %s', (_name, base) => {
    expect(pointers(values(base, [...base, { id: 8 }], [{ id: 9 }, ...base]))).toEqual(['']);
  });
});

describe('The layout of a merge by field', () => {
  it('is that of ours: indentation, line ends, order of keys, last line end', () => {
    const base = '{"b": 1, "a": {"x": 1}}';
    const ours = '{\r\n\t"b": 1,\r\n\t"a": {\r\n\t\t"x": 1\r\n\t},\r\n\t"own": true\r\n}';
    const theirs =
      '{\n    "b": 2,\n    "mine": {\n        "p": [\n            1\n        ],\n        "q": {}\n    },\n    "a": {\n        "x": 1\n    }\n}\n';
    expect(clean(json(base, ours, theirs))).toBe(
      '{\r\n\t"b": 2,\r\n\t"mine": {\r\n\t\t"p": [\r\n\t\t\t1\r\n\t\t],\r\n\t\t"q": {}\r\n\t},\r\n\t"a": {\r\n\t\t"x": 1\r\n\t},\r\n\t"own": true\r\n}',
    );
  });

  it.each([
    ['one line', '{"a":1}', '{"a":1,"b":2}', '{"a":1,"c":{"d":[3]}}', '{"a":1,"b":2,"c":{"d":[3]}}'],
    [
      'one line from several',
      '{"a":1}',
      '{"a":1,"b":2}',
      '{\n  "a": 1,\n  "c": {\n    "d": 3\n  }\n}',
      '{"a":1,"b":2,"c": {"d": 3}}',
    ],
    [
      'one line with spaces',
      '{ "a": 1, "b": 1 }',
      '{ "a": 2, "b": 1 }',
      '{ "z": 0, "b": 1, "a": 1 }',
      '{ "z": 0, "a": 2, "b": 1 }',
    ],
    [
      'one line whose first field stands closer',
      '{"a":1, "b":1}',
      '{"a":2, "b":1}',
      '{"z":0, "a":1, "b":1}',
      '{"z":0, "a":2, "b":1}',
    ],
    [
      'lists within one line',
      '{\n  "a": [1, 2],\n  "b": 1\n}\n',
      '{\n  "a": [1, 2],\n  "b": 2\n}\n',
      '{\n  "a": [1, 2, 3],\n  "b": 1\n}\n',
      '{\n  "a": [1, 2, 3],\n  "b": 2\n}\n',
    ],
    [
      'empty lines between fields',
      '{\n  "a": 1,\n\n  "b": 1\n}\n',
      '{\n  "a": 2,\n\n  "b": 1\n}\n',
      '{\n  "a": 1,\n\n  "b": 2\n}\n',
      '{\n  "a": 2,\n\n  "b": 2\n}\n',
    ],
    [
      'an object that was empty',
      '{\n  "o": {},\n  "b": 1\n}',
      '{\n  "o": {},\n  "b": 2\n}',
      '{\n  "o": {\n    "x": 1\n  },\n  "b": 1\n}',
      '{\n  "o": {\n    "x": 1\n  },\n  "b": 2\n}',
    ],
    [
      'an object that becomes empty',
      '{ "o": { "x": 1, "y": 1 }, "b": 1 }',
      '{ "o": { "x": 1 }, "b": 2 }',
      '{ "o": { "y": 1 }, "b": 1 }',
      '{ "o": {}, "b": 2 }',
    ],
    [
      'the first field deleted',
      '{\n  "a": 1, "b": 1,\n  "c": 1\n}',
      '{\n  "a": 1, "b": 1,\n  "c": 2\n}',
      '{"b": 1, "c": 1}',
      '{\n  "b": 1,\n  "c": 2\n}',
    ],
    ['a byte-order mark of ours', '{"a":1,"b":1}', '\uFEFF {"a":2,"b":1} ', '{"a":1,"b":2}', '\uFEFF {"a":2,"b":2} '],
    ['a byte-order mark of theirs', '{"a":1,"b":1}', '{"a":2,"b":1}', '\uFEFF{"a":1,"b":2}', '{"a":2,"b":2}'],
    [
      'ours that was only laid out anew',
      '{"a":1,"b":[{"id":1}]}',
      '{\n "a": 1,\n "b": [ {"id": 1} ]\n}',
      '{"a":2,"b":[{"id":1,"x":[1]}]}',
      '{\n "a": 2,\n "b": [ {"id": 1, "x":[1]} ]\n}',
    ],
  ])('keeps %s', (_name, base, ours, theirs, expected) => {
    expect(clean(json(base, ours, theirs))).toBe(expected);
  });

  it('does not touch what nobody changed: numbers, escapes, odd spaces', () => {
    const odd =
      '{ "n" : [1.0, 1e400, 9007199254740993, -0, 1E+2],\n"s":"\\u0041\\/\\ud800" ,"o":{"b":1 , "a":2}, "x": 1, "y": 1 }';
    const merged = clean(
      json(odd, odd.replace('"x": 1', '"x": 2.50'), odd.replace('"y": 1', '"y": 12345678901234567890')),
    );
    expect(merged).toContain('[1.0, 1e400, 9007199254740993, -0, 1E+2]');
    expect(merged).toContain('"s":"\\u0041\\/\\ud800"');
    expect(merged).toContain('{"b":1 , "a":2}');
    expect(merged).toContain('"x": 2.50, "y": 12345678901234567890 }');
  });

  it('tells numbers apart that are one double, and shows them as they are written', () => {
    const [base, ours, theirs] = ['{"a":9007199254740992}', '{"a":9007199254740993}', '{"a":9007199254740994}'];
    expect(clean(json(base, ours, base))).toBe(ours);
    expect(json(base, ours, theirs).fields).toEqual([
      { pointer: '/a', base: '9007199254740992', ours: '9007199254740993', theirs: '9007199254740994' },
    ]);
    expect(json('1', '1e400', '1e-400').fields).toEqual([{ pointer: '', base: 1, ours: '1e400', theirs: '1e-400' }]);
    expect(json('0', '100', '0.25').fields).toEqual([{ pointer: '', base: 0, ours: 100, theirs: 0.25 }]);
  });

  it('takes a text for the same whatever its escapes, and objects whatever the order of their keys', () => {
    expect(clean(json('{"a":"A"}', '{"a":"\\u0041"}', '{"a":"B"}'))).toBe('{"a":"B"}');
    expect(clean(json('{"a":{"x":1,"y":2}}', '{"a":{"y":2,"x":1}}', '{"a":{"x":1,"y":3}}'))).toBe(
      '{"a":{"y":3,"x":1}}',
    );
  });
});

describe('Hostile JSON', () => {
  it('has keys with a meaning in JavaScript, which are keys like any other', () => {
    const merged = json(
      '{"__proto__":{"a":1},"constructor":1,"toString":1}',
      '{"__proto__":{"a":2},"constructor":2,"toString":1}',
      '{"__proto__":{"a":3,"polluted":true},"constructor":1,"toString":2}',
    );
    expect(merged.text).toBe('{"__proto__":{"a":2,"polluted":true},"constructor":2,"toString":2}');
    expect(merged.fields).toEqual([{ pointer: '/__proto__/a', base: 1, ours: 2, theirs: 3 }]);
    const whole = json('1', '{"__proto__":{"polluted":1}}', '{"__proto__":{"polluted":2}}').fields[0]?.ours;
    expect(Object.keys(whole as object)).toEqual(['__proto__']);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  it('has keys and texts of half a character', () => {
    expect(clean(json('{"\\ud800":1,"b":1}', '{"\\ud800":2,"b":1}', '{"\\uD800":1,"b":"\\udc00"}'))).toBe(
      '{"\\ud800":2,"b":"\\udc00"}',
    );
  });

  it('has tens of thousands of fields or things, all of them changed', () => {
    const object = (value: number, offset = 0): string =>
      `{${Array.from({ length: 20_000 }, (_, index) => `"k${index + offset}":${value}`).join()}}`;
    expect(json(object(1), object(2), object(3)).fields).toHaveLength(20_000);
    expect(Object.keys(JSON.parse(clean(json('{}', object(1), object(1, 20_000)))))).toHaveLength(40_000);
    const things = (offset: number): string =>
      `[${Array.from({ length: 15_000 }, (_, index) => `{"id":${index + offset}}`).join()}]`;
    expect(JSON.parse(clean(json('[]', things(0), things(15_000))))).toHaveLength(30_000);
    const numbers = '1,'.repeat(150_000);
    expect(pointers(json(`[${numbers}1]`, `[${numbers}2]`, `[${numbers}3]`))).toEqual(['']);
  }, 60_000);
});

describe('Any JSON', () => {
  const key = fc.constantFrom('a', 'b', 'c', 'id', '__proto__', '1', '0');
  const value = fc.letrec<{ value: unknown; object: object; list: unknown[] }>((tie) => ({
    value: fc.oneof({ depthSize: 'small' }, fc.constantFrom(null, true, 0, 1, 2, 'x', ''), tie('object'), tie('list')),
    object: fc.array(fc.tuple(key, tie('value')), { maxLength: 4 }).map((entries) => Object.fromEntries(entries)),
    list: fc.oneof(
      fc.array(tie('value'), { maxLength: 3 }),
      fc.uniqueArray(fc.record({ id: fc.nat(4), v: tie('value') }), { selector: ({ id }) => id, maxLength: 4 }),
    ),
  })).value;
  const text = fc
    .tuple(value, fc.constantFrom(undefined, 1, 2, '\t'))
    .map(([each, indent]) => JSON.stringify(each, null, indent));

  it('merged with a side that changed nothing is the other side', () => {
    fc.assert(
      fc.property(text, text, (base, side) => {
        expect(json(base, side, base)).toEqual({ text: side, fields: [] });
        expect(json(base, side, side)).toEqual({ text: side, fields: [] });
        const { text: merged, fields } = json(base, base, side);
        expect(fields).toEqual([]);
        expect(JSON.parse(merged)).toEqual(JSON.parse(side));
      }),
      { numRuns: 500 },
    );
  });

  it('merges to JSON, in conflict about the same whichever side is ours', () => {
    fc.assert(
      fc.property(text, text, text, (base, a, b) => {
        const [one, other] = [json(base, a, b), json(base, b, a)];
        expect(one.fields.length === 0).toBe(other.fields.length === 0);
        expect(() => JSON.parse(one.text)).not.toThrow();
        expect(json(base, a, b)).toEqual(one);
        const named = (merge: JsonMerge, sides: readonly ('base' | 'ours' | 'theirs')[]): string[] =>
          merge.fields.map((field) => JSON.stringify(sides.map((side) => field[side]))).sort();
        expect(named(one, ['base', 'ours', 'theirs'])).toEqual(named(other, ['base', 'theirs', 'ours']));
      }),
      { numRuns: 1000 },
    );
  });

  it('keeps the edits of both sides when they are of different fields', () => {
    const doc = fc.dictionary(
      fc.stringMatching(/^[a-z]{1,3}$/),
      fc.dictionary(fc.stringMatching(/^[a-z]{1,3}$/), fc.nat(9), { minKeys: 1 }),
      { minKeys: 1, maxKeys: 8 },
    );
    const edits = fc.array(fc.tuple(fc.nat(), fc.constantFrom('set', 'delete', 'add')), { maxLength: 6 });
    fc.assert(
      fc.property(doc, edits, edits, fc.constantFrom(undefined, 2, '\t'), (base, ourEdits, theirEdits, indent) => {
        const fields = Object.entries(base).flatMap(([outer, inner]) =>
          Object.keys(inner).map((name) => [outer, name] as const),
        );
        const change = (list: readonly (readonly [number, string])[], parity: number, marker: string) => {
          const side = structuredClone(base);
          const expected: ((merged: typeof base) => void)[] = [];
          for (const [at, kind] of list) {
            const index = (at % fields.length) - ((at % fields.length) % 2) + parity;
            const [outer, name] = fields[index] ?? [];
            const [target, added] = [side[outer ?? ''], `${marker}${at}`];
            if (outer === undefined || name === undefined || !target) continue;
            if (kind === 'delete') delete target[name];
            else target[kind === 'set' ? name : added] = at + 100;
          }
          for (const outer of Object.keys(base))
            for (const name of new Set([...Object.keys(base[outer] ?? {}), ...Object.keys(side[outer] ?? {})]))
              if (side[outer]?.[name] !== base[outer]?.[name])
                expected.push((merged) => expect(merged[outer]?.[name]).toBe(side[outer]?.[name]));
          return { side, expected };
        };
        const [ours, theirs] = [change(ourEdits, 0, 'o_'), change(theirEdits, 1, 't_')];
        const merged = clean(json(pretty(base, indent), pretty(ours.side, indent), pretty(theirs.side, indent)));
        for (const check of [...ours.expected, ...theirs.expected]) check(JSON.parse(merged));
        expect(merged).toBe(pretty(JSON.parse(merged), indent));
      }),
      { numRuns: 500 },
    );
  });
});
