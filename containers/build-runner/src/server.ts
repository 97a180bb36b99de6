import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createRemoteJWKSet, errors as joseErrors, jwtVerify } from 'jose';
import { z } from 'zod';
import { type ErrorCode, errorSpec, KilnError } from '../../../src/contract/errors.ts';
import { Job } from '../../../src/contract/jobs.ts';
import { limits } from '../../../src/contract/limits.ts';
import type { Config } from './config.ts';
import { Stopped } from './failure.ts';
import { describeError, log } from './log.ts';
import { runnerLimits } from './runner-limits.ts';

/** Runs a job to its end; never rejects. */
export type RunJob = (job: Job, stop: AbortController) => Promise<void>;

export interface RunnerServer {
  readonly http: Server;
  /** Takes no more jobs, stops the running ones and waits until they have said so. */
  drain(): Promise<void>;
}

const Claims = z.object({ sub: z.string(), attempt: z.int(), projectId: z.string(), iss: z.string().min(1) });

/** `POST /jobs` and `GET /health`. */
export const createRunnerServer = (config: Config, runJob: RunJob): RunnerServer => {
  const running = new Map<string, { readonly stop: AbortController; readonly done: Promise<void> }>();
  const keys = createRemoteJWKSet(new URL('.well-known/jwks.json', config.platformUrl));
  let draining = false;

  const accept = async (request: IncomingMessage): Promise<void> => {
    const job = parseJob(await readBody(request));
    await verifyToken(job, keys);
    // From here to `set` nothing may wait: two deliveries of one job must not both find it absent.
    const key = `${job.buildId}/${job.attempt}`;
    if (running.has(key)) return;
    if (draining || running.size >= config.capacity) {
      throw new KilnError('unavailable', {
        detail: draining ? 'The runner is being stopped.' : 'Every place is taken.',
        retryAfter: 1,
      });
    }
    const stop = new AbortController();
    const done = runJob(job, stop).finally(() => running.delete(key));
    running.set(key, { stop, done });
  };

  const route = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname } = new URL(request.url ?? '/', 'http://runner');
    if (pathname === '/health') {
      if (request.method !== 'GET' && request.method !== 'HEAD') throw new KilnError('method_not_allowed');
      answer(response, 200, { status: 'ok', running: running.size, capacity: config.capacity });
      return;
    }
    if (pathname !== '/jobs') throw new KilnError('not_found');
    if (request.method !== 'POST') throw new KilnError('method_not_allowed');
    await accept(request);
    answer(response, 202, { accepted: true });
  };

  const http = createServer((request, response) => {
    route(request, response).catch((error: unknown) => refuse(response, error));
  });

  return {
    http,
    drain: async () => {
      draining = true;
      const jobs = [...running.values()];
      for (const { stop } of jobs) stop.abort(new Stopped('shutdown'));
      await Promise.all(jobs.map(({ done }) => done));
    },
  };
};

const readBody = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.byteLength;
    if (size > runnerLimits.jobBody)
      throw new KilnError('payload_too_large', { detail: `A job may be ${runnerLimits.jobBody} bytes.` });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
};

const parseJob = (body: string): Job => {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw new KilnError('malformed_json');
  }
  const parsed = Job.safeParse(value);
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
const verifyToken = async (job: Job, keys: ReturnType<typeof createRemoteJWKSet>): Promise<void> => {
  try {
    const { payload } = await jwtVerify(job.token, keys, {
      algorithms: ['EdDSA', 'Ed25519'],
      typ: 'build+jwt',
      audience: 'kiln:build',
      subject: job.buildId,
      requiredClaims: ['exp', 'iss'],
      clockTolerance: limits.auth.clockLeeway / 1000,
    });
    const claims = Claims.parse(payload);
    if (claims.attempt !== job.attempt || claims.projectId !== job.projectId)
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

const answer = (response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void => {
  response
    .writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers })
    .end(JSON.stringify(body));
};

const refuse = (response: ServerResponse, error: unknown): void => {
  if (!(error instanceof KilnError)) log('error', 'request.failed', { error: describeError(error) });
  const known = error instanceof KilnError ? error : new KilnError('internal');
  const code: ErrorCode = known.code;
  if (response.headersSent || response.destroyed) return;
  answer(
    response,
    errorSpec(code).status,
    { code, detail: known.message, ...(known.issues === undefined ? {} : { issues: known.issues }) },
    {
      ...(known.retryAfter === undefined ? {} : { 'retry-after': String(known.retryAfter) }),
      // The rest of a body that is too large is not read.
      ...(code === 'payload_too_large' ? { connection: 'close' } : {}),
    },
  );
};
