/**
 * The texts that code makes, for whoever looks for names of files in it. Not a parser: comments, regular expressions and texts are told
 * apart, and what stands around a text, by its words and marks alone. A library that does the same takes thirty times as long, and
 * hundreds of modules are read for one build.
 */

/** What code makes of texts and things to compute: the fixed parts, with something unknown between each two of them. */
export interface TextInCode {
  readonly parts: readonly string[];
  /** Offset in the source. */
  readonly at: number;
}

export interface CodeTexts {
  readonly texts: readonly TextInCode[];
  /** Whether it has static imports, so that it cannot be anything but a module. */
  readonly hasImports: boolean;
}

interface Token {
  /** A word, a single mark, or nothing for a text. */
  readonly value: string;
  readonly parts?: readonly string[];
  readonly at: number;
}

const piece = /\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|"(?:[^"\\\n]|\\[\s\S])*"|'(?:[^'\\\n]|\\[\s\S])*'|[\w$]+|\s+|[\s\S]/y;
const templatePart = /(?:[^`\\$]|\\[\s\S]|\$(?!\{))*/y;
const regularExpression = /\/(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/\w*/y;
/** After these a slash begins a regular expression; after any other word, and after what ends a value, it divides. */
const beforeValue = /^(?:return|typeof|case|in|of|do|else|void|delete|instanceof|throw|yield|await|[^\w$)\]}<])$/;

export const textsInCode = (source: string): CodeTexts => {
  const found: TextInCode[] = [];
  let hasImports = false;
  let at = 0;

  const take = (pattern: RegExp): string => {
    pattern.lastIndex = at;
    const [text = ''] = pattern.exec(source) ?? [];
    at += text.length;
    return text;
  };

  const readTemplate = (): string[] => {
    const parts = [unescaped(take(templatePart))];
    while (source.startsWith('${', at)) {
      at += 2;
      read('}');
      parts.push(unescaped(take(templatePart)));
    }
    at += 1;
    return parts;
  };

  /** Reads up to the mark that closes what is read. */
  const read = (closing: '}' | null): void => {
    const tokens: Token[] = [];
    for (let depth = 0; at < source.length; ) {
      const start = at;
      const text = take(piece);
      const [first = ''] = text;
      if (first === '`') tokens.push({ value: '', parts: readTemplate(), at: start });
      else if (first === "'" && isApostrophe(tokens.at(-1), start)) at = start + 1;
      else if ((first === '"' || first === "'") && text.length > 1)
        tokens.push({ value: '', parts: [unescaped(text.slice(1, -1))], at: start });
      else if (text === '/' && beforeValue.test(tokens.at(-1)?.value ?? ';')) {
        at = start;
        if (take(regularExpression) === '') at = start + 1;
        tokens.push({ value: ')', at: start });
      } else if (/^(?:\s|\/[/*])/.test(text)) continue;
      else {
        if (text === '}' && closing !== null && depth === 0) break;
        depth += text === '{' ? 1 : text === '}' ? -1 : 0;
        tokens.push({ value: text, at: start });
      }
    }
    join(tokens);
  };

  /** Puts together what is added up. */
  const join = (tokens: readonly Token[]): void => {
    for (let index = 0; index < tokens.length; ) {
      const token = tokens[index];
      if (token?.parts === undefined) {
        index += 1;
        continue;
      }
      const before = [tokens[index - 2]?.value, tokens[index - 1]?.value];
      if (isSpecifier(before, tokens, index)) {
        hasImports ||= before[1] === 'from' || before[1] === 'import';
        index += 1;
        continue;
      }
      const isAdded = before[1] === '+' || (before[0] === '+' && before[1] === '=');
      const parts = isAdded ? ['', ...token.parts] : [...token.parts];
      let next = index + 1;
      while (tokens[next]?.value === '+') {
        const operand = tokens[next + 1]?.parts;
        if (operand === undefined) {
          const end = endOfOperand(tokens, next + 1);
          join(tokens.slice(next + 1, end));
          parts.push('');
          next = end;
        } else {
          parts.push(`${parts.pop() ?? ''}${operand[0] ?? ''}`, ...operand.slice(1));
          next += 2;
        }
      }
      found.push({ parts, at: token.at });
      index = next;
    }
  };

  read(null);
  return { texts: found, hasImports };
};

/** One in the text of JSX stands in a word, where code has nothing but a keyword before a quote. */
const isApostrophe = (before: Token | undefined, at: number): boolean =>
  before !== undefined &&
  /^[\w$]/.test(before.value) &&
  before.at + before.value.length === at &&
  !/^(?:return|typeof|case|in|of|do|else|throw|yield|await|from|import|as|default|extends)$/.test(before.value);

/** What bundlers resolve: it names a module, or a file that gets another address. */
const isSpecifier = (
  [second, first]: readonly (string | undefined)[],
  tokens: readonly Token[],
  index: number,
): boolean =>
  first === 'from' ||
  first === 'import' ||
  (first === '(' &&
    (second === 'import' ||
      second === 'require' ||
      (second === 'URL' && tokens[index + 1]?.value === ',' && tokens[index + 2]?.value === 'import')));

const opens = /^[([{]$/;
const ends = /^[)\]},;:=&|<>+]$/;

/** Where an operand ends that is no text. */
const endOfOperand = (tokens: readonly Token[], from: number): number => {
  let depth = 0;
  for (let index = from; index < tokens.length; index += 1) {
    const value = tokens[index]?.value ?? '';
    const isQuestion = value === '?' && tokens[index + 1]?.value !== '.';
    if (depth === 0 && index > from && (ends.test(value) || isQuestion)) return index;
    if (opens.test(value)) depth += 1;
    else if (/^[)\]}]$/.test(value)) {
      if (depth === 0) return index;
      depth -= 1;
    }
  }
  return tokens.length;
};

const unescaped = (text: string): string => (text.includes('\\') ? text.replace(/\\([\s\S])/g, '$1') : text);
