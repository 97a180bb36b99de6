import { beforeAll, describe, expect, it } from 'vitest';
import type { AccessRule, Endpoint } from '../../src/contract/endpoint.ts';
import { endpoints } from '../../src/contract/endpoints.ts';
import { newId } from '../../src/contract/ids.ts';
import { Problem } from '../../src/contract/problem.ts';
import { allows } from '../../src/core/permissions.ts';
import { type Schema, sampleOf } from './sample.ts';
import { type Account, call, expectJson, expectProblem, makeWorld, signUp, type World } from './support.ts';

/** What of an OpenAPI document the walk reads. */
interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly { name: string; in: string; required?: boolean; schema?: Schema }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { schema: Schema }>> };
  readonly responses: Readonly<Record<string, unknown>>;
}
interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

const document = await expectJson<OpenApi>(await call('GET', '/openapi.json'), 200);
const components = document.components.schemas;

/** Every operation of the document, beside the entry of the table that says who may call it. */
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => {
    const endpoint = (endpoints as Readonly<Record<string, Endpoint>>)[operation.operationId];
    if (!endpoint) throw new Error(`${method} ${path} is in the document and not in the table of endpoints`);
    return { name: `${method.toUpperCase()} ${path}`, method: method.toUpperCase(), path, operation, endpoint };
  }),
);
type Walked = (typeof operations)[number];

const actors = ['anonymous', 'stranger', 'public', 'viewer', 'editor', 'owner'] as const;
type Actor = (typeof actors)[number];

/** What an endpoint owes somebody. */
type Due = 'answer' | 'sign in' | 'nothing here' | 'forbidden';

/** The policy: the endpoint's rule and the table of rights, and nothing else. */
function dueTo(actor: Actor, access: AccessRule): Due {
  switch (access.kind) {
    case 'public':
      return 'answer';
    case 'user':
      return actor === 'anonymous' ? 'sign in' : 'answer';
    case 'runner':
    case 'system':
      return 'sign in';
    case 'project':
    case 'build':
    case 'body-project':
    case 'form-project':
    case 'asset':
      if (actor === 'anonymous') return 'sign in';
      if (actor === 'stranger') return 'nothing here';
      return allows(actor, access.right) ? 'answer' : 'forbidden';
    default:
      throw new Error(
        `This walk knows no access rule “${(access satisfies never as AccessRule).kind}”: say in dueTo() what it owes to whom, and in Place how to name what it guards.`,
      );
  }
}

let world: World;
/** A public project of the same owner, which nobody has joined. */
let openProject: string;

/** A private project with its members and a file, and a public one. */
async function places(): Promise<{ closed: string; open: string }> {
  const make = async (isPublic: boolean): Promise<string> => {
    const created = await call('POST', '/api/projects', { as: world.owner, json: { name: 'Walked', isPublic } });
    const { id } = (await expectJson<{ project: { id: string } }>(created, 201)).project;
    const file = await call('PUT', `/api/projects/${id}/files/index.html`, { as: world.owner, json: { content: 'x' } });
    await expectJson(file, 201);
    return id;
  };
  const [closed, open] = [await make(false), await make(true)];
  for (const role of ['viewer', 'editor'] as const) {
    const json = { userId: world[role].id, role };
    await expectJson(await call('POST', `/api/projects/${closed}/collaborators`, { as: world.owner, json }), 201);
  }
  return { closed, open };
}

beforeAll(async () => {
  world = await makeWorld({ 'index.html': '<p>hi</p>' });
  openProject = (await places()).open;
});

const accountOf = (actor: Actor): Account | undefined =>
  actor === 'anonymous' ? undefined : world[actor === 'public' ? 'stranger' : actor];

/** Values of path parameters. A child of a project is one that exists for `path`, the caller for `userId`, else one that does not exist. */
const paramOf = (name: string, id: string, as: Account | undefined): string =>
  ({ id, path: 'index.html', userId: as?.id ?? newId(), hash: 'a'.repeat(64), token: 'x'.repeat(43) })[name] ?? newId();

interface Request {
  /** Of the project or the build that the rule is about. */
  readonly id: string;
  readonly as: Account | undefined;
  readonly version?: string;
}

/** One request, well-formed by what the document says. */
async function send(
  { method, path, operation, endpoint }: Walked,
  { id, as, version = '' }: Request,
): Promise<Response> {
  const url = path
    .replace('/api/', `/api${version}/`)
    .replace(/\{(\w+)\}/g, (_, name: string) => paramOf(name, id, as));
  const query = new URLSearchParams();
  for (const parameter of operation.parameters ?? [])
    if (parameter.in === 'query' && parameter.required)
      query.set(parameter.name, String(sampleOf(parameter.schema ?? {}, components, `query.${parameter.name}`)));
  if (endpoint.form) {
    const form = new FormData();
    form.set('projectId', id);
    form.set('files' in endpoint.form.shape ? 'files' : 'file', new File(['walked'], `${newId()}.txt`));
    return await call(method, url, { as, body: form });
  }
  const body = operation.requestBody?.content['application/json']?.schema;
  if (!body) return await call(method, `${url}?${query}`, { as });
  const sample = sampleOf(body, components);
  const json = endpoint.access.kind === 'body-project' ? { ...(sample as object), projectId: id } : sample;
  return await call(method, `${url}?${query}`, { as, json });
}

/** What is true of every answer: it is one of the document's, it says no more than its schema, and gives nobody's address away. */
async function inspect(
  walked: Walked,
  answer: Response,
  as: Account | undefined,
): Promise<{ code: string | undefined; text: string }> {
  const { name, operation, endpoint } = walked;
  // Bytes of files, too, as whatever text they are.
  const text = new TextDecoder().decode(await answer.arrayBuffer());
  const said = `${name} answered ${answer.status} ${text.slice(0, 300)}`;
  expect(
    Object.keys(operation.responses),
    `${said}, which the document does not have: name its code in \`errors\``,
  ).toContain(String(answer.status));
  for (const account of Object.values(world))
    if (typeof account === 'object' && account.id !== as?.id) expect(text, said).not.toContain(account.email);
  if (answer.status >= 400 && !(answer.status in endpoint.responses)) {
    expect(answer.status, said).toBeLessThan(500);
    const problem = JSON.parse(text) as Problem;
    expect(Problem.strict().parse(problem), said).toEqual(problem);
    return { code: problem.code, text };
  }
  const schema = endpoint.responses[answer.status]?.json;
  // A parsed object has the fields of its schema and no others.
  if (schema) expect(schema.parse(JSON.parse(text)), said).toEqual(JSON.parse(text));
  return { code: undefined, text };
}

async function expectDue(due: Due, walked: Walked, answer: Response, as: Account | undefined): Promise<void> {
  const { name, method, path, endpoint } = walked;
  const { status } = answer;
  const { code, text } = await inspect(walked, answer, as);
  const said = `${name}: ${status} ${text.slice(0, 300)}`;
  switch (due) {
    case 'sign in':
      return expect([status, code], said).toEqual([401, 'unauthenticated']);
    case 'forbidden':
      return expect([status, code], said).toEqual([403, 'forbidden']);
    case 'nothing here':
      return expect([status, code], said).toEqual([404, 'not_found']);
    case 'answer':
      // Signing in may fail for reasons of its own, which such an endpoint declares.
      if (status === 401) return expect(endpoint.errors ?? [], said).toContain(code);
      expect(status, said).not.toBe(403);
      // What is asked for is there, unless the path names more than the project or its file.
      if (method === 'GET' && 'right' in endpoint.access && /^[^{]*\{id\}(?:\/[a-z]+)*(?:\/\{path\})?$/.test(path))
        expect(status, said).not.toBe(404);
  }
}

async function newBuild(as: Account, projectId: string): Promise<string> {
  const made = await call('POST', '/api/builds', { as, json: { projectId } });
  return (await expectJson<{ build: { id: string } }>(made, 202)).build.id;
}

async function newAsset(as: Account, projectId: string): Promise<string> {
  const form = new FormData();
  form.set('projectId', projectId);
  form.set('file', new File(['walked'], `${newId()}.txt`));
  const made = await call('POST', '/api/assets/upload', { as, body: form });
  return (await expectJson<{ asset: { id: string } }>(made, 201)).asset.id;
}

/** What the rule guards, as somebody would name it: something of their own where they can have it. */
async function guarded(
  actor: Actor,
  { access }: Endpoint,
  { closed, open }: { closed: string; open: string },
): Promise<string> {
  const projectId = actor === 'public' ? open : closed;
  if (access.kind === 'asset') return await newAsset(world.owner, projectId);
  if (access.kind !== 'build') return projectId;
  const maker = actor === 'viewer' || actor === 'editor' ? world[actor] : world.owner;
  return await newBuild(maker, projectId);
}

const ofProjects = operations.filter(({ endpoint }) => 'right' in endpoint.access);
const others = operations.filter(({ endpoint }) => !('right' in endpoint.access));

describe('#25 every operation of the OpenAPI document', () => {
  it('is walked: those that guard a project, and the others', () => {
    expect(ofProjects.length).toBeGreaterThan(30);
    expect(others.length).toBeGreaterThan(15);
  });

  it.each(ofProjects)('$name owes everybody what the table of rights says', async (walked) => {
    const { endpoint, method } = walked;
    const reads = method === 'GET';
    const place = reads ? { closed: world.projectId, open: openProject } : await places();
    for (const actor of actors) {
      const as = accountOf(actor);
      const due = dueTo(actor, endpoint.access);
      const id = await guarded(actor, endpoint, place);
      for (const version of due === 'answer' ? [''] : ['', '/v1']) {
        const answer = await send(walked, { id, as, version });
        if (due === 'nothing here') {
          const unknown = await (await send(walked, { id: newId(), as, version })).json<object>();
          const real = await answer.clone().json<object>();
          expect({ ...real, requestId: '' }, 'a stranger learns that there is something').toEqual({
            ...unknown,
            requestId: '',
          });
        }
        await expectDue(due, walked, answer, as).catch((error: Error) => {
          throw new Error(`as ${actor} (${due}): ${error.message}`, { cause: error });
        });
      }
    }
    if (!reads)
      for (const id of [place.closed, place.open])
        await call('DELETE', `/api/projects/${id}?permanent=true`, { as: world.owner });
  });

  it.each(others)('$name asks for a sign-in exactly where its rule does', async (walked) => {
    const { endpoint, method } = walked;
    // What such an endpoint changes is the account itself.
    const accounts =
      method === 'GET'
        ? actors.map((actor) => [actor, accountOf(actor)] as const)
        : ([
            ['anonymous', undefined],
            ['stranger', await signUp('walker')],
          ] as const);
    for (const [actor, as] of accounts)
      await expectDue(dueTo(actor, endpoint.access), walked, await send(walked, { id: newId(), as }), as).catch(
        (error: Error) => {
          throw new Error(`as ${actor}: ${error.message}`, { cause: error });
        },
      );
  });
});

/** All that a project shows its owner. */
async function shown(id: string): Promise<Record<string, string>> {
  const reads = ofProjects.filter(
    ({ method, path }) => method === 'GET' && /^\/api\/projects\/\{id\}(?:\/[a-z]+)*$/.test(path),
  );
  const answers: Record<string, string> = {};
  for (const walked of reads) answers[walked.name] = await (await send(walked, { id, as: world.owner })).text();
  return answers;
}

describe('#27 who may not', () => {
  it('changes nothing by any operation that changes something', async () => {
    const { closed, open } = await places();
    const writes = ofProjects.filter(
      ({ method, endpoint }) => method !== 'GET' && !['build', 'asset'].includes(endpoint.access.kind),
    );
    const before = [await shown(closed), await shown(open)];
    expect(Object.keys(before[0] ?? {}).length).toBeGreaterThan(6);
    let refused = 0;
    for (const actor of ['anonymous', 'stranger', 'public', 'viewer', 'editor'] as const)
      for (const walked of writes) {
        const due = dueTo(actor, walked.endpoint.access);
        if (due === 'answer') continue;
        const answer = await send(walked, { id: actor === 'public' ? open : closed, as: accountOf(actor) });
        await expectDue(due, walked, answer, accountOf(actor));
        refused += 1;
      }
    expect(refused).toBeGreaterThan(30);
    expect([await shown(closed), await shown(open)]).toEqual(before);
  });
});

describe('#29 fields that an operation does not know', () => {
  const taking = operations.filter(
    ({ operation, endpoint }) =>
      operation.requestBody?.content['application/json'] && !['runner', 'system'].includes(endpoint.access.kind),
  );

  it.each(taking)('have no place in the body of $name', ({ operation }) => {
    const open: string[] = [];
    const seen = new Set<Schema>();
    const visit = (named: Schema, where: string): void => {
      const schema = components[named.$ref?.split('/').at(-1) ?? ''] ?? named;
      if (seen.has(schema)) return;
      seen.add(schema);
      if (schema.properties && schema.additionalProperties !== false) open.push(where);
      for (const [name, inner] of Object.entries(schema.properties ?? {})) visit(inner, `${where}.${name}`);
      for (const inner of [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])]) visit(inner, where);
      if (schema.items) visit(schema.items, `${where}[]`);
    };
    visit(operation.requestBody?.content['application/json']?.schema ?? {}, 'body');
    expect(open, 'make it a z.strictObject').toEqual([]);
  });

  it.each(taking)('are refused by $name', async ({ method, path, operation, endpoint }) => {
    const id = await guarded('owner', endpoint, { closed: world.projectId, open: openProject });
    const sample = sampleOf(operation.requestBody?.content['application/json']?.schema ?? {}, components) as object;
    const url = path.replace(/\{(\w+)\}/g, (_, name: string) => paramOf(name, id, world.owner));
    for (const field of ['ownerId', 'id', 'createdAt', 'deletedAt', 'state', 'revision', 'storageKey', 'isAdmin']) {
      const json = { ...sample, ...(path === '/api/builds' && { projectId: world.projectId }), [field]: 'x' };
      const answer = await call(method, url, { as: world.owner, json });
      expect(await expectProblem(answer, 422), field).toBe('validation_failed');
    }
    for (const field of ['__proto__', 'constructor', 'prototype']) {
      const body = `{"${field}":{"polluted":true},${JSON.stringify(sample).slice(1)}`.replace(',}', '}');
      const answer = await call(method, url, { body, headers: { 'content-type': 'application/json' } });
      await answer.body?.cancel();
      expect(answer.status).toBeLessThan(500);
    }
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

describe('#34 pages', () => {
  const lists = operations.filter(({ operation }) => operation.parameters?.some(({ name }) => name === 'cursor'));

  it('are what several lists come in', () => {
    expect(lists.length).toBeGreaterThanOrEqual(4);
  });

  it.each(lists)('of $name take no limit and no cursor that they did not give', async ({ method, path }) => {
    const url = path.replace(/\{(\w+)\}/g, (_, name: string) => paramOf(name, world.projectId, world.owner));
    for (const query of [
      'limit=0',
      'limit=-1',
      'limit=201',
      'limit=1e9',
      'limit=1.5',
      'limit=x',
      'limit[]=1',
      'cursor=x',
      'cursor=%00',
      `cursor=${btoa('["x"]')}`,
      `cursor=${btoa('{"id":1}')}`,
      `cursor=${btoa(`["1","${newId()}","more"]`)}`,
      `cursor=${'A'.repeat(5000)}`,
    ]) {
      const answer = await call(method, `${url}?${query}`, { as: world.owner });
      // A name that no list knows is no limit.
      if (query.startsWith('limit[]')) await expectJson(answer, 200);
      else expect(await expectProblem(answer, 422), query).toBe('validation_failed');
    }
  });
});

describe('#40 the router', () => {
  it('knows a route only by its exact bytes', async () => {
    for (const path of [
      '/%61pi/projects',
      '/api//projects',
      '/API/projects',
      '/api/projects;x=y',
      '/api/v0/projects',
      '/api/v1/v1/projects',
      '/api/projects/',
      '/api/projects%2f',
      '//api/projects',
      '/api/./v1/../projects/;/x',
      `/api/projects/${world.projectId};x=y`,
      `/api/projects/${world.projectId}%2ffiles`,
      `/api/projects//${world.projectId}`,
      `/api/PROJECTS/${world.projectId}`,
      `/api/projects/${world.projectId.toUpperCase()}/files/a`,
    ])
      expect(await expectProblem(await call('GET', path, { as: world.owner }), 404), path).toBe('not_found');
  });

  it('answers an unknown method of a known path with 405 and the methods that it has', async () => {
    const answer = await call('DELETE', '/api/projects', { as: world.owner });
    expect(answer.headers.get('allow')?.split(', ').sort()).toEqual(['GET', 'POST']);
    expect(await expectProblem(answer, 405)).toBe('method_not_allowed');
  });
});
