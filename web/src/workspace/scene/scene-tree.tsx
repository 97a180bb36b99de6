import { type Signal, useSignal, useSignalEffect } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { SceneBranch, SceneDocument } from '../../../../src/client/index.ts';
import { Icon } from '../../ui/icon.tsx';
import { useWorkspace } from '../context.ts';
import { type SeenRows, seenRows } from '../seen-rows.ts';
import { Views } from '../views.tsx';

interface TreeProps {
  scene: SceneDocument;
  tree: readonly SceneBranch[];
  selected: Signal<string | undefined>;
  path: string;
  writable: boolean;
  /** Nodes with something that does not fit. */
  troubled: ReadonlySet<string>;
}

export const nameOf = ({ id, value }: Pick<SceneBranch, 'id' | 'value'>): string => {
  const { name, type } = value;
  return typeof name === 'string' && name !== '' ? name : typeof type === 'string' && type !== '' ? type : id;
};

const mime = 'application/x-kiln-node';

const Branch = ({
  branch,
  depth,
  drop,
  ...props
}: TreeProps & { branch: SceneBranch; depth: number; drop: Signal<string | undefined> }) => {
  const { scene, selected, path, writable } = props;
  const { talk } = useWorkspace();
  const { id } = branch;
  const here = talk.others.value.filter((user) => user.path === path && user.nodes.includes(id));
  const threads = talk.openThreads.value.filter(
    ({ path: on, anchor }) => on === path && anchor?.kind === 'node' && anchor.node === id,
  );
  return (
    <div
      role="treeitem"
      aria-level={depth + 1}
      aria-selected={selected.value === id}
      tabIndex={selected.value === id ? 0 : -1}
    >
      <div
        class={`row${selected.value === id ? ' active' : ''}${drop.value === id ? ' drop' : ''}`}
        style={{ '--depth': depth, ...(here[0] && { boxShadow: `inset 2px 0 ${here[0].color}` }) }}
      >
        <button
          type="button"
          class="node-name"
          data-testid={`node-${nameOf(branch)}`}
          draggable={writable}
          onClick={() => {
            selected.value = id;
          }}
          onDragStart={(event) => event.dataTransfer?.setData(mime, id)}
          onDragOver={(event) => {
            if (!writable || event.dataTransfer?.types.includes(mime) !== true) return;
            event.preventDefault();
            drop.value = id;
          }}
          onDragLeave={() => {
            if (drop.value === id) drop.value = undefined;
          }}
          onDrop={(event) => {
            const moved = event.dataTransfer?.getData(mime);
            drop.value = undefined;
            if (moved) scene.move(moved, id);
          }}
        >
          {nameOf(branch)}
        </button>
        {props.troubled.has(id) && (
          <span class="node-trouble" role="img" aria-label="Has a problem" title="Has a problem">
            <Icon name="warning" size={13} />
          </span>
        )}
        {threads.length > 0 && <Icon name="comment" size={12} />}
        {here.map((user) => (
          <span
            key={user.userId}
            class="node-person"
            style={{ '--person': user.color }}
            data-testid={`selected-by-${user.username}`}
          >
            {user.displayName}
          </span>
        ))}
        {writable && (
          <button
            type="button"
            class="icon-button row-action"
            aria-label={`Delete ${nameOf(branch)}`}
            onClick={() => scene.remove(id)}
          >
            <Icon name="trash" size={13} />
          </button>
        )}
      </div>
      {branch.children.length > 0 && (
        <div>
          {branch.children.map((child) => (
            <Branch key={child.id} {...props} branch={child} depth={depth + 1} drop={drop} />
          ))}
        </div>
      )}
    </div>
  );
};

const countOf = (branches: readonly SceneBranch[]): number =>
  branches.reduce((count, { children }) => count + 1 + countOf(children), 0);

const rowsOf = (tree: HTMLElement): Element[] => [...tree.querySelectorAll('.row')];

/** Which nodes are on the screen, by their place in the tree from above. */
const rowsOnScreen = (tree: HTMLElement): SeenRows | undefined => {
  const { top, bottom } = tree.getBoundingClientRect();
  const rows = rowsOf(tree).map((row) => row.getBoundingClientRect());
  const first = rows.findIndex((row) => (row.top + row.bottom) / 2 >= top);
  const last = rows.findLastIndex((row) => row.top < bottom);
  return first < 0 || last < first ? undefined : { first: first + 1, last: last + 1 };
};

const scrollToRow = (tree: HTMLElement, row: number): void => {
  const place = rowsOf(tree)[row - 1]?.getBoundingClientRect();
  if (place !== undefined) tree.scrollTop += place.top - tree.getBoundingClientRect().top;
};

/** The nodes as they hang on each other; dragging one onto another hangs it there. */
export const SceneTree = (props: TreeProps & { active: boolean }) => {
  const { active, path, tree } = props;
  const workspace = useWorkspace();
  const drop = useSignal<string | undefined>(undefined);
  const list = useRef<HTMLDivElement>(null);
  const rows = countOf(tree);

  const tellView = () => {
    const seen = active && list.current !== null ? rowsOnScreen(list.current) : undefined;
    if (seen !== undefined) workspace.setView(path, seen);
  };
  useEffect(tellView, [active, path, rows]);
  useSignalEffect(() => {
    const { followed } = workspace.talk;
    const seen = followed.value?.path === path ? seenRows(followed.value.view) : undefined;
    const element = list.current;
    if (seen === undefined || element === null || rowsOnScreen(element)?.first === seen.first) return;
    scrollToRow(element, seen.first);
  });

  return (
    <div class="nodes-pane">
      <div ref={list} class="tree nodes" role="tree" aria-label="Nodes of the scene" onScroll={tellView}>
        {tree.map((branch) => (
          <Branch key={branch.id} {...props} branch={branch} depth={0} drop={drop} />
        ))}
        {tree.length === 0 && <p class="list-empty">This scene is empty. Add its first node.</p>}
      </div>
      <Views
        path={path}
        rows={rows}
        unit="nodes"
        onGo={(first) => list.current !== null && scrollToRow(list.current, first)}
      />
    </div>
  );
};
