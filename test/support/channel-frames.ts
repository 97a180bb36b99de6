import fc from 'fast-check';
import { limits } from '../../src/contract/limits.ts';

/** In place of JSON that `JSON.stringify` would not write: numbers beyond doubles, keys twice. */
const raw = (json: string): string => `⟦${json}⟧`;
const written = (value: unknown): string =>
  JSON.stringify(value).replaceAll(/"⟦(.*?)⟧"/g, (_, json: string) => json.replaceAll('\\"', '"'));

const id = '0192f0c1-2a3b-7c4d-8e5f-000000000002';
const deep = (depth: number, open: string, close: string): string => open.repeat(depth) + close.repeat(depth);

/** What no field takes as it is. */
const foreign: readonly unknown[] = [
  true,
  {},
  [],
  [[]],
  { toString: 'x' },
  { length: 1, 0: 'a' },
  raw('{"__proto__":{"polluted":true}}'),
  raw(deep(3000, '[', ']')),
  raw(`${'{"a":'.repeat(1500)}1${'}'.repeat(1500)}`),
];
const noNumber = [...foreign, -1, 1.5, '1', null, raw('1e400'), raw('-1e400'), 2 ** 53, raw('1e-400000000001x')];
const noPath = [...foreign, 1, 'x'.repeat(limits.file.pathMax + 1)];

/** An honest message of each type, and for each of its fields values that it may not have. */
const messages: readonly { readonly honest: object; readonly wrong: Readonly<Record<string, readonly unknown[]>> }[] = [
  { honest: { type: 'ping' }, wrong: {} },
  { honest: { type: 'probe', n: 1 }, wrong: { n: noNumber } },
  { honest: { type: 'resume', since: 1 }, wrong: { since: noNumber } },
  {
    honest: { type: 'cursor', path: 'a', position: 3, selection: { from: 1, to: 3 } },
    wrong: {
      path: noPath,
      position: [...noNumber, limits.file.textMax + 1],
      selection: [...foreign, null, 'x', { from: 1 }, { from: 1, to: -1 }, { from: 0, to: 1, more: 1 }],
    },
  },
  {
    honest: { type: 'selection', path: 'a.scene.json', nodes: ['lamp', 'house'] },
    wrong: {
      path: noPath,
      nodes: [
        ...foreign.filter((value) => JSON.stringify(value) !== '[]'),
        null,
        'lamp',
        [1],
        [null],
        ['x'.repeat(limits.scene.idMax + 1)],
        Array(limits.presence.nodesMax + 1).fill('a'),
      ],
    },
  },
  {
    honest: { type: 'viewport', path: 'a', view: { first: 1, last: 40 } },
    wrong: {
      path: noPath,
      view: [
        // An empty one is a view, and so is one with nothing but a prototype: that is left out.
        ...foreign.filter((value) => !/^(\{\}|".*__proto__.*")$/.test(JSON.stringify(value))),
        'x',
        1,
        { x: '1' },
        { x: null },
        { x: {} },
        { x: raw('1e400') },
        { ['x'.repeat(limits.presence.viewKeyMax + 1)]: 1 },
        Object.fromEntries(Array.from({ length: limits.presence.viewMax + 1 }, (_, n) => [`k${n}`, n])),
      ],
    },
  },
  { honest: { type: 'idle', idle: true }, wrong: { idle: [...foreign.slice(1), 'true', 1, null] } },
  { honest: { type: 'typing', thread: null }, wrong: { thread: [...foreign, '', 'x', 1, `${id}0`] } },
  {
    honest: { type: 'chat', body: 'hello', mentions: [], ref: '1' },
    wrong: {
      body: [
        ...foreign,
        '',
        ' \n',
        'x'.repeat(limits.talk.chatMax + 1),
        '\u0000',
        'a\u0007b',
        '\ud800',
        'a\udfffb',
        null,
        1,
      ],
      mentions: [
        ...foreign.filter((value) => JSON.stringify(value) !== '[]'),
        id,
        [1],
        ['nobody'],
        null,
        Array(limits.talk.mentionsMax + 1).fill(id),
      ],
      ref: [...foreign, 1, null, 'x'.repeat(limits.room.refMax + 1)],
    },
  },
];

const noType = [
  ...foreign,
  null,
  1,
  '',
  'Chat',
  'chat ',
  'ping\u0000',
  '\ud800',
  'hello',
  'saved',
  'error',
  'event',
  'user.left',
  'file.deleted',
  'deleteAll',
  'constructor',
  '__proto__',
  'toString',
];
/** Keys that no message has, some of which a message of the room has. */
const noKey = [
  '__proto__',
  'constructor',
  'toString',
  'userId',
  'seq',
  'by',
  'role',
  'data',
  '',
  ' type',
  'Type',
  'x'.repeat(1000),
];

const pick = <T>(values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
const message = pick(messages);
const honest = message.map((one) => JSON.stringify(one.honest));
const place = fc.nat();

/** Each is JSON of a wrong shape, or no JSON, by how it is made. */
const wrong = fc.oneof(
  fc.tuple(message, pick(noType)).map(([{ honest: said }, type]) => written({ ...said, type })),
  fc
    .tuple(message, pick(noKey), pick(foreign))
    .map(([{ honest: said }, key, value]) => written({ ...said, [key]: value })),
  pick(
    messages.flatMap(({ honest: said, wrong: fields }) =>
      Object.entries(fields).flatMap(([field, values]) => values.map((value) => written({ ...said, [field]: value }))),
    ),
  ),
  // Of two values of one key the later one counts, for whoever checks and for whoever acts.
  fc.tuple(honest, pick(noType)).map(([said, type]) => `${said.slice(0, -1)},"type":${written(type)}}`),
  // One that lacks what it must have, or all.
  pick(
    messages.flatMap(({ honest: said }) =>
      Object.keys(said)
        .filter((key) => !['position', 'selection', 'ref', 'mentions'].includes(key))
        .map((key) => JSON.stringify({ ...said, [key]: undefined })),
    ),
  ),
  // Cut short, run on, or around.
  fc.tuple(honest, place).map(([said, at]) => said.slice(0, at % said.length)),
  fc.tuple(honest, honest).map(([one, two]) => one + two),
  honest.chain((said) =>
    pick([
      `[${said}]`,
      `\ufeff${said}`,
      `${said},`,
      `${said}\u0000`,
      `/**/${said}`,
      said.replaceAll('"', "'"),
      `(${said})`,
      JSON.stringify(said),
      `${said.slice(0, -1)},}`,
    ]),
  ),
  pick([
    ...[
      '',
      ' ',
      '\u0000',
      'null',
      'true',
      '0',
      '-0',
      '1e400',
      'NaN',
      'undefined',
      '"ping"',
      '""',
      '[]',
      '{}',
      '[[]]',
      '{"":""}',
      '"\\ud800"',
    ],
    ...[
      '{"__proto__":{"type":"ping"}}',
      '{"constructor":{"prototype":{"type":"ping"}}}',
      '{"type":{"__proto__":"ping"}}',
    ],
    deep(8000, '[', ']'),
    deep(8000, '[', ''),
    `${'{"type":'.repeat(1500)}"ping"${'}'.repeat(1500)}`,
    `{"type":"${'x'.repeat(16_000)}"}`,
    `"${'\\ud800'.repeat(2500)}"`,
  ]),
);

const mutated = fc
  .tuple(honest, fc.nat(5), place, fc.constantFrom(...'{}[]",:\\0-1eE.+ntf \u0000\ud800\u202e😀'), honest)
  .map(([said, kind, at, letter, other]) => {
    const cut = at % said.length;
    const [head, tail] = [said.slice(0, cut), said.slice(cut)];
    switch (kind) {
      case 0:
        return head + letter + tail;
      case 1:
        return head + letter + tail.slice(1);
      case 2:
        return head + tail.slice(1);
      case 3:
        return head + tail.slice(0, 4) + tail;
      case 4:
        return head + other.slice(at % other.length);
      default:
        return head.replace(/"(\w+)"(?=[^"]*$)/, '"__proto__"') + tail;
    }
  });

/** Frames that are no message of the channel, whatever else they are: the room answers each with one error. */
export const wrongFrames = (count: number, seed: number): string[] => fc.sample(wrong, { numRuns: count, seed });

/** Honest frames with a fault in each; a few of them are messages still. */
export const mutatedFrames = (count: number, seed: number): string[] => fc.sample(mutated, { numRuns: count, seed });

/** Frames that end the socket. */
export const fatalFrames: readonly (string | Uint8Array)[] = [
  new Uint8Array(),
  new Uint8Array([0]),
  new TextEncoder().encode('{"type":"ping"}'),
  new Uint8Array(40_000).fill(255),
  `{"type":"chat","body":"${'x'.repeat(limits.room.channelFrameBytes)}","mentions":[]}`,
  ' '.repeat(limits.room.channelFrameBytes + 1),
  deep(limits.room.channelFrameBytes, '[', ']'),
];
