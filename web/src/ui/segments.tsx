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

/** Where an arrow key leads among so many, round and round; undefined for other keys. */
const stepOf = (key: string, at: number, count: number): number | undefined => {
  if (key === 'ArrowRight') return (at + 1) % count;
  return key === 'ArrowLeft' ? (at + count - 1) % count : undefined;
};

/** A few views of one place, of which one is shown. One stop for Tab; arrow keys go among them. */
export const Segments = <Name extends string>(props: SegmentsProps<Name>) => (
  <div class={`segments ${props.class ?? ''}`} role="tablist" aria-label={props.label}>
    {props.names.map((name, at) => (
      <button
        key={name}
        type="button"
        role="tab"
        aria-selected={name === props.chosen}
        tabIndex={name === props.chosen ? 0 : -1}
        onKeyDown={(event) => {
          const to = stepOf(event.key, at, props.names.length);
          const next = to === undefined ? undefined : props.names[to];
          if (to === undefined || next === undefined) return;
          event.preventDefault();
          props.onChoose(next);
          (event.currentTarget.parentElement?.children[to] as HTMLElement | undefined)?.focus();
        }}
        data-testid={`${props.testIds}-${name}`}
        onClick={() => props.onChoose(name)}
      >
        {props.titleOf(name)}
      </button>
    ))}
  </div>
);
