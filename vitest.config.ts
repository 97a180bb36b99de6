import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-plugin';
import { build } from 'esbuild-wasm';
import { defineConfig } from 'vitest/config';
import { newSigningKey } from './scripts/lib/keys.ts';
import { bundle } from './src/bundler/bundle.ts';
import type { BundleOrder } from './src/contract/preview.ts';
import { Sequencer } from './test/support/sequencer.ts';

/** What is awaited comes when the machine gets to it: no poll of a test has a limit of its own. */
const patient = { poll: { timeout: 120_000, interval: 100 } };

/** Tests that start whole systems take turns: the machine may have two cores, and others at work on them. */
const oneAtATime = { fileParallelism: false, testTimeout: 300_000, hookTimeout: 300_000, expect: patient };

export default defineConfig({
  test: {
    // What the Worker logs is worth reading where a test failed, and noise elsewhere.
    silent: 'passed-only',
    sequence: { sequencer: Sequencer },
    projects: [
      // Properties take their time on a busy machine.
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          // A third of what they take would be loading the same modules anew for each file.
          isolate: false,
          testTimeout: 180_000,
          hookTimeout: 180_000,
          expect: patient,
          // Node sees no named exports in its CommonJS form; what is bundled uses the other one, as the Worker does.
          server: { deps: { inline: ['maxrects-packer'] } },
        },
      },
      {
        test: {
          name: 'data',
          include: ['test/data/**/*.test.ts'],
          isolate: false,
          globalSetup: ['test/data/support/postgres.setup.ts'],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          expect: patient,
        },
      },
      {
        plugins: [
          cloudflareTest(async () => ({
            wrangler: { configPath: './wrangler.toml' },
            miniflare: {
              // Tests take the runner's part themselves: no message may start a build behind their back.
              queueConsumers: { builds: { maxBatchSize: 100, maxBatchTimeout: 60 } },
              // The same bundler in Node: what it is in an isolate of its own, the layers of whole systems show.
              serviceBindings: {
                BUNDLER: async (request) =>
                  request.method === 'HEAD'
                    ? new Response(null, { status: 204 })
                    : Response.json({
                        ...(await bundle((await request.json()) as BundleOrder, build)),
                        ms: 0,
                        heap: 0,
                      }),
              },
              bindings: {
                MIGRATIONS: await readD1Migrations('migrations'),
                AUTH_KEYS: JSON.stringify([await newSigningKey('dev-')]),
                APP_ORIGIN: 'http://kiln.test',
                CONTENT_HOST: 'play.test',
                // Tests answer for them: no request leaves the isolate.
                OAUTH_GITHUB_CLIENT_ID: 'kiln',
                OAUTH_GITHUB_CLIENT_SECRET: 'secret',
                OAUTH_GITHUB_URL: 'http://github.test',
                OAUTH_GITHUB_API_URL: 'http://api.github.test',
                OAUTH_GOOGLE_CLIENT_ID: 'kiln',
                OAUTH_GOOGLE_CLIENT_SECRET: 'secret',
                OAUTH_GOOGLE_ISSUER: 'http://google.test',
              },
            },
          })),
        ],
        test: {
          name: 'workerd',
          include: ['test/workerd/**/*.test.ts'],
          setupFiles: ['test/workerd/setup.ts'],
          // Half of what they take would be loading the Worker anew for each file. They share databases and objects: each makes people and projects of its own.
          isolate: false,
          // A backup is a job of many steps, and the machine may be busy.
          testTimeout: 180_000,
          hookTimeout: 180_000,
          expect: patient,
        },
      },
      { test: { name: 'runner', include: ['test/runner/**/*.test.ts'], ...oneAtATime } },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: ['test/support/system.setup.ts'],
          ...oneAtATime,
        },
      },
      {
        test: {
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          globalSetup: ['test/support/system.setup.ts'],
          ...oneAtATime,
        },
      },
      { test: { name: 'faults', include: ['test/faults/**/*.test.ts'], ...oneAtATime, testTimeout: 420_000 } },
    ],
  },
});
