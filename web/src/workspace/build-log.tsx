import { useEffect, useRef } from 'preact/hooks';
import type { BuildLogLine } from '../../../src/contract/builds.ts';
import { placeIn } from './build-problems.ts';
import { useWorkspace } from './context.ts';
import { findNode } from './tree.ts';

const LogLine = ({ line }: { line: BuildLogLine }) => {
  const workspace = useWorkspace();
  const { file } = line;
  const place =
    file === undefined
      ? undefined
      : `${file}${line.line === undefined ? '' : `:${line.line}${line.column === undefined ? '' : `:${line.column}`}`}`;
  const known = file !== undefined && findNode(workspace.tree.value, file)?.type === 'file';
  return (
    <li class={`log-line ${line.level}`}>
      <span class="log-step">{line.step}</span>
      <span class="log-text">
        {file !== undefined &&
          (known ? (
            <button type="button" class="link log-place" onClick={() => workspace.open(file, placeIn(line))}>
              {place}
            </button>
          ) : (
            <span class="log-place">{place}</span>
          ))}
        {line.message}
        {line.source !== undefined && <code class="log-source">{line.source.trim()}</code>}
      </span>
    </li>
  );
};

/** What the build that is looked at wrote, line by line; its end stays in sight. */
export const BuildLog = () => {
  const { builds } = useWorkspace();
  const element = useRef<HTMLOListElement>(null);
  const follow = useRef(true);
  const lines = builds.lines.value;
  useEffect(() => {
    const list = element.current;
    if (list !== null && follow.current) list.scrollTop = list.scrollHeight;
  }, [lines]);
  return (
    <ol
      ref={element}
      class="log"
      data-testid="build-log"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
      tabIndex={0}
      aria-label="Build log"
      onScroll={(event) => {
        const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
        follow.current = scrollHeight - scrollTop - clientHeight < 24;
      }}
    >
      {builds.dropped.value > 0 && <li class="log-line debug">… {builds.dropped.value} earlier lines</li>}
      {lines.map((line) => (
        <LogLine key={line.seq} line={line} />
      ))}
      {lines.length === 0 && (
        <li class="log-empty">
          {builds.current.value === undefined ? 'The log of the first build will be here.' : 'Waiting for the log…'}
        </li>
      )}
    </ol>
  );
};
