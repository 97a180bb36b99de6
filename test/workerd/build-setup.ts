import { afterEach, beforeAll, expect } from 'vitest';
import type { Build } from '../../src/contract/builds.ts';
import { newId } from '../../src/contract/ids.ts';
import type { OutputFile } from '../../src/contract/jobs.ts';
import { sha256 } from '../../src/core/tree.ts';
import { runnerIn } from './built.ts';
import { call, database, expectJson, makeWorld, type World } from './support.ts';

/** What `newBuild` has written into it. */
let edits = 0;
/** A project with one page, of a file that called `projectToBuild`. */
export let world: World;

/** The tests of this file share a project, and none finds a place of a running build taken by another. */
export function projectToBuild(): void {
  beforeAll(async () => {
    edits = 0;
    world = await makeWorld({ 'index.html': '<p>game</p>' });
  });
  afterEach(async () => {
    const { results } = await database.prepare("SELECT id FROM builds WHERE status = 'building'").all<{ id: string }>();
    for (const { id } of results) await call('DELETE', `/api/builds/${id}`, { as: world.owner });
  });
}

/** A new build of a tree that was never built before. */
export async function newBuild(): Promise<Build> {
  edits += 1;
  await expectJson(
    await call('PUT', `/api/projects/${world.projectId}/files/counter.txt`, {
      as: world.owner,
      json: { content: String(edits) },
    }),
    edits === 1 ? 201 : 200,
  );
  return (
    await expectJson<{ build: Build }>(
      await call('POST', '/api/builds', { as: world.viewer, json: { projectId: world.projectId } }),
      202,
    )
  ).build;
}

export const show = async (id: string): Promise<Build> =>
  (await expectJson<{ build: Build }>(await call('GET', `/api/builds/${id}`, { as: world.viewer }), 200)).build;

/** The runner of an attempt at a build of this project. */
export const runnerOf = (buildId: string, attempt: number, token: Parameters<typeof runnerIn>[3] = {}) =>
  runnerIn(world.projectId, buildId, attempt, token);

/** Pushes one site file and one download through, as a runner that succeeds. */
export async function succeed(id: string, attempt: number, html = `<h1>${newId()}</h1>`): Promise<OutputFile[]> {
  const runner = await runnerOf(id, attempt);
  const outputs: OutputFile[] = [
    { name: 'index.html', size: html.length, sha256: sha256(html), mimeType: 'text/html', role: 'site' },
    { name: 'game-web.zip', size: html.length, sha256: sha256(html), mimeType: 'application/zip', role: 'download' },
  ];
  expect((await runner.output(sha256(html), html)).status).toBe(201);
  await expectJson(await runner.events([{ type: 'success', outputs, timings: { bundle: 12 } }]), 200);
  return outputs;
}
