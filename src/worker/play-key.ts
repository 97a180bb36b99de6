import type { Build } from '../contract/builds.ts';
import { limits } from '../contract/limits.ts';
import { signToken } from '../core/tokens.ts';
import { openedBy } from '../data/builds.ts';
import { projectById } from '../data/projects.ts';
import type { AppContext } from './http/context.ts';

type Keyed = Pick<Build, 'id' | 'projectId' | 'target'>;

/** The same for one person within half a day, so that a game that is shown is not loaded anew. */
async function sign({ var: { config, started } }: AppContext, userId: string, { id }: Keyed): Promise<string> {
  const { siteKeyTtl } = limits.publication;
  const since = started - (started % siteKeyTtl);
  return await signToken(config, 'site', { sub: id, by: userId }, 2 * siteKeyTtl, { at: since, id: `site-${since}` });
}

const isPublic = async (c: AppContext, projectId: string): Promise<boolean> =>
  (await projectById(c.var.db, projectId))?.isPublic ?? false;

/** What opens the origin of a build for somebody who may read its project; null where it is open, or there is none. */
export async function playKey(c: AppContext, userId: string, build: Keyed): Promise<string | null> {
  if (build.target !== 'web' || (await isPublic(c, build.projectId))) return null;
  return await sign(c, userId, build);
}

/** A build with the address at which somebody who may read its project can play it. */
export const playable = async (c: AppContext, userId: string, build: Build): Promise<Build> =>
  build.playUrl === null ? build : openedBy(build, await playKey(c, userId, build));

/** The same of builds of one project. */
export async function allPlayable(c: AppContext, userId: string, builds: readonly Build[]): Promise<Build[]> {
  const [first] = builds.filter(({ playUrl }) => playUrl !== null);
  if (!first || (await isPublic(c, first.projectId))) return [...builds];
  return await Promise.all(
    builds.map(async (build) => (build.playUrl === null ? build : openedBy(build, await sign(c, userId, build)))),
  );
}
