import { useSignal } from '@preact/signals';
import type { Checkpoint } from '../../../src/contract/checkpoints.ts';
import { limits } from '../../../src/contract/limits.ts';
import { confirm } from '../ui/confirm.tsx';
import { formatAgo, formatBytes, plural } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { MenuButton, type MenuItem } from '../ui/menu.tsx';
import { Segments } from '../ui/segments.tsx';
import { TextDialog } from '../ui/text-dialog.tsx';
import { CheckpointChanges } from './checkpoint-changes.tsx';
import { CheckpointFiles } from './checkpoint-files.tsx';
import { useWorkspace } from './context.ts';
import { titleOf } from './history.ts';

const views = { changes: 'Changes', files: 'Files' } as const;
type View = keyof typeof views;

const filesOf = ({ fileCount, totalSize }: Checkpoint): string =>
  `${plural(fileCount, 'file')}, ${formatBytes(totalSize)}`;

const assetsOf = ({ assetCount, assetSize }: Checkpoint): string =>
  assetCount === null ? 'without assets' : `${plural(assetCount, 'asset')}, ${formatBytes(assetSize ?? 0)}`;

/** A checkpoint, over the editors: what changed since, its files, and the way back to it. */
export const CheckpointView = () => {
  const workspace = useWorkspace();
  const { history, names, builds, front, merge } = workspace;
  const view = useSignal<View>('changes');
  const naming = useSignal(false);
  const checkpoint = history.looked.value;
  if (checkpoint === undefined) return null;
  const canWrite = workspace.canWrite.value;
  const isPreview = history.ahead.value;

  const close = () => {
    history.looked.value = undefined;
    front.value = isPreview && merge.value !== undefined ? 'merge' : 'editor';
  };

  const restore = async () => {
    const yes = await confirm({
      title: `Go back to “${titleOf(checkpoint)}”?`,
      text: `All files become as they were then, for everyone. ${
        checkpoint.assetCount === null
          ? 'Assets stay as they are: this state has none of them.'
          : 'So do the assets: what came since goes into the trash.'
      } The state as it is now is kept in the history first, and files that are open stay open: what is being typed is merged.`,
      action: 'Restore',
    });
    if (yes && (await history.restore(checkpoint))) front.value = 'editor';
  };

  const forget = async () => {
    const yes = await confirm({
      title: `Forget “${titleOf(checkpoint)}”?`,
      text: 'The project itself does not change. This state can no longer be looked at or restored.',
      action: 'Forget',
    });
    if (yes && (await history.forget(checkpoint))) front.value = 'editor';
  };

  const actions = (): MenuItem[] => [
    {
      label: checkpoint.name === null ? 'Give it a name' : 'Change its name',
      icon: 'pencil',
      testId: 'checkpoint-rename',
      run: () => {
        naming.value = true;
      },
    },
    ...(checkpoint.name === null
      ? []
      : [
          {
            label: 'Take its name away',
            icon: 'close' as const,
            testId: 'checkpoint-unname',
            run: () => void history.rename(checkpoint, null),
          },
        ]),
    { label: 'Forget it', icon: 'trash', danger: true, testId: 'checkpoint-forget', run: () => void forget() },
  ];

  return (
    <section class="over" aria-label={`Checkpoint ${titleOf(checkpoint)}`} data-testid="checkpoint-view">
      <header class="over-head">
        <button
          type="button"
          class="icon-button"
          aria-label={isPreview ? 'Back to the merge' : 'Back to the editor'}
          title={isPreview ? 'Back to the merge' : 'Back to the editor'}
          data-testid="checkpoint-close"
          onClick={close}
        >
          <Icon name="back" />
        </button>
        <div class="over-title">
          <h2>{titleOf(checkpoint)}</h2>
          <p>
            {names.of(checkpoint.author)} ·{' '}
            <time dateTime={checkpoint.createdAt} title={new Date(checkpoint.createdAt).toLocaleString()}>
              {formatAgo(checkpoint.createdAt)}
            </time>{' '}
            · <span class="nowrap">{filesOf(checkpoint)}</span> ·{' '}
            <span class="nowrap" data-testid="checkpoint-assets">
              {assetsOf(checkpoint)}
            </span>
          </p>
        </div>
        <div class="over-actions">
          {workspace.canBuild.value && (
            <button
              type="button"
              class="button small"
              data-testid="checkpoint-build"
              title="Build and play the project as it was"
              disabled={builds.busy.value}
              onClick={() => void builds.start(checkpoint.id)}
            >
              <Icon name="flame" size={13} /> Build it
            </button>
          )}
          {canWrite && !isPreview && (
            <>
              <button
                type="button"
                class="button small"
                data-testid="checkpoint-restore"
                onClick={() => void restore()}
              >
                <Icon name="history" size={13} /> Restore
              </button>
              <MenuButton label="More for this checkpoint" items={actions} testId="checkpoint-menu" />
            </>
          )}
        </div>
      </header>
      <Segments
        class="over-views"
        label="Checkpoint"
        names={Object.keys(views) as View[]}
        chosen={view.value}
        onChoose={(name) => {
          view.value = name;
        }}
        titleOf={(name) => views[name]}
        testIds="checkpoint"
      />
      <div class="over-body">
        {view.value === 'changes' ? (
          <CheckpointChanges key={checkpoint.id} checkpoint={checkpoint} />
        ) : (
          <CheckpointFiles key={checkpoint.id} checkpointId={checkpoint.id} />
        )}
      </div>
      {naming.value && (
        <TextDialog
          title="Name of the checkpoint"
          label="Name"
          note="A checkpoint with a name is kept for ever."
          value={checkpoint.name ?? ''}
          maxLength={limits.checkpoint.nameMax}
          action="Save"
          onSubmit={async (name) => {
            if (await history.rename(checkpoint, name)) naming.value = false;
          }}
          onClose={() => {
            naming.value = false;
          }}
        />
      )}
    </section>
  );
};
