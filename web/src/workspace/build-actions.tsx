import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { KilnClient } from '../../../src/client/index.ts';
import type { Artifact, Build } from '../../../src/contract/builds.ts';
import { saveBlob } from '../state/save.ts';
import { session } from '../state/session.ts';
import { attempt, toast } from '../state/toasts.ts';
import { formatBytes } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { MenuButton } from '../ui/menu.tsx';
import { isFinalFault } from './build-words.ts';
import { isRunning } from './builds.ts';
import { useWorkspace } from './context.ts';
import type { Workspace } from './model.ts';

/** Those who may write stop any build; others the one that they have started. */
export const mayCancel = (workspace: Workspace, build: Build): boolean => {
  const { value } = session;
  const isOwn = value.state === 'signed-in' && value.user.id === build.userId;
  return isRunning(build) && (workspace.canWrite.value || (isOwn && workspace.canBuild.value));
};

/** Whether the same state may fare better another time. */
export const mayRetry = (build: Build): boolean =>
  build.status === 'cancelled' || (build.status === 'failed' && !isFinalFault(build));

/** Saves what the build made: what it is for, where no name is given. */
export const downloadBuild = (client: KilnClient, { id }: Build, name?: string): Promise<unknown> =>
  attempt(async () => {
    const wanted = name ?? (await client.call('listArtifacts', { params: { id } })).artifacts[0]?.name;
    if (wanted === undefined) return toast({ kind: 'info', title: 'This build has nothing to download' });
    const response = await client.raw('getArtifact', { params: { id, name: wanted } });
    saveBlob(await response.blob(), wanted);
  });

/** What can be done with the build that is looked at. */
export const BuildActions = ({ build }: { build: Build }) => {
  const workspace = useWorkspace();
  const { builds, client } = workspace;
  const others = useSignal<readonly Artifact[]>([]);
  const { id, status } = build;
  useEffect(() => {
    others.value = [];
    if (status !== 'success') return;
    void attempt(async () => {
      const { artifacts } = await client.call('listArtifacts', { params: { id } });
      others.value = artifacts.slice(1);
    });
  }, [client, id, status, others]);
  return (
    <div class="panel-tools">
      {mayCancel(workspace, build) && (
        <button type="button" class="button small" data-testid="cancel-build" onClick={() => void builds.cancel(build)}>
          <Icon name="stop" size={13} /> Cancel
        </button>
      )}
      {workspace.canBuild.value && mayRetry(build) && (
        <button type="button" class="button small" data-testid="retry-build" onClick={() => void builds.retry(build)}>
          <Icon name="retry" size={13} /> Retry
        </button>
      )}
      {workspace.canBuild.value && isFinalFault(build) && (
        <button
          type="button"
          class="button small"
          data-testid="build-again"
          title="Build the newest state with the same options"
          disabled={builds.busy.value}
          onClick={() => void builds.again(build)}
        >
          <Icon name="flame" size={13} /> Build again
        </button>
      )}
      {build.playUrl !== null && workspace.canWrite.value && (
        <button
          type="button"
          class="button small"
          data-testid="publish"
          onClick={() => {
            workspace.publishing.asked.value = build;
          }}
        >
          <Icon name="globe" size={13} />{' '}
          {workspace.publishing.live.value?.buildId === build.id ? 'Published' : 'Publish'}
        </button>
      )}
      {build.status === 'success' && (
        <button
          type="button"
          class="button small"
          data-testid="download"
          title={build.artifactSize === null ? 'Download' : `Download (${formatBytes(build.artifactSize)})`}
          onClick={() => void downloadBuild(client, build)}
        >
          <Icon name="download" size={13} />{' '}
          {build.artifactSize === null ? 'Download' : formatBytes(build.artifactSize)}
        </button>
      )}
      {others.value.length > 0 && (
        <MenuButton
          label="What else there is to download"
          testId="download-others"
          items={() =>
            others.value.map(({ name, size }) => ({
              label: name,
              icon: 'download' as const,
              hint: formatBytes(size),
              testId: `download-${name}`,
              run: () => void downloadBuild(client, build, name),
            }))
          }
        />
      )}
    </div>
  );
};
