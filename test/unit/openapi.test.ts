import { beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import type { Endpoint } from '../../src/contract/endpoint.ts';
import { endpoints } from '../../src/contract/endpoints.ts';
import { errorCodes } from '../../src/contract/errors.ts';
import { openApiDocument } from '../../src/worker/openapi.ts';

/** The shape of OpenAPI 3.1 (spec.openapis.org/oas/v3.1.0) as far as Kiln uses it; anything else is a mistake. */
const Schema = z.union([z.boolean(), z.record(z.string(), z.unknown())]);
const Media = z.strictObject({ schema: Schema });
const Content = z.record(z.string().regex(/^[\w.+-]+\/[\w.+-]+$/), Media);
const Parameter = z.union([
  z.strictObject({ $ref: z.string().startsWith('#/components/') }),
  z
    .strictObject({
      name: z.string(),
      in: z.enum(['path', 'query', 'header']),
      required: z.boolean().optional(),
      description: z.string().optional(),
      schema: Schema,
    })
    .refine((parameter) => parameter.in !== 'path' || parameter.required === true, 'a path parameter is required'),
]);
const Operation = z.strictObject({
  operationId: z.string().regex(/^[a-z][A-Za-z]+$/),
  tags: z.array(z.string()).min(1),
  summary: z.string().min(3),
  description: z.string().optional(),
  security: z.array(z.record(z.string(), z.array(z.string()))).optional(),
  parameters: z.array(Parameter).optional(),
  requestBody: z.strictObject({ content: Content, required: z.boolean().optional() }).optional(),
  responses: z
    .record(
      z.string().regex(/^[2-5]\d\d$/),
      z.strictObject({ description: z.string().min(1), content: Content.optional(), headers: z.unknown().optional() }),
    )
    .refine((responses) => Object.keys(responses).some((status) => /^[23]/.test(status)), 'a success is documented'),
});
const Document = z.strictObject({
  openapi: z.string().regex(/^3\.1\.\d+$/),
  info: z.strictObject({ title: z.string(), version: z.string().regex(/^\d+\.\d+\.\d+/), description: z.string() }),
  paths: z.record(
    z.string().startsWith('/'),
    z.strictObject({
      get: Operation.optional(),
      put: Operation.optional(),
      post: Operation.optional(),
      patch: Operation.optional(),
      delete: Operation.optional(),
    }),
  ),
  components: z.strictObject({
    schemas: z.record(z.string(), Schema),
    securitySchemes: z.record(z.string(), z.record(z.string(), z.string())),
  }),
});
type Operation = z.infer<typeof Operation>;

let document: z.infer<typeof Document>;
let operations: { path: string; method: string; operation: Operation }[];

beforeAll(() => {
  document = Document.parse(JSON.parse(openApiDocument()));
  operations = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).flatMap(([method, operation]) => (operation ? [{ path, method, operation }] : [])),
  );
});

const find = (name: string): Operation => {
  const found = operations.find(({ operation }) => operation.operationId === name);
  if (!found) throw new Error(`no operation ${name}`);
  return found.operation;
};
const all = Object.entries(endpoints) as [string, Endpoint][];

describe('The OpenAPI document', () => {
  it('has the shape of OpenAPI 3.1', () => {
    expect(Document.safeParse(JSON.parse(openApiDocument())).error).toBeUndefined();
  });

  it('has exactly the endpoints of the contract, and none twice', () => {
    const documented = operations.map(({ path, method }) => `${method.toUpperCase()} ${path}`).sort();
    expect(documented).toEqual(all.map(([, { method, path }]) => `${method} ${path}`).sort());
    expect(new Set(documented).size).toBe(documented.length);
  });

  it('names every operation once, by the name of its endpoint', () => {
    expect(operations.map(({ operation }) => operation.operationId).sort()).toEqual(Object.keys(endpoints).sort());
  });

  it.each(all)('documents every success of %s', (name, { responses }) => {
    const documented = find(name).responses;
    for (const [status, { description, json }] of Object.entries(responses)) {
      expect(documented[status]?.description).toBe(description);
      expect(documented[status]?.content !== undefined && 'application/json' in documented[status].content).toBe(
        json !== undefined,
      );
    }
  });

  it.each(all)('documents the errors of %s as problem documents, by codes of the table', (name, endpoint) => {
    const errors = Object.entries(find(name).responses).filter(
      ([status]) => Number(status) >= 400 && !(status in endpoint.responses),
    );
    expect(errors.length).toBeGreaterThan(0);
    for (const [status, { content, description }] of errors) {
      expect(Object.keys(content ?? {}), `${name} ${status}`).toEqual(['application/problem+json']);
      const codes = [...description.matchAll(/`(\w+)`/g)].map((match) => match[1] ?? '');
      expect(codes.length).toBeGreaterThan(0);
      for (const code of codes) expect(errorCodes).toContain(code);
    }
    const described = Object.values(find(name).responses)
      .map(({ description }) => description)
      .join();
    for (const code of endpoint.errors ?? []) expect(described, name).toContain(`\`${code}\``);
  });

  it.each(all)('asks for a token on %s exactly when it is not public', (name, { access }) => {
    expect(find(name).security !== undefined).toBe(access.kind !== 'public');
    if (access.kind !== 'public') expect(find(name).responses).toHaveProperty('401');
  });

  it.each(all)('has every path parameter of %s, and a body exactly when it takes one', (name, endpoint) => {
    const operation = find(name);
    const wanted = [...endpoint.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort();
    const found = (operation.parameters ?? []).flatMap((parameter) =>
      'in' in parameter && parameter.in === 'path' ? [parameter.name] : [],
    );
    expect(found.sort()).toEqual(wanted);
    expect(operation.requestBody !== undefined).toBe(
      endpoint.body !== undefined || endpoint.rawBody === true || endpoint.form !== undefined,
    );
  });

  it('refers only to components that it has', () => {
    const names = new Set(
      Object.entries(document.components).flatMap(([kind, parts]) =>
        Object.keys(parts).map((name) => `#/components/${kind}/${name}`),
      ),
    );
    const dangling = [...openApiDocument().matchAll(/"\$ref":"([^"]+)"/g)]
      .map((match) => match[1] ?? '')
      .filter((reference) => !names.has(reference));
    expect(dangling).toEqual([]);
    for (const { operation } of operations)
      for (const requirement of operation.security ?? [])
        for (const scheme of Object.keys(requirement))
          expect(document.components.securitySchemes).toHaveProperty(scheme);
  });

  it('says what schemas of the contract say: the problem document names every code', () => {
    const problem = document.components.schemas.Problem;
    expect(JSON.stringify(problem)).toContain('"quota_exceeded"');
  });
});

describe('The contract of endpoints', () => {
  it('keeps every endpoint below /api, but for health and keys', () => {
    const outside = all.filter(([, { path }]) => !path.startsWith('/api/')).map(([, { path }]) => path);
    expect(outside.sort()).toEqual(['/.well-known/jwks.json', '/health', '/health/ready']);
  });

  it('gives GET no body, and lets only creations be repeated by key', () => {
    for (const [name, endpoint] of all) {
      if (endpoint.method === 'GET') expect(endpoint.body === undefined && !endpoint.rawBody, name).toBe(true);
      if (endpoint.idempotent) expect(endpoint.method, name).toBe('POST');
    }
  });

  it('names the project or build of a rule as its path parameter `id`, a picture as `hash`, or in the body', () => {
    for (const [name, { access, path, body, form }] of all) {
      const isOfPicture = access.kind === 'runner' && access.purpose === 'picture';
      if (['project', 'build', 'asset', 'runner'].includes(access.kind))
        expect(path, name).toContain(isOfPicture ? '{hash}' : '{id}');
      if (access.kind === 'body-project') expect(body, name).toBeDefined();
      if (access.kind === 'form-project') expect(form?.shape, name).toHaveProperty('projectId');
    }
  });

  it('takes the rest of a path only by the last parameter', () => {
    for (const [name, { catchAll, path }] of all) if (catchAll) expect(path, name).toMatch(/\{\w+\}$/);
  });
});
