import { env } from 'cloudflare:workers';
import type { Build, BuildTarget } from '../../src/contract/builds.ts';
import { frames } from '../../src/contract/frames.ts';
import type { OutputFile, RunnerEvent } from '../../src/contract/jobs.ts';
import { configOf } from '../../src/core/config.ts';
import { signToken } from '../../src/core/tokens.ts';
import { sha256 } from '../../src/core/tree.ts';
import { unwrap } from '../../src/durable-objects/rpc.ts';
import { buildRun } from '../../src/durable-objects/stubs.ts';
import { type Account, call, expectJson } from './support.ts';

export interface SiteFile {
  readonly name: string;
  readonly mimeType: string;
  readonly content: string;
}

export const page = (content: string): SiteFile => ({ name: 'index.html', mimeType: 'text/html', content });

let edits = 0;
/** A new build of a tree that was never built before, queued. */
export async function queuedBuild(as: Account, projectId: string, target: BuildTarget = 'web'): Promise<Build> {
  edits += 1;
  const path = `/api/projects/${projectId}/files/built-${edits}.txt`;
  await expectJson(await call('PUT', path, { as, json: { content: String(edits) } }), 201);
  const made = await call('POST', '/api/builds', { as, json: { projectId, target } });
  return (await expectJson<{ build: Build }>(made, 202)).build;
}

/** Batches of one attempt are numbered, whichever helper sends them. */
const batches = new Map<string, number>();
function nextBatch(buildId: string, attempt: number): number {
  const key = `${buildId}:${attempt}`;
  const next = (batches.get(key) ?? 0) + 1;
  batches.set(key, next);
  return next;
}

/** A runner as the platform sees one: its token, be it of another build, and what it may call with it. */
export async function runnerIn(
  projectId: string,
  buildId: string,
  attempt: number,
  { tokenOf = buildId, ttl = 60_000 }: { readonly tokenOf?: string; readonly ttl?: number } = {},
) {
  const token = await signToken(configOf(env), 'build', { sub: tokenOf, projectId, attempt }, ttl);
  const headers = { authorization: `Bearer ${token}` };
  return {
    start: (execution: string) =>
      call('POST', `/api/runner/builds/${buildId}/start`, { headers, json: { attempt, execution } }),
    manifest: () => call('GET', `/api/runner/builds/${buildId}/manifest`, { headers }),
    blob: (hash: string) => call('GET', `/api/runner/builds/${buildId}/blobs/${hash}`, { headers }),
    blobs: (hashes: readonly string[]) =>
      call('POST', `/api/runner/builds/${buildId}/blobs`, { headers, json: { hashes } }),
    outputs: (body: Uint8Array<ArrayBuffer>) =>
      call('POST', `/api/runner/builds/${buildId}/outputs`, {
        headers: { ...headers, 'content-type': 'application/octet-stream' },
        body,
      }),
    missing: (hashes: readonly string[]) =>
      call('POST', `/api/runner/builds/${buildId}/outputs/missing`, { headers, json: { hashes } }),
    output: (hash: string, body: BodyInit) =>
      call('PUT', `/api/runner/builds/${buildId}/outputs/${hash}`, { headers, body }),
    success: (batch: object, contents: readonly { hash: string; bytes: Uint8Array }[]) => {
      const head = new TextEncoder().encode(JSON.stringify({ attempt, batch: nextBatch(buildId, attempt), ...batch }));
      return call('POST', `/api/runner/builds/${buildId}/success`, {
        headers: { ...headers, 'content-type': 'application/octet-stream' },
        body: frames([{ hash: sha256(head), bytes: head }, ...contents]),
      });
    },
    provenance: (stated: object) =>
      call('POST', `/api/runner/builds/${buildId}/provenance`, { headers, json: { attempt, lock: null, ...stated } }),
    events: (events: RunnerEvent[], number = nextBatch(buildId, attempt), vacant = false) =>
      call('POST', `/api/runner/builds/${buildId}/events`, {
        headers,
        json: { attempt, batch: number, events, vacant },
      }),
  };
}

/** A build that waits is given to a runner. */
export const claim = async (id: string) => {
  const claimed = await unwrap(buildRun(env, id).claim());
  if (!claimed) throw new Error('nothing to claim');
  return claimed;
};

/** A build that has succeeded with this site, as a runner that works brings it about. */
export async function finishedBuild(
  as: Account,
  projectId: string,
  site: readonly SiteFile[],
  target: BuildTarget = 'web',
): Promise<Build> {
  const { id } = await queuedBuild(as, projectId, target);
  const { attempt } = await claim(id);
  const runner = await runnerIn(projectId, id, attempt);
  const outputs: OutputFile[] = [];
  for (const { name, mimeType, content } of site) {
    const hash = sha256(content);
    const stored = await runner.output(hash, content);
    if (stored.status >= 300) throw new Error(`${stored.status} ${await stored.text()}`);
    const size = new TextEncoder().encode(content).length;
    outputs.push({ name, size, sha256: hash, mimeType, role: 'site' });
  }
  await expectJson(await runner.events([{ type: 'success', outputs, timings: {} }]), 200);
  return (await expectJson<{ build: Build }>(await call('GET', `/api/builds/${id}`, { as }), 200)).build;
}
