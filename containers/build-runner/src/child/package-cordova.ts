import { join } from 'node:path';
import { html as html5, parse, serialize, defaultTreeAdapter as tree } from 'parse5';
import { type AppInfo, readAppInfo } from './app-info.ts';
import { contentPolicy } from './content-policy.ts';
import { type Packaging, writeSite } from './package-web.ts';
import { outFolders } from './protocol.ts';
import { writeZip, type ZipEntry } from './zip.ts';

export const cordovaZipName = 'game-cordova.zip';

/** Where the icon lies in the project; `cordova prepare` makes of it what a platform wants. */
const iconPath = 'res/icon.png';

/** Writes a Cordova project: `cordova platform add android` or `ios` and `cordova build` make the app of it. */
export const packageCordova = async (packaging: Packaging): Promise<void> => {
  const { project, projectName, templates, workDir, outDir } = packaging;
  const info = await readAppInfo(project, projectName, templates);
  const entries = new Map<string, ZipEntry>();
  for (const [path, file] of writeSite(project, packaging.site, join(workDir, 'www'))) entries.set(`www/${path}`, file);
  const policy = contentPolicy(packaging.html, packaging.inputs, packaging.log);
  entries.set('www/index.html', Buffer.from(withBridge(packaging.html, policy)));
  entries.set(iconPath, info.icon);
  entries.set('config.xml', Buffer.from(configOf(info)));
  const manifest = { name: info.slug, displayName: info.title, version: info.version, private: true };
  entries.set('package.json', Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`));
  await writeZip(join(outDir, outFolders.download, cordovaZipName), entries);
};

/** The page with its policy, and with the script through which a device speaks to it; the platform puts that file beside it. */
const withBridge = (page: string, policy: string): string => {
  const document = parse(page);
  const root = document.childNodes.find((node) => node.nodeName === 'html');
  const head =
    root === undefined || !tree.isElementNode(root)
      ? undefined
      : root.childNodes.find((node) => node.nodeName === 'head');
  if (head === undefined || !tree.isElementNode(head)) return page;
  const bridge = tree.createElement('script', html5.NS.HTML, [{ name: 'src', value: 'cordova.js' }]);
  const meta = tree.createElement('meta', html5.NS.HTML, [
    { name: 'http-equiv', value: 'Content-Security-Policy' },
    { name: 'content', value: policy },
  ]);
  // A policy holds for what comes after it.
  for (const element of [bridge, meta]) {
    const [first] = head.childNodes;
    if (first === undefined) tree.appendChild(head, element);
    else tree.insertBefore(head, element, first);
  }
  return serialize(document);
};

const escapeXml = (text: string): string => text.replace(/[<>&"']/g, (character) => `&#${character.codePointAt(0)};`);

/** https://cordova.apache.org/docs/en/latest/config_ref/ */
const configOf = ({ id, version, title }: AppInfo): string => `<?xml version="1.0" encoding="utf-8"?>
<widget id="${id}" version="${escapeXml(version)}" xmlns="http://www.w3.org/ns/widgets" xmlns:cdv="http://cordova.apache.org/ns/1.0">
    <name>${escapeXml(title)}</name>
    <content src="index.html" />
    <icon src="${iconPath}" />
    <access origin="*" />
    <preference name="Fullscreen" value="true" />
    <preference name="Orientation" value="default" />
    <preference name="BackgroundColor" value="0xff000000" />
    <preference name="DisallowOverscroll" value="true" />
</widget>
`;
