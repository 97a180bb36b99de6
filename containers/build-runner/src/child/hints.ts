import { isBuiltin } from 'node:module';
import { posix } from 'node:path';
import { type Project, resolveInProject } from './project.ts';

/** What esbuild says when an import leads nowhere. */
const unresolved = /^Could not resolve "(?<spec>[^"]+)"/;

/**
 * The text of a message as somebody who makes a game needs it: with the mistake that it most often is. `from` is
 * the project-relative file in which it was found.
 */
export const withHint = (text: string, project: Project, from: string | null): string => {
  const spec = unresolved.exec(text)?.groups?.spec;
  if (spec === undefined || from === null) return text;
  if (isBuiltin(spec)) {
    return `"${spec}" is a part of Node.js, which a browser does not have. Look for a package that works in browsers.`;
  }
  if (!/^[./#]/.test(spec)) return `${text} Is it in the dependencies of package.json?`;
  const similar = spec.startsWith('.') ? otherCase(project, posix.dirname(from), spec) : null;
  return similar === null
    ? text
    : `${unresolved.exec(text)?.[0]}. Did you mean "${similar}"? Upper and lower case are different names.`;
};

/** The specifier that would have found a file whose name differs by nothing but case. */
const otherCase = (project: Project, folder: string, spec: string): string | null => {
  const target = resolveInProject(project, folder, spec)?.toLowerCase();
  if (target === undefined) return null;
  for (const file of project.files) {
    const path = file.toLowerCase();
    const rest = path.slice(target.length);
    if (!path.startsWith(target) || !/^(?:\.[a-z]+|\/index\.[a-z]+)?$/.test(rest)) continue;
    const found = posix.relative(folder, file.slice(0, target.length));
    return found.startsWith('.') ? found : `./${found}`;
  }
  return null;
};
