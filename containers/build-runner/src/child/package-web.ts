import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { byText } from './order.ts';
import type { Project } from './project.ts';
import { outFolders } from './protocol.ts';
import type { Log } from './report.ts';
import { writeZip, type ZipEntry } from './zip.ts';

/** Files of a site: bytes, or the project file that is copied. */
export type SiteFile = Uint8Array | { readonly copyOf: string };
export type Site = ReadonlyMap<string, SiteFile>;

/** The name of the download that itch.io and the like take: `index.html` at its root, relative URLs only. */
export const zipName = 'game-web.zip';

/** What every packager works on. */
export interface Packaging {
  readonly project: Project;
  readonly projectName: string;
  readonly site: Site;
  /** The page of the site. */
  readonly html: string;
  /** Project-relative paths of all that is in the bundle. */
  readonly inputs: ReadonlySet<string>;
  readonly outDir: string;
  /** A folder for what is not part of the result. */
  readonly workDir: string;
  /** Folder of the files that a packaged app consists of besides the game. */
  readonly templates: string;
  /** Folder of Electron's release zips; null where there is none. */
  readonly electronCache: string | null;
  readonly log: Log;
  /** Called when the site is written whole, while packages of it are still to be made. */
  readonly onWritten: () => void;
}

/**
 * Writes the files of a site below `root`; what a ZIP file takes of each, by their paths in the site, sorted. Synchronous, as a child has
 * nothing else to do, and a thread for each file takes longer than the file.
 */
export const writeSite = (project: Project, site: Site, root: string): Map<string, ZipEntry> => {
  const written = new Map<string, ZipEntry>();
  const folders = new Set<string>();
  for (const [path, file] of [...site].sort(([a], [b]) => byText(a, b))) {
    const target = join(root, path);
    const folder = dirname(target);
    if (!folders.has(folder)) mkdirSync(folder, { recursive: true });
    folders.add(folder);
    if (file instanceof Uint8Array) writeFileSync(target, file);
    else copyFileSync(join(project.root, file.copyOf), target);
    written.set(path, file instanceof Uint8Array ? file : target);
  }
  return written;
};

/** Writes the site, which the platform serves, and its zip. */
export const packageWeb = async ({ project, site, outDir, onWritten }: Packaging): Promise<void> => {
  const written = writeSite(project, site, join(outDir, outFolders.site));
  onWritten();
  await writeZip(join(outDir, outFolders.download, zipName), written);
};
