import { type Signal, useSignal } from '@preact/signals';
import type { BuildTarget } from '../../../src/contract/builds.ts';
import { Dialog } from '../ui/dialog.tsx';
import { Icon } from '../ui/icon.tsx';
import { Segments } from '../ui/segments.tsx';
import { useWorkspace } from './context.ts';

const targets = ['web', 'electron', 'cordova'] as const;
const titles: Record<BuildTarget, string> = { web: 'Web', electron: 'Desktop', cordova: 'Mobile' };
const leads: Record<BuildTarget, string> = {
  web: 'A page that plays here and anywhere, and as a zip for itch.io and the like.',
  electron: 'An app for Electron to download; whole programs where the runner has Electron at hand.',
  cordova: 'A Cordova project to download, from which apps for phones are made.',
};

interface ChoiceProps {
  label: string;
  note: string;
  chosen: Signal<boolean>;
  testid: string;
}

const Choice = ({ label, note, chosen, testid }: ChoiceProps) => (
  <label class="build-choice">
    <input
      type="checkbox"
      data-testid={testid}
      checked={chosen.value}
      onChange={(event) => {
        chosen.value = event.currentTarget.checked;
      }}
    />
    <span class="build-choice-text">
      <strong>{label}</strong>
      <span class="muted build-choice-note">{note}</span>
    </span>
  </label>
);

/** Asks what the build is for and what is done on the way, and starts it. */
export const BuildDialog = ({ onClose }: { onClose: () => void }) => {
  const { builds } = useWorkspace();
  const target = useSignal<BuildTarget>('web');
  const offline = useSignal(false);
  const typecheck = useSignal(false);
  const optimizeAssets = useSignal(false);
  return (
    <Dialog title="Build with options" onClose={onClose}>
      <form
        class="build-form"
        onSubmit={(event) => {
          event.preventDefault();
          const isWeb = target.value === 'web';
          void builds.start(undefined, {
            target: target.value,
            typecheck: typecheck.value,
            optimizeAssets: optimizeAssets.value,
            ...(isWeb && offline.value && { offline: true }),
          });
          onClose();
        }}
      >
        <Segments
          label="What it is for"
          names={targets}
          chosen={target.value}
          onChoose={(name) => {
            target.value = name;
          }}
          titleOf={(name) => titles[name]}
          testIds="build-target"
        />
        <p class="muted">{leads[target.value]}</p>
        {target.value === 'web' && (
          <Choice
            label="Play offline"
            note="The browser keeps every file of the game, and it can be installed."
            chosen={offline}
            testid="choose-offline"
          />
        )}
        <Choice
          label="Check types"
          note="Mistakes that TypeScript finds fail the build, with their place."
          chosen={typecheck}
          testid="choose-typecheck"
        />
        <Choice
          label="Smaller pictures and models"
          note="Without loss; takes longer the first time."
          chosen={optimizeAssets}
          testid="choose-optimize"
        />
        <footer class="dialog-actions">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="button primary" data-testid="build-with-options" disabled={builds.busy.value}>
            <Icon name="flame" size={14} /> Build
          </button>
        </footer>
      </form>
    </Dialog>
  );
};
