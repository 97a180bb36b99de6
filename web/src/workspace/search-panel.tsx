import { type Signal, useSignal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { limits } from '../../../src/contract/limits.ts';
import type { SearchMatch } from '../../../src/contract/search.ts';
import { Icon } from '../ui/icon.tsx';
import { useWorkspace } from './context.ts';
import { tintOf } from './file-kinds.ts';
import type { FileMatches, Search } from './search.ts';

const count = (number: number, one: string, many: string): string =>
  `${number.toLocaleString('en')} ${number === 1 ? one : many}`;

interface ToggleProps {
  search: Search;
  on: Signal<boolean>;
  label: string;
  id: string;
  text: string;
}

const Toggle = ({ search, on, label, id, text }: ToggleProps) => (
  <button
    type="button"
    class="search-toggle"
    aria-label={label}
    title={label}
    aria-pressed={on.value}
    data-testid={id}
    onClick={() => {
      on.value = !on.value;
      search.run(0);
    }}
  >
    {text}
  </button>
);

const Form = ({ search }: { search: Search }) => {
  const query = useRef<HTMLInputElement>(null);
  // At once: the next key belongs into the field already.
  useLayoutEffect(
    () =>
      search.asked.subscribe(() => {
        query.current?.focus();
        query.current?.select();
      }),
    [search],
  );
  const problem = search.problem.value;
  return (
    <form
      class="search-form"
      onSubmit={(event) => {
        event.preventDefault();
        search.run(0);
      }}
    >
      <div class="search-field">
        <input
          ref={query}
          class="input small"
          data-testid="search-query"
          aria-label="Search in all files"
          aria-invalid={problem?.field === 'q'}
          placeholder="Search"
          value={search.query.value}
          maxLength={limits.search.queryMax}
          spellcheck={false}
          autocomplete="off"
          onInput={(event) => {
            search.query.value = event.currentTarget.value;
            search.run();
          }}
        />
        <Toggle search={search} on={search.matchCase} label="Match case" id="search-case" text="Aa" />
        <Toggle search={search} on={search.regex} label="Use a regular expression" id="search-regex" text=".*" />
      </div>
      <input
        class="input small"
        data-testid="search-path"
        aria-label="Files to look into"
        aria-invalid={problem?.field === 'path'}
        title="Beginnings of paths and globs, separated by commas; ! leaves out"
        placeholder="Files: src/, *.ts, !*.test.ts"
        value={search.path.value}
        maxLength={limits.search.pathMax}
        spellcheck={false}
        autocomplete="off"
        onInput={(event) => {
          search.path.value = event.currentTarget.value;
          search.run();
        }}
      />
    </form>
  );
};

/** Characters before a match that stay in view beside it. */
const leadMax = 24;

const Preview = ({ match: { preview, offset, length } }: { match: SearchMatch }) => {
  const indent = Math.min(offset, preview.length - preview.trimStart().length);
  const lead = [...preview.slice(indent, offset)];
  const end = Math.min(preview.length, offset + length);
  return (
    <span class="match-text">
      {lead.length > leadMax && '…'}
      {lead.slice(-leadMax).join('')}
      <mark>{preview.slice(offset, end)}</mark>
      {preview.slice(end)}
    </span>
  );
};

const File = ({ path, matches }: FileMatches) => {
  const workspace = useWorkspace();
  const open = useSignal(true);
  const slash = path.lastIndexOf('/');
  return (
    <li>
      <button
        type="button"
        class="found-file"
        data-testid={`search-file-${path}`}
        aria-expanded={open.value}
        title={path}
        onClick={() => {
          open.value = !open.value;
        }}
      >
        <span class={open.value ? 'twist open' : 'twist'}>
          <Icon name="chevron" size={12} />
        </span>
        <span class={`file-icon tint-${tintOf(path)}`}>
          <Icon name="file" size={14} />
        </span>
        <span class="found-name">{path.slice(slash + 1)}</span>
        <span class="found-folder">{slash === -1 ? '' : path.slice(0, slash)}</span>
        <span class="found-count">{matches.length}</span>
      </button>
      {open.value && (
        <ul>
          {matches.map((match) => (
            <li key={`${match.line}:${match.column}`}>
              <button
                type="button"
                class="found-match"
                data-testid={`search-match-${path}:${match.line}:${match.column}`}
                title={`Line ${match.line}, column ${match.column}`}
                onClick={() => workspace.open(path, match)}
              >
                <Preview match={match} />
                <span class="found-line">{match.line}</span>
              </button>
            </li>
          ))}
        </ul>
      )}
    </li>
  );
};

const Summary = ({ search }: { search: Search }) => {
  const problem = search.problem.value;
  const results = search.results.value;
  const files = search.files.value.length;
  if (problem !== undefined)
    return (
      <p class="search-summary problem" role="alert" data-testid="search-problem">
        {problem.message}
      </p>
    );
  if (results === undefined)
    return <p class="search-summary">{search.running.value ? 'Searching…' : 'Everything typed so far is searched.'}</p>;
  return (
    <p class="search-summary" role="status" data-testid="search-summary" data-running={search.running.value}>
      {results.matches.length === 0
        ? 'Nothing found'
        : `${count(results.matches.length, 'match', 'matches')} in ${count(files, 'file', 'files')}`}
      {results.truncated && <span class="search-more"> · there may be more: name fewer files</span>}
    </p>
  );
};

/** Finds text in all files, and leads to it. */
export const SearchPanel = () => {
  const { search } = useWorkspace();
  const list = useRef<HTMLUListElement>(null);

  /** Arrows walk over files and matches as over one list. */
  const onKey = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (step === 0) return;
    const buttons = [...(list.current?.querySelectorAll('button') ?? [])];
    const here = buttons.indexOf(document.activeElement as HTMLButtonElement);
    buttons[here + step]?.focus();
    event.preventDefault();
  };

  return (
    <search
      class="search-panel"
      data-testid="search-panel"
      onKeyDown={(event) => {
        if (event.key === 'Escape') search.close();
        else onKey(event);
      }}
    >
      <div class="panel-head">
        <h2>Search</h2>
        <button
          type="button"
          class="icon-button"
          aria-label="Back to the files"
          title="Back to the files (Escape)"
          data-testid="search-close"
          onClick={() => search.close()}
        >
          <Icon name="close" size={14} />
        </button>
      </div>
      <Form search={search} />
      <Summary search={search} />
      <ul class="found" ref={list} aria-label="Matches">
        {search.files.value.map(({ path, matches }) => (
          <File key={path} path={path} matches={matches} />
        ))}
      </ul>
    </search>
  );
};
