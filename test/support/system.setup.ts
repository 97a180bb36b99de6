import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { System } from '../../scripts/lib/system.ts';
import './provided.ts';
import { freePort } from './ports.ts';

/** One whole system for a project of tests: real `wrangler dev`, real runner, a state directory of its own. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const state = mkdtempSync(join(tmpdir(), 'kiln-test-'));
  const system = new System({ port: await freePort(), runnerPort: await freePort(), state });
  await system.start();
  project.provide('origin', system.origin);
  return async () => {
    await system.stop();
    rmSync(state, { recursive: true, force: true });
  };
}
