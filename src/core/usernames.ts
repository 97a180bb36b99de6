import { limits } from '../contract/limits.ts';

/** A user name made of whatever somebody is called elsewhere: letters and digits with single separators between them. */
export function usernameFrom(text: string): string {
  const plain = text
    .normalize('NFKD')
    .replaceAll(/\p{M}/gu, '')
    .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
    .replaceAll(/[._-]{2,}/g, '-')
    .slice(0, limits.auth.usernameMax)
    .replaceAll(/^[._-]+|[._-]+$/g, '');
  return plain.length < limits.auth.usernameMin ? `user-${plain}`.replace(/-$/, '') : plain;
}

/** The `n`-th try to find a name that is free: itself, then with a number behind it. */
export function usernameVariant(name: string, n: number, random: () => number = Math.random): string {
  if (n === 0) return name;
  const suffix = `-${Math.floor(random() * 10 ** (n + 2))}`;
  return `${name.slice(0, limits.auth.usernameMax - suffix.length).replace(/[._-]+$/, '')}${suffix}`;
}
