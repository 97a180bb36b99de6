import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { Build } from '../../../src/contract/builds.ts';
import type { Checkpoint } from '../../../src/contract/checkpoints.ts';
import { limits } from '../../../src/contract/limits.ts';
import { minute } from '../../../src/contract/units.ts';
import { attempt } from '../state/toasts.ts';
import { confirm } from '../ui/confirm.tsx';
import { formatAgo, formatBytes } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { MenuButton, type MenuItem } from '../ui/menu.tsx';
import { downloadBuild, mayCancel, mayRetry } from './build-actions.tsx';
import { durationOf, isFinalFault, statusNames, targetNames } from './build-words.ts';
import { isRunning } from './builds.ts';
import { useWorkspace } from './context.ts';

type Checkpoints = ReadonlyMap<string, Checkpoint>;

/** The newest checkpoints by their id: builds name theirs by it. */
const useCheckpoints = (): Checkpoints => {
  const { client, id, builds, canReadHistory } = useWorkspace();
  const known = useSignal<Checkpoints>(new Map());
  const isReader = canReadHistory.value;
  const newest = builds.list.value[0]?.checkpointId;
  useEffect(() => {
    if (!isReader) return;
    void attempt(async () => {
      const query = { limit: limits.http.pageMax };
      const { checkpoints } = await client.call('listCheckpoints', { params: { id }, query });
      known.value = new Map(checkpoints.map((checkpoint) => [checkpoint.id, checkpoint]));
    });
  }, [client, id, known, isReader, newest]);
  return known.value;
};

/** The state that was built, where it says more than the time of the build does. */
const stateOf = (build: Build, checkpoint: Checkpoint | undefined): string | undefined => {
  if (checkpoint === undefined) return undefined;
  if (checkpoint.name !== null) return `“${checkpoint.name}”`;
  const age = Date.parse(build.createdAt) - Date.parse(checkpoint.createdAt);
  return age < minute ? undefined : `as of ${formatAgo(checkpoint.createdAt)}`;
};

interface RowProps {
  build: Build;
  checkpoint: Checkpoint | undefined;
  onShow: () => void;
  onGone: () => void;
}

const Row = ({ build, checkpoint, onShow, onGone }: RowProps) => {
  const workspace = useWorkspace();
  const { builds, publishing, names, client, history, front } = workspace;
  const { id, status, target, playUrl, createdAt, checkpointId, artifactSize } = build;
  const isLive = publishing.live.value?.buildId === id;
  const isChosen = builds.current.value?.id === id;
  const running = isRunning(build);
  const canWrite = workspace.canWrite.value;
  const what = `${targetNames[target]} build from ${formatAgo(createdAt)}`;

  const remove = async () => {
    // The answer would be no, and says what to do first.
    const sure =
      isLive ||
      (await confirm({
        title: 'Delete this build?',
        text: `${targetNames[target]}, ${statusNames[status].toLowerCase()}, ${formatAgo(createdAt)}. It goes for good, with its log${
          status === 'success' ? ' and what it made: it can no longer be played or downloaded' : ''
        }.`,
        action: 'Delete',
      }));
    if (sure && (await builds.remove(build))) onGone();
  };

  const lookAtState = () =>
    attempt(async () => {
      const looked =
        checkpoint ??
        (await client.call('getCheckpoint', { params: { id: workspace.id, checkpointId: checkpointId ?? '' } }))
          .checkpoint;
      history.look(looked);
      front.value = 'checkpoint';
    });

  const items = (): MenuItem[] => [
    ...(playUrl !== null && canWrite
      ? [
          {
            label: isLive ? 'What is published' : 'Publish',
            icon: 'globe' as const,
            testId: 'row-publish',
            run: () => {
              publishing.asked.value = build;
            },
          },
        ]
      : []),
    ...(status === 'success'
      ? [
          {
            label: 'Download',
            icon: 'download' as const,
            testId: 'row-download',
            ...(artifactSize !== null && { hint: formatBytes(artifactSize) }),
            run: () => void downloadBuild(client, build),
          },
        ]
      : []),
    ...(checkpointId !== null && workspace.canReadHistory.value
      ? [
          {
            label: 'Look at what was built',
            icon: 'history' as const,
            testId: 'row-state',
            run: () => void lookAtState(),
          },
        ]
      : []),
    ...(mayRetry(build) && workspace.canBuild.value
      ? [{ label: 'Retry', icon: 'retry' as const, testId: 'row-retry', run: () => void builds.retry(build) }]
      : []),
    ...(isFinalFault(build) && workspace.canBuild.value
      ? [{ label: 'Build again', icon: 'retry' as const, testId: 'row-again', run: () => void builds.again(build) }]
      : []),
    ...(workspace.canBuild.value
      ? [
          {
            label: 'Build with these options…',
            icon: 'flame' as const,
            testId: 'row-options',
            run: () => {
              builds.asked.value = build;
            },
          },
        ]
      : []),
    ...(mayCancel(workspace, build)
      ? [{ label: 'Cancel', icon: 'stop' as const, testId: 'row-cancel', run: () => void builds.cancel(build) }]
      : []),
    ...(!running && canWrite
      ? [
          {
            label: 'Delete',
            icon: 'trash' as const,
            danger: true,
            testId: 'row-delete',
            run: () => void remove(),
          },
        ]
      : []),
  ];

  const facts = [
    running ? `${Math.round(build.progress * 100)} %` : build.cached ? 'from the cache' : durationOf(build),
    artifactSize === null ? undefined : formatBytes(artifactSize),
    stateOf(build, checkpoint),
  ];
  return (
    <li class="build-row" data-testid={`build-row-${id}`} data-status={status}>
      <button
        type="button"
        class={isChosen ? 'build-pick chosen' : 'build-pick'}
        aria-current={isChosen}
        title="Show its log"
        onClick={() => {
          builds.select(build);
          onShow();
        }}
      >
        <span class={`status-dot ${status}`} />
        <span class="build-text">
          <span class="build-title">
            <strong>{targetNames[target]}</strong>
            <span class={`status ${status}`}>{statusNames[status]}</span>
            {isLive && <span class="badge live">Published</span>}
          </span>
          <span class="build-facts">
            <span>{names.of(build.userId)}</span>
            <time dateTime={createdAt} title={new Date(createdAt).toLocaleString()}>
              {formatAgo(createdAt)}
            </time>
            {facts.map((fact) => fact !== undefined && <span key={fact}>{fact}</span>)}
          </span>
          {build.errorMessage !== null && (
            <span class="build-reason" title={build.errorMessage}>
              {build.errorMessage}
            </span>
          )}
        </span>
      </button>
      {status === 'success' && playUrl !== null && (
        <button
          type="button"
          class="icon-button"
          aria-label={`Play the ${what}`}
          title="Play this build"
          onClick={() => builds.play(build)}
        >
          <Icon name="play" size={14} />
        </button>
      )}
      <MenuButton label={`More for the ${what}`} items={items} testId="build-row-menu" />
    </li>
  );
};

/** All builds of the project, newest first. */
export const BuildHistory = ({ onShow }: { onShow: () => void }) => {
  const { builds } = useWorkspace();
  const checkpoints = useCheckpoints();
  const element = useRef<HTMLUListElement>(null);
  const busy = useSignal(false);
  const list = builds.list.value;
  const more = async () => {
    busy.value = true;
    await builds.more();
    busy.value = false;
  };
  return (
    <ul ref={element} class="build-rows" aria-label="Builds, newest first" tabIndex={-1} data-testid="build-history">
      {list.map((build) => (
        <Row
          key={build.id}
          build={build}
          checkpoint={build.checkpointId === null ? undefined : checkpoints.get(build.checkpointId)}
          onShow={onShow}
          // The button that had the focus went with its row.
          onGone={() => element.current?.focus()}
        />
      ))}
      {list.length === 0 && <li class="log-empty">Nothing was built yet.</li>}
      {builds.nextCursor.value !== null && (
        <li>
          <button
            type="button"
            class="button small build-more"
            data-testid="builds-more"
            disabled={busy.value}
            aria-busy={busy.value}
            onClick={() => void more()}
          >
            Show more
          </button>
        </li>
      )}
    </ul>
  );
};

/** What can be done with the builds as a whole. */
export const HistoryTools = ({ onClean }: { onClean: () => void }) => {
  const { builds, canManage } = useWorkspace();
  if (!canManage.value || builds.list.value.length === 0) return null;
  return (
    <div class="panel-tools">
      <button type="button" class="button small" data-testid="clean-builds" onClick={onClean}>
        <Icon name="trash" size={13} /> Clean up…
      </button>
    </div>
  );
};
