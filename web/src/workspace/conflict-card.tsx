import type { MergeConflict } from '../../../src/contract/merge.ts';
import { Icon } from '../ui/icon.tsx';
import { ConflictFields, ConflictSides } from './conflict-sides.tsx';
import type { Merge, Take } from './merge.ts';
import { ResultEditor } from './result-editor.tsx';

const explanations: Readonly<Record<MergeConflict['kind'], string>> = {
  text: 'Both changed the same lines, or lines next to each other.',
  json: 'Both changed the same fields.',
  binary: 'Both changed this file, and it is not a text.',
  'delete-modify': 'One side deleted the file, the other one changed it.',
  'add-add': 'Both added a file here, with different contents.',
  move: 'Both gave the file another place, or one moved and the other deleted it.',
  path: 'These paths cannot stand in one project together.',
};

const startOf = ({ merged, ours, theirs }: MergeConflict): string | undefined =>
  merged ?? ours?.content ?? theirs?.content;

const unmarked = (text: string): boolean => !/^(?:<{7}|={7}|>{7})/m.test(text);

interface ConflictCardProps {
  merge: Merge;
  conflict: MergeConflict;
  /** What this project is called. */
  ours: string;
  open: boolean;
}

/** One conflict: what happened, and what is to become of it. */
export const ConflictCard = ({ merge, conflict, ours, open }: ConflictCardProps) => {
  const { path, kind } = conflict;
  const decision = merge.decisions.value.get(path);
  const start = merge.draft(path) ?? startOf(conflict);
  const edited = typeof decision === 'object';
  const choices: readonly (readonly [string, string, Take])[] = [
    ['ours', conflict.ours === null ? 'Leave it away' : 'Keep that of this project', 'ours'],
    ['theirs', conflict.theirs === null ? 'Delete it' : `Take that of ${merge.source.name}`, 'theirs'],
    ...(start === undefined ? [] : [['edited', 'Write it', { content: start }] as const]),
  ];
  const chosen = edited ? 'edited' : decision;
  return (
    <details class="change conflict" open={open} data-testid={`conflict-${path}`} data-kind={kind}>
      <summary>
        <span class="twist">
          <Icon name="chevron" size={12} />
        </span>
        <span class="change-path">{path}</span>
        <span class={decision === undefined ? 'conflict-state' : 'conflict-state decided'}>
          {decision === undefined ? (
            'To be decided'
          ) : (
            <>
              <Icon name="check" size={12} /> {choices.find(([key]) => key === chosen)?.[1]}
            </>
          )}
        </span>
      </summary>
      <div class="conflict-body">
        <p class="conflict-why">
          {explanations[kind]}
          {conflict.reason !== undefined && ` ${conflict.reason}`}
        </p>
        {conflict.fields !== undefined && conflict.fields.length > 0 && <ConflictFields fields={conflict.fields} />}
        <ConflictSides conflict={conflict} ours={ours} theirs={merge.source.name} />
        <fieldset class="choices">
          <legend class="visually-hidden">What becomes of {path}</legend>
          {choices.map(([key, label, take]) => (
            <label key={key} class={chosen === key ? 'choice chosen' : 'choice'}>
              <input
                type="radio"
                name={`take-${path}`}
                checked={chosen === key}
                data-testid={`take-${key}-${path}`}
                onChange={() => merge.decide(path, take)}
              />
              {label}
            </label>
          ))}
        </fieldset>
        {edited && (
          <>
            <ResultEditor
              path={path}
              start={decision.content}
              onChange={(content) => merge.decide(path, { content })}
            />
            {!unmarked(decision.content) && (
              <p class="conflict-marks" role="status">
                The marks of the conflict are still in the text.
              </p>
            )}
          </>
        )}
      </div>
    </details>
  );
};
