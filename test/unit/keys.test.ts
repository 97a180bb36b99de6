import { describe, expect, it } from 'vitest';
import { newSigningKey, rotateKeys, type SigningKey } from '../../scripts/lib/keys.ts';
import { type Config, parseConfig } from '../../src/core/config.ts';
import { publicKeys, signToken, verifyToken } from '../../src/core/tokens.ts';

const configOf = (keys: readonly SigningKey[]): Config =>
  parseConfig({
    KILN_ENV: 'production',
    APP_ORIGIN: 'https://kiln.example',
    CONTENT_HOST: 'kiln-content.example',
    AUTH_KEYS: JSON.stringify(keys),
  });
const sign = (keys: readonly SigningKey[]) => signToken(configOf(keys), 'system', { sub: 'operator' }, 60_000);
const verifies = async (keys: readonly SigningKey[], token: string) =>
  (await verifyToken(configOf(keys), 'system', token)) !== null;

describe('keys:rotate', () => {
  it('goes from one key to the next without a moment in which a good token is refused', async () => {
    const before = [await newSigningKey()];
    const added = await rotateKeys(before, 'add');
    const signing = await rotateKeys(added, 'sign');
    const dropped = await rotateKeys(signing, 'drop');
    const steps = [before, added, signing, dropped];
    const tokens = await Promise.all(steps.map(sign));
    // Isolates of the step before and of the step itself run side by side.
    for (const [at, keys] of steps.entries())
      for (const other of [at - 1, at])
        if (tokens[other])
          expect(await verifies(keys, tokens[other]), `a token of step ${other} at step ${at}`).toBe(true);
    for (const [at, token] of tokens.entries()) {
      const earlier = steps[at - 1];
      if (earlier) expect(await verifies(earlier, token), `a token of step ${at} at the one before`).toBe(true);
    }
    expect(await verifies(dropped, tokens[0] ?? '')).toBe(false);
    expect(publicKeys(configOf(signing)).map(({ kid }) => kid)).toEqual([signing[0]?.kid, before[0]?.kid]);
  });

  it('refuses steps that are not due', async () => {
    const one = [await newSigningKey()];
    await expect(rotateKeys(one, 'sign')).rejects.toThrow('one key');
    await expect(rotateKeys(one, 'drop')).rejects.toThrow('one key');
    await expect(rotateKeys([], 'add')).rejects.toThrow('no key');
  });

  it('keeps the mark of a development key, which production refuses', async () => {
    const [, added] = await rotateKeys([await newSigningKey('dev-')], 'add', 'dev-');
    expect(String(added?.kid)).toMatch(/^dev-/);
    expect(() => configOf([added ?? {}])).toThrow('development key');
  });
});
