import { useEffect, useRef } from 'preact/hooks';
import { Icon } from '../ui/icon.tsx';
import { CodeEditor } from './code-editor.tsx';
import { useWorkspace } from './context.ts';
import { tintOf } from './file-kinds.ts';
import { nameOf } from './file-operations.ts';
import { FileInfoPanel, ImagePanel, StaticText } from './file-panels.tsx';
import type { Tab } from './model.ts';
import { NoFile } from './no-file.tsx';
import { SceneEditor } from './scene/scene-editor.tsx';
import { Unsaved } from './unsaved.tsx';

const TabButton = ({ tab, active }: { tab: Tab; active: boolean }) => {
  const workspace = useWorkspace();
  const element = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (active) element.current?.scrollIntoView({ inline: 'nearest', block: 'nearest' });
  }, [active]);
  const here = workspace.peopleByPath.value.get(tab.path) ?? [];
  return (
    <div ref={element} class={active ? 'tab active' : 'tab'} data-state={tab.state.value}>
      <button
        type="button"
        role="tab"
        aria-selected={active}
        title={tab.path}
        class="tab-name"
        data-testid={`tab-${tab.path}`}
        onClick={() => workspace.activate(tab.path)}
        onAuxClick={(event) => {
          if (event.button === 1) workspace.closeTab(tab.path);
        }}
      >
        <span class={`file-icon tint-${tintOf(tab.path)}`}>
          <Icon name="file" size={14} />
        </span>
        {nameOf(tab.path)}
        {here.slice(0, 3).map((user) => (
          <span key={user.userId} class="dot" title={user.displayName} style={{ '--person': user.color }} />
        ))}
      </button>
      <button
        type="button"
        class="icon-button tab-close"
        aria-label={`Close ${tab.path}`}
        onClick={() => workspace.closeTab(tab.path)}
      >
        <Icon name="close" size={12} />
      </button>
    </div>
  );
};

const Ended = ({ tab }: { tab: Tab }) => {
  const workspace = useWorkspace();
  const error = tab.ended.value;
  if (error === undefined) return null;
  const gone = error.code === 'not_found';
  return (
    <div class="pane-message" role="alert">
      <h2>{gone ? 'This file is gone' : error.title}</h2>
      <p>
        {gone
          ? 'It was deleted. The history of the project keeps the state before.'
          : (error.detail ?? 'The room has closed this document.')}
      </p>
      <div class="pane-actions">
        <button type="button" class="button" onClick={() => workspace.closeTab(tab.path)}>
          Close
        </button>
        {!gone && (
          <button type="button" class="button primary" onClick={() => workspace.reopen(tab.path)}>
            Open again
          </button>
        )}
      </div>
    </div>
  );
};

const Pane = ({ tab, active }: { tab: Tab; active: boolean }) => {
  const workspace = useWorkspace();
  // Where the whole room has closed, the text stays to be read and copied.
  if (tab.ended.value !== undefined && workspace.ended.value === undefined)
    return tab.unsaved.value === undefined ? <Ended tab={tab} /> : <Unsaved tab={tab} text={tab.unsaved.value} />;
  const kind = tab.kind.value;
  if (kind === 'live' && tab.document !== undefined)
    return <CodeEditor tab={tab} document={tab.document} active={active} />;
  if (kind === 'scene' && tab.document !== undefined)
    return <SceneEditor tab={tab} document={tab.document} active={active} />;
  if (kind === 'static') return <StaticText tab={tab} />;
  return kind === 'image' ? <ImagePanel tab={tab} /> : <FileInfoPanel tab={tab} />;
};

export const Tabs = () => {
  const workspace = useWorkspace();
  const tabs = workspace.tabs.value;
  const activePath = workspace.activePath.value;
  if (tabs.length === 0) return <NoFile />;
  return (
    <>
      <div class="tab-bar" role="tablist" aria-label="Open files">
        {tabs.map((tab) => (
          <TabButton key={tab.id} tab={tab} active={tab.path === activePath} />
        ))}
      </div>
      {/* Every open file keeps its editor, and with it undo, scroll and selection. */}
      <div class="panes">
        {tabs.map((tab) => (
          <div key={tab.id} class="pane" role="tabpanel" aria-label={tab.path} hidden={tab.path !== activePath}>
            <Pane tab={tab} active={tab.path === activePath} />
          </div>
        ))}
      </div>
    </>
  );
};
