import { createHash, createPublicKey, verify, type webcrypto } from 'node:crypto';
import { BlobReader, Uint8ArrayWriter, ZipReader } from '@zip.js/zip.js';
import * as z from 'zod';
import { Sha256 } from '../../src/contract/ids.ts';
import { DsseEnvelope } from '../../src/contract/jobs.ts';

const Statement = z.object({
  _type: z.literal('https://in-toto.io/Statement/v1'),
  subject: z.array(z.object({ name: z.string(), digest: z.object({ sha256: Sha256 }) })),
  predicateType: z.literal('https://slsa.dev/provenance/v1'),
  predicate: z.object({
    buildDefinition: z.object({
      externalParameters: z.object({ projectId: z.string(), target: z.string() }),
      resolvedDependencies: z.array(
        z.object({ uri: z.string().optional(), name: z.string().optional(), digest: z.object({ sha256: Sha256 }) }),
      ),
    }),
    runDetails: z.object({ builder: z.object({ id: z.string() }), metadata: z.object({ invocationId: z.string() }) }),
  }),
});

const Bom = z.object({
  bomFormat: z.literal('CycloneDX'),
  specVersion: z.string(),
  components: z.array(z.object({ purl: z.string().startsWith('pkg:') })),
});

const KeySet = z.object({ keys: z.array(z.looseObject({ kty: z.string(), kid: z.string() })) });

export interface Claimed {
  readonly file: Uint8Array;
  readonly provenance: string;
  readonly sbom: string;
  /** The platform's JWKS, as text. */
  readonly keys: string;
}

/** What is wrong with an artifact, in words for whoever checks it. */
export class NotGenuine extends Error {}

const sha256 = (bytes: string | Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const read = <T>(schema: z.ZodType<T>, text: string, what: string): T => {
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    throw new NotGenuine(`${what} is not what it should be.`, { cause: error });
  }
};

/**
 * Checks that a download is one of the files that a statement signed by the platform names, that the bill of
 * materials is that statement's too, and, for the zip of a website, that every file in it is one that was
 * served. Returns what is known of it, line by line; throws `NotGenuine`.
 */
export const verifyArtifact = async ({ file, provenance, sbom, keys }: Claimed): Promise<string[]> => {
  const envelope = read(DsseEnvelope, provenance, 'The provenance');
  const kid = verifiedBy(envelope, read(KeySet, keys, 'The key set'));
  if (envelope.payloadType !== 'application/vnd.in-toto+json')
    throw new NotGenuine(`The provenance is signed as ${envelope.payloadType}.`);
  const payload = Buffer.from(envelope.payload, 'base64').toString('utf8');
  const { subject, predicate } = read(Statement, payload, 'The signed statement');
  const hashes = new Map(subject.map(({ name, digest }) => [name, digest.sha256]));

  const hash = sha256(file);
  const name = [...hashes].find(([path, digest]) => path.startsWith('downloads/') && digest === hash)?.[0];
  if (name === undefined) throw new NotGenuine(`No download of the statement has the SHA-256 ${hash}.`);
  if (hashes.get('reports/sbom.cdx.json') !== sha256(sbom))
    throw new NotGenuine('The bill of materials is not the one that the statement names.');
  const { components } = read(Bom, sbom, 'The bill of materials');
  const site = new Map(
    [...hashes].flatMap(([path, digest]) => (path.startsWith('site/') ? [[path.slice('site/'.length), digest]] : [])),
  );
  if (site.size > 0) await compareSite(file, site);

  const { buildDefinition, runDetails } = predicate;
  return [
    `${name.slice('downloads/'.length)}: SHA-256 ${hash}`,
    `signed with key ${kid}, by ${runDetails.builder.id}, as ${runDetails.metadata.invocationId}`,
    `target ${buildDefinition.externalParameters.target} of project ${buildDefinition.externalParameters.projectId}`,
    ...buildDefinition.resolvedDependencies.map((made) => `from ${made.uri ?? made.name}: ${made.digest.sha256}`),
    ...(site.size > 0 ? [`${site.size} files, each as served`] : []),
    `${components.length} packages in the bill of materials`,
  ];
};

const verifiedBy = (envelope: DsseEnvelope, { keys }: z.infer<typeof KeySet>): string => {
  const { payloadType } = envelope;
  const payload = Buffer.from(envelope.payload, 'base64');
  const head = Buffer.from(`DSSEv1 ${Buffer.byteLength(payloadType)} ${payloadType} ${payload.byteLength} `);
  for (const { keyid, sig } of envelope.signatures) {
    const jwk = keys.find(({ kid }) => kid === keyid);
    if (jwk === undefined || jwk.kty !== 'OKP') continue;
    const key = createPublicKey({ key: jwk as webcrypto.JsonWebKey, format: 'jwk' });
    if (verify(null, Buffer.concat([head, payload]), key, Buffer.from(sig, 'base64'))) return keyid;
  }
  throw new NotGenuine('No signature of the provenance is by a key of the platform.');
};

const compareSite = async (file: Uint8Array, site: ReadonlyMap<string, string>): Promise<void> => {
  const zip = new ZipReader(new BlobReader(new Blob([new Uint8Array(file)])), { useWebWorkers: false });
  try {
    const entries = await zip.getEntries();
    const left = new Map(site);
    for (const entry of entries) {
      const bytes = entry.directory ? undefined : await entry.getData(new Uint8ArrayWriter());
      const expected = left.get(entry.filename);
      left.delete(entry.filename);
      if (bytes === undefined || expected !== sha256(bytes))
        throw new NotGenuine(`${entry.filename} in the zip is not the file that was served.`);
    }
    const [missing] = left.keys();
    if (missing !== undefined) throw new NotGenuine(`${missing} is missing from the zip.`);
  } finally {
    await zip.close();
  }
};
