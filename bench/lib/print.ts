export const print = (text = ''): void => {
  process.stdout.write(`${text}\n`);
};

export interface Summary {
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** Percentiles by nearest rank. */
export function summarise(samples: readonly number[] | Float64Array): Summary {
  const sorted = Float64Array.from(samples).sort();
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
  return { count: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
}

/** Three significant digits, and none that mean nothing. */
export function figure(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  if (value !== 0 && Math.abs(value) < 0.01) return value.toFixed(4);
  if (Math.abs(value) < 10) return value.toFixed(2);
  return Math.abs(value) < 100 ? value.toFixed(1) : String(Math.round(value));
}

/**
 * How a figure of one server stands to another's: the median over the rounds of the ratio within each
 * round, since what disturbs the machine disturbs neighbours in time alike; with the spread behind it.
 */
export function ratio<R>(ours: readonly R[], theirs: readonly R[], of: (result: R) => number | null): string {
  const ratios = ours
    .flatMap((our, round) => {
      const their = theirs[round];
      const value = of(our);
      const base = their === undefined ? null : of(their);
      return value === null || base === null || !(base > 0) ? [] : [value / base];
    })
    .sort((a, b) => a - b);
  const low = ratios[Math.floor((ratios.length - 1) / 2)];
  const high = ratios[Math.ceil((ratios.length - 1) / 2)];
  if (low === undefined || high === undefined) return '–';
  const spread = ratios.length > 2 ? ` (${figure(ratios[0])}–${figure(ratios.at(-1))})` : '';
  return `${figure((low + high) / 2)}×${spread}`;
}

/** The round that other processes disturbed least: its figures are shown. */
export function calmest<R extends { readonly usage: { readonly foreignCores: number | null } }>(
  rounds: readonly R[],
): R | undefined {
  return [...rounds].sort((a, b) => (a.usage.foreignCores ?? 0) - (b.usage.foreignCores ?? 0))[0];
}

export const percent = (share: number | null): string => (share === null ? '–' : `${(share * 100).toFixed(1)} %`);

/** Aligned columns, the first to the left. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
