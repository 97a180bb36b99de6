import { useComputed, useSignal, useSignalEffect } from '@preact/signals';
import { useEffect, useMemo } from 'preact/hooks';
import { linkTo } from '../router.ts';
import { NotFound } from '../screens/not-found.tsx';
import { client } from '../state/session.ts';
import { toast } from '../state/toasts.ts';
import { Mark } from '../ui/mark.tsx';
import { AssetView } from './assets/asset-view.tsx';
import { AssetsPanel } from './assets/assets-panel.tsx';
import { CheckpointView } from './checkpoint-view.tsx';
import { useWorkspace, WorkspaceProvider } from './context.ts';
import { Dock } from './dock.tsx';
import { FileTree } from './file-tree.tsx';
import { HistoryPanel } from './history-panel.tsx';
import { mergeFromAddress } from './merge-address.ts';
import { MergeView, MergeWaiting } from './merge-view.tsx';
import { Workspace } from './model.ts';
import { usePanels } from './panels.ts';
import { SearchPanel } from './search-panel.tsx';
import { ShareDialog } from './share.tsx';
import { Splitter } from './splitter.tsx';
import { Tabs } from './tabs.tsx';
import { useFollowing } from './talk/follow.ts';
import { Following, TalkAside } from './talk/panel.tsx';
import { TopBar } from './top-bar.tsx';

const useShortcuts = (workspace: Workspace): void => {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
      if (event.shiftKey) {
        if (event.key.toLowerCase() !== 'f') return;
        workspace.search.show();
      } else if (event.key === 's') toast({ kind: 'success', title: 'Everything is saved as you type' });
      else if (event.key === 'Enter' && workspace.canBuild.value) void workspace.builds.start();
      else return;
      event.preventDefault();
      event.stopPropagation();
    };
    const onLeave = (event: BeforeUnloadEvent) => {
      if (workspace.dirty) event.preventDefault();
    };
    // Before the editor, which has a use for Ctrl-Enter of its own.
    window.addEventListener('keydown', onKey, { capture: true });
    window.addEventListener('beforeunload', onLeave);
    return () => {
      window.removeEventListener('keydown', onKey, { capture: true });
      window.removeEventListener('beforeunload', onLeave);
    };
  }, [workspace]);
};

/** The editors, and what may lie over them for a while. */
const Centre = () => {
  const { front, merge } = useWorkspace();
  const shown = front.value;
  return (
    <>
      {merge.value !== undefined && shown === 'editor' && <MergeWaiting merge={merge.value} />}
      <div class="centre-tabs" inert={shown !== 'editor'}>
        <Tabs />
      </div>
      {shown === 'checkpoint' && <CheckpointView />}
      {shown === 'asset' && <AssetView />}
      {/* Stays while somebody looks at an editor: decisions and texts are in it. */}
      {merge.value !== undefined && (
        <div hidden={shown !== 'merge'}>
          <MergeView key={merge.value.source.id} merge={merge.value} />
        </div>
      )}
    </>
  );
};

const storedWidth = (key: string, fallback: number): number => {
  const value = Number(localStorage.getItem(key));
  return Number.isFinite(value) && value > 0 ? value : fallback;
};

export const WorkspaceScreen = ({ projectId }: { projectId: string }) => {
  const workspace = useMemo(() => new Workspace(client, projectId), [projectId]);
  const sharing = useSignal(false);
  const { files: filesOpen, dock: dockOpen } = usePanels(workspace);
  const filesWidth = useSignal(storedWidth('kiln.files', 236));
  const dockWidth = useSignal(storedWidth('kiln.dock', Math.round(Math.min(520, window.innerWidth * 0.34))));
  const columns = useComputed(() => ({
    '--files': `${filesWidth.value}px`,
    '--dock': `${dockWidth.value}px`,
  }));

  useShortcuts(workspace);
  useFollowing(workspace);
  useEffect(() => {
    void workspace.load().then(() => mergeFromAddress(workspace));
    return () => workspace.close();
  }, [workspace]);
  useSignalEffect(() => {
    document.title = `${workspace.project.value?.name ?? 'Project'} · Kiln`;
  });
  useSignalEffect(() => {
    localStorage.setItem('kiln.files', String(filesWidth.value));
    localStorage.setItem('kiln.dock', String(dockWidth.value));
  });
  const loading = workspace.loading.value;
  if (loading.state === 'loading') {
    return (
      <div class="splash" role="status" aria-label="Opening the project">
        <Mark size={56} glowing />
      </div>
    );
  }
  if (loading.state === 'failed')
    return (
      <NotFound
        title={loading.title}
        text={loading.detail ?? 'It may have been deleted, or you are not a member of it.'}
      />
    );

  const ended = workspace.ended.value;
  return (
    <WorkspaceProvider value={workspace}>
      <div class="workspace" style={columns.value} data-files={filesOpen.value} data-dock={dockOpen.value}>
        <TopBar
          filesOpen={filesOpen}
          dockOpen={dockOpen}
          onShare={() => {
            sharing.value = true;
          }}
        />
        {ended !== undefined && (
          <div class="banner" role="alert">
            <strong>
              {ended.code === 'not_found'
                ? 'This project is gone'
                : ended.code === 'forbidden'
                  ? 'You no longer have access'
                  : ended.title}
            </strong>
            <span>What you see here is no longer updated.</span>
            <a class="button small" {...linkTo('/')}>
              Your projects
            </a>
          </div>
        )}
        <div class="columns">
          <aside
            class={workspace.search.open.value ? 'files searching' : 'files'}
            aria-label="Files and assets"
            hidden={!filesOpen.value}
          >
            {workspace.search.open.value ? (
              <SearchPanel />
            ) : workspace.history.open.value ? (
              <HistoryPanel />
            ) : workspace.assets.open.value ? (
              <AssetsPanel />
            ) : (
              <FileTree />
            )}
          </aside>
          {filesOpen.value && (
            <Splitter label="Width of the file list" width={filesWidth} min={160} max={420} side="left" />
          )}
          <main class="centre">
            <Following />
            <Centre />
          </main>
          <TalkAside />
          {dockOpen.value && (
            <Splitter label="Width of the play panel" width={dockWidth} min={300} max={960} side="right" />
          )}
          <aside class="dock" aria-label="Play and build" hidden={!dockOpen.value}>
            <Dock />
          </aside>
        </div>
      </div>
      {sharing.value && (
        <ShareDialog
          onClose={() => {
            sharing.value = false;
          }}
        />
      )}
    </WorkspaceProvider>
  );
};
