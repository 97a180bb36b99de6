import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { extractFile, listPackage, statFile } from '@electron/asar';
import type { BuildTarget } from '../../../src/contract/builds.ts';
import { readZip } from './read-zip.ts';

/** What is in `app.asar`: the files of the app by their paths. */
function inArchive(asar: Buffer): Map<string, Buffer> {
  const folder = mkdtempSync(join(tmpdir(), 'kiln-asar-'));
  try {
    const file = join(folder, 'app.asar');
    writeFileSync(file, asar);
    const paths = listPackage(file, { isPack: false }).map((path) => path.slice(1));
    return new Map(
      paths.flatMap((path) => ('files' in statFile(file, path) ? [] : [[path, extractFile(file, path)] as const])),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const below = (folder: string, files: Iterable<readonly [string, Buffer]>): Map<string, Buffer> =>
  new Map([...files].flatMap(([path, bytes]) => (path.startsWith(folder) ? [[path.slice(folder.length), bytes]] : [])));

/** The web content of a download of any target: the files that its page finds, by their paths. */
export function contentOf(target: BuildTarget, zip: Buffer): Map<string, Buffer> {
  const entries = new Map(readZip(zip).map(({ name, bytes }) => [name, bytes]));
  if (target === 'web') return entries;
  if (target === 'cordova') return below('www/', entries);
  return below('site/', inArchive(entries.get('app.asar') ?? Buffer.alloc(0)));
}
