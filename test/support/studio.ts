import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { System } from '../../scripts/lib/system.ts';
import type { KilnClient } from '../../src/client/index.ts';
import { signUp } from './people.ts';
import { newSystem } from './system.ts';

/** A system of a test's own, which it may kill and start again, with one person and a project of hers. */
export interface Studio {
  readonly system: System;
  readonly ada: KilnClient;
  readonly projectId: string;
  /** Kills it, and removes what it kept. */
  end(): Promise<void>;
}

/** `name` is a part of the name of its state folder. */
export async function startStudio(name: string): Promise<Studio> {
  const state = mkdtempSync(join(tmpdir(), `kiln-${name}-`));
  const system = await newSystem({ state });
  const end = async (): Promise<void> => {
    await system.kill();
    rmSync(state, { recursive: true, force: true });
  };
  try {
    await system.start();
    const ada = await signUp(system.origin, 'ada');
    const { project } = await ada.call('createProject', { body: { name: 'Faults' } });
    return { system, ada, projectId: project.id, end };
  } catch (error) {
    await end();
    throw error;
  }
}
