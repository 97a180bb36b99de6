import { useSignal } from '@preact/signals';
import type { FieldPath, SceneDocument, SceneNodeValue } from '../../../../src/client/index.ts';
import { Icon } from '../../ui/icon.tsx';
import { useWorkspace } from '../context.ts';

interface InspectorProps {
  scene: SceneDocument;
  id: string;
  value: SceneNodeValue;
  path: string;
  writable: boolean;
}

/** Where a node stands is the tree's to say. */
const structural = new Set(['parent', 'order']);

type Leaf = readonly [field: FieldPath, value: unknown];

/** Every field that is no object, with its place; lists are one value. */
const leaves = (value: SceneNodeValue, above: readonly string[] = []): Leaf[] =>
  Object.entries(value).flatMap(([key, inner]): Leaf[] => {
    if (above.length === 0 && structural.has(key)) return [];
    const [first = key, ...rest] = [...above, key];
    return typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? leaves(inner as SceneNodeValue, [first, ...rest])
      : [[[first, ...rest], inner]];
  });

/** What was typed, as what it was before: a number stays a number. Undefined where it cannot be that. */
const readAs = (before: unknown, text: string): unknown => {
  if (typeof before === 'string') return text;
  try {
    const read: unknown = JSON.parse(text);
    return typeof before === 'number' && typeof read !== 'number' ? undefined : read;
  } catch {
    return before === null ? text : undefined;
  }
};

const Field = ({
  leaf: [field, value],
  scene,
  id,
  writable,
}: Omit<InspectorProps, 'value' | 'path'> & { leaf: Leaf }) => {
  const wrong = useSignal(false);
  /** What is being typed: what others do to the node meanwhile must not write over it. */
  const draft = useSignal<string | undefined>(undefined);
  const label = field.join('.');
  const testid = `field-${label}`;
  return (
    <div class="node-field">
      <span title={label}>{label}</span>
      {typeof value === 'boolean' ? (
        <input
          type="checkbox"
          aria-label={label}
          data-testid={testid}
          checked={value}
          disabled={!writable}
          onChange={(event) => scene.set(id, field, event.currentTarget.checked)}
        />
      ) : (
        <input
          class="input small"
          data-testid={testid}
          inputMode={typeof value === 'number' ? 'decimal' : 'text'}
          aria-label={label}
          readOnly={!writable}
          aria-invalid={wrong.value}
          value={
            draft.value ?? (typeof value === 'string' || typeof value === 'number' ? value : JSON.stringify(value))
          }
          onInput={(event) => {
            draft.value = event.currentTarget.value;
          }}
          onBlur={() => {
            if (!wrong.value) draft.value = undefined;
          }}
          onChange={(event) => {
            const next = readAs(value, event.currentTarget.value);
            wrong.value = next === undefined;
            if (next === undefined) return;
            draft.value = undefined;
            if (next !== value) scene.set(id, field, next);
          }}
        />
      )}
    </div>
  );
};

/** The fields of one node. Each change is of one field, so that two people may change two of them. */
export const Inspector = ({ scene, id, value, path, writable }: InspectorProps) => {
  const { talk, canTalk } = useWorkspace();
  const adding = useSignal('');
  const name = typeof value.name === 'string' ? value.name : id;
  const add = () => {
    const [first, ...rest] = adding.value
      .split('.')
      .map((part) => part.trim())
      .filter(Boolean);
    if (first === undefined || structural.has(first)) return;
    scene.set(id, [first, ...rest], '');
    adding.value = '';
  };
  return (
    <section class="inspector" aria-label={`Fields of ${name}`} data-testid="inspector">
      <div class="panel-head">
        <h2>{name}</h2>
        {canTalk.value && (
          <button
            type="button"
            class="icon-button"
            aria-label="Comment on this node"
            title="Comment on this node"
            data-testid="comment-node"
            onClick={() => talk.begin({ path, anchor: { kind: 'node', node: id, pointer: '' }, quote: name })}
          >
            <Icon name="comment" size={14} />
          </button>
        )}
      </div>
      <div class="node-fields">
        {leaves(value).map((leaf) => (
          <Field key={`${id}/${leaf[0].join('.')}`} leaf={leaf} scene={scene} id={id} writable={writable} />
        ))}
        {writable && (
          <form
            class="node-field"
            onSubmit={(event) => {
              event.preventDefault();
              add();
            }}
          >
            <input
              class="input small"
              placeholder="new.field"
              aria-label="Name of a new field"
              value={adding.value}
              onInput={(event) => {
                adding.value = event.currentTarget.value;
              }}
            />
            <button type="submit" class="button small">
              Add
            </button>
          </form>
        )}
      </div>
    </section>
  );
};
