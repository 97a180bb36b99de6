import { transform } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { CreateBuild } from '../../src/contract/builds.ts';

/** What esbuild itself thinks of a constant. */
const takes = async (name: string, value: string): Promise<boolean> =>
  await transform('x', { define: { [name]: value }, logLevel: 'silent' }).then(
    () => true,
    () => false,
  );

const parse = (define: Record<string, string>) =>
  CreateBuild.safeParse({ projectId: '01920000-0000-7000-8000-000000000000', options: { define } });

describe('a constant of a build', () => {
  it.each([
    ...[
      '1',
      '-1',
      '1.5e3',
      '1n',
      'null',
      'true',
      'NaN',
      'undefined',
      'this',
      '"a"',
      "'a'",
      '{"a":[1,{"b":null}]}',
      ' 1 ',
    ],
    ...['foo', 'foo.bar', 'foo.if', 'import.meta.env', 'ä', '$_', '""', '"\\"\\u00e4\\n"'],
  ])('may be %s', async (value) => {
    expect(await takes('X', value)).toBe(true);
    expect(parse({ X: value }).success).toBe(true);
  });

  it.each([
    ...[
      '',
      ' ',
      'a b',
      'a()',
      '1+1',
      'a.',
      '.a',
      'a..b',
      'a[0]',
      ' foo',
      '/x/',
      'void 0',
      '!0',
      '`a`',
      '{a:1}',
      '"a',
      "'a\\n'x",
    ],
    ...['if', 'enum', 'new.target', '.5', '0x10', '#a', '"a\nb"', 'hello world'],
  ])('cannot be %j, and says so with its place', async (value) => {
    expect(await takes('X.y', value)).toBe(false);
    const { error } = parse({ OK: '1', 'X.y': value });
    expect(error?.issues.map(({ path }) => path)).toEqual([['options', 'define', 'X.y']]);
    expect(error?.issues[0]?.message).toContain('must be JSON');
  });

  it.each(['a..b', 'a.', 'if', 'null', 'new.target', 'import', 'enum', 'true'])('cannot be called %s', async (name) => {
    expect(await takes(name, '1')).toBe(false);
    expect(parse({ [name]: '1' }).error?.issues.map(({ path }) => path)).toEqual([['options', 'define', name]]);
  });

  it.each(['a.b', 'a.if', 'import.meta.x', 'let', '$', '__VERSION__'])('may be called %s', async (name) => {
    expect(await takes(name, '1')).toBe(true);
    expect(parse({ [name]: '1' }).success).toBe(true);
  });
});
