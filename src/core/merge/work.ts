import { limits } from '../../contract/limits.ts';

/** One step of Myers' algorithm (a diagonal in one round) costs as much as comparing so many lines; measured. */
const stepCost = 40;
/** Splitting or parsing one character, likewise: most in JSON that is all signs and digits. */
const characterCost = 150;

/**
 * What comparing may still cost. Finding D edits between texts of N lines takes D rounds over at most D
 * diagonals, each of which walks over N lines at most: D · (stepCost · D + N).
 */
export class Work {
  #left: number;

  constructor(total: number = limits.merge.work) {
    this.#left = total;
  }

  /** Whether texts with so many characters may be read. */
  read(characters: number): boolean {
    const cost = characters * characterCost;
    if (cost > this.#left) return false;
    this.#left -= cost;
    return true;
  }

  /** The most edits that may be looked for between two texts that have so many lines together. */
  editsWithin(lines: number): number {
    const budget = Math.max(0, Math.min(this.#left, limits.merge.textWork));
    return Math.floor((Math.sqrt(lines * lines + 4 * stepCost * budget) - lines) / (2 * stepCost));
  }

  spend(lines: number, edits: number): void {
    this.#left -= edits * (stepCost * edits + lines);
  }
}
