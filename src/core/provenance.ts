import { Buffer } from 'node:buffer';
import type { BuildOptions, BuildTarget } from '../contract/builds.ts';
import type { DsseEnvelope, ProvenanceRequest } from '../contract/jobs.ts';
import { toolchainVersion } from './build-key.ts';
import { canonicalJson } from './canonical-json.ts';
import type { Config } from './config.ts';
import { signingKey } from './tokens.ts';

const payloadType = 'application/vnd.in-toto+json';

/** What the platform itself knows of the attempt. */
export interface BuildFacts {
  readonly buildId: string;
  readonly projectId: string;
  readonly attempt: number;
  readonly target: BuildTarget;
  readonly options: BuildOptions;
  readonly treeHash: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number | null;
}

/** Folder of a role in the names of a statement's subjects: a site file and a download may be called the same. */
const folders = { site: 'site', download: 'downloads', report: 'reports', prebundle: 'prebundle' } as const;

/** An in-toto statement (v1) with SLSA provenance (v1, https://slsa.dev/spec/v1.0/provenance). */
export const provenanceStatement = (facts: BuildFacts, stated: ProvenanceRequest, origin: string): object => ({
  _type: 'https://in-toto.io/Statement/v1',
  subject: stated.outputs.map(({ name, sha256, role }) => ({ name: `${folders[role]}/${name}`, digest: { sha256 } })),
  predicateType: 'https://slsa.dev/provenance/v1',
  predicate: {
    buildDefinition: {
      buildType: 'urn:kiln:build:1',
      externalParameters: { projectId: facts.projectId, target: facts.target, options: facts.options },
      internalParameters: { toolchain: toolchainVersion },
      resolvedDependencies: [
        { uri: `urn:kiln:tree:${facts.treeHash}`, digest: { sha256: facts.treeHash } },
        ...(stated.lock === null ? [] : [{ name: 'package-lock.json', digest: { sha256: stated.lock } }]),
      ],
    },
    runDetails: {
      builder: { id: `${origin}/api/runner` },
      metadata: {
        invocationId: `urn:kiln:build:${facts.buildId}:${facts.attempt}`,
        ...(facts.startedAt === null ? {} : { startedOn: new Date(facts.startedAt).toISOString() }),
      },
    },
  },
});

/** Signs a statement. What is signed begins with `DSSEv1`, so that it can never be taken for a token, and no token for it. */
export const signStatement = async (config: Config, statement: object): Promise<DsseEnvelope> => {
  const { kid, key } = await signingKey(config);
  const payload = Buffer.from(canonicalJson(statement));
  // PAE, https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
  const signed = Buffer.concat([
    Buffer.from(`DSSEv1 ${payloadType.length} ${payloadType} ${payload.byteLength} `),
    payload,
  ]);
  const sig = Buffer.from(await crypto.subtle.sign('Ed25519', key, signed)).toString('base64');
  return { payloadType, payload: payload.toString('base64'), signatures: [{ keyid: kid, sig }] };
};
