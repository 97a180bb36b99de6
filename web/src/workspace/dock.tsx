import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import type { PreviewProblem, PreviewReason } from '../../../src/contract/preview.ts';
import { attempt, toast } from '../state/toasts.ts';
import { Icon } from '../ui/icon.tsx';
import { Arches } from '../ui/mark.tsx';
import { BuildPanel } from './build-panel.tsx';
import { placeIn } from './build-problems.ts';
import { useWorkspace } from './context.ts';
import { PublishDialog } from './publish-dialog.tsx';

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

const Problems = ({ of }: { of: readonly PreviewProblem[] }) => {
  const workspace = useWorkspace();
  return (
    <ul>
      {of.slice(0, 5).map(({ message, file, line, column }) => (
        <li key={`${file} ${line} ${column} ${message}`}>
          {file !== undefined && (
            <button
              type="button"
              class="link log-place"
              onClick={() => workspace.open(file, placeIn({ line, column }))}
            >
              {file}
              {line !== undefined && `:${line}`}
            </button>
          )}{' '}
          {message}
        </li>
      ))}
      {of.length > 5 && <li class="faint">and {of.length - 5} more</li>}
    </ul>
  );
};

/** What a build would warn of, in the way of nobody who plays. */
const Warnings = () => {
  const warnings = useWorkspace().preview.warnings.value;
  if (warnings.length === 0) return null;
  return (
    <details class="preview-warnings" data-testid="preview-warnings">
      <summary>{warnings.length === 1 ? 'One warning' : `${warnings.length} warnings`}</summary>
      <Problems of={warnings} />
    </details>
  );
};

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
      <Problems of={trouble.problems} />
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
            ) : workspace.canBuild.value && !builds.loaded.value ? null : workspace.canBuild.value &&
              !builds.busy.value ? (
              <button
                type="button"
                class="play-button"
                data-testid="build-and-play"
                onClick={() => void builds.start()}
              >
                <Icon name="flame" size={20} fill />
                <span>Build and play</span>
              </button>
            ) : (
              <p>{builds.busy.value ? 'It is in the fire…' : 'Duplicate the project to build it.'}</p>
            )}
          </div>
        )}
        <Trouble />
      </div>
      <Warnings />
      <LiveLine />
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
