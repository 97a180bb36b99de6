import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, inject, it } from 'vitest';
import { newId } from '../../src/contract/ids.ts';
import { signUp } from '../support/people.ts';
import { launchBrowser } from './chromium.ts';

const guide = readFileSync(new URL('../../docs/guides/authentication.md', import.meta.url), 'utf8');
const snippets = (language: string): string[] =>
  [...guide.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map((match) => match[1] ?? '');

const run = promisify(execFile);

describe('docs/guides/authentication.md', () => {
  it('has no snippet in a language that is not run', () => {
    const fences = [...guide.matchAll(/^```(\w+)$/gm)].map((match) => match[1]);
    expect(new Set(fences)).toEqual(new Set(['sh', 'js']));
  });

  it('signs in from a terminal and from a CI job, as it says', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'kiln-guide-'));
    const name = `guide-${newId().slice(-10)}`;
    try {
      const script = ['set -euo pipefail', ...snippets('sh'), 'echo', 'echo "all of it: $PROJECT"'].join('\n');
      const { stdout } = await run('bash', ['-c', script], {
        cwd: directory,
        env: { PATH: process.env.PATH, KILN: inject('origin'), EMAIL: `${name}@kiln.test`, NAME: name },
      });
      expect(stdout).toContain(`"username":"${name}"`);
      expect(stdout).toContain('"path":"version.txt"');
      expect(stdout).toMatch(/"erasedAt":/);
      expect(stdout).toMatch(/all of it: [0-9a-f-]{36}\n$/);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('signs in from a browser app, as it says', async () => {
    const client = await signUp(inject('origin'), 'page');
    const { user } = await client.call('getMe');
    const password = `correct horse ${user.username.split('-')[1]}`;
    const browser = await launchBrowser();
    try {
      const page = await browser.newPage();
      await page.goto(`${inject('origin')}/docs/errors`);
      const program = `(async (email, password) => { ${snippets('js').join('\n')}; return { user, links }; })(${JSON.stringify(user.email)}, ${JSON.stringify(password)})`;
      const shown = (await page.evaluate(program)) as { user: { id: string }; links: string[] };
      expect(shown.user.id).toBe(user.id);
      expect(shown.links).toContain('<a href="/api/auth/oauth/github?return=/">Sign in with GitHub</a>');
    } finally {
      await browser.close();
    }
  });
});
