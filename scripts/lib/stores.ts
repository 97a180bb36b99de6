import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getPlatformProxy, unstable_readConfig } from 'wrangler';
import type { D1Target } from './migrate.ts';
import { inRoot, quietWrangler } from './paths.ts';

/**
 * Configuration of the stores that seeding writes, of one environment of wrangler.toml, asked in the
 * account from this machine. Everything else of the environment stays out of it: no queue is joined and
 * no object is run here.
 */
export function remoteStores(env: string, database: boolean) {
  const config = unstable_readConfig({ config: inRoot('wrangler.toml'), env }, { hideWarnings: true });
  const remote = <T extends { binding: string }>(bindings: readonly T[], name: string) => {
    const found = bindings.find(({ binding }) => binding === name);
    if (!found) throw new Error(`[env.${env}] of wrangler.toml has no binding ${name}.`);
    const unfilled = Object.values(found).find((value) => typeof value === 'string' && value.startsWith('FILL IN'));
    if (unfilled !== undefined) throw new Error(`[env.${env}] of wrangler.toml is not filled in: ${unfilled}`);
    return [{ ...found, remote: true }];
  };
  return {
    name: `${config.name}-seed`,
    compatibility_date: config.compatibility_date,
    compatibility_flags: config.compatibility_flags,
    ...(config.account_id !== undefined && { account_id: config.account_id }),
    r2_buckets: remote(config.r2_buckets, 'ASSETS'),
    ...(database && { d1_databases: remote(config.d1_databases, 'DB') }),
  };
}

/** Runs `work` with the stores of a state directory, or of an environment in the account; without `database` D1 is not asked for. */
export async function withStores(
  target: D1Target,
  database: boolean,
  work: (env: Env) => Promise<unknown>,
): Promise<void> {
  Object.assign(process.env, quietWrangler);
  const folder = mkdtempSync(join(tmpdir(), 'kiln-stores-'));
  try {
    let configPath = inRoot('scripts', 'wrangler.seed.toml');
    if ('env' in target) {
      configPath = join(folder, 'wrangler.json');
      writeFileSync(configPath, JSON.stringify(remoteStores(target.env, database)));
    }
    const proxy = await getPlatformProxy<Env>({
      configPath,
      persist: { path: 'persist' in target ? join(target.persist, 'v3') : folder },
    });
    try {
      await work(proxy.env);
    } finally {
      await proxy.dispose();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
