import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { parse, serialize, defaultTreeAdapter as tree } from 'parse5';
import { allElements, type Element } from '../../../../src/core/game/elements.ts';
import { readAppInfo } from './app-info.ts';
import { byText } from './order.ts';
import type { Packaging, Site, SiteFile } from './package-web.ts';

const worker = 'sw.js';
const registration = 'register-sw.js';
const appManifest = 'manifest.webmanifest';
const icon = 'app-icon.png';

/**
 * The site with what makes it play without a network: a service worker that keeps every file of it (Workbox's runtime,
 * with the list put in), and a manifest by which it is installed. The same site gives the same bytes. What the
 * project brings itself stays: its own worker, its own manifest.
 */
export const addOffline = async (packaging: Packaging): Promise<Site> => {
  const { site, log, templates } = packaging;
  const own = [worker, registration].find((name) => site.has(name));
  if (own !== undefined) {
    log({ level: 'warn', step: 'package', message: `The game has a ${own} of its own, so none is made for offline.` });
    return site;
  }
  const files = new Map(site);
  const document = parse(packaging.html);
  const elements = [...allElements(document)];
  const head = elements.find(({ tagName }) => tagName === 'head');
  const hasManifest = elements.some(
    (element) => element.tagName === 'link' && attributeOf(element, 'rel').split(/\s+/).includes('manifest'),
  );
  if (head !== undefined && !hasManifest && !files.has(appManifest)) {
    for (const [path, bytes] of await makeManifest(packaging)) files.set(path, bytes);
    tree.appendChild(head, element('link', { rel: 'manifest', href: appManifest }));
  }
  files.set(registration, await readFile(join(templates, 'web', registration)));
  if (head !== undefined) tree.appendChild(head, element('script', { src: registration, defer: '' }));
  files.set('index.html', Buffer.from(serialize(document)));
  const entries = await Promise.all(
    [...files]
      .sort(([a], [b]) => byText(a, b))
      .map(async ([path, file]) => {
        const bytes = file instanceof Uint8Array ? file : await readFile(join(packaging.project.root, file.copyOf));
        // Each segment as a URL has it: `#` and `?` in names would end the path.
        const url = path.split('/').map(encodeURIComponent).join('/');
        return { url, revision: createHash('sha256').update(bytes).digest('hex').slice(0, 20), size: bytes.byteLength };
      }),
  );
  files.set(worker, await bundleWorker(templates, entries));
  const size = entries.reduce((sum, entry) => sum + entry.size, 0);
  log({
    level: 'info',
    step: 'package',
    message: `Plays offline: ${entries.length} files, ${(size / 1024 / 1024).toFixed(1)} MiB, are kept by the browser.`,
  });
  return files;
};

const bundleWorker = async (
  templates: string,
  entries: readonly { url: string; revision: string }[],
): Promise<Uint8Array> => {
  const list = JSON.stringify(entries.map(({ url, revision }) => ({ url, revision })));
  const result = await build({
    entryPoints: [join(templates, 'web', worker)],
    bundle: true,
    write: false,
    minify: true,
    format: 'iife',
    target: 'es2020',
    legalComments: 'inline',
    logLevel: 'silent',
    define: { KILN_SITE_FILES: list, 'process.env.NODE_ENV': '"production"' },
  });
  const [output] = result.outputFiles;
  if (output === undefined) throw new Error('esbuild made no service worker');
  return output.contents;
};

/** https://www.w3.org/TR/appmanifest/. Everything is relative, so that the site may lie anywhere. */
const makeManifest = async ({ project, projectName, templates }: Packaging): Promise<Map<string, SiteFile>> => {
  const app = await readAppInfo(project, projectName, templates);
  const header = Buffer.from(app.icon.buffer, app.icon.byteOffset, app.icon.byteLength);
  // Width and height of a PNG are the first words of its first chunk.
  const sizes = `${header.readUInt32BE(16)}x${header.readUInt32BE(20)}`;
  const manifest = {
    name: app.title,
    short_name: app.title.slice(0, 30),
    id: './',
    start_url: './',
    scope: './',
    display: 'fullscreen',
    background_color: '#000000',
    theme_color: '#000000',
    icons: [{ src: icon, sizes, type: 'image/png', purpose: 'any' }],
  };
  return new Map<string, SiteFile>([
    [appManifest, Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`)],
    [icon, app.icon],
  ]);
};

const attributeOf = (of: Element, name: string): string => of.attrs.find((attr) => attr.name === name)?.value ?? '';

const element = (tagName: string, attributes: Readonly<Record<string, string>>): Element => {
  const attrs = Object.entries(attributes).map(([name, value]) => ({ name, value }));
  return tree.createElement(tagName, 'http://www.w3.org/1999/xhtml' as Element['namespaceURI'], attrs);
};
