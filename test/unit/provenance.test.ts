import { createHash } from 'node:crypto';
import { BlobWriter, TextReader, ZipWriter } from '@zip.js/zip.js';
import { exportJWK, generateKeyPair } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Claimed, NotGenuine, verifyArtifact } from '../../scripts/lib/artifact.ts';
import type { DsseEnvelope } from '../../src/contract/jobs.ts';
import { type Config, parseConfig } from '../../src/core/config.ts';
import { type BuildFacts, provenanceStatement, signStatement } from '../../src/core/provenance.ts';
import { publicKeys, signToken } from '../../src/core/tokens.ts';

const origin = 'https://kiln.example';
const sha256 = (bytes: string | Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const newConfig = async (kid: string): Promise<Config> => {
  const { privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
  return parseConfig({
    KILN_ENV: 'production',
    APP_ORIGIN: origin,
    CONTENT_HOST: 'kiln-content.example',
    AUTH_KEYS: JSON.stringify([{ ...(await exportJWK(privateKey)), kid }]),
  });
};

const facts: BuildFacts = {
  buildId: 'build',
  projectId: 'project',
  attempt: 2,
  target: 'web',
  options: { minify: true, sourcemap: false, typecheck: false, optimizeAssets: false, define: {} },
  treeHash: sha256('tree'),
  startedAt: 0,
};
const sbom = JSON.stringify({ bomFormat: 'CycloneDX', specVersion: '1.6', components: [{ purl: 'pkg:npm/a@1' }] });

const zipOf = async (files: Readonly<Record<string, string>>): Promise<Uint8Array> => {
  const zip = new ZipWriter(new BlobWriter(), { useWebWorkers: false });
  for (const [name, text] of Object.entries(files)) await zip.add(name, new TextReader(text));
  return new Uint8Array(await (await zip.close()).arrayBuffer());
};

let config: Config;
let claimed: Claimed;
let envelope: DsseEnvelope;

beforeAll(async () => {
  config = await newConfig('first');
  const file = await zipOf({ 'index.html': '<p>', 'a.js': '1' });
  const outputs = [
    { name: 'game-web.zip', sha256: sha256(file), role: 'download' as const },
    { name: 'sbom.cdx.json', sha256: sha256(sbom), role: 'report' as const },
    { name: 'index.html', sha256: sha256('<p>'), role: 'site' as const },
    { name: 'a.js', sha256: sha256('1'), role: 'site' as const },
  ];
  const statement = provenanceStatement(facts, { attempt: 2, outputs, lock: sha256('lock') }, origin);
  envelope = await signStatement(config, statement);
  const keys = JSON.stringify({ keys: publicKeys(config) });
  claimed = { file, provenance: JSON.stringify(envelope), sbom, keys };
});

const verdict = async (change: Partial<Claimed>): Promise<string> =>
  await verifyArtifact({ ...claimed, ...change }).then(
    () => 'genuine',
    (error: unknown) => (error instanceof NotGenuine ? error.message : String(error)),
  );

const resigned = async (change: (statement: Record<string, unknown>) => void, by = config): Promise<string> => {
  const statement = JSON.parse(Buffer.from(envelope.payload, 'base64').toString()) as Record<string, unknown>;
  change(statement);
  return JSON.stringify(await signStatement(by, statement));
};

describe('provenance', () => {
  it('says what was built of what, for whom and by whom', () => {
    const statement: unknown = JSON.parse(Buffer.from(envelope.payload, 'base64').toString());
    expect(statement).toMatchObject({
      _type: 'https://in-toto.io/Statement/v1',
      predicateType: 'https://slsa.dev/provenance/v1',
      subject: [{ name: 'downloads/game-web.zip' }, { name: 'reports/sbom.cdx.json' }, {}, {}],
      predicate: {
        buildDefinition: {
          externalParameters: { projectId: 'project', target: 'web', options: { minify: true } },
          resolvedDependencies: [
            { uri: `urn:kiln:tree:${sha256('tree')}` },
            { name: 'package-lock.json', digest: { sha256: sha256('lock') } },
          ],
        },
        runDetails: {
          builder: { id: `${origin}/api/runner` },
          metadata: { invocationId: 'urn:kiln:build:build:2', startedOn: '1970-01-01T00:00:00.000Z' },
        },
      },
    });
  });

  it('verifies with the public keys alone', async () => {
    expect(await verifyArtifact(claimed)).toEqual(
      expect.arrayContaining([
        `game-web.zip: SHA-256 ${sha256(claimed.file)}`,
        expect.stringContaining('signed with key first'),
        '2 files, each as served',
        '1 packages in the bill of materials',
      ]),
    );
  });

  it.each<[string, () => Promise<Partial<Claimed>>, string]>([
    ['a changed file', async () => ({ file: await zipOf({ 'index.html': '<p>' }) }), 'No download of the statement'],
    ['a changed bill of materials', async () => ({ sbom: sbom.replace('a@1', 'b@1') }), 'bill of materials is not'],
    [
      'a changed statement',
      async () => {
        const payload = Buffer.from(envelope.payload, 'base64').toString().replace('"project"', '"another"');
        return { provenance: JSON.stringify({ ...envelope, payload: Buffer.from(payload).toString('base64') }) };
      },
      'No signature',
    ],
    [
      'another payload type',
      async () => ({ provenance: JSON.stringify({ ...envelope, payloadType: 'text/plain' }) }),
      'No signature',
    ],
    [
      'an unknown key',
      async () => ({ keys: JSON.stringify({ keys: publicKeys(await newConfig('other')) }) }),
      'No signature',
    ],
    [
      'another key of the same name',
      async () => ({ keys: JSON.stringify({ keys: publicKeys(await newConfig('first')) }) }),
      'No signature',
    ],
    [
      'a zip that leaves something out',
      async () => ({
        provenance: await resigned((statement) => {
          (statement.subject as object[]).push({ name: 'site/b.js', digest: { sha256: sha256('2') } });
        }),
      }),
      'b.js is missing',
    ],
    [
      'a zip with something else in it',
      async () => ({
        provenance: await resigned((statement) => {
          statement.subject = (statement.subject as { name: string }[]).filter(({ name }) => name !== 'site/a.js');
        }),
      }),
      'a.js in the zip is not',
    ],
    [
      'no statement',
      async () => ({ provenance: await resigned((statement) => delete statement.subject) }),
      'signed statement',
    ],
    ['no JSON', async () => ({ provenance: '<html>' }), 'The provenance is not'],
  ])('refuses %s', async (_title, change, message) => {
    expect(await verdict(await change())).toContain(message);
  });

  it('[71] is never a token, and no token is one', async () => {
    const claims = { sub: 'build', projectId: 'project', attempt: 2 };
    const [header = '', body = '', signature = ''] = (await signToken(config, 'build', claims, 60_000)).split('.');
    const sig = Buffer.from(signature, 'base64url').toString('base64');
    const payload = Buffer.from(`${header}.${body}`).toString('base64');
    const forged = { ...envelope, payload, signatures: [{ keyid: 'first', sig }] };
    expect(await verdict({ provenance: JSON.stringify(forged) })).toContain('No signature');
  });
});
