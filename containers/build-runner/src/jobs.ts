import { createRemoteJWKSet, errors as joseErrors, jwtVerify } from 'jose';
import * as z from 'zod';
import { KilnError } from '../../../src/contract/errors.ts';
import type { AssetTicket, JobTicket } from '../../../src/contract/jobs.ts';
import { limits } from '../../../src/contract/limits.ts';
import type { Config } from './config.ts';
import { Stopped } from './failure.ts';

/** `over`: nobody needs to deliver the job again. `again`: it was not begun, and may be begun later or elsewhere. */
export type JobEnd = 'over' | 'again';

/** Runs a job to its end; never rejects. `vacate`: the work is done, and only its outcome has to be told. */
export type RunJob<T> = (job: T, stop: AbortController, vacate: () => void) => Promise<JobEnd>;

/** What sources of jobs need of them. */
export type JobPlaces = Pick<Jobs<never>, 'running' | 'free' | 'someFree' | 'accept'>;

/** A job or what stands for one, as it comes: of a build, or of an asset to be made smaller. */
export type AnyTicket = JobTicket | AssetTicket;

const kindOf = (job: AnyTicket) =>
  'buildId' in job
    ? { id: job.buildId, typ: 'build+jwt', audience: 'kiln:build' }
    : { id: job.optimizationId, typ: 'optimize+jwt', audience: 'kiln:optimize' };

const Claims = z.object({ sub: z.string(), attempt: z.int(), projectId: z.string(), iss: z.string().min(1) });

/** The jobs of this runner, or tickets for them, wherever they come from: a place for each, and each only once. */
export class Jobs<T extends AnyTicket> {
  readonly #running = new Map<string, { readonly stop: AbortController; readonly done: Promise<JobEnd> }>();
  /** What resolves when a place is free, for each place that is taken. */
  readonly #places = new Set<Promise<void>>();
  readonly #keys: ReturnType<typeof createRemoteJWKSet>;
  readonly #capacity: number;
  readonly #schemaOf: (value: unknown) => z.ZodType<T>;
  readonly #run: RunJob<T>;
  #draining = false;

  constructor(
    config: Pick<Config, 'platformUrl' | 'capacity'>,
    schemaOf: (value: unknown) => z.ZodType<T>,
    run: RunJob<T>,
  ) {
    this.#keys = createRemoteJWKSet(new URL('.well-known/jwks.json', config.platformUrl));
    this.#capacity = config.capacity;
    this.#schemaOf = schemaOf;
    this.#run = run;
  }

  get running(): number {
    return this.#running.size;
  }

  get free(): number {
    return this.#draining ? 0 : Math.max(0, this.#capacity - this.#places.size);
  }

  /** Resolves when one of the taken places is free; at once when none is taken. */
  async someFree(): Promise<void> {
    if (this.#places.size > 0) await Promise.race(this.#places);
  }

  /**
   * Starts a job, or finds it running already; `done` resolves when it has ended. Throws `KilnError`: `unavailable`
   * for what may be asked again, anything else for what is wrong with the job.
   */
  async accept(value: unknown): Promise<{ readonly done: Promise<JobEnd> }> {
    const job = parseJob(this.#schemaOf(value), value);
    await verifyToken(job, this.#keys);
    // From here to `set` nothing may wait: two deliveries of one job must not both find it absent.
    const key = `${kindOf(job).id}/${job.attempt}`;
    const known = this.#running.get(key);
    if (known !== undefined) return known;
    if (this.free === 0) {
      throw new KilnError('unavailable', {
        detail: this.#draining ? 'The runner is being stopped.' : 'Every place is taken.',
        retryAfter: 1,
      });
    }
    const stop = new AbortController();
    const place = Promise.withResolvers<void>();
    this.#places.add(place.promise);
    // The platform sends the next job as soon as it hears of an outcome: by then the place has to be free.
    const vacate = (): void => {
      this.#places.delete(place.promise);
      place.resolve();
    };
    const done = this.#run(job, stop, vacate).finally(() => {
      vacate();
      this.#running.delete(key);
    });
    this.#running.set(key, { stop, done });
    return { done };
  }

  /** Takes no more jobs, stops the running ones and waits until they have said so. */
  async drain(): Promise<void> {
    this.#draining = true;
    const jobs = [...this.#running.values()];
    for (const { stop } of jobs) stop.abort(new Stopped('shutdown'));
    await Promise.all(jobs.map(({ done }) => done));
  }
}

const parseJob = <T>(schema: z.ZodType<T>, value: unknown): T => {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map((issue) => ({
    path: ['body', ...issue.path].join('.'),
    message: issue.message,
  }));
  throw new KilnError('validation_failed', {
    detail: issues.map((issue) => `${issue.path}: ${issue.message}`).join('; '),
    issues,
  });
};

/** The token must be one that the platform signed for exactly this attempt: the runner works for nobody else. */
const verifyToken = async (
  job: AnyTicket & { projectId?: string },
  keys: ReturnType<typeof createRemoteJWKSet>,
): Promise<void> => {
  const { id, typ, audience } = kindOf(job);
  try {
    const { payload } = await jwtVerify(job.token, keys, {
      algorithms: ['EdDSA', 'Ed25519'],
      typ,
      audience,
      subject: id,
      requiredClaims: ['exp', 'iss'],
      clockTolerance: limits.auth.clockLeeway / 1000,
    });
    const claims = Claims.parse(payload);
    const isOfProject = job.projectId === undefined || claims.projectId === job.projectId;
    if (claims.attempt !== job.attempt || !isOfProject)
      throw new KilnError('forbidden', { detail: 'The token is for another job.' });
  } catch (error) {
    if (error instanceof KilnError) throw error;
    if (error instanceof joseErrors.JWTClaimValidationFailed && error.claim === 'sub') {
      throw new KilnError('forbidden', { detail: 'The token is for another job.' });
    }
    const isWrongToken =
      error instanceof z.ZodError ||
      (error instanceof joseErrors.JOSEError &&
        !(error instanceof joseErrors.JWKSTimeout) &&
        error.code !== 'ERR_JOSE_GENERIC');
    if (isWrongToken) throw new KilnError('unauthenticated', { detail: 'The job token is not valid.' });
    throw new KilnError('unavailable', {
      detail: 'The platform keys could not be fetched.',
      retryAfter: 1,
      cause: error,
    });
  }
};
