/** What a change does to a file, and the letter that stands for it, in the order of summaries. */
export const changeKinds = { added: 'A', removed: 'D', modified: 'M', moved: 'R' } as const;
export type ChangeKindName = keyof typeof changeKinds;

export const ChangeKind = ({ kind }: { kind: ChangeKindName }) => (
  <span class={`change-kind ${kind}`} title={kind}>
    <span aria-hidden="true">{changeKinds[kind]}</span>
    <span class="visually-hidden">{kind}</span>
  </span>
);
