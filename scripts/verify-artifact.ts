// `npm run verify-artifact FILE`: whether a download is what the platform says it built, and of what.
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { NotGenuine, verifyArtifact } from './lib/artifact.ts';
import { fail, readArguments } from './lib/command.ts';

const usage = `usage: npm run verify-artifact FILE -- [--provenance FILE] [--sbom FILE] [--keys URL|FILE]
  FILE           a download of a build, such as game-web.zip
  --provenance   its provenance.json (beside FILE)
  --sbom         its sbom.cdx.json (beside FILE)
  --keys         the platform's public keys (http://localhost:8787/.well-known/jwks.json)
`;

const textOf = async (place: string): Promise<string> => {
  if (!/^https?:\/\//.test(place)) return await readFile(place, 'utf8');
  const response = await fetch(place);
  if (!response.ok) throw new Error(`${place} answers ${response.status}`);
  return await response.text();
};

const { values, positionals } = readArguments(usage, {
  allowPositionals: true,
  options: {
    provenance: { type: 'string' },
    sbom: { type: 'string' },
    keys: { type: 'string', default: 'http://localhost:8787/.well-known/jwks.json' },
  },
});
const [path] = positionals;
if (path === undefined || positionals.length > 1) fail(usage);
const beside = (name: string): string => join(dirname(path), name);
try {
  const lines = await verifyArtifact({
    file: await readFile(path),
    provenance: await textOf(values.provenance ?? beside('provenance.json')),
    sbom: await textOf(values.sbom ?? beside('sbom.cdx.json')),
    keys: await textOf(values.keys),
  });
  process.stdout.write(`${['genuine', ...lines].join('\n  ')}\n`);
} catch (error) {
  fail(error instanceof NotGenuine ? `NOT GENUINE: ${error.message}` : `Cannot check: ${String(error)}`);
}
