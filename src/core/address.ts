/** Eight groups of an IPv6 address as it is written; null for anything else. */
function groupsOf(address: string): string[] | null {
  const [head = '', tail, more] = address.split('::');
  if (more !== undefined || !/^[0-9a-f:]+$/i.test(address)) return null;
  const left = head === '' ? [] : head.split(':');
  if (tail === undefined) return left.length === 8 ? left : null;
  const right = tail === '' ? [] : tail.split(':');
  const missing = 8 - left.length - right.length;
  return missing < 1 ? null : [...left, ...Array.from({ length: missing }, () => '0'), ...right];
}

/** What one client can hardly have many of: an IPv4 address, or the /64 that an IPv6 network hands to one household. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped) return mapped;
  const groups = groupsOf(address);
  if (!groups) return address.slice(0, 45);
  return `${groups
    .slice(0, 4)
    .map((group) => group.toLowerCase().replace(/^0+(?=.)/, ''))
    .join(':')}::/64`;
}
