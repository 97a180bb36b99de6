import { describe, expect, it } from 'vitest';
import type { Job } from '../../src/contract/jobs.ts';
import { loadsByPath } from '../support/loaded-by-path.ts';
import { contentOf } from './support/content-of.ts';
import type { FakeBuild, Files } from './support/fake-platform.ts';
import { RunnerWorld } from './support/world.ts';

const world = new RunnerWorld();

describe('a game that loads by path', () => {
  it.each(loadsByPath)('has $title', async ({ files, finds, hides = [], warns = [] }) => {
    const build = await world.build(files);
    const site = await build.site();
    expect(Object.fromEntries(Object.keys(finds).map((place) => [place, site.get(place)]))).toEqual(
      Object.fromEntries(Object.entries(finds).map(([place, path]) => [place, files[path]])),
    );
    expect(hides.filter((place) => site.has(place))).toEqual([]);
    const told = build.logs.flatMap(({ level, file, line, message }) =>
      level === 'info' ? [] : [`${file}:${line} ${message}`],
    );
    expect(told.map((text, index) => text.slice(0, warns[index]?.length))).toEqual(warns);
  });

  const game: Files = {
    'index.html': '<script type="module" src="main.js"></script>',
    'main.js': "new Worker('workers/path.js', { type: 'module' }); load('img/a.png'); fetch('data/a.json');",
    'workers/path.js': "import { step } from './step.js'; import tile from './tile.png'; postMessage([step, tile]);",
    'workers/step.js': "export const step = 'one step'; fetch('data/b.json');",
    'workers/tile.png': 'tile',
    'img/a.png': 'a',
    'data/a.json': '{}',
    'data/b.json': '{}',
    'data/c.json': '{}',
  };
  const run = async (overrides: Parameters<typeof world.build>[1] = {}): Promise<FakeBuild> =>
    await world.build(game, overrides);

  it('has scripts that it starts by path in one piece, with what they load in turn', async () => {
    const build = await run();
    const site = await build.site();
    const script = site.get('workers/path.js') ?? '';
    expect(script).toContain('one step');
    expect(script).not.toContain('import ');
    const tile = /assets\/tile-\w+\.png/.exec([...site.keys()].join(' '))?.[0] ?? '';
    expect(site.get(tile)).toBe('tile');
    expect(script).toContain(`"../${tile}"`);
    expect([...site.keys()].filter((path) => /^(?:workers|data)\//.test(path)).sort()).toEqual([
      'data/a.json',
      'data/b.json',
      'workers/path.js',
      // Media goes out before anybody knows of the worker.
      'workers/tile.png',
    ]);
    const said = build.logs.map(({ message }) => message);
    expect(said).toContainEqual(
      expect.stringMatching(/^Loaded by their paths, .*: data \(2 files\), img\/a\.png, workers \(2 files\)/),
    );
    expect(said).toContain('Not in the game, as nothing in it names them: data/c.json.');
  });

  it.each<Job['target']>(['electron', 'cordova'])('has them in its package for %s, too', async (target) => {
    const zip = (await (await run({ target })).outputs()).find(({ role }) => role === 'download');
    const content = contentOf(target, zip?.bytes ?? Buffer.alloc(0));
    const web = await (await run()).site();
    expect([...content.keys()].sort()).toEqual([...web.keys()].sort());
    expect(content.get('img/a.png')?.toString()).toBe('a');
  });

  it('keeps them for playing offline, makes them smaller, and is the same every time', async () => {
    const options = { offline: true, optimizeAssets: true };
    const [first, second] = [await run({ options }), await run({ options })];
    const worker = (await first.site()).get('sw.js') ?? '';
    for (const url of ['img/a.png', 'data/a.json', 'workers/path.js']) expect(worker).toContain(`url:"${url}"`);
    const hashes = async (build: FakeBuild): Promise<string[]> =>
      (await build.outputs()).filter(({ name }) => name !== 'provenance.json').map(({ sha256 }) => sha256);
    expect(await hashes(second)).toEqual(await hashes(first));
    expect(first.logs.map(({ message }) => message)).toContainEqual(
      expect.stringContaining('img/a.png could not be read as what its name says'),
    );
  });

  it('is told when exclude of kiln.json is no list of its files', async () => {
    const build = await world.build({ ...game, 'kiln.json': '{"exclude":["../other"]}' });
    expect(await build.failure()).toMatchObject({
      kind: 'user',
      message: expect.stringContaining('exclude of kiln.json'),
    });
  });
});
