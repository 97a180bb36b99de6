import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { System } from '../../scripts/lib/system.ts';
import './provided.ts';
import { freePort } from './ports.ts';
import { startProviders } from './providers.ts';

/** One whole system for a project of tests: real `wrangler dev`, real runner, a state directory of its own, and providers to sign in through. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const state = mkdtempSync(join(tmpdir(), 'kiln-test-'));
  const port = await freePort();
  const providers = await startProviders(`http://localhost:${port}`);
  const system = new System({ port, runnerPort: await freePort(), state, vars: providers.vars });
  await system.start();
  project.provide('origin', system.origin);
  return async () => {
    await system.stop();
    await providers.stop();
    rmSync(state, { recursive: true, force: true });
  };
}
