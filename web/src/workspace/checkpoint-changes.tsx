import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Checkpoint } from '../../../src/contract/checkpoints.ts';
import { limits } from '../../../src/contract/limits.ts';
import { reasonOf, toastError } from '../state/toasts.ts';
import { formatAgo, formatBytes, plural } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { ChangeKind, type ChangeKindName, changeKinds } from './change-kind.tsx';
import { type AssetChange, type Change, type Comparison, compare, type Side } from './comparison.ts';
import { useWorkspace } from './context.ts';
import { titleOf } from './history.ts';
import { countChanges, Patch, WholeText } from './patch.tsx';

/** The content of a file that only one side has. */
const OneSided = ({ change, side }: { change: Change; side: Side }) => {
  const { client, id } = useWorkspace();
  const text = useSignal<string | undefined>(undefined);
  const { path } = change;
  useEffect(() => {
    const aborter = new AbortController();
    const { signal } = aborter;
    const read =
      side === 'head'
        ? client.call('getFile', { params: { id, path }, signal })
        : client.call('getCheckpointFile', { params: { id, checkpointId: side, path }, signal });
    read
      .then(({ file }) => {
        text.value = file.content;
      })
      .catch((error: unknown) => {
        if (!signal.aborted) toastError(error);
      });
    return () => aborter.abort();
  }, [client, id, path, side, text]);
  if (text.value === undefined) return <div class="change-waiting skeleton" />;
  return <WholeText text={text.value} sign={change.kind === 'added' ? '+' : '-'} />;
};

const Body = ({ change, comparison }: { change: Change; comparison: Comparison }) => {
  const { kind, file, patch } = change;
  if (kind === 'moved') return <p class="change-note">Moved here from {change.from}, and not changed.</p>;
  if (patch !== undefined) return <Patch text={patch} />;
  if (!file.isText) return <p class="change-note">Not a text: {formatBytes(file.size)}.</p>;
  if (kind === 'modified') return <p class="change-note">Too much has changed to be shown line by line.</p>;
  return <OneSided change={change} side={kind === 'added' ? comparison.newer : comparison.older} />;
};

const Entry = ({ change, comparison, open }: { change: Change; comparison: Comparison; open: boolean }) => {
  const shown = useSignal(open);
  const { kind, path, patch } = change;
  const counts = patch === undefined ? undefined : countChanges(patch);
  return (
    <details
      class="change"
      open={shown.value}
      data-testid={`change-${path}`}
      data-kind={kind}
      onToggle={(event) => {
        shown.value = event.currentTarget.open;
      }}
    >
      <summary>
        <span class="twist">
          <Icon name="chevron" size={12} />
        </span>
        <ChangeKind kind={kind} />
        <span class="change-path">{path}</span>
        {counts !== undefined && (
          <span class="change-counts">
            <span class="plus">+{counts.added}</span> <span class="minus">−{counts.removed}</span>
          </span>
        )}
      </summary>
      {shown.value && (
        <div class="change-body">
          <Body change={change} comparison={comparison} />
        </div>
      )}
    </details>
  );
};

const AssetEntry = ({ change: { kind, name, from } }: { change: AssetChange }) => (
  <li class="change asset-change" data-testid={`asset-change-${name}`} data-kind={kind}>
    <Icon name="image" size={12} />
    <ChangeKind kind={kind} />
    <span class="change-path">{name}</span>
    {from !== undefined && <span class="faint">was {from}</span>}
  </li>
);

const summaryOf = ({ changes, assets }: Comparison): string => {
  const assetPart = assets.length === 0 ? [] : [plural(assets.length, 'asset')];
  if (changes.length === 0) return assetPart[0] ?? 'No difference';
  const parts = (Object.keys(changeKinds) as ChangeKindName[]).flatMap((kind) => {
    const count = changes.filter((change) => change.kind === kind).length;
    return count === 0 ? [] : [`${count} ${kind}`];
  });
  return [`${plural(changes.length, 'file')}: ${parts.join(', ')}`, ...assetPart].join(' · ');
};

/** What changed between a checkpoint and the newest state, or another checkpoint. */
export const CheckpointChanges = ({ checkpoint }: { checkpoint: Checkpoint }) => {
  const { client, id, history } = useWorkspace();
  const against = useSignal<Checkpoint | 'head'>('head');
  const round = useSignal(0);
  const comparison = useSignal<Comparison | undefined>(undefined);
  const problem = useSignal<string | undefined>(undefined);
  const others = (history.list.value ?? []).filter((other) => other.id !== checkpoint.id);
  const other = against.value;
  const ahead = history.ahead.value;

  useEffect(() => {
    const aborter = new AbortController();
    comparison.value = undefined;
    problem.value = undefined;
    compare(client, id, checkpoint, other, { ahead, signal: aborter.signal })
      .then((result) => {
        comparison.value = result;
      })
      .catch((error: unknown) => {
        if (aborter.signal.aborted) return;
        problem.value = reasonOf(error);
      });
    return () => aborter.abort();
  }, [client, id, checkpoint.id, other, ahead, round.value, history.version.value, comparison, problem]);

  const result = comparison.value;
  return (
    <div class="changes">
      <div class="changes-bar">
        <label>
          <span>{ahead ? 'What it does to' : 'Compared with'}</span>
          <select
            class="select"
            data-testid="compare-with"
            value={other === 'head' ? 'head' : other.id}
            onChange={(event) => {
              const { value } = event.currentTarget;
              against.value = others.find((candidate) => candidate.id === value) ?? 'head';
            }}
          >
            <option value="head">The newest state</option>
            {others.map((candidate) => (
              <option key={candidate.id} value={candidate.id}>
                {titleOf(candidate)}, {formatAgo(candidate.createdAt)}
              </option>
            ))}
          </select>
        </label>
        <span class="changes-summary" role="status" data-testid="compare-summary">
          {result === undefined ? '' : summaryOf(result)}
        </span>
        <button
          type="button"
          class="icon-button"
          aria-label="Compare again"
          title="Compare again"
          onClick={() => {
            round.value += 1;
          }}
        >
          <Icon name="reload" size={14} />
        </button>
      </div>
      {problem.value !== undefined && (
        <p class="refusal" role="alert">
          {problem.value}
        </p>
      )}
      {result === undefined && problem.value === undefined && <div class="change skeleton" />}
      {result?.truncated && <p class="change-note">There is too much to show all of it line by line.</p>}
      {result?.changes.map((change, index) => (
        <Entry key={change.path} change={change} comparison={result} open={index < limits.workspace.filesOpen} />
      ))}
      {result !== undefined && result.assets.length > 0 && (
        <ul class="asset-changes" aria-label="Assets">
          {result.assets.map((change) => (
            <AssetEntry key={`${change.kind} ${change.name}`} change={change} />
          ))}
        </ul>
      )}
      {result?.changes.length === 0 && result.assets.length === 0 && (
        <p class="changes-empty">Both have the same files with the same contents.</p>
      )}
    </div>
  );
};
