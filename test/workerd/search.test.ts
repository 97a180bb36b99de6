import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, it } from 'vitest';
import { limits } from '../../src/contract/limits.ts';
import type { SearchResults } from '../../src/contract/search.ts';
import { projectRoom } from '../../src/durable-objects/stubs.ts';
import { type Account, call, expectJson, expectProblem, makeWorld, roomStub, type World } from './support.ts';
import { until, YjsClient } from './yjs-client.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld({
    'README.md': '# Speed\r\nThe player has speed.\r\n',
    'src/main.ts': 'const speed = 1;\nplayer.speed += speed;\n',
    'levels/1.json': '{"speed":2}',
  });
});

type Query = Record<string, string>;
const get = (query: Query, as: Account | undefined = world.viewer, version = ''): Promise<Response> =>
  call('GET', `/api${version}/projects/${world.projectId}/search?${new URLSearchParams(query)}`, { as });
const search = async (query: Query): Promise<SearchResults> => await expectJson(await get(query), 200);
const places = ({ matches }: SearchResults): string[] =>
  matches.map(({ path, line, column }) => `${path}:${line}:${column}`);
const put = async (path: string, content: string): Promise<void> => {
  const answer = await call('PUT', `/api/projects/${world.projectId}/files/${path}`, {
    as: world.owner,
    json: { content },
  });
  if (!answer.ok) throw new Error(`${answer.status}`);
};

describe('the search of a project', () => {
  it('answers places with their lines', async () => {
    expect(await search({ q: 'Speed', case: 'true' })).toEqual({
      matches: [{ path: 'README.md', line: 1, column: 3, length: 5, preview: '# Speed', offset: 2 }],
      truncated: false,
    });
    const everywhere = ['README.md:1:3', 'README.md:2:16', 'levels/1.json:1:3', 'src/main.ts:1:7'];
    expect(places(await search({ q: 'speed' }))).toEqual([...everywhere, 'src/main.ts:2:8', 'src/main.ts:2:17']);
    expect(places(await search({ q: 'SPEED', path: 'src/' }))).toHaveLength(3);
    expect(places(await search({ q: 'speed', path: '*.json,*.md' }))).toEqual(everywhere.slice(0, 3));
    expect(places(await search({ q: '^\\w+\\.speed\\b', regex: '1', path: '!*.md' }))).toEqual(['src/main.ts:2:1']);
    expect(places(await search({ q: '\\.$', regex: 'true' }))).toEqual(['README.md:2:21']);
    expect(places(await search({ q: '.' }))).toEqual(['README.md:2:21', 'src/main.ts:2:7']);
    expect(places(await search({ q: 'nowhere' }))).toEqual([]);
  });

  it('includes what somebody types', async () => {
    await put('live.ts', '');
    const client = await YjsClient.open(world.editor, world.projectId, 'live.ts');
    client.text.insert(0, '\n😀 unsaved');
    await until(async () => (await search({ q: 'unsaved' })).matches.length > 0);
    expect(await search({ q: 'unsaved' })).toMatchObject({ matches: [{ line: 2, column: 4, preview: '😀 unsaved' }] });
    client.close();
  });

  it('reads texts that the room does not have from the store, and leaves them there', async () => {
    await put('cold/1.ts', 'let frozen = 1;');
    await put('cold/2.ts', 'let frozen = 2;');
    const room = roomStub(world.projectId);
    await projectRoom(env, world.projectId).snapshot({ userId: world.owner.id }, 'project.read');
    const contents = () =>
      runInDurableObject(room, (_room, { storage }) => storage.sql.exec('SELECT hash FROM contents').toArray().length);
    await runInDurableObject(room, (_room, { storage }) => void storage.sql.exec('DELETE FROM contents'));
    expect(places(await search({ q: 'frozen' }))).toEqual(['cold/1.ts:1:5', 'cold/2.ts:1:5']);
    expect(await contents()).toBe(0);
  });

  it('is for everybody who may read the project, and says nothing to others, whatever they ask', async () => {
    for (const account of [world.owner, world.editor, world.viewer])
      expect((await get({ q: 'speed' }, account, '/v1')).status).toBe(200);
    for (const query of [{ q: 'speed' }, { q: '(', regex: '1' }, {}] as Query[]) {
      expect(await expectProblem(await get(query, world.stranger), 404)).toBe('not_found');
      const anonymous = call('GET', `/api/projects/${world.projectId}/search?${new URLSearchParams(query)}`);
      expect(await expectProblem(await anonymous, 401)).toBe('unauthenticated');
    }
  });

  it('says what is wrong with a query', async () => {
    const issue = async (query: Query) => {
      const { code, issues } = await expectJson<{ code: string; issues: { path: string; message: string }[] }>(
        await get(query),
        422,
      );
      expect(code).toBe('validation_failed');
      return issues[0];
    };
    expect(await issue({ q: 'a(b', regex: 'true' })).toEqual({ path: 'query.q', message: 'missing closing )' });
    expect((await issue({ q: '(?=x)', regex: 'true' }))?.message).toContain('Perl syntax');
    for (const query of [{}, { q: '' }, { q: 'x'.repeat(limits.search.queryMax + 1) }] as Query[])
      expect((await issue(query))?.path).toBe('query.q');
    expect((await issue({ q: 'x', regex: 'yes' }))?.path).toBe('query.regex');
    expect((await issue({ q: 'x', path: '{*' }))?.path).toBe('query.path');
  });
});

describe('#75 a hostile search', () => {
  it('of (a+)+$ in a mebibyte ends while the room answers others', async () => {
    await put('evil.txt', `${'a'.repeat(1022)}!\n`.repeat(1024));
    await put('line.txt', `${'a'.repeat(1024 * 1024 - 1)}!`);
    const running = get({ q: '(a+)+$', regex: 'true', path: 'evil.txt,line.txt' });
    await put('meanwhile.txt', 'x');
    expect(await expectJson(await running, 200)).toEqual({ matches: [], truncated: true });
    expect(places(await search({ q: '(a+)+!$', regex: 'true', path: 'evil.txt' }))).toHaveLength(
      limits.search.matchesPerFile,
    );
  });

  it('of huge repetitions is refused or bounded', async () => {
    for (const q of ['a{1000}{1000}', '((a{100}){100}){100}', 'a{1000}'.repeat(70), '(?:a?){1000}'.repeat(40)])
      expect(await expectProblem(await get({ q, regex: 'true' }), 422), q).toBe('validation_failed');
    await put('some.txt', 'ab'.repeat(5000));
    for (const q of ['(?:a?){300}b', '[ab]*a[ab]{100}$', '(.*)(.*)(.*)x', 'a{1000}'])
      expect((await get({ q, regex: 'true', path: 'some.txt' })).status, q).toBe(200);
  });

  it('of nothing, NUL, line ends and halves of characters finds nothing or places that exist', async () => {
    expect((await search({ q: '^', regex: 'true', path: 'README.md' })).matches).toHaveLength(3);
    expect((await search({ q: '()', regex: 'true', path: 'levels/' })).matches).toHaveLength(12);
    for (const q of ['\0', '\r\n', '\n', '%', "';--"])
      expect(places(await search({ q })), JSON.stringify(q)).toEqual([]);
    const half = await call('GET', `/api/projects/${world.projectId}/search?q=%ED%A0%BD`, { as: world.viewer });
    expect((await expectJson<SearchResults>(half, 200)).matches).toEqual([]);
  });

  it('cannot be one of many at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: limits.search.waitingPerUser * 3 }, () =>
        get({ q: '(a+)+$', regex: 'true', path: 'evil.txt' }),
      ),
    );
    const refused = answers.filter(({ status }) => status === 429);
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(limits.search.waitingPerUser);
    expect(refused.length).toBeGreaterThan(0);
    for (const answer of refused) expect(answer.headers.get('retry-after')).toBe('1');
    expect((await get({ q: 'speed' })).status).toBe(200);
  });
});
