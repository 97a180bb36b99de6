import { useSignal } from '@preact/signals';
import { limits } from '../../../../src/contract/limits.ts';
import { plural } from '../../ui/format.ts';
import { Icon } from '../../ui/icon.tsx';
import { TextDialog } from '../../ui/text-dialog.tsx';
import { useWorkspace } from '../context.ts';

/** What can be done with the pictures that are chosen. */
export const PackBar = () => {
  const { assets, front } = useWorkspace();
  const naming = useSignal(false);
  const count = assets.picked.value.length;
  if (count === 0) return null;
  return (
    <div class="pack-bar" role="status" data-testid="pack-bar">
      <span>{count} chosen</span>
      <button
        type="button"
        class="button small"
        data-testid="pack"
        disabled={count < 2 || count > limits.atlas.pictures}
        onClick={() => {
          naming.value = true;
        }}
      >
        <Icon name="grid" size={13} /> Make a sheet
      </button>
      <button
        type="button"
        class="icon-button"
        aria-label="Choose none"
        title="Choose none"
        onClick={() => {
          assets.picked.value = [];
        }}
      >
        <Icon name="close" size={13} />
      </button>
      {naming.value && (
        <TextDialog
          title="Make a sprite sheet"
          lead={`One picture of ${plural(count, 'picture')}, and a JSON file that says where each one is.`}
          label="Name"
          note="Phaser and PixiJS load both as they are. The same name again is the next version."
          value="sprites"
          maxLength={limits.file.segmentBytes - '.json'.length}
          action="Make it"
          onSubmit={async (name) => {
            const sheet = await assets.pack(name);
            if (sheet === undefined) return;
            naming.value = false;
            assets.look(sheet);
            front.value = 'asset';
          }}
          onClose={() => {
            naming.value = false;
          }}
        />
      )}
    </div>
  );
};
