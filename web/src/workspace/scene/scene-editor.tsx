import { useSignal, useSignalEffect } from '@preact/signals';
import { useEffect, useMemo } from 'preact/hooks';
import { type RoomDocument, type SceneBranch, SceneDocument } from '../../../../src/client/index.ts';
import { documentTypes } from '../../../../src/contract/scene.ts';
import { Icon } from '../../ui/icon.tsx';
import { nodeOf } from '../assets/kinds.ts';
import { CodeEditor } from '../code-editor.tsx';
import { useWorkspace } from '../context.ts';
import type { Tab } from '../model.ts';
import { placeOf } from '../problems.ts';
import { Inspector } from './inspector.tsx';
import { SceneProblems } from './scene-problems.tsx';
import { nameOf, SceneTree } from './scene-tree.tsx';

/** A scene of the room: its nodes as a tree, and the fields of the selected one. */
export const SceneEditor = ({ tab, document: live, active }: { tab: Tab; document: RoomDocument; active: boolean }) => {
  const form = useSignal<'waiting' | 'scene' | 'text'>('waiting');
  useEffect(() => {
    const meta = live.doc.getMap(documentTypes.meta);
    const read = () => {
      form.value = meta.get('form') === 'text' ? 'text' : 'scene';
    };
    live.ready
      .then(() => {
        read();
        meta.observe(read);
      })
      // Ended before it began: the tab shows why.
      .catch(() => undefined);
    return () => meta.unobserve(read);
  }, [live, form]);
  if (form.value === 'waiting')
    return <div class="scene-waiting skeleton" role="status" aria-label="Opening the scene" />;
  // What is no scene can be mended as the text it is.
  if (form.value === 'text')
    return (
      <div class="scene-pane">
        <div class="scene-main">
          <CodeEditor tab={tab} document={live} active={active} />
        </div>
        <SceneProblems path={tab.path} active={active} nameOf={() => undefined} selected={undefined} />
      </div>
    );
  return <SceneFace tab={tab} document={live} active={active} />;
};

const SceneFace = ({ tab, document: live, active }: { tab: Tab; document: RoomDocument; active: boolean }) => {
  const workspace = useWorkspace();
  const scene = useMemo(() => new SceneDocument(live), [live]);
  const tree = useSignal<readonly SceneBranch[]>([]);
  const selected = useSignal<string | undefined>(undefined);
  const canUndo = useSignal(false);
  const canRedo = useSignal(false);

  useEffect(() => {
    const { undoManager } = scene;
    const read = () => {
      tree.value = scene.tree();
      if (selected.value !== undefined && scene.node(selected.value) === undefined) selected.value = undefined;
    };
    const readUndo = () => {
      canUndo.value = undoManager.canUndo();
      canRedo.value = undoManager.canRedo();
    };
    read();
    const stop = scene.observe(read);
    undoManager.on('stack-item-added', readUndo);
    undoManager.on('stack-item-popped', readUndo);
    return () => {
      stop();
      scene.destroy();
    };
  }, [scene, tree, selected, canUndo, canRedo]);

  useSignalEffect(() => {
    const asset = tab.insertion.value;
    if (asset === undefined) return;
    tab.insertion.value = undefined;
    selected.value = scene.add(nodeOf(asset));
  });

  const chosen = selected.value;
  useEffect(() => {
    if (active) workspace.selectNodes(tab.path, chosen === undefined ? [] : [chosen]);
  }, [active, chosen, tab.path, workspace]);

  const writable = workspace.canWrite.value;
  const undo = () => scene.undoManager.undo();
  const redo = () => scene.undoManager.redo();
  const value = chosen === undefined ? undefined : scene.node(chosen);
  const issues = workspace.problems.byPath.value.get(tab.path) ?? [];
  const troubled = new Set(issues.flatMap((issue) => placeOf(issue).node ?? []));
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: shortcuts of the controls inside
    <div
      class="scene-pane"
      {...(active ? { 'data-testid': 'scene-editor' } : {})}
      onKeyDown={(event) => {
        if (!(event.ctrlKey || event.metaKey) || event.altKey || !writable) return;
        const key = event.key.toLowerCase();
        if (key === 'z' && !event.shiftKey) undo();
        else if (key === 'y' || key === 'z') redo();
        else return;
        event.preventDefault();
      }}
    >
      <div class="scene scene-main">
        <div class="scene-tree">
          <div class="panel-head">
            <h2>Nodes</h2>
            <div class="panel-tools">
              <button
                type="button"
                class="icon-button"
                aria-label="Undo your last change"
                title="Undo (Ctrl+Z)"
                data-testid="scene-undo"
                disabled={!writable || !canUndo.value}
                onClick={undo}
              >
                <Icon name="undo" size={14} />
              </button>
              <button
                type="button"
                class="icon-button"
                aria-label="Redo"
                title="Redo (Ctrl+Y)"
                disabled={!writable || !canRedo.value}
                onClick={redo}
              >
                <Icon name="redo" size={14} />
              </button>
              <button
                type="button"
                class="icon-button"
                aria-label="Add a node"
                title={chosen === undefined ? 'Add a node' : 'Add a node in the selected one'}
                data-testid="add-node"
                disabled={!writable}
                onClick={() => {
                  selected.value = scene.add({ name: 'Node', position: { x: 0, y: 0 } }, chosen ?? null);
                }}
              >
                <Icon name="plus" size={14} />
              </button>
            </div>
          </div>
          <SceneTree
            scene={scene}
            tree={tree.value}
            selected={selected}
            path={tab.path}
            writable={writable}
            troubled={troubled}
            active={active}
          />
        </div>
        {value === undefined || chosen === undefined ? (
          <div class="scene-nothing faint">Select a node to see what it has.</div>
        ) : (
          <Inspector key={chosen} scene={scene} id={chosen} value={value} path={tab.path} writable={writable} />
        )}
      </div>
      <SceneProblems
        path={tab.path}
        active={active}
        nameOf={(id) => {
          const node = scene.node(id);
          return node && nameOf({ id, value: node });
        }}
        selected={selected}
      />
    </div>
  );
};
