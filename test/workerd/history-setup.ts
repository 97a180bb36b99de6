import { beforeAll } from 'vitest';
import type { Checkpoint } from '../../src/contract/checkpoints.ts';
import type { Project } from '../../src/contract/projects.ts';
import { call, expectJson, makeWorld, type World } from './support.ts';

/** The people of a file that called `peopleOfHistory`. */
export let world: World;

/** The tests of this file share their people. */
export function peopleOfHistory(): void {
  beforeAll(async () => {
    world = await makeWorld();
  });
}

/** A project of the owner's with the editor and the viewer as members, and these files. */
export async function newProject(files: Record<string, string>, more: Record<string, unknown> = {}): Promise<string> {
  const created = await call('POST', '/api/projects', { as: world.owner, json: { name: 'History', ...more } });
  const { id } = (await expectJson<{ project: Project }>(created, 201)).project;
  for (const [account, role] of [
    [world.editor, 'editor'],
    [world.viewer, 'viewer'],
  ] as const)
    await expectJson(
      await call('POST', `/api/projects/${id}/collaborators`, { as: world.owner, json: { userId: account.id, role } }),
      201,
    );
  if (Object.keys(files).length)
    await batch(
      id,
      Object.entries(files).map(([path, content]) => put(path, content)),
    );
  return id;
}

export const put = (path: string, content: string) => ({ op: 'put', path, content });
export const batch = async (id: string, operations: unknown, as = world.owner): Promise<void> => {
  await expectJson(await call('POST', `/api/projects/${id}/files/batch`, { as, json: { operations } }), 200);
};
export const contents = async (id: string, as = world.owner): Promise<Record<string, string>> => {
  const { files } = await expectJson<{ files: { path: string }[] }>(
    await call('GET', `/api/projects/${id}/files`, { as }),
    200,
  );
  const found: Record<string, string> = {};
  for (const { path } of files) {
    const answer = await call('GET', `/api/projects/${id}/files/${encodeURI(path)}`, { as });
    found[path] = (await expectJson<{ file: { content: string } }>(answer, 200)).file.content;
  }
  return found;
};
export const treeOf = async (id: string, as = world.owner): Promise<{ hash: string; seq: number }> =>
  await expectJson(await call('GET', `/api/projects/${id}/tree`, { as }), 200);

export const history = (id: string, rest = ''): string => `/api/projects/${id}/checkpoints${rest}`;
export const keep = async (id: string, json: object = {}, as = world.editor): Promise<Checkpoint> =>
  (await expectJson<{ checkpoint: Checkpoint }>(await call('POST', history(id), { as, json }), 201)).checkpoint;
export const list = async (id: string, query = ''): Promise<{ checkpoints: Checkpoint[]; nextCursor: string | null }> =>
  await expectJson(await call('GET', history(id, query), { as: world.viewer }), 200);
export const restore = async (id: string, checkpoint: string, as = world.editor) =>
  await expectJson<{ checkpoint: Checkpoint; treeHash: string; seq: number; changed: number; assets: object | null }>(
    await call('POST', history(id, `/${checkpoint}/restore`), { as }),
    200,
  );
