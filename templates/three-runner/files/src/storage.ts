// Storage may be forbidden (a sandboxed preview has no origin of its own): the best score is then
// kept for as long as the page is open.
const KEY = 'solar-drift.best';
let memory = 0;

export function loadBest(): number {
  try {
    return Math.max(memory, Number(localStorage.getItem(KEY)) || 0);
  } catch {
    return memory;
  }
}

export function saveBest(score: number): void {
  memory = Math.max(memory, score);
  try {
    localStorage.setItem(KEY, String(memory));
  } catch {
    // Nothing to do: `memory` still has it.
  }
}
