import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, inject, it } from 'vitest';
import { inRoot } from '../../scripts/lib/paths.ts';

const run = promisify(execFile);

it('the demo drives the main job over the public API and finds everything in place', async () => {
  const { stdout } = await run(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    inRoot('scripts', 'demo.ts'),
    '--url',
    inject('origin'),
  ]);
  expect(stdout).toContain('Everything matched');
});

it('the demo fails, and says so, where something does not match', async () => {
  const failed = run(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    inRoot('scripts', 'demo.ts'),
    '--url',
    inject('origin'),
    '--template',
    'unknown',
  ]);
  await expect(failed).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('The demo failed') });
});
