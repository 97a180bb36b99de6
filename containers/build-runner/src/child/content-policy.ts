import { createHash } from 'node:crypto';
import { parse } from 'parse5';
import { allElements, textOf } from '../../../../src/core/game/elements.ts';
import type { Log } from './report.ts';

/**
 * The Content-Security-Policy of a packaged game: code comes from the package alone, while pictures, sounds
 * and connections may come from anywhere that is encrypted. Inline scripts that the page had when it was built
 * are named by their hashes; others do not run.
 */
export const contentPolicy = (html: string, inputs: ReadonlySet<string>, log: Log): string => {
  const scripts: string[] = [];
  for (const element of allElements(parse(html))) {
    const attributes = new Map(element.attrs.map((attr) => [attr.name, attr.value]));
    const handler = [...attributes.keys()].find((name) => name.startsWith('on'));
    if (handler !== undefined)
      warn(
        log,
        `<${element.tagName} ${handler}="…"> does not run in a packaged app. Use addEventListener in a script.`,
      );
    if (element.tagName !== 'script') continue;
    const source = attributes.get('src');
    if (source === undefined) scripts.push(`'sha256-${createHash('sha256').update(textOf(element)).digest('base64')}'`);
    else if (/^(?:https?:)?\/\//i.test(source))
      warn(log, `The script ${source.slice(0, 200)} is not loaded in a packaged app. Add it to the project.`);
  }
  const drawsWithPixi = [...inputs].some((path) => path.startsWith('node_modules/pixi.js/'));
  const avoidsEval = [...inputs].some((path) => /^node_modules\/pixi\.js\/lib\/unsafe-eval\//.test(path));
  if (drawsWithPixi && !avoidsEval)
    warn(log, "PixiJS makes code from text, which a packaged app refuses. Add: import 'pixi.js/unsafe-eval';");
  return [
    "default-src 'self'",
    `script-src 'self' 'wasm-unsafe-eval' ${[...new Set(scripts)].sort().join(' ')}`.trimEnd(),
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' https: data: blob:",
    "media-src 'self' https: data: blob:",
    "font-src 'self' https: data:",
    "connect-src 'self' https: wss: data: blob:",
    "worker-src 'self' blob:",
    "frame-src 'none'",
    "object-src 'none'",
    "base-uri 'self'",
    "form-action 'none'",
  ].join('; ');
};

const warn = (log: Log, message: string): void => log({ level: 'warn', step: 'package', message });
