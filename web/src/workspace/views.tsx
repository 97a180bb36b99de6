import { useWorkspace } from './context.ts';
import { seenRows } from './seen-rows.ts';

interface ViewsProps {
  path: string;
  /** Rows of the whole. */
  rows: number;
  /** What a row is called, in the plural. */
  unit: 'lines' | 'nodes';
  onGo: (first: number) => void;
}

/** Beside a text or tree, as high as it: which part of it each of the others looks at. Their names stand there while they move. */
export const Views = ({ path, rows, unit, onGo }: ViewsProps) => {
  const { talk } = useWorkspace();
  const seen = talk.others.value.flatMap((user) => {
    const view = user.path === path && !user.idle ? seenRows(user.view) : undefined;
    return view === undefined ? [] : [{ user, view }];
  });
  if (seen.length === 0 || rows < 1) return null;
  return (
    <div class="views" data-testid="views">
      {seen.map(({ user, view }, index) => {
        const first = Math.min(view.first, rows);
        const last = Math.min(view.last, rows);
        return (
          <button
            key={user.userId}
            type="button"
            class="view-mark"
            style={{
              '--person': user.color,
              '--at': index,
              top: `${((first - 1) / rows) * 100}%`,
              height: `${((last - first + 1) / rows) * 100}%`,
            }}
            aria-label={`${user.displayName} sees ${unit} ${first} to ${last}: go there`}
            data-testid={`view-of-${user.username}`}
            data-first={first}
            data-last={last}
            onClick={() => onGo(first)}
          >
            {/* A new one for every move, so that it fades in anew. */}
            <span key={`${first} ${last}`} class="view-name">
              {user.displayName}
            </span>
          </button>
        );
      })}
    </div>
  );
};
