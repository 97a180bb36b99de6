import { useLayoutEffect, useRef } from 'preact/hooks';
import { limits } from '../../../src/contract/limits.ts';
import { Icon } from '../ui/icon.tsx';
import { type Constant, kindOf, newConstant } from './build-options.ts';

const { defineMax, defineNameMax, defineValueMax } = limits.build;

interface BuildConstantsProps {
  constants: readonly Constant[];
  /** What is wrong with one, where something is. */
  faultOf: (constant: Constant) => string | undefined;
  onChange: (constants: readonly Constant[]) => void;
}

const isSuspicious = ({ name, value }: Constant): boolean =>
  name.trim() !== '' && kindOf(value) === 'name' && !/^(?:globalThis|window|self)\b/.test(value.trim());

/** Names that stand for a value in the code, one in a row. */
export const BuildConstants = ({ constants, faultOf, onChange }: BuildConstantsProps) => {
  const element = useRef<HTMLFieldSetElement>(null);
  /** The row that was just added, and is to be written. */
  const added = useRef<number | undefined>(undefined);
  // Before the next key: what is typed is for the row.
  useLayoutEffect(() => {
    if (added.current === undefined) return;
    element.current?.querySelector<HTMLElement>(`[data-key="${added.current}"]`)?.focus();
    added.current = undefined;
  }, [constants]);

  const change = (changed: Constant) => onChange(constants.map((one) => (one.key === changed.key ? changed : one)));
  const add = () => {
    const constant = newConstant();
    added.current = constant.key;
    onChange([...constants, constant]);
  };
  const remove = (constant: Constant) => {
    // The focus goes on to the next row, else to the button below.
    const at = constants.indexOf(constant);
    added.current = (constants[at + 1] ?? constants[at - 1])?.key;
    onChange(constants.filter((one) => one !== constant));
    if (added.current === undefined) element.current?.querySelector<HTMLElement>('.build-add')?.focus();
  };

  return (
    <fieldset ref={element} class="build-constants" aria-describedby="build-constants-note">
      <legend class="field-label">Constants</legend>
      <p class="field-note" id="build-constants-note">
        Each stands for a value in the code: a number, <code>true</code>, a <code>"text"</code>, any JSON.
      </p>
      {constants.map((constant, at) => {
        const { key, name, value } = constant;
        const fault = faultOf(constant);
        const note =
          fault ?? (isSuspicious(constant) ? 'Without quotes this is the name of something in the code.' : undefined);
        const noteId = `build-constant-${key}-note`;
        return (
          <div key={key} class="build-constant" data-testid="build-constant">
            <input
              class="input small"
              data-key={key}
              data-testid="constant-name"
              aria-label={`Name of constant ${at + 1}`}
              placeholder="NAME"
              autocomplete="off"
              autocapitalize="none"
              spellcheck={false}
              maxLength={defineNameMax}
              aria-invalid={fault !== undefined}
              aria-describedby={noteId}
              value={name}
              onInput={(event) => change({ ...constant, name: event.currentTarget.value })}
            />
            <span aria-hidden="true">=</span>
            <input
              class="input small"
              data-testid="constant-value"
              aria-label={`Value of constant ${at + 1}`}
              placeholder={'"value"'}
              autocomplete="off"
              autocapitalize="none"
              spellcheck={false}
              maxLength={defineValueMax}
              aria-invalid={fault !== undefined}
              aria-describedby={noteId}
              value={value}
              onInput={(event) => change({ ...constant, value: event.currentTarget.value })}
            />
            <button
              type="button"
              class="icon-button"
              aria-label={name.trim() === '' ? `Remove constant ${at + 1}` : `Remove ${name.trim()}`}
              title="Remove"
              data-testid="constant-remove"
              onClick={() => remove(constant)}
            >
              <Icon name="close" size={14} />
            </button>
            <span
              class={fault === undefined ? 'field-note' : 'field-note wrong'}
              id={noteId}
              role={fault === undefined ? undefined : 'alert'}
            >
              {note}
            </span>
          </div>
        );
      })}
      <button
        type="button"
        class="button small build-add"
        data-testid="constant-add"
        disabled={constants.length >= defineMax}
        onClick={add}
      >
        <Icon name="plus" size={13} /> Add a constant
      </button>
    </fieldset>
  );
};
