import { useSignal } from '@preact/signals';
import type { Checkpoint, CheckpointKind } from '../../../src/contract/checkpoints.ts';
import { limits } from '../../../src/contract/limits.ts';
import { formatAgo } from '../ui/format.ts';
import { Icon, type IconName } from '../ui/icon.tsx';
import { useWorkspace } from './context.ts';
import { titleOf } from './history.ts';

const icons: Readonly<Record<CheckpointKind, IconName>> = {
  manual: 'flag',
  auto: 'history',
  build: 'flame',
  restore: 'back',
};

const kinds: readonly (readonly [CheckpointKind | '', string])[] = [
  ['', 'Everything'],
  ['manual', 'Kept by hand'],
  ['auto', 'Kept on its own'],
  ['build', 'Builds'],
  ['restore', 'Before restores'],
];

const Keep = () => {
  const { history } = useWorkspace();
  const name = useSignal('');
  const busy = useSignal(false);
  const keep = async (event: SubmitEvent) => {
    event.preventDefault();
    if (busy.value) return;
    busy.value = true;
    if (await history.keep(name.value.trim())) name.value = '';
    busy.value = false;
  };
  return (
    <form class="history-keep" onSubmit={(event) => void keep(event)}>
      <input
        class="input small"
        data-testid="checkpoint-name"
        aria-label="Name for the state as it is now"
        placeholder="Name this state"
        title="A state with a name is kept for ever"
        maxLength={limits.checkpoint.nameMax}
        autocomplete="off"
        value={name.value}
        onInput={(event) => {
          name.value = event.currentTarget.value;
        }}
      />
      <button type="submit" class="button small" data-testid="checkpoint-keep" disabled={busy.value}>
        <Icon name="flag" size={13} /> Keep
      </button>
    </form>
  );
};

const Row = ({ checkpoint }: { checkpoint: Checkpoint }) => {
  const { history, names, front } = useWorkspace();
  const chosen = history.looked.value?.id === checkpoint.id && front.value === 'checkpoint';
  const { id, name, kind, author, createdAt } = checkpoint;
  return (
    <li>
      <button
        type="button"
        class={chosen ? 'moment chosen' : 'moment'}
        aria-current={chosen}
        data-testid={`checkpoint-${id}`}
        onClick={() => {
          history.look(checkpoint);
          front.value = 'checkpoint';
        }}
      >
        <span class={`moment-icon ${name === null ? kind : 'named'}`}>
          <Icon name={icons[kind]} size={14} />
        </span>
        <span class="moment-text">
          <strong class={name === null ? '' : 'named'}>{titleOf(checkpoint)}</strong>
          <span>
            {names.of(author)} ·{' '}
            <time dateTime={createdAt} title={new Date(createdAt).toLocaleString()}>
              {formatAgo(createdAt)}
            </time>
          </span>
        </span>
      </button>
    </li>
  );
};

/** The states of the project that were kept, newest first. */
export const HistoryPanel = () => {
  const workspace = useWorkspace();
  const { history, front } = workspace;
  const list = history.list.value;
  return (
    <section class="history-panel" aria-label="History" data-testid="history-panel">
      <div class="panel-head">
        <h2>History</h2>
        <div class="panel-tools">
          <button
            type="button"
            class="icon-button"
            aria-label="Back to the files"
            title="Back to the files"
            data-testid="history-close"
            onClick={() => {
              history.hide();
              if (front.value === 'checkpoint') front.value = 'editor';
            }}
          >
            <Icon name="close" size={14} />
          </button>
        </div>
      </div>
      <div class="history-tools">
        {workspace.canWrite.value && <Keep />}
        <select
          class="select history-filter"
          aria-label="What to show"
          data-testid="history-filter"
          value={history.kind.value ?? ''}
          onChange={(event) => {
            const { value } = event.currentTarget;
            history.filter(value === '' ? undefined : (value as CheckpointKind));
          }}
        >
          {kinds.map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      </div>
      <ul class="moments" data-testid="checkpoints">
        {list?.map((checkpoint) => (
          <Row key={checkpoint.id} checkpoint={checkpoint} />
        ))}
        {list === undefined && [1, 2, 3].map((key) => <li key={key} class="moment skeleton" />)}
        {list?.length === 0 && (
          <li class="moments-empty">
            {history.kind.value === undefined
              ? 'Nothing was kept yet. A state is kept by its name, at each build, and after ten minutes of work.'
              : 'Nothing of that kind was kept.'}
          </li>
        )}
        {history.nextCursor.value !== null && list !== undefined && (
          <li>
            <button
              type="button"
              class="button small moments-more"
              data-testid="history-more"
              onClick={() => void history.more()}
            >
              Show more
            </button>
          </li>
        )}
      </ul>
    </section>
  );
};
