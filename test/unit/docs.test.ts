import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const pages = globSync(['*.md', 'docs/**/*.md', 'src/**/*.md', 'containers/build-runner/*.md', 'bench/*.md'], {
  cwd: root,
});

/** Text of a page without its examples. */
const prose = (page: string): string => read(page).replaceAll(/```.*?```/gs, '');

/** As GitHub makes the address of a heading. */
const anchorOf = (heading: string): string =>
  heading
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}_\- ]/gu, '')
    .replaceAll(' ', '-');
const anchors = (page: string): string[] =>
  [...prose(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchorOf(heading));

/** Names of test files by their layer, as the tables of the coverage page have them. */
function covered(): { layer: string; name: string }[] {
  const found: { layer: string; name: string }[] = [];
  let layers: string[] = [];
  for (const line of read('docs/coverage.md')
    .split('\n')
    .filter((one) => one.startsWith('|'))) {
    const [feature = '', ...cells] = line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
    if (feature === 'feature') layers = cells;
    for (const [n, cell] of cells.entries())
      for (const [, name = ''] of cell.matchAll(/`([^`]+)`/g)) found.push({ layer: layers[n] ?? 'none', name });
    // A feature may name a file of a layer that has no column.
    for (const [, layer = '', name = ''] of feature.matchAll(/`(data|runner|e2e|browser)\/([^`]+)`/g))
      found.push({ layer, name });
  }
  return found;
}
const fileOf = ({ layer, name }: { layer: string; name: string }): string => `test/${layer}/${name}.test.ts`;

describe('The documentation', () => {
  it('has no link that leads nowhere', () => {
    const broken = pages.flatMap((page) =>
      [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = '']) => {
        if (/^[a-z]+:/.test(link)) return [];
        const [path = '', anchor] = link.split('#');
        const target = path === '' ? page : normalize(join(dirname(page), path));
        const leads = existsSync(join(root, target)) && (anchor === undefined || anchors(target).includes(anchor));
        return leads ? [] : [`${page}: ${link}`];
      }),
    );
    expect(pages.length).toBeGreaterThan(40);
    expect(broken).toEqual([]);
  });

  it('names no test file that is not there', () => {
    expect(
      covered()
        .map(fileOf)
        .filter((file) => !existsSync(join(root, file))),
    ).toEqual([]);
  });

  it('names every test file', () => {
    const named = new Set(covered().map(fileOf));
    const files = globSync('test/*/**/*.test.ts', { cwd: root }).map((file) => file.replaceAll('\\', '/'));
    expect(files.filter((file) => !named.has(file))).toEqual([]);
  });
});
