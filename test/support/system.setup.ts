import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import './provided.ts';
import { freePort } from './ports.ts';
import { startProviders } from './providers.ts';
import { newSystem } from './system.ts';

/**
 * One whole system for a project of tests: real runner, a state directory of its own, and providers to sign in through. Over HTTP
 * it is `wrangler dev`, which a developer has too; to browsers, who ask for much, the Worker without it.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const state = mkdtempSync(join(tmpdir(), 'kiln-test-'));
  const port = await freePort();
  const host = project.name === 'browser' ? 'miniflare' : 'wrangler';
  const providers = await startProviders(`http://localhost:${port}`);
  const system = await newSystem({ port, state, vars: providers.vars, previews: true, host });
  await system.start();
  project.provide('origin', system.origin);
  return async () => {
    await system.stop();
    await providers.stop();
    rmSync(state, { recursive: true, force: true });
  };
}
