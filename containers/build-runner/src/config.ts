import { tmpdir, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import * as z from 'zod';
import { MiB } from '../../../src/contract/units.ts';
import type { ProcessCaps } from './process-caps.ts';
import { runnerLimits } from './runner-limits.ts';

const baseUrl = z
  .url({ protocol: /^https?$/ })
  .transform((value) => new URL(value.endsWith('/') ? value : `${value}/`));

const Environment = z.object({
  /** Base URL of the platform: the only place where manifests, blobs, outputs and events go. */
  KILN_URL: baseUrl,
  PORT: z.coerce.number().int().min(0).max(65_535).default(8788),
  HOST: z.string().min(1).default('127.0.0.1'),
  /** Caches and work folders. Caches outlive a restart, work folders do not. */
  RUNNER_DIR: z
    .string()
    .min(1)
    .default(join(tmpdir(), 'kiln-runner'))
    .transform((value) => resolve(value)),
  /**
   * Work folders of the running jobs: a folder in memory (tmpfs) spares the disk thousands of small files that live for a second. It
   * holds sources and outputs of all jobs at once.
   */
  WORK_DIR: z
    .string()
    .min(1)
    .transform((value) => resolve(value))
    .optional(),
  /** Jobs at once. */
  RUNNER_CAPACITY: z.coerce.number().int().min(1).max(64).default(2),
  /** Processes that wait for a job beside one for each place: a burst of builds does not wait for as many to start. 0: and none rehearses. */
  RUNNER_RESERVE: z.coerce.number().int().min(0).max(64).optional(),
  /** MiB of private memory that each process of a build may have. */
  BUILD_MEMORY_MIB: z.coerce
    .number()
    .int()
    .min(runnerLimits.child.dataBytesMin / MiB)
    .optional(),
  /** Processor time that each process of a build may take, in seconds. */
  BUILD_CPU_SECONDS: z.coerce.number().int().min(1).default(runnerLimits.child.cpuSeconds),
  /** MiB that all caches together may take, in place of a part of what is free when the runner starts. */
  CACHE_MIB: z.coerce.number().int().min(1).optional(),
  /** `http`: the platform posts jobs. `queue-pull`: the runner fetches them from a queue with an HTTP pull consumer. */
  JOB_SOURCE: z.enum(['http', 'queue-pull']).default('http'),
  QUEUE_API: baseUrl.default(new URL('https://api.cloudflare.com/client/v4/')),
  QUEUE_ACCOUNT: z.string().min(1).optional(),
  QUEUE_ID: z.string().min(1).optional(),
  QUEUE_TOKEN: z.string().min(1).optional(),
  NPM_REGISTRY: baseUrl.default(new URL('https://registry.npmjs.org/')),
  /**
   * Folder of Electron's release zips, under their own names (`electron-v45.5.0-linux-x64.zip`): each makes a program for its platform
   * of an `electron` build. Only read, never filled. Without it such a build has the archive alone.
   */
  ELECTRON_CACHE: z
    .string()
    .min(1)
    .transform((value) => resolve(value))
    .optional(),
});

/** The queue of a runner that fetches its jobs. */
export interface QueueSource {
  readonly kind: 'queue-pull';
  /** `…/accounts/<account>/queues/<queue>/` */
  readonly queueUrl: URL;
  readonly token: string;
}

export interface Config {
  readonly source: { readonly kind: 'http' } | QueueSource;
  readonly platformUrl: URL;
  readonly port: number;
  readonly host: string;
  readonly dir: string;
  readonly workDir: string;
  readonly capacity: number;
  /** Children that wait beside one for each place. */
  readonly reserve: number;
  /** What each process of a build may take. */
  readonly caps: ProcessCaps;
  /** What all caches together may take; undefined: as the disk allows. */
  readonly cacheBytes: number | undefined;
  readonly registry: URL;
  /** Absolute path of the folder of Electron's release zips; null where there is none. */
  readonly electronCache: string | null;
}

/** Bytes that this process may use: of its control group, or of the machine. */
const usableMemory = (): number => Math.min(process.constrainedMemory() || totalmem(), totalmem());

/** Children that wait beside one for each place, where nobody says how many. */
const reserveFor = (capacity: number, memory: number): number => {
  const { reservePerPlace, reserveShare, waitingBytes } = runnerLimits.child;
  return Math.min(reservePerPlace * capacity, Math.floor((memory * reserveShare) / waitingBytes));
};

/** Private memory of each process of a build, where nobody says how much. */
const dataBytesFor = (memory: number): number => {
  const { dataBytes, dataBytesMin, dataShare } = runnerLimits.child;
  return Math.max(dataBytesMin, Math.min(dataBytes, Math.floor(memory * dataShare)));
};

/**
 * Reads the configuration from an environment; throws one readable error that names every wrong variable. `memory`: bytes that the
 * runner may use.
 */
export const readConfig = (
  env: Readonly<Record<string, string | undefined>>,
  memory: number = usableMemory(),
): Config => {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const parsed = Environment.safeParse(given);
  if (!parsed.success) {
    const issues = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new Error(`The build runner cannot start with this environment. ${issues.join('; ')}`);
  }
  const source = readSource(parsed.data);
  const { KILN_URL, PORT, HOST, RUNNER_DIR, WORK_DIR, RUNNER_CAPACITY, RUNNER_RESERVE, NPM_REGISTRY, ELECTRON_CACHE } =
    parsed.data;
  const { BUILD_MEMORY_MIB, BUILD_CPU_SECONDS, CACHE_MIB } = parsed.data;
  return {
    source,
    platformUrl: KILN_URL,
    port: PORT,
    host: HOST,
    dir: RUNNER_DIR,
    workDir: WORK_DIR ?? join(RUNNER_DIR, 'work'),
    capacity: RUNNER_CAPACITY,
    reserve: RUNNER_RESERVE ?? reserveFor(RUNNER_CAPACITY, memory),
    caps: {
      dataBytes: BUILD_MEMORY_MIB === undefined ? dataBytesFor(memory) : BUILD_MEMORY_MIB * MiB,
      cpuSeconds: BUILD_CPU_SECONDS,
    },
    cacheBytes: CACHE_MIB === undefined ? undefined : CACHE_MIB * MiB,
    registry: NPM_REGISTRY,
    electronCache: ELECTRON_CACHE ?? null,
  };
};

const readSource = (env: z.infer<typeof Environment>): Config['source'] => {
  const { JOB_SOURCE, QUEUE_API, QUEUE_ACCOUNT, QUEUE_ID, QUEUE_TOKEN } = env;
  if (JOB_SOURCE === 'http') return { kind: 'http' };
  if (QUEUE_ACCOUNT === undefined || QUEUE_ID === undefined || QUEUE_TOKEN === undefined)
    throw new Error(
      'The build runner cannot start with this environment. JOB_SOURCE=queue-pull needs QUEUE_ACCOUNT, QUEUE_ID and QUEUE_TOKEN.',
    );
  const path = `accounts/${encodeURIComponent(QUEUE_ACCOUNT)}/queues/${encodeURIComponent(QUEUE_ID)}/`;
  return { kind: 'queue-pull', queueUrl: new URL(path, QUEUE_API), token: QUEUE_TOKEN };
};
