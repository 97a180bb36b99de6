import { attempt } from '../state/toasts.ts';
import type { Workspace } from './model.ts';

/** Begins the merge that the address asks for (`?merge=<project>`), once. */
export const mergeFromAddress = async (workspace: Workspace): Promise<void> => {
  const from = new URLSearchParams(location.search).get('merge');
  if (from === null || workspace.loading.value.state !== 'ready') return;
  history.replaceState(null, '', location.pathname);
  if (!workspace.canWrite.value) return;
  await attempt(async () => {
    const { project } = await workspace.client.call('getProject', { params: { id: from } });
    workspace.startMerge({ id: from, name: project.name, isFork: project.forkedFrom === workspace.id });
  });
};
