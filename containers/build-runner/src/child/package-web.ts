import { createWriteStream } from 'node:fs';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ZipFile } from 'yazl';
import { byText } from './order.ts';
import { type Project, publicFolder } from './project.ts';
import { outFolders } from './protocol.ts';

/** Files of a site: bytes, or the project file that is copied. */
export type SiteFile = Uint8Array | { readonly copyOf: string };
export type Site = ReadonlyMap<string, SiteFile>;

/** The name of the download that itch.io and the like take: `index.html` at its root, relative URLs only. */
export const zipName = 'game-web.zip';

/** The first moment that the ZIP format knows; a real time would make every build differ. */
const zipTime = new Date(1980, 0, 1);

/** Formats that are compressed already; deflating them again costs time and saves nothing. */
const packed = /\.(?:png|jpe?g|gif|webp|avif|ktx2|basis|mp3|ogg|oga|opus|m4a|aac|mp4|webm|woff2?|zip|gz|br|drc)$/i;

/** Folders of media that plain games load by their path at run time, without naming them in an import. */
const runtimeFolders = /^(?:assets|static)\//;

/** Files of the project that are served as they are: `public/` at the root, and media in `assets/` that the bundle did not take in. */
export const staticFiles = (
  project: Project,
  isSource: (path: string) => boolean,
  bundled: ReadonlySet<string>,
): Map<string, SiteFile> => {
  const site = new Map<string, SiteFile>();
  for (const path of project.files) {
    if (runtimeFolders.test(path) && !isSource(path) && !bundled.has(path)) site.set(path, { copyOf: path });
  }
  for (const path of project.files) {
    if (path.startsWith(`${publicFolder}/`)) site.set(path.slice(publicFolder.length + 1), { copyOf: path });
  }
  return site;
};

/** Writes the site and its zip into `outDir`. */
export const packageWeb = async (project: Project, site: Site, outDir: string): Promise<void> => {
  const entries = [...site].sort(([a], [b]) => byText(a, b));
  const root = join(outDir, outFolders.site);
  for (const [path, file] of entries) {
    const target = join(root, path);
    await mkdir(dirname(target), { recursive: true });
    if (file instanceof Uint8Array) await writeFile(target, file);
    else await copyFile(join(project.root, file.copyOf), target);
  }
  const zip = new ZipFile();
  for (const [path] of entries) {
    zip.addFile(join(root, path), path, {
      mtime: zipTime,
      mode: 0o100644,
      compress: !packed.test(path),
      forceDosTimestamp: true,
    });
  }
  zip.end();
  await mkdir(join(outDir, outFolders.download), { recursive: true });
  await pipeline(zip.outputStream, createWriteStream(join(outDir, outFolders.download, zipName)));
};
