import * as z from 'zod';
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from 'zod-openapi';
import type { Endpoint } from '../contract/endpoint.ts';
import { endpoints } from '../contract/endpoints.ts';
import { type ErrorCode, errorSpec } from '../contract/errors.ts';
import { Problem } from '../contract/problem.ts';
import { version } from './version.ts';

/** What every endpoint of a kind may answer beside its own errors. */
function errorsOf(endpoint: Endpoint): ErrorCode[] {
  const { access } = endpoint;
  const codes: ErrorCode[] = [...(endpoint.errors ?? []), 'internal', 'unavailable'];
  if (endpoint.body || endpoint.query) codes.push('validation_failed');
  if (endpoint.body) codes.push('malformed_json', 'unsupported_media_type');
  if (endpoint.body || endpoint.rawBody) codes.push('payload_too_large', 'request_timeout');
  if (endpoint.form)
    codes.push(
      'validation_failed',
      'malformed_request',
      'unsupported_media_type',
      'payload_too_large',
      'request_timeout',
      'not_found',
    );
  if (access.kind !== 'public') codes.push('unauthenticated');
  if ('scope' in access) codes.push('insufficient_scope', 'rate_limited');
  if (access.kind === 'public' && endpoint.path.startsWith('/api/')) codes.push('rate_limited');
  if (endpoint.path.includes('{')) codes.push('not_found');
  // A project in the trash is a conflict for whoever wants to do something with it.
  if ('right' in access) codes.push('not_found', 'forbidden', 'conflict');
  if (endpoint.idempotent) codes.push('idempotency_key_reused', 'conflict');
  return [...new Set(codes)];
}

const bytes = { type: 'string', format: 'binary' } as const;

const rawContent = (type: string) => ({
  schema:
    type === 'multipart/form-data'
      ? { type: 'object' as const, properties: { file: bytes }, required: ['file'] }
      : bytes,
});

const problemContent = { 'application/problem+json': { schema: Problem } };

function operation(name: string, endpoint: Endpoint): ZodOpenApiOperationObject {
  const params = [...endpoint.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
  const responses: Record<string, unknown> = {};
  for (const [status, response] of Object.entries(endpoint.responses))
    responses[status] = {
      description: response.description,
      ...(response.json && { content: { 'application/json': { schema: response.json } } }),
      ...(response.contentType && {
        content: { [response.contentType]: { schema: bytes } },
      }),
    };
  const byStatus = Map.groupBy(errorsOf(endpoint), (code) => errorSpec(code).status);
  for (const [status, codes] of [...byStatus].sort(([a], [b]) => a - b))
    responses[status] ??= {
      description: codes.map((code) => `\`${code}\` — ${errorSpec(code).title}`).join('; '),
      content: problemContent,
    };
  const headers = endpoint.idempotent ? z.object({ 'Idempotency-Key': z.string().optional() }) : undefined;
  return {
    operationId: name,
    tags: [endpoint.tag],
    summary: endpoint.summary,
    ...(endpoint.description && { description: endpoint.description }),
    ...(endpoint.access.kind !== 'public' && { security: [{ bearer: [] }] }),
    requestParams: {
      ...(params.length && { path: z.object(Object.fromEntries(params.map((param) => [param, z.string()]))) }),
      ...(endpoint.query && { query: endpoint.query }),
      ...(headers && { header: headers }),
    },
    ...((endpoint.body || endpoint.rawBody || endpoint.form) && {
      requestBody: {
        content: {
          ...(endpoint.form && { 'multipart/form-data': { schema: endpoint.form } }),
          ...(endpoint.body && { 'application/json': { schema: endpoint.body } }),
          ...(endpoint.rawBody &&
            Object.fromEntries(
              (endpoint.rawTypes ?? ['application/octet-stream']).map((type) => [type, rawContent(type)]),
            )),
        },
      },
    }),
    responses: responses as ZodOpenApiOperationObject['responses'],
  };
}

let document: string | undefined;

/** The OpenAPI 3.1 document, from the very schemas that validate. */
export function openApiDocument(): string {
  if (document === undefined) {
    const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {};
    for (const [name, endpoint] of Object.entries(endpoints)) {
      paths[endpoint.path] ??= {};
      (paths[endpoint.path] as Record<string, ZodOpenApiOperationObject>)[endpoint.method.toLowerCase()] = operation(
        name,
        endpoint,
      );
    }
    document = JSON.stringify(
      createDocument({
        openapi: '3.1.0',
        info: {
          title: 'Kiln',
          version,
          description:
            'The backend of a browser-based game editor. Every path below `/api` also exists below `/api/v1`. Errors are RFC 9457 problem documents; see /docs/errors.',
        },
        components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } } },
        paths: paths as ZodOpenApiPathsObject,
      }),
    );
  }
  return document;
}
