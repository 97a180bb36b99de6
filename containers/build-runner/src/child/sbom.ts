import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { property } from '../../../../src/core/game/json.ts';
import { byText } from './order.ts';
import { admit, type Project } from './project.ts';
import { outFolders } from './protocol.ts';

export const sbomName = 'sbom.cdx.json';

interface Component {
  readonly type: 'library';
  readonly 'bom-ref': string;
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly licenses?:
    | readonly [{ readonly expression: string }]
    | readonly [{ readonly license: { readonly name: string } }];
  readonly hashes?: readonly { readonly alg: 'SHA-512'; readonly content: string }[];
}

/**
 * Writes the bill of materials (CycloneDX 1.6 JSON, ECMA-424): the packages whose files are really in the
 * bundle, from its metafile, with the hashes of the tarballs that they came from. It has neither a
 * time nor a serial number, so that the same build gives the same bytes.
 */
export const writeSbom = async (
  project: Project,
  projectName: string,
  inputs: ReadonlySet<string>,
  outDir: string,
): Promise<void> => {
  const roots = new Set([...inputs].flatMap((path) => packageRoot(path) ?? []));
  const lock = await readLock(project);
  const found = await Promise.all([...roots].map((root) => describe(project, root, property(lock, root))));
  // One package may lie at several places of the tree.
  const components = [
    ...new Map(
      found.flatMap((component) => (component === null ? [] : [[component.purl, component] as const])),
    ).values(),
  ];
  components.sort((a, b) => byText(a.purl, b.purl));
  const bom = {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: { component: { type: 'application', 'bom-ref': 'game', name: projectName } },
    components,
    dependencies: [{ ref: 'game', dependsOn: components.map((component) => component['bom-ref']) }],
  };
  const folder = join(outDir, outFolders.report);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, sbomName), `${JSON.stringify(bom, null, 2)}\n`);
};

/** `node_modules/a/node_modules/@b/c/lib/x.js` → `node_modules/a/node_modules/@b/c`. */
const packageRoot = (path: string): string | null =>
  /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? null;

/** The `packages` section of the lock beside the installed tree. */
const readLock = async (project: Project): Promise<unknown> => {
  if (project.modulesDir === null) return undefined;
  return property(
    JSON.parse(await readFile(join(dirname(project.modulesDir), 'package-lock.json'), 'utf8')),
    'packages',
  );
};

const describe = async (project: Project, root: string, locked: unknown): Promise<Component | null> => {
  const path = join(project.root, root, 'package.json');
  if ((await admit(project, path)) === null) return null;
  const manifest: unknown = JSON.parse(await readFile(path, 'utf8'));
  const [name, version, license] = [
    property(manifest, 'name'),
    property(manifest, 'version'),
    property(manifest, 'license'),
  ];
  if (typeof name !== 'string' || typeof version !== 'string') return null;
  // https://github.com/package-url/purl-spec: the scope is a namespace, its @ is escaped.
  const purl = `pkg:npm/${name.replace(/^@/, '%40')}@${version}`;
  const integrity = property(locked, 'integrity');
  const sha512 =
    typeof integrity === 'string' ? /(?:^|\s)sha512-(?<hash>[A-Za-z\d+/=]+)/.exec(integrity)?.groups?.hash : undefined;
  return {
    type: 'library',
    'bom-ref': purl,
    name,
    version,
    purl,
    ...(typeof license !== 'string' ? {} : { licenses: licensesOf(license) }),
    ...(sha512 === undefined
      ? {}
      : { hashes: [{ alg: 'SHA-512', content: Buffer.from(sha512, 'base64').toString('hex') }] }),
  };
};

/** An SPDX expression, or whatever else its author wrote. */
const licensesOf = (license: string): NonNullable<Component['licenses']> =>
  /^[A-Za-z\d.+()\- ]+$/.test(license) && !/^SEE /i.test(license)
    ? [{ expression: license }]
    : [{ license: { name: license } }];
