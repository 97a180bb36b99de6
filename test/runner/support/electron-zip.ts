import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { NtExecutable, NtExecutableResource, Resource } from 'resedit';
import { ZipFile } from 'yazl';

/** What `@electron/fuses` looks for in a program: its mark, version 1 of the wire, nine fuses, as Electron 45 is released. */
const fuses = Buffer.concat([
  Buffer.from('dL7pKGdnNz796PbbjQWNKmHXBZaB9tsX'),
  Buffer.from([1, 9]),
  Buffer.from('101100011'),
]);

/**
 * A program that, as Electron's own does, starts what lies beside it: it says the archive that it would load. A shell reads no
 * further than `exit`.
 */
const linuxProgram = Buffer.concat([
  Buffer.from('#!/bin/sh\nhere=$(dirname "$0")\ncat "$here/version"\nls "$here/resources"\nexit 0\n'),
  fuses,
]);

/** A real executable of Windows, with the resources that a packager changes, and the fuses. */
const windowsProgram = (): Buffer => {
  const exe = NtExecutable.createEmpty(false, false);
  const resources = NtExecutableResource.from(exe);
  const version = Resource.VersionInfo.createEmpty();
  version.lang = 1033;
  version.setStringValues({ lang: 1033, codepage: 1200 }, { ProductName: 'Electron', FileVersion: '45.5.0' });
  version.outputToResourceEntries(resources.entries);
  const bytes = new Uint8Array(fuses);
  resources.entries.push({ type: 'FUSES', id: 1, lang: 1033, codepage: 1200, bin: bytes.buffer });
  resources.outputResource(exe);
  return Buffer.from(exe.generate());
};

/**
 * Writes a zip of the layout of Electron's releases (`electron-v<version>-<platform>-<arch>.zip`) into `dir`. It stands for a real
 * one, which comes from GitHub only and not with a package: so what these tests see is what the packager and the runner do with it,
 * and not Electron starting.
 */
export const writeElectronZip = async (
  dir: string,
  release: { version: string; platform: string; arch: string; link?: string },
): Promise<void> => {
  const { version, platform, arch } = release;
  const zip = new ZipFile();
  const add = (name: string, bytes: Buffer | string, mode = 0o100644): void =>
    zip.addBuffer(Buffer.from(bytes), name, { mode });
  if (platform === 'win32') add('electron.exe', windowsProgram());
  else {
    add('electron', linuxProgram, 0o100755);
    add('chrome-sandbox', '#!/bin/sh\n', 0o104755);
  }
  if (release.link !== undefined) add('extra', release.link, 0o120777);
  add('LICENSE', 'MIT');
  add('LICENSES.chromium.html', '<!doctype html>');
  add('version', `${version}\n`);
  add('resources.pak', 'pak');
  add('locales/en-US.pak', 'pak');
  add('resources/default_app.asar', 'not the game');
  zip.end();
  await mkdir(dir, { recursive: true });
  await pipeline(zip.outputStream, createWriteStream(join(dir, `electron-v${version}-${platform}-${arch}.zip`)));
};
