import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createPackageFromFiles } from '@electron/asar';
import { readAppInfo } from './app-info.ts';
import { contentPolicy } from './content-policy.ts';
import { byText } from './order.ts';
import { electronVersion, packagePrograms } from './package-programs.ts';
import { type Packaging, writeSite } from './package-web.ts';
import { outFolders } from './protocol.ts';
import { writeZip } from './zip.ts';

export const electronZipName = 'game-electron.zip';

const json = (value: unknown): Buffer => Buffer.from(`${JSON.stringify(value, null, 2)}\n`);

/**
 * Writes a desktop app: the game and its main process in `app.asar`, and around it the few files with which
 * `npx electron .` and `npm start` work in the unpacked folder; and whole programs where Electron is at hand.
 */
export const packageElectron = async (packaging: Packaging): Promise<void> => {
  const { project, projectName, templates, workDir, outDir, electronCache: cache, log } = packaging;
  const info = await readAppInfo(project, projectName, templates);
  const app = join(workDir, 'app');
  writeSite(project, packaging.site, join(app, 'site'));
  const manifest = { name: info.slug, productName: info.title, version: info.version, private: true };
  const policy = contentPolicy(packaging.html, packaging.inputs, packaging.log);
  await writeFile(join(app, 'package.json'), json({ ...manifest, main: 'main.cjs', policy }));
  await writeFile(join(app, 'icon.png'), info.icon);
  for (const name of ['main.cjs', 'preload.cjs', 'site.cjs'])
    await copyFile(join(templates, 'electron', name), join(app, name));

  const archive = join(workDir, 'app.asar');
  await createPackageFromFiles(app, archive, await filesOf(app));
  await mkdir(join(outDir, outFolders.download), { recursive: true });
  await writeZip(
    join(outDir, outFolders.download, electronZipName),
    new Map<string, Uint8Array | string>([
      ['app.asar', archive],
      ['start.cjs', join(templates, 'electron', 'start.cjs')],
      ['icon.png', info.icon],
      [
        'package.json',
        json({
          ...manifest,
          main: 'start.cjs',
          scripts: { start: 'electron .' },
          devDependencies: { electron: electronVersion },
        }),
      ],
    ]),
  );
  await packagePrograms({ cache, app, archive, info, workDir, outDir, log });
};

/** Absolute paths of all files and folders, every folder before what it holds: the archive's order is ours. */
const filesOf = async (root: string): Promise<string[]> =>
  (await readdir(root, { recursive: true })).sort(byText).map((path) => join(root, path));
