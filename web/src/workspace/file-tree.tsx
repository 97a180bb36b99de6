import { useSignal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { TreeNode } from '../../../src/contract/files.ts';
import { toast } from '../state/toasts.ts';
import { confirm } from '../ui/confirm.tsx';
import { plural } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { Menu, type MenuItem, type MenuPlace } from '../ui/menu.tsx';
import { useWorkspace } from './context.ts';
import { copyName, inside, nameOf, parentOf } from './file-operations.ts';
import { draggedType, FileRow } from './file-row.tsx';
import { MoveDialog } from './move-dialog.tsx';
import { NewFile } from './new-file.tsx';
import { PanelTabs } from './panel-tabs.tsx';
import { countFiles, findNode, type Row, visibleRows } from './tree.ts';

const directoryOf = (node: TreeNode): string => (node.type === 'directory' ? node.path : parentOf(node.path));

export const FileTree = () => {
  const workspace = useWorkspace();
  const collapsed = useSignal<ReadonlySet<string>>(new Set());
  const focused = useSignal<string | undefined>(undefined);
  const creating = useSignal<string | undefined>(undefined);
  const renaming = useSignal<string | undefined>(undefined);
  const moving = useSignal<string | undefined>(undefined);
  const menu = useSignal<{ node: TreeNode; place: MenuPlace } | undefined>(undefined);
  /** The directory that what is dragged would go into. */
  const target = useSignal<string | undefined>(undefined);
  const list = useRef<HTMLDivElement>(null);
  /** Gets the focus when it is there: it was just made. */
  const awaited = useRef<string | undefined>(undefined);
  const tree = workspace.tree.value;
  const canWrite = workspace.canWrite.value;
  const rows = tree === undefined ? [] : visibleRows(tree, collapsed.value);
  const people = workspace.peopleByPath.value;
  const problems = workspace.problems.byPath.value;
  const problemsOf = ({ node, expanded }: Row): number =>
    node.type === 'file'
      ? (problems.get(node.path)?.length ?? 0)
      : expanded
        ? 0
        : [...problems].reduce(
            (sum, [path, issues]) => sum + (path.startsWith(`${node.path}/`) ? issues.length : 0),
            0,
          );
  const tabStop = rows.some((row) => row.node.path === focused.value) ? focused.value : rows[0]?.node.path;

  const toggle = (path: string, open = collapsed.value.has(path)) => {
    const next = new Set(collapsed.value);
    if (open) next.delete(path);
    else next.add(path);
    collapsed.value = next;
  };

  const focus = (row: Row | undefined) => {
    if (row === undefined) return;
    focused.value = row.node.path;
    const index = rows.indexOf(row);
    list.current?.querySelectorAll<HTMLElement>('[role="treeitem"]')[index]?.focus();
  };
  // Not after the next frame: a key that is pressed until then belongs to the row that has the focus.
  useLayoutEffect(() => {
    const row = rows.find(({ node }) => node.path === awaited.current);
    if (row === undefined || renaming.value !== undefined) return;
    awaited.current = undefined;
    focus(row);
  });

  const remove = async (node: TreeNode) => {
    const isFile = node.type === 'file';
    const yes = await confirm({
      title: `Delete ${node.path}?`,
      text: `${isFile ? 'It is' : `The folder and ${plural(countFiles(node), 'file')} in it are`} deleted for everyone in the project.`,
      action: 'Delete',
    });
    if (!yes) return;
    const refusal = await workspace.files.remove(node.path);
    if (refusal !== undefined) return toast({ kind: 'error', title: `${node.path} was not deleted`, detail: refusal });
    for (const { path } of workspace.tabs.value)
      if (path === node.path || path.startsWith(`${node.path}/`)) workspace.closeTab(path);
  };

  const moveInto = async (directory: string, path: string) => {
    const to = inside(directory, nameOf(path));
    if (path === '' || path === to) return;
    const refusal = await workspace.files.move(path, to);
    if (refusal !== undefined) return toast({ kind: 'error', title: `${path} was not moved`, detail: refusal });
    toggle(directory, true);
    awaited.current = to;
  };

  const copy = async ({ path }: TreeNode) => {
    const to = copyName(path, (candidate) => findNode(tree, candidate)?.path === candidate);
    const refusal = await workspace.files.copy(path, to);
    if (refusal !== undefined) return toast({ kind: 'error', title: `${path} was not copied`, detail: refusal });
    awaited.current = to;
    renaming.value = to;
  };

  const startNew = (directory: string) => {
    creating.value = directory === '' ? '' : `${directory}/`;
  };

  const act = (row: Row) => (row.node.type === 'directory' ? toggle(row.node.path) : workspace.open(row.node.path));

  const onKey = (event: KeyboardEvent, row: Row, index: number) => {
    const { node } = row;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === 'ArrowDown') focus(rows[index + 1]);
    else if (event.key === 'ArrowUp') focus(rows[index - 1]);
    else if (event.key === 'Home') focus(rows[0]);
    else if (event.key === 'End') focus(rows.at(-1));
    else if (event.key === 'ArrowRight' && node.type === 'directory')
      row.expanded ? focus(rows[index + 1]) : toggle(node.path, true);
    else if (event.key === 'ArrowLeft' && row.expanded) toggle(node.path, false);
    else if (event.key === 'ArrowLeft') focus(rows.slice(0, index).findLast((other) => other.depth < row.depth));
    else if (event.key === 'Enter' || event.key === ' ') act(row);
    else if (event.key === 'Delete' && canWrite) void remove(node);
    else if (event.key === 'F2' && canWrite) renaming.value = node.path;
    else return;
    event.preventDefault();
  };

  const actionsOf = (node: TreeNode): MenuItem[] => [
    { label: 'New file here', icon: 'plus', testId: 'tree-new', run: () => startNew(directoryOf(node)) },
    {
      label: 'Rename',
      icon: 'pencil',
      hint: 'F2',
      testId: 'tree-rename',
      run: () => {
        renaming.value = node.path;
      },
    },
    {
      label: 'Move to…',
      icon: 'move',
      testId: 'tree-move',
      run: () => {
        moving.value = node.path;
      },
    },
    { label: 'Make a copy', icon: 'copy', testId: 'tree-copy', run: () => void copy(node) },
    {
      label: 'Delete',
      icon: 'trash',
      hint: 'Del',
      danger: true,
      testId: 'tree-delete',
      run: () => void remove(node),
    },
  ];

  /** New files go where the reader is. */
  const startPath = () => {
    const row = rows.find((candidate) => candidate.node.path === (focused.value ?? workspace.activePath.value));
    return row === undefined ? '' : directoryOf(row.node);
  };

  return (
    <>
      <div class="panel-head">
        <PanelTabs />
        <div class="panel-tools">
          <button
            type="button"
            class="icon-button"
            aria-label="Search in all files"
            title="Search in all files (Ctrl+Shift+F)"
            data-testid="search-open"
            onClick={() => workspace.search.show()}
          >
            <Icon name="search" size={15} />
          </button>
          {canWrite && (
            <button
              type="button"
              class="icon-button"
              aria-label="New file"
              title="New file"
              data-testid="new-file"
              onClick={() => startNew(startPath())}
            >
              <Icon name="plus" />
            </button>
          )}
        </div>
      </div>
      {creating.value !== undefined && (
        <NewFile
          start={creating.value}
          onDone={() => {
            creating.value = undefined;
          }}
        />
      )}
      <div
        class={target.value === '' ? 'tree dropping' : 'tree'}
        role="tree"
        aria-label="Files of the project"
        ref={list}
        onDragOver={(event) => {
          if (!canWrite || !event.dataTransfer?.types.includes(draggedType)) return;
          event.preventDefault();
          target.value = '';
        }}
        onDragLeave={() => {
          target.value = undefined;
        }}
        onDrop={(event) => {
          event.preventDefault();
          target.value = undefined;
          void moveInto('', event.dataTransfer?.getData(draggedType) ?? '');
        }}
      >
        {rows.map((row, index) => {
          const { node } = row;
          const directory = directoryOf(node);
          return (
            <FileRow
              key={node.path}
              row={row}
              people={people.get(node.path) ?? []}
              problems={problemsOf(row)}
              active={node.type === 'file' && node.path === workspace.activePath.value}
              tabStop={node.path === tabStop}
              canWrite={canWrite}
              renaming={node.path === renaming.value}
              dropping={target.value === node.path}
              onAct={() => act(row)}
              onFocus={() => {
                focused.value = node.path;
              }}
              onKey={(event) => onKey(event, row, index)}
              onMenu={(place) => {
                if (canWrite) menu.value = { node, place };
              }}
              onRenamed={(path) => {
                awaited.current = path ?? node.path;
                renaming.value = undefined;
              }}
              onHover={(over) => {
                target.value = over ? directory : undefined;
              }}
              onDropped={(path) => void moveInto(directory, path)}
            />
          );
        })}
        {tree !== undefined && rows.length === 0 && (
          <p class="tree-empty">No files yet.{canWrite ? ' Make the first one with +.' : ''}</p>
        )}
      </div>
      {menu.value !== undefined && (
        <Menu
          label={menu.value.node.path}
          items={actionsOf(menu.value.node)}
          place={menu.value.place}
          onClose={() => {
            menu.value = undefined;
          }}
        />
      )}
      {moving.value !== undefined && (
        <MoveDialog
          path={moving.value}
          onDone={(path) => {
            awaited.current = path ?? moving.value;
            moving.value = undefined;
          }}
        />
      )}
    </>
  );
};
