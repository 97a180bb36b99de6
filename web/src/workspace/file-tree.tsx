import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { limits } from '../../../src/contract/limits.ts';
import { confirm } from '../ui/confirm.tsx';
import { Icon } from '../ui/icon.tsx';
import { useWorkspace } from './context.ts';
import { tintOf } from './file-kinds.ts';
import { type Row, visibleRows } from './tree.ts';

const NewFile = ({ start, onDone }: { start: string; onDone: () => void }) => {
  const workspace = useWorkspace();
  const busy = useSignal(false);
  return (
    <form
      class="new-file"
      onSubmit={(event) => {
        event.preventDefault();
        const path = String(new FormData(event.currentTarget).get('path') ?? '').trim();
        if (path === '' || busy.value) return;
        busy.value = true;
        void workspace.createFile(path).then((made) => {
          busy.value = false;
          if (made) onDone();
        });
      }}
    >
      <input
        class="input small"
        name="path"
        data-testid="new-file-path"
        aria-label="Path of the new file"
        placeholder="src/enemy.ts"
        defaultValue={start}
        maxLength={limits.file.pathMax}
        spellcheck={false}
        autocomplete="off"
        ref={(element) => element?.focus()}
        onKeyDown={(event) => {
          if (event.key === 'Escape') onDone();
        }}
        onBlur={(event) => {
          if (!busy.value && event.currentTarget.value.trim() === start) onDone();
        }}
      />
    </form>
  );
};

export const FileTree = () => {
  const workspace = useWorkspace();
  const collapsed = useSignal<ReadonlySet<string>>(new Set());
  const focused = useSignal<string | undefined>(undefined);
  const creating = useSignal<string | undefined>(undefined);
  const list = useRef<HTMLDivElement>(null);
  const tree = workspace.tree.value;
  const rows = tree === undefined ? [] : visibleRows(tree, collapsed.value);
  const people = workspace.peopleByPath.value;
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

  const remove = async (path: string) => {
    const yes = await confirm({
      title: `Delete ${path}?`,
      text: 'It is deleted for everyone in the project.',
      action: 'Delete',
    });
    if (yes) await workspace.deleteFile(path);
  };

  const act = (row: Row) => (row.node.type === 'directory' ? toggle(row.node.path) : workspace.open(row.node.path));

  const onKey = (event: KeyboardEvent, row: Row, index: number) => {
    const { node } = row;
    if (event.key === 'ArrowDown') focus(rows[index + 1]);
    else if (event.key === 'ArrowUp') focus(rows[index - 1]);
    else if (event.key === 'Home') focus(rows[0]);
    else if (event.key === 'End') focus(rows.at(-1));
    else if (event.key === 'ArrowRight' && node.type === 'directory')
      row.expanded ? focus(rows[index + 1]) : toggle(node.path, true);
    else if (event.key === 'ArrowLeft' && row.expanded) toggle(node.path, false);
    else if (event.key === 'ArrowLeft') focus(rows.slice(0, index).findLast((other) => other.depth < row.depth));
    else if (event.key === 'Enter' || event.key === ' ') act(row);
    else if (event.key === 'Delete' && node.type === 'file' && workspace.canWrite.value) void remove(node.path);
    else return;
    event.preventDefault();
  };

  /** New files go where the reader is. */
  const startPath = () => {
    const row = rows.find((candidate) => candidate.node.path === (focused.value ?? workspace.activePath.value));
    const directory =
      row?.node.type === 'directory' ? row.node.path : (row?.node.path.split('/').slice(0, -1).join('/') ?? '');
    return directory === '' ? '' : `${directory}/`;
  };

  return (
    <>
      <div class="panel-head">
        <h2>Files</h2>
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
          {workspace.canWrite.value && (
            <button
              type="button"
              class="icon-button"
              aria-label="New file"
              title="New file"
              data-testid="new-file"
              onClick={() => {
                creating.value = startPath();
              }}
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
      <div class="tree" role="tree" aria-label="Files of the project" ref={list}>
        {rows.map((row, index) => {
          const { node, depth, expanded } = row;
          const isFile = node.type === 'file';
          const here = people.get(node.path) ?? [];
          const active = isFile && node.path === workspace.activePath.value;
          return (
            <div
              key={node.path}
              class={active ? 'row active' : 'row'}
              role="treeitem"
              aria-level={depth + 1}
              aria-selected={active}
              {...(isFile ? {} : { 'aria-expanded': expanded })}
              tabIndex={node.path === tabStop ? 0 : -1}
              style={{ '--depth': depth }}
              data-testid={`${isFile ? 'file' : 'directory'}-${node.path}`}
              onFocus={() => {
                focused.value = node.path;
              }}
              onClick={() => act(row)}
              onKeyDown={(event) => onKey(event, row, index)}
            >
              {isFile ? (
                <span class={`file-icon tint-${tintOf(node.path)}`}>
                  <Icon name="file" size={15} />
                </span>
              ) : (
                <span class={expanded ? 'twist open' : 'twist'}>
                  <Icon name="chevron" size={12} />
                </span>
              )}
              <span class="row-name">{node.name}</span>
              {here.slice(0, 4).map((user) => (
                <span
                  key={user.userId}
                  class="dot"
                  style={{ '--person': user.color }}
                  title={`${user.displayName} is here`}
                />
              ))}
              {isFile && workspace.canWrite.value && (
                <button
                  type="button"
                  class="icon-button row-action"
                  aria-label={`Delete ${node.path}`}
                  tabIndex={-1}
                  onClick={(event) => {
                    event.stopPropagation();
                    void remove(node.path);
                  }}
                >
                  <Icon name="trash" size={14} />
                </button>
              )}
            </div>
          );
        })}
        {tree !== undefined && rows.length === 0 && (
          <p class="tree-empty">No files yet.{workspace.canWrite.value ? ' Make the first one with +.' : ''}</p>
        )}
      </div>
    </>
  );
};
