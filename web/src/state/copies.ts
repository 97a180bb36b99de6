import { limits } from '../../../src/contract/limits.ts';
import type { Project } from '../../../src/contract/projects.ts';
import { client } from './session.ts';

/** Every project of this user, the trash left out. */
export const allProjects = async (): Promise<Project[]> => {
  const all: Project[] = [];
  let cursor: string | null | undefined;
  do {
    const page = await client.call('listProjects', {
      query: { limit: limits.http.pageMax, ...(cursor != null && { cursor }) },
    });
    all.push(...page.projects);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return all;
};

/** Copies a project; a fork can be merged with it later. */
export const copyProject = async (id: string, name: string, fork: boolean, key: string): Promise<Project> =>
  (await client.call('duplicateProject', { params: { id }, body: { name, fork }, idempotencyKey: key })).project;
