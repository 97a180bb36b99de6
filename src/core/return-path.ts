import { limits } from '../contract/limits.ts';

/**
 * Where a browser goes on after a sign-in: a path of the app, or home for everything that is none, or would become
 * another site's by how browsers read URLs (`//host`, `/\host`, control characters, user names before an `@`).
 */
export function returnPath(wanted: string | undefined, appOrigin: string): string {
  const home = '/';
  if (wanted === undefined || wanted.length > limits.oauth.returnMax) return home;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: browsers drop some of them, so none may be there
  if (!/^\/(?![/\\])[^\\\u0000-\u0020\u007f]*$/.test(wanted)) return home;
  if (!URL.canParse(wanted, appOrigin)) return home;
  const url = new URL(wanted, appOrigin);
  // Resolving dots may leave an empty first segment, which reads as a host again.
  if (url.origin !== appOrigin || url.pathname.startsWith('//') || url.pathname.startsWith('/api/')) return home;
  return `${url.pathname}${url.search}${url.hash}`;
}
