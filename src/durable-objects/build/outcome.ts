import type { BuildOptions } from '../../contract/builds.ts';
import { KilnError } from '../../contract/errors.ts';
import type { OutputFile, RunnerEvent } from '../../contract/jobs.ts';
import { buildKey } from '../../core/build-key.ts';
import { bytesOfOutputs } from '../../data/build-sizes.ts';
import type { BuildState } from './state.ts';

/** An output whose bytes were verified and stored. */
export type StoredOutput = Pick<OutputFile, 'sha256' | 'size'>;

export type Success = Extract<RunnerEvent, { type: 'success' }>;

/** Whether a file is one that people see and take. */
const isArtifact = (role: OutputFile['role']): boolean => role === 'download' || role === 'report';

/** What the running attempt has made, as far as the store has it: a runner's word is not enough. */
export class Outputs {
  /** Sizes of those that are stored, by hash. */
  readonly #sizesOf: (hashes: readonly string[]) => Promise<ReadonlyMap<string, number>>;
  /** Sizes of what was stored, by hash; whatever is not remembered is asked of the store. */
  readonly #stored = new Map<string, number>();

  constructor(sizesOf: (hashes: readonly string[]) => Promise<ReadonlyMap<string, number>>) {
    this.#sizesOf = sizesOf;
  }

  /** Another attempt begins. */
  forget(): void {
    this.#stored.clear();
  }

  add(outputs: readonly StoredOutput[]): void {
    for (const { sha256, size } of outputs) this.#stored.set(sha256, size);
  }

  /** Throws `validation_failed` where two outputs have one name, `conflict` where one is not there, byte for byte by hash. */
  async require(outputs: readonly OutputFile[]): Promise<void> {
    const names = new Set(outputs.map(({ role, name }) => `${isArtifact(role) ? 'artifact' : role}:${name}`));
    if (names.size !== outputs.length)
      throw new KilnError('validation_failed', { detail: 'Two outputs have one name.' });
    const unknown = outputs.map(({ sha256 }) => sha256).filter((hash) => !this.#stored.has(hash));
    const sizes = new Map([...this.#stored, ...(unknown.length > 0 ? await this.#sizesOf(unknown) : [])]);
    const missing = outputs.find(({ sha256, size }) => sizes.get(sha256) !== size);
    if (missing) throw new KilnError('conflict', { detail: `The output "${missing.name}" is not stored.` });
  }
}

/** What a build is once it has succeeded with these outputs. */
export function successOf(
  state: BuildState,
  outcome: Success,
  lockHash: string | null,
): Partial<Omit<BuildState, 'errorCode'>> {
  const artifacts = outcome.outputs
    .filter(({ role }) => isArtifact(role))
    .sort((a, b) => Number(a.role === 'report') - Number(b.role === 'report'));
  return {
    progress: 1000,
    artifacts: artifacts.map(({ name, size, sha256, mimeType }) => ({ name, size, sha256, mimeType })),
    outputOf: state.id,
    outputBytes: bytesOfOutputs(outcome.outputs),
    timings: { ...state.timings, ...outcome.timings },
    lockHash,
    // The next build of this tree is given the lock that this one made, so its key must say so.
    key: buildKey({
      name: state.projectName,
      treeHash: state.treeHash,
      target: state.target,
      options: state.options as BuildOptions,
      lock: lockHash,
    }),
  };
}
