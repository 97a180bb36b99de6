import type { Presence } from '../../../src/contract/room.ts';
import { plural } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import type { MenuPlace } from '../ui/menu.tsx';
import { tintOf } from './file-kinds.ts';
import { RenameField } from './rename-field.tsx';
import type { Row } from './tree.ts';

/** What a row of the tree carries while it is dragged. */
export const draggedType = 'application/x-kiln-path';

interface FileRowProps {
  row: Row;
  people: readonly Presence[];
  /** What does not fit in it, or in what it holds while that is not shown. */
  problems: number;
  active: boolean;
  tabStop: boolean;
  canWrite: boolean;
  renaming: boolean;
  /** Something is held over it that would go into it. */
  dropping: boolean;
  onAct: () => void;
  onFocus: () => void;
  onKey: (event: KeyboardEvent) => void;
  onMenu: (place: MenuPlace) => void;
  onRenamed: (path: string | undefined) => void;
  onHover: (over: boolean) => void;
  onDropped: (path: string) => void;
}

/** A file or directory of the tree. */
export const FileRow = (props: FileRowProps) => {
  const { row, people, active, canWrite, renaming } = props;
  const { node, depth, expanded } = row;
  const isFile = node.type === 'file';
  const carries = (event: DragEvent) => canWrite && event.dataTransfer?.types.includes(draggedType) === true;
  return (
    <div
      class={`row${active ? ' active' : ''}${props.dropping ? ' dropping' : ''}`}
      role="treeitem"
      aria-level={depth + 1}
      aria-selected={active}
      {...(isFile ? {} : { 'aria-expanded': expanded })}
      tabIndex={props.tabStop ? 0 : -1}
      style={{ '--depth': depth }}
      data-testid={`${isFile ? 'file' : 'directory'}-${node.path}`}
      draggable={canWrite && !renaming}
      onFocus={props.onFocus}
      onClick={props.onAct}
      onKeyDown={props.onKey}
      onContextMenu={(event) => {
        event.preventDefault();
        const { left, bottom } = event.currentTarget.getBoundingClientRect();
        // The key for it has no point of its own.
        props.onMenu(event.button === 2 ? { x: event.clientX, y: event.clientY } : { x: left + 24, y: bottom });
      }}
      onDragStart={(event) => {
        event.dataTransfer?.setData(draggedType, node.path);
        if (event.dataTransfer !== null) event.dataTransfer.effectAllowed = 'move';
      }}
      onDragOver={(event) => {
        if (!carries(event)) return;
        event.preventDefault();
        event.stopPropagation();
        props.onHover(true);
      }}
      onDragLeave={() => props.onHover(false)}
      onDrop={(event) => {
        if (!carries(event)) return;
        event.preventDefault();
        event.stopPropagation();
        props.onHover(false);
        props.onDropped(event.dataTransfer?.getData(draggedType) ?? '');
      }}
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
      {renaming ? (
        <RenameField path={node.path} onDone={props.onRenamed} />
      ) : (
        <>
          <span class="row-name">{node.name}</span>
          {props.problems > 0 && (
            <span
              class="row-problems"
              role="img"
              aria-label={plural(props.problems, 'problem')}
              title={`${plural(props.problems, 'problem')}: ${isFile ? 'open it to see' : 'in this folder'}`}
              data-testid={`problems-${node.path}`}
            >
              <Icon name="warning" size={13} />
              {props.problems}
            </span>
          )}
          {people.slice(0, 4).map((user) => (
            <span
              key={user.userId}
              class="dot"
              style={{ '--person': user.color }}
              title={`${user.displayName} is here`}
            />
          ))}
          {canWrite && (
            <button
              type="button"
              class="icon-button row-action"
              aria-label={`What to do with ${node.path}`}
              aria-haspopup="menu"
              tabIndex={-1}
              data-testid={`menu-${node.path}`}
              onClick={(event) => {
                event.stopPropagation();
                const { right, bottom } = event.currentTarget.getBoundingClientRect();
                props.onMenu({ x: right, y: bottom + 2, end: true });
              }}
            >
              <Icon name="more" size={15} />
            </button>
          )}
        </>
      )}
    </div>
  );
};
