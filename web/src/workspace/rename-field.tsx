import { useSignal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { limits } from '../../../src/contract/limits.ts';
import { useWorkspace } from './context.ts';
import { inside, nameOf, parentOf } from './file-operations.ts';

interface RenameFieldProps {
  path: string;
  /** With where it is now; undefined: it stays. */
  onDone: (path: string | undefined) => void;
}

/** A row's name as a field. A name with slashes moves the file below. */
export const RenameField = ({ path, onDone }: RenameFieldProps) => {
  const workspace = useWorkspace();
  const input = useRef<HTMLInputElement>(null);
  const busy = useRef(false);
  const done = useRef(false);
  const refusal = useSignal<string | undefined>(undefined);

  useLayoutEffect(() => {
    // The extension is what stays.
    const stem = nameOf(path).lastIndexOf('.');
    input.current?.focus();
    input.current?.setSelectionRange(0, stem > 0 ? stem : nameOf(path).length);
  }, [path]);

  /** A field that goes away loses the focus: that is no second answer. */
  const finish = (to: string | undefined) => {
    if (done.current) return;
    done.current = true;
    onDone(to);
  };

  const commit = async () => {
    if (busy.current || done.current) return;
    const to = inside(parentOf(path), input.current?.value.trim() ?? '');
    if (nameOf(to) === '' || to === path) return finish(undefined);
    busy.current = true;
    refusal.value = await workspace.files.move(path, to);
    busy.current = false;
    if (refusal.value === undefined) finish(to);
    else input.current?.focus();
  };

  return (
    <span class="rename">
      <input
        ref={input}
        class="input small"
        data-testid="rename"
        aria-label={`New name of ${path}`}
        aria-invalid={refusal.value !== undefined}
        defaultValue={nameOf(path)}
        maxLength={limits.file.pathMax}
        spellcheck={false}
        autocomplete="off"
        onClick={(event) => event.stopPropagation()}
        onInput={() => {
          refusal.value = undefined;
        }}
        onKeyDown={(event) => {
          // The tree has keys of its own.
          event.stopPropagation();
          if (event.key === 'Enter') void commit();
          else if (event.key === 'Escape') finish(undefined);
        }}
        onBlur={() => {
          if (refusal.value !== undefined) finish(undefined);
          else void commit();
        }}
      />
      {refusal.value !== undefined && (
        <span class="rename-refusal" role="alert" data-testid="rename-refusal">
          {refusal.value}
        </span>
      )}
    </span>
  );
};
