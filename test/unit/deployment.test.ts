import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Unstable_Config, unstable_readConfig } from 'wrangler';
import { newSigningKey } from '../../scripts/lib/keys.ts';
import { remoteStores } from '../../scripts/lib/stores.ts';
import { limits } from '../../src/contract/limits.ts';
import { parseConfig } from '../../src/core/config.ts';

const names = ['postgres', 'staging', 'production'] as const;
const read = (env?: string): Unstable_Config =>
  unstable_readConfig({ config: 'wrangler.toml', ...(env && { env }) }, { hideWarnings: true });

/** What every environment must say alike, because none of it is inherited or because the code relies on it. */
const shape = (config: Unstable_Config) => ({
  objects: config.durable_objects.bindings.map(({ name, class_name }) => [name, class_name]),
  classes: config.migrations.map(({ new_sqlite_classes }) => new_sqlite_classes),
  buckets: config.r2_buckets.map(({ binding }) => binding),
  mail: config.send_email,
  caches: config.kv_namespaces.map(({ binding }) => binding),
  producers: config.queues.producers?.map(({ binding, queue }) => [
    binding,
    queue?.replace(config.queues.producers?.[0]?.queue ?? '', 'builds'),
  ]),
  consumers: config.queues.consumers?.map(({ queue, dead_letter_queue, ...rest }) => ({
    ...rest,
    dead: queue.endsWith('-dead'),
    deadLetters:
      dead_letter_queue === undefined ? null : dead_letter_queue === `${config.queues.producers?.[0]?.queue}-dead`,
  })),
  containers: config.containers?.map(({ class_name, max_instances, instance_type }) => ({
    class_name,
    max_instances,
    instance_type,
  })),
  secrets: config.secrets,
  crons: config.triggers.crons,
  compatibility: [config.compatibility_date, config.compatibility_flags],
  assets: config.assets?.run_worker_first,
  logs: config.observability,
  open: [config.workers_dev, config.preview_urls],
});

describe('wrangler.toml', () => {
  it.each(names)('says in [env.%s] all that the top level says', (name) => {
    expect(shape(read(name))).toEqual(shape(read()));
  });

  it.each([undefined, ...names])('has one relational database in %s', (name) => {
    const { d1_databases, hyperdrive } = read(name);
    expect([d1_databases.map(({ binding }) => binding), hyperdrive.map(({ binding }) => binding)]).toEqual(
      name === 'postgres' ? [[], ['HYPERDRIVE']] : [['DB'], []],
    );
  });

  it('has as many containers as builds are shared among', () => {
    expect(read('production').containers?.[0]?.max_instances).toBe(limits.build.runners);
  });

  it.each(['staging', 'production'] as const)('has hosts in [env.%s] that the Worker starts with', async (name) => {
    const { vars, routes } = read(name);
    const config = parseConfig({ ...vars, AUTH_KEYS: JSON.stringify([await newSigningKey()]) });
    expect(config.environment).toBe(name);
    expect(routes?.map((route) => (typeof route === 'string' ? route : route.pattern))).toEqual([
      new URL(config.appOrigin).host,
      `*.${config.contentHost}/*`,
    ]);
  });

  it('shares nothing that has data between staging and production', () => {
    const owned = (config: Unstable_Config): unknown[] => [
      config.name,
      ...config.d1_databases.flatMap(({ database_name, database_id }) => [database_name, database_id]),
      ...config.r2_buckets.map(({ bucket_name }) => bucket_name),
      ...config.kv_namespaces.map(({ id }) => id),
      ...(config.queues.consumers ?? []).map(({ queue }) => queue),
      ...(config.queues.producers ?? []).map(({ queue }) => queue),
    ];
    const production = owned(read('production'));
    expect(owned(read('staging')).filter((one) => production.includes(one))).toEqual([]);
  });
});

describe('Deploying', () => {
  const workflow = readFileSync('.github/workflows/deploy.yml', 'utf8');

  it('migrates and seeds by the commands that people use, and names the Worker of production', () => {
    expect(workflow).toContain('npm run db:migrate -- --target production');
    expect(workflow).toContain('npm run seed -- --target production');
    expect(workflow).not.toContain('d1 migrations apply');
    expect(workflow).toContain(`WORKER: ${read('production').name}\n`);
  });

  it('refuses to seed an environment that is not filled in', () => {
    expect(() => remoteStores('production', true)).toThrow('is not filled in');
  });

  it('seeds the stores of the environment, in the account, and joins nothing else', () => {
    expect(remoteStores('staging', false)).toEqual({
      name: 'kiln-staging-seed',
      compatibility_date: read('staging').compatibility_date,
      compatibility_flags: ['nodejs_compat'],
      r2_buckets: [{ binding: 'ASSETS', bucket_name: 'kiln-staging-assets', remote: true }],
    });
    expect(() => remoteStores('postgres', true)).toThrow('no binding DB');
  });
});
