import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { Segments } from '../ui/segments.tsx';
import { BuildActions } from './build-actions.tsx';
import { CleanupDialog } from './build-cleanup.tsx';
import { BuildHistory, HistoryTools } from './build-history.tsx';
import { BuildLog } from './build-log.tsx';
import { durationOf, statusNames } from './build-words.ts';
import { isRunning } from './builds.ts';
import { useWorkspace } from './context.ts';

/** The build that is looked at, with its log, and all the others. */
export const BuildPanel = () => {
  const { builds } = useWorkspace();
  const view = useSignal<'log' | 'history'>('log');
  const cleaning = useSignal(false);
  const clean = () => {
    cleaning.value = true;
  };
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
        {view.value === 'history' ? (
          <HistoryTools onClean={clean} />
        ) : (
          build !== undefined && <BuildActions build={build} />
        )}
      </div>
      {/* In the list of all it says so itself. */}
      {build !== undefined && (view.value === 'log' || running) && (
        <div class="build-line">
          <span class={`status ${build.status}`} data-testid="build-status" data-status={build.status} role="status">
            <span class={`status-dot ${build.status}`} />
            {statusNames[build.status]}
          </span>
          <span class={build.errorMessage === null ? 'build-note' : 'build-note reason'}>
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
        <BuildLog />
      ) : (
        <BuildHistory
          onShow={() => {
            view.value = 'log';
          }}
        />
      )}
      {cleaning.value && (
        <CleanupDialog
          onClose={() => {
            cleaning.value = false;
          }}
        />
      )}
    </section>
  );
};
