import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { Artifact, Build, BuildLogLine } from '../../../src/contract/builds.ts';
import type { PreviewReason } from '../../../src/contract/preview.ts';
import { saveBlob } from '../state/save.ts';
import { attempt, toast } from '../state/toasts.ts';
import { formatAgo, formatBytes, formatDuration } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { Arches } from '../ui/mark.tsx';
import { MenuButton } from '../ui/menu.tsx';
import { Segments } from '../ui/segments.tsx';
import { isRunning } from './builds.ts';
import { useWorkspace } from './context.ts';
import { PublishDialog } from './publish-dialog.tsx';
import { findNode } from './tree.ts';

const statusNames = {
  queued: 'Queued',
  building: 'Building',
  success: 'Success',
  failed: 'Failed',
  cancelled: 'Cancelled',
} as const;

/** The game on its own origin: it may be itself there (`allow-same-origin`), and cannot reach this page. */
const GameFrame = ({ name, url }: { name: string; url: string }) => (
  <iframe
    data-testid={name}
    title="The game"
    src={url}
    sandbox="allow-scripts allow-same-origin allow-pointer-lock"
    allow="autoplay; fullscreen; gamepad"
    referrerpolicy="no-referrer"
  />
);

const headings = {
  errors: 'This does not bundle',
  needs_packages: 'Packages come with the first build',
  needs_build: 'This is for a build',
  too_large: 'Too large for the preview',
  no_runner: 'No build runner answers',
} as const satisfies Record<PreviewReason, string>;

/** Why the preview is not what was written last, over the game that still runs. */
const Trouble = () => {
  const workspace = useWorkspace();
  const { preview, builds } = workspace;
  const trouble = preview.trouble.value;
  if (trouble === undefined) return null;
  const mistakes = trouble.reason === 'errors';
  const packages = trouble.reason === 'needs_packages';
  const mayAgain = trouble.reason === 'no_runner';
  return (
    <div class="trouble" role="status" data-testid="preview-trouble">
      <strong>{headings[trouble.reason ?? 'errors']}</strong>
      <ul>
        {trouble.problems.slice(0, 5).map(({ message, file, line, column }) => (
          <li key={`${file} ${line} ${column} ${message}`}>
            {file !== undefined && (
              <button
                type="button"
                class="link log-place"
                onClick={() => workspace.open(file, line === undefined ? undefined : { line, column })}
              >
                {file}
                {line !== undefined && `:${line}`}
              </button>
            )}{' '}
            {message}
          </li>
        ))}
      </ul>
      {mayAgain && (
        <button
          type="button"
          class="button small"
          data-testid="preview-again"
          aria-busy={preview.busy.value}
          onClick={() => preview.changed()}
        >
          <Icon name="reload" size={13} /> Try again
        </button>
      )}{' '}
      {!mistakes && (
        <button
          type="button"
          class="button small"
          data-testid="preview-build"
          disabled={builds.busy.value}
          aria-busy={builds.busy.value}
          onClick={() => {
            // With its packages the preview goes on by itself; anything else is played as it is built.
            if (!packages) preview.stop();
            void builds.start().then(() => preview.changed());
          }}
        >
          <Icon name="flame" size={13} />{' '}
          {packages ? (builds.busy.value ? 'Building…' : 'Build once') : 'Build it instead'}
        </button>
      )}
    </div>
  );
};

/** Where the game is for the world, below the one that is being made. */
const LiveLine = () => {
  const { publishing, builds, canWrite } = useWorkspace();
  const live = publishing.live.value;
  if (live === undefined || live === null) return null;
  const build = builds.list.value.find(({ id }) => id === live.buildId);
  const newest = builds.playable.value;
  const behind = newest !== undefined && newest.id !== live.buildId;
  return (
    <div class="live-line" data-testid="live-line">
      <span class="status-dot success" />
      <a href={live.url} target="_blank" rel="noopener noreferrer" title="Open the published game">
        {new URL(live.url).host}
      </a>
      {behind && <span class="faint">older build</span>}
      <button
        type="button"
        class="icon-button"
        aria-label="Copy the address of the game"
        title="Copy the address"
        onClick={() =>
          void attempt(async () => {
            await navigator.clipboard.writeText(live.url);
            toast({ kind: 'success', title: 'Address copied', detail: live.url });
          })
        }
      >
        <Icon name="copy" size={14} />
      </button>
      {canWrite.value && (build ?? newest) !== undefined && (
        <button
          type="button"
          class="icon-button"
          aria-label="What is published"
          title="What is published"
          data-testid="live-settings"
          onClick={() => {
            publishing.asked.value = build ?? newest;
          }}
        >
          <Icon name="more" />
        </button>
      )}
    </div>
  );
};

const Play = () => {
  const workspace = useWorkspace();
  const { builds, preview } = workspace;
  const round = useSignal(0);
  const stage = useRef<HTMLDivElement>(null);
  const live = preview.on.value;
  const playing = builds.playing.value;
  const playable = builds.playable.value;
  const url = live ? preview.playing.value?.url : (playing?.playUrl ?? undefined);
  return (
    <section class="play" aria-label="Play">
      <div class="panel-head">
        <h2>{live ? 'Preview' : 'Play'}</h2>
        {live && preview.playing.value?.bundledBy === 'runner' && (
          <span
            class="faint panel-note"
            data-testid="preview-runner"
            title="This project is too large to be bundled at the edge. A build runner does it, which takes a moment longer."
          >
            {preview.busy.value ? 'a runner is bundling…' : 'bundled by a runner'}
          </span>
        )}
        <div class="panel-tools">
          {workspace.canBuild.value && (
            <button
              type="button"
              class="button small"
              data-testid="preview"
              aria-pressed={live}
              aria-busy={preview.busy.value}
              title={live ? 'Stop following what is written' : 'Play what is written, and follow it'}
              onClick={() => (live ? preview.stop() : preview.start())}
            >
              <Icon name="eye" size={13} /> Live
            </button>
          )}
          {url !== undefined && (
            <>
              <button
                type="button"
                class="icon-button"
                aria-label="Restart the game"
                title="Restart"
                onClick={() => {
                  round.value += 1;
                }}
              >
                <Icon name="reload" />
              </button>
              <button
                type="button"
                class="icon-button"
                aria-label="Full screen"
                title="Full screen"
                onClick={() => void attempt(async () => stage.current?.requestFullscreen())}
              >
                <Icon name="expand" />
              </button>
              <a
                class="icon-button"
                aria-label="Open in a new tab"
                title="Open in a new tab"
                href={url}
                target="_blank"
                rel="noopener noreferrer"
              >
                <Icon name="external" />
              </a>
              <button
                type="button"
                class="icon-button"
                aria-label="Stop the game"
                title="Stop"
                onClick={() => {
                  preview.stop();
                  builds.playing.value = undefined;
                }}
              >
                <Icon name="stop" />
              </button>
            </>
          )}
        </div>
      </div>
      <div class="stage" ref={stage}>
        {url !== undefined ? (
          <GameFrame key={`${url} ${round.value}`} name={live ? 'preview-frame' : 'play-frame'} url={url} />
        ) : (
          <div class="stage-empty">
            <Arches rings={8} />
            {live ? (
              <p>{preview.trouble.value === undefined ? 'Bundling what is written…' : 'Nothing to show yet.'}</p>
            ) : playable !== undefined ? (
              <button type="button" class="play-button" data-testid="play" onClick={() => builds.play(playable)}>
                <Icon name="play" size={22} fill />
                <span>Play the last build</span>
              </button>
            ) : (
              <p>
                {builds.busy.value
                  ? 'It is in the fire…'
                  : workspace.canBuild.value
                    ? 'Build it, and play it here.'
                    : 'Duplicate the project to build it.'}
              </p>
            )}
          </div>
        )}
        <Trouble />
      </div>
      <LiveLine />
    </section>
  );
};

const LogLine = ({ line }: { line: BuildLogLine }) => {
  const workspace = useWorkspace();
  const { file } = line;
  const place =
    file === undefined
      ? undefined
      : `${file}${line.line === undefined ? '' : `:${line.line}${line.column === undefined ? '' : `:${line.column}`}`}`;
  const known = file !== undefined && findNode(workspace.tree.value, file)?.type === 'file';
  return (
    <li class={`log-line ${line.level}`}>
      <span class="log-step">{line.step}</span>
      <span class="log-text">
        {file !== undefined &&
          (known ? (
            <button
              type="button"
              class="link log-place"
              onClick={() =>
                workspace.open(file, line.line === undefined ? undefined : { line: line.line, column: line.column })
              }
            >
              {place}
            </button>
          ) : (
            <span class="log-place">{place}</span>
          ))}
        {line.message}
        {line.source !== undefined && <code class="log-source">{line.source.trim()}</code>}
      </span>
    </li>
  );
};

const Log = () => {
  const { builds } = useWorkspace();
  const element = useRef<HTMLOListElement>(null);
  const follow = useRef(true);
  const lines = builds.lines.value;
  useEffect(() => {
    const list = element.current;
    if (list !== null && follow.current) list.scrollTop = list.scrollHeight;
  }, [lines]);
  return (
    <ol
      ref={element}
      class="log"
      data-testid="build-log"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
      tabIndex={0}
      aria-label="Build log"
      onScroll={(event) => {
        const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
        follow.current = scrollHeight - scrollTop - clientHeight < 24;
      }}
    >
      {builds.dropped.value > 0 && <li class="log-line debug">… {builds.dropped.value} earlier lines</li>}
      {lines.map((line) => (
        <LogLine key={line.seq} line={line} />
      ))}
      {lines.length === 0 && (
        <li class="log-empty">
          {builds.current.value === undefined ? 'The log of the first build will be here.' : 'Waiting for the log…'}
        </li>
      )}
    </ol>
  );
};

const durationOf = (build: Build): string | undefined => {
  if (build.timings.total !== undefined) return formatDuration(build.timings.total);
  if (build.startedAt === null || build.completedAt === null) return undefined;
  return formatDuration(Date.parse(build.completedAt) - Date.parse(build.startedAt));
};

const History = ({ onShow }: { onShow: () => void }) => {
  const { builds, publishing } = useWorkspace();
  const list = builds.list.value;
  return (
    <ul class="history" aria-label="Recent builds">
      {list.map((build) => (
        <li key={build.id} class="history-item">
          <button
            type="button"
            class={build.id === builds.current.value?.id ? 'history-row chosen' : 'history-row'}
            onClick={() => {
              builds.select(build);
              onShow();
            }}
          >
            <span class={`status-dot ${build.status}`} />
            <span class="history-name">{statusNames[build.status]}</span>
            {publishing.live.value?.buildId === build.id && <span class="badge live">Live</span>}
            <span class="faint">{durationOf(build)}</span>
            <time class="faint" dateTime={build.createdAt}>
              {formatAgo(build.createdAt)}
            </time>
          </button>
          {build.status === 'success' && build.playUrl !== null && (
            <button
              type="button"
              class="icon-button"
              aria-label="Play this build"
              title="Play this build"
              onClick={() => builds.play(build)}
            >
              <Icon name="play" size={14} />
            </button>
          )}
        </li>
      ))}
      {list.length === 0 && <li class="log-empty">Nothing was built yet.</li>}
    </ul>
  );
};

const BuildActions = ({ build }: { build: Build }) => {
  const workspace = useWorkspace();
  const { builds, client } = workspace;
  const save = (name: string) =>
    attempt(async () => {
      const response = await client.raw('getArtifact', { params: { id: build.id, name } });
      saveBlob(await response.blob(), name);
    });
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
  const download = () =>
    attempt(async () => {
      const { artifacts } = await client.call('listArtifacts', { params: { id: build.id } });
      const artifact = artifacts[0];
      if (artifact === undefined) return toast({ kind: 'info', title: 'This build has nothing to download' });
      await save(artifact.name);
    });
  return (
    <div class="panel-tools">
      {isRunning(build) && (
        <button type="button" class="button small" data-testid="cancel-build" onClick={() => void builds.cancel(build)}>
          <Icon name="stop" size={13} /> Cancel
        </button>
      )}
      {(build.status === 'failed' || build.status === 'cancelled') && workspace.canBuild.value && (
        <button type="button" class="button small" data-testid="retry-build" onClick={() => void builds.retry(build)}>
          <Icon name="retry" size={13} /> Retry
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
          <Icon name="globe" size={13} /> {workspace.publishing.live.value?.buildId === build.id ? 'Live' : 'Publish'}
        </button>
      )}
      {build.status === 'success' && (
        <button
          type="button"
          class="button small"
          data-testid="download"
          title={build.artifactSize === null ? 'Download' : `Download (${formatBytes(build.artifactSize)})`}
          onClick={() => void download()}
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
              run: () => void save(name),
            }))
          }
        />
      )}
    </div>
  );
};

const BuildPanel = () => {
  const { builds } = useWorkspace();
  const view = useSignal<'log' | 'history'>('log');
  const build = builds.current.value;
  const running = isRunning(build);
  const duration = build === undefined ? undefined : durationOf(build);
  // A new build is what one wants to see.
  useEffect(() => {
    if (running) view.value = 'log';
  }, [running, view]);
  return (
    <section class="build" aria-label="Build">
      <div class="panel-head">
        <Segments
          label="Build"
          names={['log', 'history'] as const}
          chosen={view.value}
          onChoose={(name) => {
            view.value = name;
          }}
          titleOf={(name) => (name === 'log' ? 'Build log' : 'History')}
          testIds="build-view"
        />
        {build !== undefined && <BuildActions build={build} />}
      </div>
      {build !== undefined && (
        <div class="build-line">
          <span class={`status ${build.status}`} data-testid="build-status" data-status={build.status} role="status">
            <span class={`status-dot ${build.status}`} />
            {statusNames[build.status]}
          </span>
          <span class="build-note" title={build.errorMessage ?? undefined}>
            {running
              ? (build.step ?? 'Waiting for a runner')
              : (build.errorMessage ?? [duration, build.cached ? 'cached' : undefined].filter(Boolean).join(' · '))}
          </span>
          {running && <span class="faint">{Math.round(build.progress * 100)} %</span>}
          <div
            class={`progress ${build.status}`}
            role="progressbar"
            aria-label="Build progress"
            aria-valuenow={Math.round(build.progress * 100)}
            aria-valuemin={0}
            aria-valuemax={100}
          >
            <span style={{ transform: `scaleX(${running ? Math.max(build.progress, 0.02) : 1})` }} />
          </div>
        </div>
      )}
      {view.value === 'log' ? (
        <Log />
      ) : (
        <History
          onShow={() => {
            view.value = 'log';
          }}
        />
      )}
    </section>
  );
};

const Publish = () => {
  const { publishing } = useWorkspace();
  const build = publishing.asked.value;
  return build === undefined ? null : <PublishDialog key={build.id} build={build} />;
};

export const Dock = () => (
  <>
    <Play />
    <BuildPanel />
    <Publish />
  </>
);
