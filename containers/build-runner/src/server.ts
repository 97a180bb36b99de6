import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type ErrorCode, errorSpec, KilnError } from '../../../src/contract/errors.ts';
import { limits } from '../../../src/contract/limits.ts';
import type { Config } from './config.ts';
import type { JobPlaces } from './jobs.ts';
import { describeError, log } from './log.ts';
import type { Pictures } from './pictures.ts';
import type { Previews } from './previews.ts';
import { runnerLimits } from './runner-limits.ts';

/** `GET /health`, and, where jobs come over HTTP, `POST /jobs`, `POST /previews` and `POST /pictures`. */
export const createRunnerServer = (
  config: Pick<Config, 'capacity' | 'source'>,
  jobs: JobPlaces,
  previews: Pick<Previews, 'bundle'>,
  pictures: Pick<Pictures, 'make'>,
): Server => {
  const route = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname } = new URL(request.url ?? '/', 'http://runner');
    if (pathname === '/health') {
      if (request.method !== 'GET' && request.method !== 'HEAD') throw new KilnError('method_not_allowed');
      answer(response, 200, { status: 'ok', running: jobs.running, free: jobs.free, capacity: config.capacity });
      return;
    }
    if (!['/jobs', '/previews', '/pictures'].includes(pathname) || config.source.kind !== 'http')
      throw new KilnError('not_found');
    if (request.method !== 'POST') throw new KilnError('method_not_allowed');
    if (pathname !== '/jobs') {
      const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
      if (token === undefined) throw new KilnError('unauthenticated');
      const left = new AbortController();
      response.once('close', () => left.abort());
      const [type, made] =
        pathname === '/pictures'
          ? ['application/octet-stream', await pictures.make(request, token, left.signal)]
          : ['application/json', await previews.bundle(await orderOf(request), token, left.signal)];
      response.writeHead(200, { 'content-type': type, 'cache-control': 'no-store' }).end(made);
      return;
    }
    await jobs.accept(parseJson((await readBody(request, runnerLimits.jobBody)).toString('utf8')));
    answer(response, 202, { accepted: true });
  };

  return createServer((request, response) => {
    route(request, response).catch((error: unknown) => refuse(response, error));
  });
};

const orderOf = (request: IncomingMessage): Promise<Buffer> => readBody(request, limits.preview.runner.orderBytes);

const readBody = async (request: IncomingMessage, most: number): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.byteLength;
    if (size > most) throw new KilnError('payload_too_large', { detail: `At most ${most} bytes.` });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
};

const parseJson = (body: string): unknown => {
  try {
    return JSON.parse(body);
  } catch {
    throw new KilnError('malformed_json');
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
