import { useEffect } from 'preact/hooks';
import type { MergeAnswer } from '../../../src/contract/merge.ts';
import { toast } from '../state/toasts.ts';
import { confirm } from '../ui/confirm.tsx';
import { plural } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { ChangeKind } from './change-kind.tsx';
import { ConflictCard } from './conflict-card.tsx';
import { useWorkspace } from './context.ts';
import type { Merge } from './merge.ts';
import { findNode } from './tree.ts';

const kinds = { put: 'modified', delete: 'removed', move: 'moved' } as const;

const Changes = ({ changes }: { changes: MergeAnswer['changes'] }) => {
  const tree = useWorkspace().tree.value;
  return (
    <ul class="merge-changes" aria-label="What the merge does to this project" data-testid="merge-changes">
      {changes.map(({ op, path, from }) => (
        <li key={`${op} ${path}`}>
          <ChangeKind kind={op === 'put' && findNode(tree, path) === undefined ? 'added' : kinds[op]} />
          <code>
            {from !== undefined && `${from} → `}
            {path}
          </code>
        </li>
      ))}
    </ul>
  );
};

const Conflicts = ({ merge, ours }: { merge: Merge; ours: string }) => {
  const conflicts = merge.conflicts.value ?? [];
  const left = merge.open.value.length;
  if (conflicts.length === 0) return null;
  return (
    <section class="merge-part" aria-label="Conflicts">
      <div class="merge-part-head">
        <h3>
          {plural(conflicts.length, 'conflict')}
          <span data-testid="merge-left">{left === 0 ? 'all decided' : `${left} to be decided`}</span>
        </h3>
        {left > 0 && (
          <div class="over-actions">
            <button
              type="button"
              class="button small"
              data-testid="take-all-ours"
              onClick={() => merge.decideRest('ours')}
            >
              Keep all of this project
            </button>
            <button
              type="button"
              class="button small"
              data-testid="take-all-theirs"
              onClick={() => merge.decideRest('theirs')}
            >
              Take all of {merge.source.name}
            </button>
          </div>
        )}
      </div>
      {conflicts.map((conflict, index) => (
        <ConflictCard key={conflict.path} merge={merge} conflict={conflict} ours={ours} open={index < 5} />
      ))}
    </section>
  );
};

const Preview = ({ merge }: { merge: Merge }) => {
  const { builds, canBuild, history, front } = useWorkspace();
  const preview = merge.preview.value;
  if (preview === null) return null;
  return (
    <div class="merge-preview" data-testid="merge-preview">
      <p>
        <strong>The result is ready to be looked at.</strong> This project is not changed yet.
      </p>
      <div class="over-actions">
        <button
          type="button"
          class="button small"
          data-testid="merge-differences"
          onClick={() => {
            history.look(preview, true);
            front.value = 'checkpoint';
          }}
        >
          <Icon name="eye" size={13} /> See the differences
        </button>
        {canBuild.value && (
          <button
            type="button"
            class="button small"
            data-testid="merge-build"
            disabled={builds.busy.value}
            onClick={() => void builds.start(preview.id)}
          >
            <Icon name="flame" size={13} /> Build and play it
          </button>
        )}
      </div>
    </div>
  );
};

/** A merge, over the editors, which stay as they are. */
export const MergeView = ({ merge }: { merge: Merge }) => {
  const workspace = useWorkspace();
  const { source } = merge;
  const ours = workspace.project.value?.name ?? 'This project';
  const changes = merge.changes.value;
  const loaded = merge.conflicts.value !== undefined;
  const nothing = loaded && merge.conflicts.value?.length === 0 && changes.length === 0;

  useEffect(() => {
    if (merge.conflicts.peek() === undefined) void merge.refresh();
  }, [merge]);

  const close = async () => {
    const yes =
      merge.decisions.value.size === 0 ||
      (await confirm({
        title: 'Give this merge up?',
        text: 'Nothing was changed. What you decided here is forgotten.',
        action: 'Give it up',
      }));
    if (!yes) return;
    workspace.merge.value = undefined;
    workspace.front.value = 'editor';
  };

  const apply = async () => {
    const done = await merge.apply();
    if (done === undefined) return;
    toast({
      kind: 'success',
      title: `Merged: ${plural(done.changes.length, 'change')} from ${source.name}`,
      detail: 'The state before is kept in the history.',
    });
    workspace.merge.value = undefined;
    workspace.front.value = 'editor';
  };

  return (
    <section class="over" aria-label={`Merge ${source.name}`} data-testid="merge-view">
      <header class="over-head">
        <button
          type="button"
          class="icon-button"
          aria-label="Give the merge up"
          title="Give the merge up"
          data-testid="merge-close"
          onClick={() => void close()}
        >
          <Icon name="close" />
        </button>
        <div class="over-title">
          <h2>{source.isFork ? `Bring ${source.name} home` : `Bring in ${source.name}`}</h2>
          <p>
            What happened there since both were the same comes into {ours}.{' '}
            {source.isFork ? 'The fork does not change.' : 'The main project does not change.'}
          </p>
        </div>
        <div class="over-actions">
          <button
            type="button"
            class="icon-button"
            aria-label="Compare the projects again"
            title="Compare the projects again"
            disabled={merge.busy.value !== undefined}
            data-testid="merge-refresh"
            onClick={() => void merge.refresh()}
          >
            <Icon name="reload" size={15} />
          </button>
        </div>
      </header>
      <div class="over-body merge-body">
        {merge.problem.value !== undefined && (
          <p class="refusal" role="alert" data-testid="merge-problem">
            {merge.problem.value}
          </p>
        )}
        {!loaded && merge.problem.value === undefined && <div class="change skeleton" />}
        {nothing && (
          <p class="changes-empty" data-testid="merge-nothing">
            There is nothing new in {source.name}.
          </p>
        )}
        <Conflicts merge={merge} ours={ours} />
        {changes.length > 0 && (
          <section class="merge-part" aria-label="Changes">
            <div class="merge-part-head">
              <h3>
                {plural(changes.length, 'change')}
                <span>{merge.decided.value ? 'come into this project' : 'come in by themselves'}</span>
              </h3>
            </div>
            <Changes changes={changes} />
          </section>
        )}
        <Preview merge={merge} />
      </div>
      {loaded && !nothing && (
        <footer class="over-foot">
          <p role="status">
            {merge.decided.value
              ? 'Open files stay open; what is being typed is merged.'
              : `${plural(merge.open.value.length, 'conflict')} to be decided first.`}
          </p>
          {merge.preview.value === null && (
            <button
              type="button"
              class="button"
              data-testid="merge-make-preview"
              disabled={!merge.decided.value || merge.busy.value !== undefined}
              aria-busy={merge.busy.value === 'preview'}
              onClick={() => void merge.makePreview()}
            >
              Preview
            </button>
          )}
          <button
            type="button"
            class="button primary"
            data-testid="merge-apply"
            disabled={!merge.decided.value || merge.busy.value !== undefined}
            aria-busy={merge.busy.value === 'apply'}
            onClick={() => void apply()}
          >
            <Icon name="merge" /> {merge.busy.value === 'apply' ? 'Merging…' : 'Merge'}
          </button>
        </footer>
      )}
    </section>
  );
};

/** Says, above the editors, that a merge is not ended. */
export const MergeWaiting = ({ merge }: { merge: Merge }) => {
  const { front } = useWorkspace();
  return (
    <div class="merge-waiting" role="status">
      <Icon name="merge" size={14} />
      <span>The merge of {merge.source.name} is not done yet.</span>
      <button
        type="button"
        class="button small"
        data-testid="merge-continue"
        onClick={() => {
          front.value = 'merge';
        }}
      >
        Go on with it
      </button>
    </div>
  );
};
