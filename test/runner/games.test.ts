import { describe, expect, it } from 'vitest';
import type { BuildTarget } from '../../src/contract/builds.ts';
import { Arcade } from '../support/arcade.ts';
import { contentOf } from './support/content-of.ts';
import type { Files } from './support/fake-platform.ts';
import { games } from './support/games.ts';
import { RunnerWorld } from './support/world.ts';

/** Engines come from the real registry, once: the runner keeps what it has installed. */
const world = new RunnerWorld();
const arcade = new Arcade();

/** What the download of a build shows in a page. */
async function built(files: Files, target: BuildTarget): Promise<Map<string, Buffer>> {
  const outputs = await (await world.build(files, { target, options: { minify: true } })).outputs();
  return contentOf(target, outputs.find(({ role }) => role === 'download')?.bytes ?? Buffer.alloc(0));
}

const play = async (files: ReadonlyMap<string, Buffer>): Promise<void> => {
  const { told, canvases, problems } = await arcade.playFiles(files);
  expect({ told, problems }).toEqual({ told: true, problems: [] });
  expect(canvases).toBeGreaterThan(0);
};

const withoutPage = (files: ReadonlyMap<string, Buffer>): ReadonlyMap<string, Buffer> =>
  new Map([...files].filter(([path]) => path !== 'index.html').sort(([a], [b]) => (a < b ? -1 : 1)));

/** An engine is the same in every package: one stands for all, beside those whose files are loaded in unusual ways. */
const isPackaged = ({ style }: { style: string }): boolean => /^(?:Vite|plain|workers|two pages|Phaser 3)/.test(style);

describe('a game in the style of', () => {
  it.each(games.filter((game) => !isPackaged(game)))('$style is built, and plays', async ({ files }) => {
    await play(await built(files, 'web'));
  });

  it.each(games.filter(isPackaged))(
    '$style is built, plays, and is the same game in every package',
    async ({ files }) => {
      const web = await built(files, 'web');
      await play(web);
      const [electron, cordova] = await Promise.all([built(files, 'electron'), built(files, 'cordova')]);
      // What is left to be seen is the policy that only packages have: it is in Cordova's page.
      expect(electron).toEqual(web);
      expect(withoutPage(cordova)).toEqual(withoutPage(web));
      expect(cordova.get('index.html')?.toString()).toContain('Content-Security-Policy');
      await play(cordova);
    },
  );
});
