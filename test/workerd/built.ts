import { env } from 'cloudflare:workers';
import type { Build, BuildTarget } from '../../src/contract/builds.ts';
import type { OutputFile } from '../../src/contract/jobs.ts';
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

/** A build that has succeeded with this site, as a runner that works brings it about. */
export async function finishedBuild(
  as: Account,
  projectId: string,
  site: readonly SiteFile[],
  target: BuildTarget = 'web',
): Promise<Build> {
  const { id } = await queuedBuild(as, projectId, target);
  const claimed = await unwrap(buildRun(env, id).claim());
  if (!claimed) throw new Error('nothing to claim');
  const { attempt } = claimed;
  const token = await signToken(configOf(env), 'build', { sub: id, projectId, attempt }, 60_000);
  const headers = { authorization: `Bearer ${token}` };
  const outputs: OutputFile[] = [];
  for (const { name, mimeType, content } of site) {
    const hash = sha256(content);
    const stored = await call('PUT', `/api/runner/builds/${id}/outputs/${hash}`, { headers, body: content });
    if (stored.status >= 300) throw new Error(`${stored.status} ${await stored.text()}`);
    const size = new TextEncoder().encode(content).length;
    outputs.push({ name, size, sha256: hash, mimeType, role: 'site' });
  }
  const events = [{ type: 'success', outputs, timings: {} }];
  const said = await call('POST', `/api/runner/builds/${id}/events`, { headers, json: { attempt, batch: 1, events } });
  await expectJson(said, 200);
  return (await expectJson<{ build: Build }>(await call('GET', `/api/builds/${id}`, { as }), 200)).build;
}
