import type { ComponentChildren } from 'preact';

interface SegmentsProps<Name extends string> {
  /** What they choose among, for those who do not see it. */
  label: string;
  names: readonly Name[];
  chosen: Name;
  onChoose: (name: Name) => void;
  titleOf: (name: Name) => ComponentChildren;
  /** Before each name. */
  testIds: string;
  class?: string;
}

/** A few views of one place, of which one is shown. */
export const Segments = <Name extends string>(props: SegmentsProps<Name>) => (
  <div class={`segments ${props.class ?? ''}`} role="tablist" aria-label={props.label}>
    {props.names.map((name) => (
      <button
        key={name}
        type="button"
        role="tab"
        aria-selected={name === props.chosen}
        data-testid={`${props.testIds}-${name}`}
        onClick={() => props.onChoose(name)}
      >
        {props.titleOf(name)}
      </button>
    ))}
  </div>
);
