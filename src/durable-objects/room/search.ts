import { LRUCache } from 'lru-cache';
import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import type { SearchMatch, SearchQuery, SearchResults } from '../../contract/search.ts';
import type { LogFields } from '../../core/log.ts';
import { Effort, type Finder, finderOf, type PathFilter, pathFilterOf, searchText } from '../../core/search.ts';
import type { StoredFile } from './tree-store.ts';

/** The room, as far as a search looks at it. */
export interface SearchPorts {
  /** The files of this moment, sorted, with everything that was typed. */
  files(): readonly StoredFile[];
  current(path: string): StoredFile | undefined;
  /** Text that the room has; null: it is cold. */
  hot(hash: string): string | null;
  isHot(hash: string): boolean;
  /** Text from the blob store. */
  cold(file: StoredFile): Promise<string>;
  now(): number;
  log(event: string, fields: LogFields): void;
}

/**
 * Cold texts of all rooms of this isolate, by hash: whoever searches once searches again with one letter
 * more. Not in the room's SQLite, where a text stays for as long as a file names it.
 */
const texts = new LRUCache<string, string>({
  maxSize: limits.search.cacheBytes,
  sizeCalculation: ({ length }) => 2 * length + 200,
});

/** Searches of one project: one after the other, in the pauses of everything else. [R20] */
export class ProjectSearch {
  readonly #ports: SearchPorts;
  /** Users of the searches that run or wait. */
  readonly #waiting: string[] = [];
  #turn: Promise<unknown> = Promise.resolve();

  constructor(ports: SearchPorts) {
    this.#ports = ports;
  }

  /** Throws `validation_failed` for a bad pattern, `rate_limited` when too many wait, `unavailable` when a text cannot be read. */
  async run(query: SearchQuery, by: string): Promise<SearchResults> {
    const search = new Search(this.#ports, finderOf(query), pathFilterOf(query.path));
    const { waiting, waitingPerUser } = limits.search;
    if (this.#waiting.length >= waiting || this.#waiting.filter((user) => user === by).length >= waitingPerUser)
      throw new KilnError('rate_limited', { detail: 'Too many searches of this project at once.', retryAfter: 1 });
    this.#waiting.push(by);
    const turn = this.#turn.then(() => search.run());
    this.#turn = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      this.#waiting.splice(this.#waiting.indexOf(by), 1);
    }
  }
}

class Search {
  readonly #ports: SearchPorts;
  readonly #finder: Finder;
  readonly #filter: PathFilter;
  readonly #effort = new Effort();
  readonly #matches: SearchMatch[] = [];
  /** Cold texts of the files that are next, by hash. */
  readonly #warmed = new Map<string, string>();
  #truncated = false;
  /** Time or room for matches is used up. */
  #over = false;
  #fetched = 0;
  #deadline = 0;

  constructor(ports: SearchPorts, finder: Finder, filter: PathFilter) {
    this.#ports = ports;
    this.#finder = finder;
    this.#filter = filter;
  }

  async run(): Promise<SearchResults> {
    const begin = this.#ports.now();
    this.#deadline = begin + limits.search.time;
    const paths = await this.#paths();
    const { parallel } = limits.search;
    for (let at = 0; at < paths.length; at += parallel) {
      this.#watch();
      if (this.#over) break;
      const batch = paths.slice(at, at + parallel);
      this.#warmed.clear();
      await Promise.all(batch.map((path) => this.#warm(path)));
      for (const path of batch) if (!this.#over) await this.#searchFile(path);
    }
    this.#ports.log('room.searched', {
      files: paths.length,
      fetched: this.#fetched,
      matches: this.#matches.length,
      truncated: this.#truncated,
      ms: this.#ports.now() - begin,
    });
    return { matches: this.#matches, truncated: this.#truncated };
  }

  async #paths(): Promise<string[]> {
    const paths: string[] = [];
    for (const { path, isText } of this.#ports.files()) {
      if (!isText || this.#over) continue;
      if (this.#effort.spend(path.length * this.#filter.cost)) await this.#pause();
      if (this.#filter.test(path)) paths.push(path);
    }
    return paths;
  }

  /** Makes sure of a text that the room does not have, unless there were too many of them. */
  async #warm(path: string): Promise<void> {
    const file = this.#ports.current(path);
    if (!file?.isText || this.#ports.isHot(file.hash)) return;
    let text = texts.get(file.hash);
    if (text === undefined) {
      if (this.#fetched === limits.search.coldTexts) return;
      this.#fetched += 1;
      text = await this.#ports.cold(file);
      texts.set(file.hash, text);
    }
    this.#warmed.set(file.hash, text);
  }

  /** What a file is by now: it may have changed in the last pause. */
  async #searchFile(path: string): Promise<void> {
    const file = this.#ports.current(path);
    if (!file?.isText) return;
    const text = this.#ports.hot(file.hash) ?? this.#warmed.get(file.hash);
    if (text === undefined) {
      this.#truncated = true;
      return;
    }
    const { matches, matchesPerFile } = limits.search;
    let found = 0;
    for (const match of searchText(text, this.#finder, this.#effort)) {
      if (match === 'cut') this.#truncated = true;
      else if (match === 'pause') await this.#pause();
      else if (this.#matches.length === matches) this.#end();
      else if (found === matchesPerFile) {
        this.#truncated = true;
        return;
      } else {
        this.#matches.push({ path, ...match });
        found += 1;
      }
      if (this.#over) return;
    }
  }

  /** Lets other work of the object go first: a timer is awaited outside of it. */
  async #pause(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.#watch();
  }

  #watch(): void {
    if (this.#ports.now() >= this.#deadline) this.#end();
  }

  #end(): void {
    this.#over = true;
    this.#truncated = true;
  }
}
