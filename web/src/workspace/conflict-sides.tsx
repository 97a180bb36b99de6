import { diffLines } from 'diff';
import { limits } from '../../../src/contract/limits.ts';
import type { MergeConflict } from '../../../src/contract/merge.ts';
import { formatBytes } from '../ui/format.ts';

type Side = MergeConflict['ours'];

const { comparedChars, comparedEdits } = limits.workspace;

/** The text of a side, with the lines that the base does not have. */
const Text = ({ text, base }: { text: string; base: string | undefined }) => {
  const tooMuch = text.length + (base?.length ?? 0) > comparedChars;
  const parts = base === undefined || tooMuch ? undefined : diffLines(base, text, { maxEditLength: comparedEdits });
  if (parts === undefined) return <pre>{text}</pre>;
  return (
    <pre>
      {parts.map((part, index) =>
        part.removed ? null : part.added ? <mark key={index}>{part.value}</mark> : part.value,
      )}
    </pre>
  );
};

const Content = ({ side, base, conflict }: { side: Side; base: Side; conflict: MergeConflict }) => {
  if (side === null) return <p class="side-note">There is no such file.</p>;
  return (
    <>
      {side.path !== conflict.path && <p class="side-note">as {side.path}</p>}
      {side.content !== undefined ? (
        <Text text={side.content} base={base?.content} />
      ) : (
        <p class="side-note">
          {side.isText ? 'Too large to be shown' : 'Not a text'}, {formatBytes(side.size)}
        </p>
      )}
    </>
  );
};

interface ConflictSidesProps {
  conflict: MergeConflict;
  ours: string;
  theirs: string;
}

/** What both had last, and what became of it on each side. */
export const ConflictSides = ({ conflict, ours, theirs }: ConflictSidesProps) => (
  <div class="sides">
    {(
      [
        ['base', 'Before', 'what both had last', conflict.base, null],
        ['ours', 'This project', ours, conflict.ours, conflict.base],
        ['theirs', 'The other one', theirs, conflict.theirs, conflict.base],
      ] as const
    ).map(([key, title, note, side, base]) => (
      <section key={key} class={`side ${key}`} aria-label={`${title}: ${note}`} data-testid={`side-${key}`}>
        <h4>
          {title} <span>{note}</span>
        </h4>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard */}
        <div class="side-body" tabIndex={0}>
          <Content side={side} base={base} conflict={conflict} />
        </div>
      </section>
    ))}
  </div>
);

const shownValue = (value: unknown): string => (value === undefined ? '–' : JSON.stringify(value));

/** The fields of a JSON document that both sides changed. */
export const ConflictFields = ({ fields }: { fields: NonNullable<MergeConflict['fields']> }) => (
  <div class="fields">
    <table>
      <thead>
        <tr>
          <th scope="col">Field</th>
          <th scope="col">Before</th>
          <th scope="col">This project</th>
          <th scope="col">The other one</th>
        </tr>
      </thead>
      <tbody>
        {fields.map(({ pointer, base, ours, theirs }) => (
          <tr key={pointer}>
            <th scope="row">{pointer === '' ? 'the whole document' : pointer}</th>
            <td>{shownValue(base)}</td>
            <td>{shownValue(ours)}</td>
            <td>{shownValue(theirs)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  </div>
);
