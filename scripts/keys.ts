// `npm run keys:rotate`: the next signing key, for this machine or for a deployment.
import { readFileSync, writeFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { developmentKeyPrefix } from '../src/core/config.ts';
import { fail, readArguments } from './lib/command.ts';
import { type RotationStep, rotateKeys, type SigningKey } from './lib/keys.ts';
import { inRoot } from './lib/paths.ts';
import { ensureSecrets } from './lib/setup.ts';

const usage = `usage: npm run keys:rotate -- [add|sign|drop]
  add    another key that verifies
  sign   the newest key signs from now on; the others still verify
  drop   only the key that signs stays: whatever the others signed is void
Without a step: add and sign.

With AUTH_KEYS in the environment, the keys of a deployment are read from it and the new value goes to standard
output; without it, .dev.vars of this machine is changed. Steps of a deployment: docs/operations/accounts.md.
`;

function asked(): RotationStep[] {
  const { positionals } = readArguments(usage, { allowPositionals: true });
  const [step, ...more] = positionals;
  if (step === undefined) return ['add', 'sign'];
  if (more.length || (step !== 'add' && step !== 'sign' && step !== 'drop')) fail(usage);
  return [step];
}

async function rotated(text: string, steps: readonly RotationStep[], prefix: string): Promise<string> {
  let keys = JSON.parse(text) as SigningKey[];
  for (const step of steps) keys = await rotateKeys(keys, step, prefix);
  process.stderr.write(`Signs: ${keys[0]?.kid}. Verify: ${keys.map(({ kid }) => kid).join(', ')}.\n`);
  return JSON.stringify(keys);
}

const steps = asked();
try {
  if (process.env.AUTH_KEYS) process.stdout.write(await rotated(process.env.AUTH_KEYS, steps, ''));
  else {
    await ensureSecrets();
    const file = inRoot('.dev.vars');
    const before = readFileSync(file, 'utf8');
    const keys = parseEnv(before).AUTH_KEYS;
    if (!keys) fail('.dev.vars has no AUTH_KEYS.');
    const after = await rotated(keys, steps, developmentKeyPrefix);
    // By a function: a key may hold what a replacement text gives a meaning to.
    const line = `AUTH_KEYS='${after}'`;
    writeFileSync(
      file,
      before.replace(/^AUTH_KEYS=.*$/m, () => line),
      { mode: 0o600 },
    );
    process.stderr.write('.dev.vars is changed; restart `npm run dev`.\n');
  }
} catch (error) {
  fail(error instanceof Error ? error.message : String(error));
}
