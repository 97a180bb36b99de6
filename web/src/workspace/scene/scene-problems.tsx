import type { Signal } from '@preact/signals';
import { useSignal } from '@preact/signals';
import { plural } from '../../ui/format.ts';
import { Icon } from '../../ui/icon.tsx';
import { useWorkspace } from '../context.ts';
import { placeOf } from '../problems.ts';

interface ProblemsProps {
  path: string;
  active: boolean;
  /** Name of a node; undefined where there is none of that id. */
  nameOf: (node: string) => string | undefined;
  /** Goes where a node is chosen; undefined: there is nothing to choose from. */
  selected: Signal<string | undefined> | undefined;
}

/** What does not fit in the open scene. Nothing of it is lost; a game may stumble over it. */
export const SceneProblems = ({ path, active, nameOf, selected }: ProblemsProps) => {
  const { problems } = useWorkspace();
  const open = useSignal(true);
  const issues = problems.byPath.value.get(path) ?? [];
  if (issues.length === 0) return null;
  return (
    <section
      class="scene-problems"
      aria-label="Problems of this scene"
      {...(active ? { 'data-testid': 'scene-problems' } : {})}
    >
      <button
        type="button"
        class="scene-problems-head"
        aria-expanded={open.value}
        onClick={() => {
          open.value = !open.value;
        }}
      >
        <Icon name="warning" size={14} />
        <span role="status">{plural(issues.length, 'problem')}</span>
        <span class="faint">It is saved as it is; a game may stumble over it.</span>
        <span class={open.value ? 'twist open' : 'twist'}>
          <Icon name="chevron" size={12} />
        </span>
      </button>
      {open.value && (
        <ul>
          {issues.map((issue) => {
            const { node, field } = placeOf(issue);
            const name = node === undefined ? undefined : nameOf(node);
            return (
              <li key={`${issue.pointer} ${issue.message}`}>
                {node !== undefined && name !== undefined && selected !== undefined ? (
                  <button
                    type="button"
                    class="problem-node"
                    title={`Go to the node ${node}`}
                    data-testid={`problem-${name}`}
                    onClick={() => {
                      selected.value = node;
                    }}
                  >
                    {name}
                  </button>
                ) : (
                  <span class="problem-node">{node ?? 'Scene'}</span>
                )}
                {field !== '' && <code>{field}</code>}
                <span class="problem-message">{issue.message}</span>
              </li>
            );
          })}
        </ul>
      )}
    </section>
  );
};
