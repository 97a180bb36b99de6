import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { Build } from '../../../src/contract/builds.ts';
import { Dialog } from '../ui/dialog.tsx';
import { type Fault, FaultNote, faultOf } from '../ui/field.tsx';
import { Icon } from '../ui/icon.tsx';
import { BuildConstants } from './build-constants.tsx';
import { BuildEntry } from './build-entry.tsx';
import {
  type BuildForm,
  constantFaults,
  countAdvanced,
  formOf,
  isPlain,
  orderOf,
  plainForm,
  rememberedForm,
  rememberForm,
} from './build-options.ts';
import { BuildTargets } from './build-targets.tsx';
import { useWorkspace } from './context.ts';

interface ChoiceProps {
  label: string;
  note: string;
  chosen: boolean;
  testid: string;
  onChange: (chosen: boolean) => void;
}

const Choice = ({ label, note, chosen, testid, onChange }: ChoiceProps) => (
  <label class="build-choice">
    <input
      type="checkbox"
      data-testid={testid}
      checked={chosen}
      onChange={(event) => onChange(event.currentTarget.checked)}
    />
    <span class="build-choice-text">
      <strong>{label}</strong>
      <span class="muted build-choice-note">{note}</span>
    </span>
  </label>
);

/** Whether every field that the API complains of is one that shows it. */
const isShown = (fault: Fault, form: BuildForm): boolean => {
  const shown = new Set(['options.entry', ...form.constants.map(({ name }) => `options.define.${name.trim()}`)]);
  return Object.keys(fault.fields).every((path) => shown.has(path));
};

/** Asks what the build is for and what is done on the way, and starts it. */
export const BuildDialog = ({ begin }: { begin: Pick<Build, 'target' | 'options'> | 'remembered' }) => {
  const { builds, id } = useWorkspace();
  const form = useSignal<BuildForm>(begin === 'remembered' ? rememberedForm(id) : formOf(begin));
  const advanced = useSignal(countAdvanced(form.value) > 0);
  const busy = useSignal(false);
  const fault = useSignal<Fault | undefined>(undefined);
  /** Counts tries that came to nothing: after each the first field that is wrong has the focus. */
  const refused = useSignal(0);
  const element = useRef<HTMLFormElement>(null);
  const { target, optimizeAssets, constants } = form.value;
  const local = constantFaults(constants);

  const change = (part: Partial<BuildForm>) => {
    form.value = { ...form.value, ...part };
  };
  const close = () => {
    builds.asked.value = undefined;
  };

  const rounds = refused.value;
  useEffect(() => {
    if (rounds > 0) element.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
  }, [rounds]);

  const build = async (event: SubmitEvent) => {
    event.preventDefault();
    if (busy.value || builds.busy.value) return;
    fault.value = undefined;
    if (local.size > 0) {
      advanced.value = true;
      refused.value += 1;
      return;
    }
    busy.value = true;
    try {
      await builds.order(orderOf(form.value));
      rememberForm(id, form.value);
      close();
    } catch (error) {
      fault.value = faultOf(error);
      if (Object.keys(fault.value.fields).length > 0) advanced.value = true;
      refused.value += 1;
    }
    busy.value = false;
  };

  const set = countAdvanced(form.value);
  const whole = fault.value;
  return (
    <Dialog title="Build with options" onClose={close}>
      <form ref={element} class="build-form" noValidate onSubmit={(event) => void build(event)}>
        <BuildTargets chosen={target} onChoose={(chosen) => change({ target: chosen })} />
        {target === 'web' && (
          <Choice
            label="Play offline"
            note="The browser keeps every file of the game, and it can be installed."
            chosen={form.value.offline}
            testid="choose-offline"
            onChange={(offline) => change({ offline })}
          />
        )}
        <Choice
          label="Check types"
          note="Mistakes that TypeScript finds fail the build, with their place."
          chosen={form.value.typecheck}
          testid="choose-typecheck"
          onChange={(typecheck) => change({ typecheck })}
        />
        <Choice
          label="Smaller pictures and models"
          note="Without loss; takes longer the first time."
          chosen={optimizeAssets}
          testid="choose-optimize"
          onChange={(chosen) => change({ optimizeAssets: chosen })}
        />
        {optimizeAssets && (
          <div class="build-nested">
            <Choice
              label="Compress the geometry of models, too"
              note="The game’s loader needs a decoder for EXT_meshopt_compression."
              chosen={form.value.compressMeshes}
              testid="choose-meshes"
              onChange={(compressMeshes) => change({ compressMeshes })}
            />
          </div>
        )}
        <details
          class="build-advanced"
          open={advanced.value}
          onToggle={(event) => {
            advanced.value = event.currentTarget.open;
          }}
        >
          <summary data-testid="build-advanced">
            <span class="twist">
              <Icon name="chevron" size={12} />
            </span>
            More options
            {set > 0 && <span class="faint">{set} set</span>}
          </summary>
          <div class="build-advanced-body">
            <BuildEntry
              value={form.value.entry}
              fault={whole?.fields['options.entry']}
              onInput={(entry) => change({ entry })}
            />
            <Choice
              label="Minify"
              note="The game is smaller; without, its code stays readable."
              chosen={form.value.minify}
              testid="choose-minify"
              onChange={(minify) => change({ minify })}
            />
            <Choice
              label="Source maps"
              note="Errors name your own files. Whoever plays can read the sources."
              chosen={form.value.sourcemap}
              testid="choose-sourcemap"
              onChange={(sourcemap) => change({ sourcemap })}
            />
            <BuildConstants
              constants={constants}
              faultOf={({ key, name }) =>
                (rounds > 0 ? local.get(key) : undefined) ?? whole?.fields[`options.define.${name.trim()}`]
              }
              onChange={(changed) => change({ constants: changed })}
            />
          </div>
        </details>
        {whole !== undefined && (Object.keys(whole.fields).length === 0 || !isShown(whole, form.value)) && (
          <FaultNote fault={{ ...whole, detail: whole.detail ?? Object.values(whole.fields).join(' ') }} />
        )}
        <footer class="dialog-actions">
          {!isPlain(form.value) && (
            <button
              type="button"
              class="button build-reset"
              data-testid="build-reset"
              onClick={() => {
                form.value = plainForm();
                fault.value = undefined;
              }}
            >
              Reset
            </button>
          )}
          <button type="button" class="button" onClick={close}>
            Cancel
          </button>
          <button
            type="submit"
            class="button primary"
            data-testid="build-with-options"
            disabled={busy.value || builds.busy.value}
            aria-busy={busy.value}
          >
            <Icon name="flame" size={14} /> Build
          </button>
        </footer>
      </form>
    </Dialog>
  );
};
