import type { BuildFailure as EsbuildFailure, Message } from 'esbuild';
import { outsideMessage } from '../../../../src/core/game/paths.ts';
import { quotedAt } from '../../../../src/core/game/said.ts';
import { type Told, tell } from '../../../../src/core/game/tell.ts';
import { type Rewritten, writtenSpot } from '../../../../src/core/game/url-references.ts';
import { BuildFailure } from '../failure.ts';
import type { InlineEntry } from './bundle.ts';
import { computedOutside, isInside, leadsOutside, sourceOfWorker, withoutNamespace } from './confine.ts';
import type { Project } from './project.ts';
import type { Log } from './report.ts';

/** What messages are told from. */
export interface Telling {
  readonly project: Project;
  readonly log: Log;
  /** Inline code of the page, by the name under which it is an entry. */
  readonly inline: ReadonlyMap<string, InlineEntry>;
  /** Names of the packages that package.json asks for. */
  readonly packages: ReadonlySet<string>;
  /** Sources of which esbuild got another text, by path. */
  readonly rewritten: ReadonlyMap<string, Rewritten>;
}

/** Tells the owner of a project what esbuild says of it. */
export interface Teller {
  warn(message: Message): void;
  /** Of what we found ourselves. */
  warnOf(told: Told): void;
  /** Logs what is wrong, line by line; the failure says the first of it. */
  fail(failure: EsbuildFailure): BuildFailure;
}

export const teller = (telling: Telling): Teller => {
  const said = new Set<string>();
  /** What several bundles of one build have in common, a page and its workers, is wrong in each of them. */
  const isNew = (told: Told): boolean => {
    const key = JSON.stringify(told);
    return !said.has(key) && said.add(key) !== undefined;
  };
  const log = (level: 'warn' | 'error', told: Told): void => telling.log({ level, step: 'bundle', ...told });
  const warnOf = (told: Told): void => {
    if (isNew(told)) log('warn', told);
  };
  const warn = (message: Message): void => warnOf(present(telling, message));
  return {
    warn,
    warnOf,
    fail: ({ errors, warnings }) => {
      const told = errors.map((error) => present(telling, error)).filter(isNew);
      for (const one of told) log('error', one);
      for (const warning of warnings) warn(warning);
      return new BuildFailure('user', 'build_failed', summary(told));
    },
  };
};

/** Said of a name that is there in another case, as far as esbuild resolves it. */
const notReadable = /^Cannot read file/;

/** A message of esbuild as the owner of the project may see it. Anything about a place outside becomes the one neutral sentence. */
const present = (telling: Telling, message: Message): Told => {
  const { project, inline, packages, rewritten } = telling;
  const { location } = message;
  const path = location === null ? '' : withoutNamespace(location.file);
  const isVirtual = path !== location?.file;
  if (path !== '' && !isInside(project, path, isVirtual)) return { message: outsideMessage('An import') };
  if (location !== null && (message.text === leadsOutside || notReadable.test(message.text))) {
    // The same words as for something that is not there: whether it is must not be told.
    const spec = /^(?<quote>["'])(?<spec>.*)\k<quote>$/.exec(quotedAt(location))?.groups?.spec;
    if (spec === undefined) return { message: computedOutside };
    return present(telling, { ...message, text: `Could not resolve "${spec}"` });
  }
  const entry = inline.get(path);
  const clean = (text: string): string => text.replaceAll(`${project.root}/`, '').replaceAll(project.root, '.');
  const told = tell(
    {
      location,
      text: clean(message.text),
      notes: message.notes.map((note) => ({ ...note, text: clean(note.text) })),
    },
    {
      inline: entry,
      nameOf: (file) => nameOf(telling, file),
      paths: project.files,
      packages,
      isStyle: entry && entry.loader === 'css',
    },
  );
  const { file, line, column, source, ...rest } = told;
  if (file === undefined) return rest;
  // No line of what we wrote is anybody's.
  if (line === undefined || column === undefined || (isVirtual && !entry)) return { ...rest, file };
  const original = rewritten.get(file);
  if (original) return { ...rest, file, ...writtenSpot(original, { line, column }) };
  return { ...rest, file, line, column, ...(source === undefined || !project.files.has(file) ? {} : { source }) };
};

/** The file of the project that a place of esbuild is in. */
const nameOf = ({ project, inline }: Telling, file: string): string | undefined => {
  const path = withoutNamespace(file);
  if (path === '' || !isInside(project, path, path !== file)) return undefined;
  const worker = sourceOfWorker(path);
  return (
    inline.get(path)?.path ?? (path !== file && !project.files.has(path) && project.files.has(worker) ? worker : path)
  );
};

/** What a failure says of all that is wrong: the first of it, with its place. */
export const summary = ([first, ...more]: readonly Told[]): string => {
  if (first === undefined) return 'The project does not build.';
  const { message, file, line, column } = first;
  const place = file === undefined ? '' : line === undefined ? `${file}: ` : `${file}:${line}:${column ?? 0}: `;
  return `${place}${message}${more.length > 0 ? ` (and ${more.length} more, see the log)` : ''}`;
};
