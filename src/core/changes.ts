type Value = unknown;

const same = (a: Value, b: Value): boolean => JSON.stringify(a ?? null) === JSON.stringify(b ?? null);

/** Fields that differ between two flat records, each with what it was and what it is; null where there is none. */
export function changesOf(
  from: Readonly<Record<string, Value>>,
  to: Readonly<Record<string, Value>>,
): Record<string, { from: Value; to: Value }> {
  const names = [...new Set([...Object.keys(from), ...Object.keys(to)])].sort();
  return Object.fromEntries(
    names
      .filter((name) => !same(from[name], to[name]))
      .map((name) => [name, { from: from[name] ?? null, to: to[name] ?? null }]),
  );
}
