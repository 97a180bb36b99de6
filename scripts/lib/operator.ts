import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import type { z } from 'zod';
import { limits } from '../../src/contract/limits.ts';
import type { BackupList, Job, JobEnvelope } from '../../src/contract/maintenance.ts';
import { configOf } from '../../src/core/config.ts';
import { signToken } from '../../src/core/tokens.ts';
import { inRoot } from './paths.ts';
import { sleep } from './processes.ts';

/** Between two looks at a job. Milliseconds. */
const pause = 500;

/** AUTH_KEYS as the deployment has them: from the environment, else from this machine's `.dev.vars`. */
function signingKeys(): string {
  const { AUTH_KEYS } = process.env.AUTH_KEYS ? process.env : parseEnv(readFileSync(inRoot('.dev.vars'), 'utf8'));
  if (!AUTH_KEYS) throw new Error('AUTH_KEYS is not set, and .dev.vars has none.');
  return AUTH_KEYS;
}

/** Nothing took the call: the system is not running, or is elsewhere. */
class NoAnswer extends Error {
  constructor(url: string, cause: unknown) {
    const { code } = ((cause instanceof Error ? cause.cause : null) ?? {}) as { code?: string };
    super(
      `Nothing answers at ${url}${code === undefined ? '' : ` (${code})`}. Start the system there with "npm run dev", or name the one that you mean with --url.`,
      { cause },
    );
  }
}

/** Calls a deployment as its operator: with tokens that this machine signs by the deployment's own keys. */
export class Operator {
  readonly #url: string;
  readonly #config: object;

  /** `origin` is the deployment's APP_ORIGIN where that is not the address it is called by. */
  constructor(url: string, origin = url) {
    this.#url = url.replace(/\/$/, '');
    this.#config = {
      KILN_ENV: 'development',
      APP_ORIGIN: new URL(origin).origin,
      CONTENT_HOST: 'unused.localhost',
      AUTH_KEYS: signingKeys(),
    };
  }

  async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const token = await signToken(configOf(this.#config), 'system', { sub: 'operator' }, limits.backup.tokenTtl);
    const response = await fetch(`${this.#url}/api/system/${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    }).catch((error: unknown) => {
      throw new NoAnswer(this.#url, error);
    });
    const answer = (await response.json().catch(() => {
      throw new Error(`What answers at ${this.#url} is no Kiln: it said ${response.status}, and not in JSON.`);
    })) as T & { title?: string; detail?: string };
    if (!response.ok) throw new Error(`${response.status} ${answer.title ?? ''}: ${answer.detail ?? ''}`);
    return answer;
  }

  backups(): Promise<z.infer<typeof BackupList>> {
    return this.call('GET', 'backups');
  }

  /** Starts a job and stays with it to its end, over restarts of the system. */
  async run(path: 'backups' | 'restore' | 'gc', body: object | undefined, say: (stage: string) => void): Promise<Job> {
    let { job } = await this.call<z.infer<typeof JobEnvelope>>('POST', path, body);
    let stage = '';
    while (job.status === 'running') {
      if (job.stage !== stage) say(job.stage);
      stage = job.stage;
      await sleep(pause);
      ({ job } = await this.call<z.infer<typeof JobEnvelope>>('GET', `jobs/${job.id}`).catch((error: unknown) => {
        // The system may be starting again; the job goes on after that.
        if (error instanceof NoAnswer) return { job };
        throw error;
      }));
    }
    return job;
  }
}
