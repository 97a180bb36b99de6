import type { TreeNode } from '../../../src/contract/files.ts';
import { limits } from '../../../src/contract/limits.ts';
import { useWorkspace } from './context.ts';
import { findNode } from './tree.ts';

/** Paths of pages and scripts, from which a game may start. */
const startsOf = (node: TreeNode | undefined): string[] => {
  if (node === undefined) return [];
  if (node.type === 'file')
    return /\.(?:html|[cm]?[jt]sx?)$/.test(node.path) && !/\.d\.ts$/.test(node.path) ? [node.path] : [];
  return node.children?.flatMap(startsOf) ?? [];
};

interface BuildEntryProps {
  value: string;
  /** What the API says of it. */
  fault: string | undefined;
  onInput: (value: string) => void;
}

/** Where the game starts, with the files of the project to choose from. */
export const BuildEntry = ({ value, fault, onInput }: BuildEntryProps) => {
  const tree = useWorkspace().tree.value;
  const path = value.trim();
  const isMissing = path !== '' && findNode(tree, path)?.type !== 'file';
  return (
    <label class="field">
      <span class="field-label">Entry</span>
      <input
        class="input build-mono"
        data-testid="build-entry"
        list="build-entries"
        autocomplete="off"
        autocapitalize="none"
        spellcheck={false}
        maxLength={limits.file.pathMax}
        placeholder="found by itself"
        aria-invalid={fault !== undefined}
        aria-describedby="build-entry-note"
        value={value}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
      <datalist id="build-entries">
        {startsOf(tree).map((start) => (
          <option key={start} value={start} />
        ))}
      </datalist>
      <span class={fault === undefined && !isMissing ? 'field-note' : 'field-note wrong'} id="build-entry-note">
        {fault ?? (isMissing ? 'The project has no such file.' : 'The page or script from which the game starts.')}
      </span>
    </label>
  );
};
