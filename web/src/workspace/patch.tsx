import { parsePatch } from 'diff';
import { limits } from '../../../src/contract/limits.ts';

/** A line of a comparison: of both sides, of the newer, of the older, or a remark. */
interface Line {
  sign: ' ' | '+' | '-' | '\\';
  text: string;
  old?: number | undefined;
  new?: number | undefined;
}

interface Hunk {
  title: string;
  lines: readonly Line[];
}

const hunksOf = (patch: string): Hunk[] =>
  parsePatch(patch).flatMap(({ hunks }) =>
    hunks.map((hunk) => {
      let before = hunk.oldStart;
      let after = hunk.newStart;
      const lines = hunk.lines.map((raw): Line => {
        const text = raw.slice(1);
        if (raw[0] === '+') return { sign: '+', text, new: after++ };
        if (raw[0] === '-') return { sign: '-', text, old: before++ };
        if (raw[0] === '\\') return { sign: '\\', text: text.trim() };
        return { sign: ' ', text, old: before++, new: after++ };
      });
      return { title: `Lines ${hunk.newStart}–${hunk.newStart + Math.max(0, hunk.newLines - 1)}`, lines };
    }),
  );

export const countChanges = (patch: string): { added: number; removed: number } => {
  const lines = hunksOf(patch).flatMap((hunk) => hunk.lines);
  return {
    added: lines.filter(({ sign }) => sign === '+').length,
    removed: lines.filter(({ sign }) => sign === '-').length,
  };
};

const kinds = { ' ': 'same', '+': 'added', '-': 'removed', '\\': 'remark' } as const;
const spoken = { ' ': undefined, '+': 'added', '-': 'removed', '\\': undefined } as const;

const Lines = ({ lines }: { lines: readonly Line[] }) => (
  <>
    {lines.map((line, index) => (
      <tr key={index} class={kinds[line.sign]}>
        <td class="patch-number">{line.old}</td>
        <td class="patch-number">{line.new}</td>
        <td class="patch-sign" aria-label={spoken[line.sign]}>
          {line.sign === ' ' || line.sign === '\\' ? '' : line.sign === '-' ? '−' : '+'}
        </td>
        <td class="patch-text">{line.text}</td>
      </tr>
    ))}
  </>
);

/** A unified patch, as people read it. */
export const Patch = ({ text }: { text: string }) => (
  <table class="patch">
    {hunksOf(text).map((hunk) => (
      <tbody key={hunk.title}>
        <tr class="patch-place">
          <td colSpan={4}>{hunk.title}</td>
        </tr>
        <Lines lines={hunk.lines} />
      </tbody>
    ))}
  </table>
);

const { patchLines: shownLines } = limits.workspace;

/** A text that is there on one side only. */
export const WholeText = ({ text, sign }: { text: string; sign: '+' | '-' }) => {
  const all = text.replace(/\n$/, '').split('\n');
  const lines = all
    .slice(0, shownLines)
    .map((line, index): Line => ({ sign, text: line, [sign === '+' ? 'new' : 'old']: index + 1 }));
  const rest = all.length - lines.length;
  if (rest > 0) lines.push({ sign: '\\', text: `… and ${rest.toLocaleString('en')} more lines` });
  return (
    <table class="patch">
      <tbody>
        <Lines lines={lines} />
      </tbody>
    </table>
  );
};
