import { beforeEach } from 'vitest';
import { BuildWorld } from './build-world.ts';

/** The world of the running test, of a file that called `buildPerTest`. */
export let world: BuildWorld;

/** Each test has a world of its own, in which there is no build yet. */
export function buildPerTest(): void {
  beforeEach(() => {
    world = new BuildWorld();
  });
}

/** Hashes of outputs whose bytes matter to nobody. */
export const [hashA, hashB] = ['a'.repeat(64), 'b'.repeat(64)];
export const messages = (): string[] => world.core.logs(0, 100_000).map(({ message }) => message);
/** The newest state that the database was told. */
export const lastProjected = () => world.projected.at(-1);
