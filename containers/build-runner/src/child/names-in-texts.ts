import { readFileSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';
import { parse } from 'parse5';
import { allElements, textOf } from '../../../../src/core/game/elements.ts';
import { folderOf } from '../../../../src/core/game/paths.ts';
import { runnerLimits } from '../runner-limits.ts';
import { escaped, Mentions } from './mentions.ts';
import type { Project } from './project.ts';
import { textsInCode } from './texts-in-code.ts';

const isScript = (path: string): boolean => /\.[cm]?[jt]sx?$/i.test(path);
/** Texts that may name files, besides scripts. */
const isText = (path: string): boolean =>
  /\.(?:json|html?|css|xml|tm[xj]|tsj|tsx|ldtk|txt|csv|tsv|ya?ml|toml)$/i.test(path);

/** A name of a file in a text without quotes, in quotes, or in `url()`. */
const names = /"([^"\\\n]+)"|'([^'\\\n]+)'|[\w@./%-]*[\w@%-]\.[a-z\d]{1,12}\b/gi;

/** What a bundler resolves is no name: most modules hold nothing else that looks like one. */
const notImported = String.raw`(?<!\b(?:from|import)\s*\(?\s*["'][^"'\n]*)`;

/** A text as an expression for its bytes, each of them one character. */
const bytesOf = (text: string): string => escaped(Buffer.from(text).toString('latin1'));

/** A text of the project, and what its names mean. */
interface Source {
  readonly file: string;
  readonly text: string;
  /** Of the site, that names may be relative to. */
  readonly folders: readonly string[];
  /** Whether it is loaded as it is, with the names that it has. */
  readonly loads: boolean;
}

/** Looks through the texts of a game for names of files. What none of them can name is not looked for. */
export class NamesInTexts {
  readonly #project: Project;
  /** In what is loaded as it is, and in code: the file itself is meant, even if a bundle or the page has it at another address. */
  readonly #loads = new Mentions();
  /** In the page and in styles of the bundle, too, where what they name may have got another address. */
  readonly #all = new Mentions();
  readonly #read = new Set<string>();
  /** What a text has to have somewhere to be read; null: nothing is looked for. */
  #wanted: RegExp | null = null;

  constructor(project: Project) {
    this.#project = project;
  }

  /** Says at which paths of the site files are that may be named. A text without anything of them is read no further. */
  lookFor(places: readonly string[]): void {
    const wanted = new Set<string>();
    for (const place of places) {
      const [base = '', ...folders] = place.split('/').reverse();
      const ending = posix.extname(base);
      wanted.add(bytesOf(ending === '' || isScript(base) ? base : ending));
      for (const folder of folders) wanted.add(`${bytesOf(folder)}[/'"\`]`);
    }
    const any = wanted.size > runnerLimits.wantedNames ? '' : [...wanted].join('|');
    this.#wanted = wanted.size === 0 ? null : new RegExp(`${notImported}(?:${any})`);
  }

  /** Reads a text of the project; `place`: where it lies in the site, for what it names beside itself. */
  read(path: string, place?: string): void {
    const isPage = /\.html?$/i.test(path);
    // The page is made anew, wherever it is served.
    const known = isPage ? path : `${path} ${place ?? ''}`;
    if (this.#wanted === null || this.#read.has(known) || !(isScript(path) || isText(path))) return;
    this.#read.add(known);
    const bytes = this.#bytesOf(path);
    if (bytes === null || !this.#wanted.test(bytes.toString('latin1'))) return;
    const folders = [...new Set(['', folderOf(place ?? '')])];
    const source = { file: path, text: bytes.toString('utf8'), folders, loads: place !== undefined };
    if (isPage) this.#readPage(source);
    else if (isScript(path) && !(place !== undefined && /\.tsx$/i.test(path))) this.#readCode(source, source.text, 1);
    else this.#readData({ ...source, loads: source.loads || !/\.css$/i.test(path) }, source.text, 1);
  }

  /** Whether a file is named: by what `loads` it from there, by the `whole` of it, or in `any` way. */
  has(place: string, how: 'loads' | 'whole' | 'any'): boolean {
    return (how === 'loads' ? this.#loads : this.#all).find(place, how === 'any') !== undefined;
  }

  /** Where a file is named by its whole path. */
  whereWhole(place: string): { file: string; line: number } | undefined {
    const found = this.#loads.whole(place);
    return found && { file: found.file, line: found.line() };
  }

  /** Texts in code that may mean some of the files, by their endings alone; none of which others are known to be meant. */
  loosely(places: readonly string[], known: readonly string[]) {
    const found = new Map<string, { where: { file: string; line: number }; files: string[] }>();
    for (const one of places)
      for (const { text, ending, place } of this.#loads.loosely(one)) {
        if (known.some((path) => path.endsWith(ending))) continue;
        const told = found.get(text) ?? { where: { file: place.file, line: place.line() }, files: [] };
        told.files.push(one);
        found.set(text, told);
      }
    return found;
  }

  /** Whether a script imports others. */
  isModule(path: string): boolean {
    return /\.[cm]?js$/i.test(path) && textsInCode(this.#bytesOf(path)?.toString('utf8') ?? '').hasImports;
  }

  /** How a file begins. */
  headOf(path: string): string {
    return this.#bytesOf(path)?.subarray(0, 200).toString('utf8') ?? '';
  }

  #bytesOf(path: string): Buffer | null {
    const file = join(this.#project.root, path);
    return statSync(file).size > runnerLimits.readForNames ? null : readFileSync(file);
  }

  #add({ file, folders, loads }: Source, parts: readonly string[], line: () => number): void {
    for (const mentions of loads ? [this.#loads, this.#all] : [this.#all]) mentions.add(parts, folders, { file, line });
  }

  #readCode(source: Source, code: string, firstLine: number): void {
    for (const { parts, at } of textsInCode(code).texts) {
      const line = lineAt(code, at, firstLine);
      this.#add({ ...source, loads: true }, parts, line);
      for (const part of parts) if (part.includes('<')) this.#readData(source, part, line());
    }
  }

  #readData(source: Source, text: string, firstLine: number): void {
    for (const { 0: whole, 1: double, 2: single, index } of text.matchAll(names))
      this.#add(source, [double ?? single ?? whole], lineAt(text, index, firstLine));
  }

  #readPage(source: Source): void {
    for (const element of allElements(parse(source.text, { sourceCodeLocationInfo: true }))) {
      const line = element.sourceCodeLocation?.startLine ?? 1;
      const first = element.childNodes[0]?.sourceCodeLocation?.startLine ?? line;
      for (const { value } of element.attrs) this.#add(source, [value], () => line);
      if (element.tagName === 'script') this.#readCode(source, textOf(element), first);
      else if (element.tagName === 'style') this.#readData(source, textOf(element), first);
    }
  }
}

const lineAt = (text: string, at: number, firstLine: number) => (): number =>
  firstLine + text.slice(0, at).split('\n').length - 1;
