import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, jwtVerify, SignJWT } from 'jose';
import type { PictureOrder } from '../../../src/contract/assets.ts';
import { frames, readFrames } from '../../../src/contract/frames.ts';
import { newId } from '../../../src/contract/ids.ts';
import {
  AssetJob,
  AssetOutcome,
  AssetStart,
  type AssetTicket,
  BlobsRequest,
  EventBatch,
  type Job,
  JobStart,
  type JobTicket,
  type OptimizedType,
  type OutputFile,
  OutputsQuestion,
  type PictureEnd,
  type PictureTicket,
  ProvenanceRequest,
  provenanceName,
  type RunnerEvent,
} from '../../../src/contract/jobs.ts';
import { limits } from '../../../src/contract/limits.ts';
import { type Config, parseConfig } from '../../../src/core/config.ts';
import { provenanceStatement, signStatement } from '../../../src/core/provenance.ts';

export type Files = Readonly<Record<string, string | Uint8Array>>;
export type Outcome = Extract<RunnerEvent, { type: 'success' | 'failure' }>;
export type LogEvent = Extract<RunnerEvent, { type: 'log' }>;

export const sha256 = (bytes: string | Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** One build as the platform sees it. */
export class FakeBuild {
  readonly job: Job;
  readonly events: RunnerEvent[] = [];
  readonly batches: number[] = [];
  /** What the runner asked to be signed. */
  readonly stated: ProvenanceRequest[] = [];
  readonly stored = new Map<string, Buffer>();
  readonly blobs: ReadonlyMap<string, Buffer>;
  readonly files: readonly { path: string; hash: string; size: number; mode: number }[];
  readonly outcome = Promise.withResolvers<Outcome>();
  blobRequests = 0;
  /** Who asked to begin it, in order. The first one has it. */
  readonly executions: string[] = [];
  cancelled = false;
  /** Status with which every route of this build is refused, when set. */
  refuseWith: number | null = null;
  /** Statuses with which the next event batches are refused, before they are read. */
  eventFailures: number[] = [];
  lastContact = Date.now();
  /** The answer to the outcome waits for this. */
  outcomeGate: Promise<void> = Promise.resolve();
  /** Outputs that come by themselves wait for this before they are stored … */
  outputsGate: Promise<void> = Promise.resolve();
  outputRequests = 0;
  /** Whether its platform can say which outputs are missing: that of the release before cannot. */
  knowsMissing = true;
  /** … and the word of success, with the rest of them, before it is believed. */
  successGate: Promise<void> = Promise.resolve();
  successRequests = 0;

  constructor(job: Job, files: Files) {
    this.job = job;
    const contents = Object.entries(files).map(([path, text]) => ({ path, bytes: Buffer.from(text) }));
    this.blobs = new Map(contents.map(({ bytes }) => [sha256(bytes), bytes]));
    this.files = contents
      .map(({ path, bytes }) => ({ path, hash: sha256(bytes), size: bytes.length, mode: 0o644 }))
      .sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  /** What a queue holds of it. */
  get ticket(): JobTicket {
    const { v, buildId, attempt, token } = this.job;
    return { v, buildId, attempt, token };
  }

  get logs(): LogEvent[] {
    return this.events.filter((event) => event.type === 'log');
  }

  /** Outputs of a finished build with their bytes. */
  async outputs(): Promise<(OutputFile & { bytes: Buffer })[]> {
    const outcome = await this.outcome.promise;
    if (outcome.type !== 'success') throw new Error(`the build failed: ${outcome.code} ${outcome.message}`);
    return outcome.outputs.map((output) => {
      const bytes = this.stored.get(output.sha256);
      if (bytes === undefined) throw new Error(`${output.name} was not stored`);
      return { ...output, bytes };
    });
  }

  /** The files of the site by path. */
  async site(): Promise<Map<string, string>> {
    const outputs = await this.outputs();
    return new Map(
      outputs.filter(({ role }) => role === 'site').map(({ name, bytes }) => [name, bytes.toString('utf8')]),
    );
  }

  async failure(): Promise<Extract<Outcome, { type: 'failure' }>> {
    const outcome = await this.outcome.promise;
    if (outcome.type !== 'failure') throw new Error('the build succeeded');
    return outcome;
  }

  /** Everything that the runner ever said or stored, as one text. */
  everything(): string {
    const stored = [...this.stored.values()].map((bytes) => bytes.toString('latin1'));
    return [JSON.stringify(this.events), ...stored].join('\n');
  }
}

/** What of an asset's job a test says; the rest is as it should be. */
interface PulledPicture {
  readonly ticket: PictureTicket;
  readonly bytes: Buffer;
  /** What was asked, in order. */
  readonly calls: string[];
  /** A status in place of the bytes. */
  refuseWith: number | null;
  /** The picture, or why there is none. */
  readonly outcome: PromiseWithResolvers<Buffer | PictureEnd>;
}

export type AssetTask = ({ readonly mimeType: OptimizedType } | { readonly picture: PictureOrder }) & {
  readonly compressMeshes?: boolean;
  readonly hash?: string;
  readonly timeout?: number;
};

/** One asset that is to be made smaller, as the platform sees it. */
export class FakeOptimization {
  readonly ticket: AssetTicket;
  readonly job: AssetJob;
  /** What became of it: smaller bytes, or why there are none. */
  readonly outcome = Promise.withResolvers<Buffer | AssetOutcome>();
  readonly #bytes: Buffer;
  executions: string[] = [];

  constructor(ticket: AssetTicket, bytes: Buffer, job: AssetTask) {
    this.ticket = ticket;
    this.#bytes = bytes;
    const { timeout } = limits.optimize;
    this.job = AssetJob.parse({ size: bytes.length, hash: sha256(bytes), compressMeshes: false, timeout, ...job });
  }

  async answer(
    method: string,
    path: string,
    request: IncomingMessage,
  ): Promise<{ status: number; body?: string | Buffer }> {
    const body = await readAll(request);
    if (request.headers.authorization !== `Bearer ${this.ticket.token}`) return { status: 401 };
    if (method === 'POST' && path === 'start') {
      this.executions.push(AssetStart.parse(JSON.parse(body.toString())).execution);
      return this.executions.length > 1 ? { status: 409 } : { status: 200, body: JSON.stringify(this.job) };
    }
    if (method === 'GET' && path === 'source') return { status: 200, body: this.#bytes };
    if (method === 'PUT' && path === 'result') this.outcome.resolve(body);
    else if (method === 'POST' && path === 'end') this.outcome.resolve(AssetOutcome.parse(JSON.parse(body.toString())));
    else return { status: 404 };
    return { status: 200 };
  }
}

/** What a test says of a build; where it says nothing, nothing is done but to bundle. */
export type JobOverrides = Partial<Omit<Job, 'options'>> & { readonly options?: Partial<Job['options']> };

/** The platform's side of `src/contract/jobs.ts`, over real HTTP and with real keys. */
export class FakePlatform {
  readonly #server: Server;
  readonly #keys: { publicKey: CryptoKey; privateKey: CryptoKey };
  readonly #builds = new Map<string, FakeBuild>();
  readonly #optimizations = new Map<string, FakeOptimization>();
  readonly unexpected: string[] = [];
  /** Held requests for blobs go on when this resolves. */
  blobGate: Promise<void> = Promise.resolve();

  private constructor(server: Server, keys: { publicKey: CryptoKey; privateKey: CryptoKey }) {
    this.#server = server;
    this.#keys = keys;
  }

  static async start(): Promise<FakePlatform> {
    const keys = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
    const server = createServer((request, response) => {
      platform.#route(request).then(
        ({ status, body }) => response.writeHead(status, { 'content-type': 'application/json' }).end(body),
        (error: unknown) => {
          platform.unexpected.push(String(error));
          response.writeHead(500).end();
        },
      );
    });
    const platform = new FakePlatform(server, keys);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return platform;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  /** A build of `files` that waits for its runner. */
  async build(files: Files, overrides: JobOverrides = {}): Promise<FakeBuild> {
    const job: Job = {
      v: 1,
      buildId: newId(),
      projectId: newId(),
      attempt: 1,
      target: 'web',
      treeHash: sha256(JSON.stringify(Object.keys(files))),
      projectName: 'Test game',
      timeout: limits.build.timeout,
      token: '',
      ...overrides,
      options: {
        minify: false,
        sourcemap: false,
        typecheck: false,
        optimizeAssets: false,
        define: {},
        ...overrides.options,
      },
    };
    const signed = { ...job, token: overrides.token ?? (await this.sign(job)) };
    const build = new FakeBuild(signed, files);
    this.#builds.set(job.buildId, build);
    return build;
  }

  /** An asset that waits to be made smaller. */
  async optimization(bytes: string | Uint8Array, job: AssetTask): Promise<FakeOptimization> {
    const optimizationId = newId();
    const claims = { exp: Math.floor(Date.now() / 1000) + 120 };
    const token = await this.sign(
      { attempt: 1, projectId: newId(), buildId: optimizationId, timeout: 0 },
      {
        ...claims,
        typ: 'optimize+jwt',
        aud: 'kiln:optimize',
      },
    );
    const optimization = new FakeOptimization({ v: 1, optimizationId, attempt: 1, token }, Buffer.from(bytes), job);
    this.#optimizations.set(optimizationId, optimization);
    return optimization;
  }

  /** A token for one order of a preview. */
  async signOrder(order: string, claims: { aud?: string } = {}): Promise<string> {
    return await new SignJWT({ order: sha256(order) })
      .setProtectedHeader({ alg: 'EdDSA', typ: 'bundle+jwt', kid: 'test' })
      .setIssuer('kiln')
      .setSubject(newId())
      .setAudience(claims.aud ?? 'kiln:bundle')
      .setExpirationTime('1m')
      .sign(this.#keys.privateKey);
  }

  /** Pictures that come as messages, by hash. */
  readonly pulled = new Map<string, PulledPicture>();

  /** A picture that is to be written anew by a runner that pulls. */
  async picture(bytes: Uint8Array, order: PictureOrder): Promise<PulledPicture> {
    const pictureHash = sha256(bytes);
    const picture: PulledPicture = {
      ticket: { v: 1, pictureHash, token: await this.signPicture(bytes, order) },
      bytes: Buffer.from(bytes),
      calls: [],
      refuseWith: null,
      outcome: Promise.withResolvers(),
    };
    this.pulled.set(pictureHash, picture);
    return picture;
  }

  /** A token for one picture that is to be written anew. */
  async signPicture(
    bytes: Uint8Array,
    order: PictureOrder,
    { aud = 'kiln:picture', hash = sha256(bytes) }: { aud?: string; hash?: string } = {},
  ): Promise<string> {
    return await new SignJWT({ size: bytes.length, order: JSON.stringify(order) })
      .setProtectedHeader({ alg: 'EdDSA', typ: 'picture+jwt', kid: 'test' })
      .setIssuer('kiln')
      .setSubject(hash)
      .setAudience(aud)
      .setExpirationTime('1m')
      .sign(this.#keys.privateKey);
  }

  /** A token as the platform makes it; `claims` replace its own. */
  async sign(
    job: Pick<Job, 'attempt' | 'projectId' | 'buildId' | 'timeout'>,
    claims: { sub?: string; attempt?: number; aud?: string; typ?: string; exp?: number } = {},
  ): Promise<string> {
    return await new SignJWT({ attempt: claims.attempt ?? job.attempt, projectId: job.projectId })
      .setProtectedHeader({ alg: 'EdDSA', typ: claims.typ ?? 'build+jwt', kid: 'test' })
      .setIssuer('kiln')
      .setSubject(claims.sub ?? job.buildId)
      .setAudience(claims.aud ?? 'kiln:build')
      .setExpirationTime(claims.exp ?? Math.floor((Date.now() + job.timeout) / 1000) + 60)
      .sign(this.#keys.privateKey);
  }

  async #route(request: IncomingMessage): Promise<{ status: number; body?: string | Buffer }> {
    const url = request.url ?? '';
    if (url === '/.well-known/jwks.json') {
      const jwk = await exportJWK(this.#keys.publicKey);
      return { status: 200, body: JSON.stringify({ keys: [{ ...jwk, kid: 'test', alg: 'EdDSA', use: 'sig' }] }) };
    }
    const asset = /^\/api\/runner\/optimizations\/(?<id>[^/]+)\/(?<rest>\w+)$/.exec(url)?.groups;
    const optimization = this.#optimizations.get(asset?.id ?? '');
    if (optimization && asset) return await optimization.answer(request.method ?? '', asset.rest ?? '', request);
    const picture = /^\/api\/runner\/pictures\/(?<hash>[^/]+)\/(?<rest>\w+)$/.exec(url)?.groups;
    const pulled = this.pulled.get(picture?.hash ?? '');
    if (pulled && picture) {
      const body = await readAll(request);
      pulled.calls.push(picture.rest ?? '');
      if (picture.rest === 'source')
        return pulled.refuseWith ? { status: pulled.refuseWith } : { status: 200, body: pulled.bytes };
      pulled.outcome.resolve(picture.rest === 'result' ? body : JSON.parse(body.toString('utf8')));
      return { status: 200 };
    }
    const match = /^\/api\/runner\/builds\/(?<id>[^/]+)\/(?<rest>.+)$/.exec(url);
    const build = this.#builds.get(match?.groups?.id ?? '');
    const rest = match?.groups?.rest ?? '';
    if (build === undefined) {
      this.unexpected.push(`${request.method} ${url}`);
      return { status: 404 };
    }
    build.lastContact = Date.now();
    const body = await readAll(request);
    if (build.refuseWith !== null) return { status: build.refuseWith };
    if (!(await this.#opens(request, build))) return { status: 401 };

    if (request.method === 'POST' && rest === 'start') {
      const { attempt, execution } = JobStart.parse(JSON.parse(body.toString('utf8')));
      build.executions.push(execution);
      if (attempt !== build.job.attempt || execution !== build.executions[0]) return { status: 409 };
      const { token: _, ...job } = build.job;
      return { status: 200, body: JSON.stringify(job) };
    }
    if (request.method === 'GET' && rest === 'manifest') {
      return { status: 200, body: JSON.stringify({ treeHash: build.job.treeHash, files: build.files }) };
    }
    if (request.method === 'GET' && rest.startsWith('blobs/')) {
      build.blobRequests += 1;
      await this.blobGate;
      const blob = build.blobs.get(rest.slice('blobs/'.length));
      return blob === undefined ? { status: 404 } : { status: 200, body: blob };
    }
    if (request.method === 'POST' && rest === 'blobs') {
      const { hashes } = BlobsRequest.parse(JSON.parse(body.toString('utf8')));
      build.blobRequests += hashes.length;
      await this.blobGate;
      const found = hashes.flatMap((hash) => {
        const bytes = build.blobs.get(hash);
        return bytes === undefined ? [] : [{ hash, bytes }];
      });
      if (found.length < hashes.length) return { status: 404 };
      return { status: 200, body: Buffer.from(frames(found)) };
    }
    if (request.method === 'POST' && rest === 'outputs/missing') {
      if (!build.knowsMissing) return { status: 405 };
      const { hashes } = OutputsQuestion.parse(JSON.parse(body.toString('utf8')));
      return { status: 200, body: JSON.stringify({ missing: hashes.filter((hash) => !build.stored.has(hash)) }) };
    }
    if (rest.startsWith('outputs')) {
      build.outputRequests += 1;
      await build.outputsGate;
    }
    if (request.method === 'POST' && rest === 'outputs') {
      const contents = readFrames(body);
      if (!contents?.every(({ hash, bytes }) => sha256(bytes) === hash)) return { status: 422 };
      for (const { hash, bytes } of contents) build.stored.set(hash, Buffer.from(bytes));
      return { status: 201 };
    }
    if (request.method === 'PUT' && rest.startsWith('outputs/')) {
      const hash = rest.slice('outputs/'.length);
      if (sha256(body) !== hash) return { status: 422 };
      const wasThere = build.stored.has(hash);
      build.stored.set(hash, body);
      return { status: wasThere ? 200 : 201 };
    }
    if (request.method === 'POST' && rest === 'events')
      return await this.#takeEvents(build, EventBatch.parse(JSON.parse(body.toString('utf8'))));
    if (request.method === 'POST' && rest === 'success') {
      build.successRequests += 1;
      await build.successGate;
      return await this.#takeSuccess(build, body);
    }
    this.unexpected.push(`${request.method} ${url}`);
    return { status: 404 };
  }

  async #config(): Promise<Config> {
    const key = { ...(await exportJWK(this.#keys.privateKey)), kid: 'test' };
    return parseConfig({
      KILN_ENV: 'development',
      APP_ORIGIN: this.url,
      CONTENT_HOST: 'play.test',
      AUTH_KEYS: JSON.stringify([key]),
    });
  }

  /** A success with the rest of its outputs, to which the signed word on their origin is added. */
  async #takeSuccess(build: FakeBuild, body: Buffer): Promise<{ status: number; body?: string }> {
    const [head, ...contents] = readFrames(body) ?? [];
    if (head === undefined || ![head, ...contents].every(({ hash, bytes }) => sha256(bytes) === hash))
      return { status: 422 };
    const batch = EventBatch.parse(JSON.parse(Buffer.from(head.bytes).toString('utf8')));
    const outcome = batch.events.at(-1);
    if (outcome?.type !== 'success') return { status: 422 };
    for (const { hash, bytes } of contents) build.stored.set(hash, Buffer.from(bytes));
    const lock = outcome.lock === undefined ? null : sha256(outcome.lock);
    const stated = ProvenanceRequest.parse({ attempt: batch.attempt, outputs: outcome.outputs, lock });
    build.stated.push(stated);
    const statement = provenanceStatement({ ...build.job, startedAt: build.lastContact }, stated, this.url);
    const bytes = Buffer.from(JSON.stringify(await signStatement(await this.#config(), statement)));
    build.stored.set(sha256(bytes), bytes);
    const report: OutputFile = {
      name: provenanceName,
      size: bytes.length,
      sha256: sha256(bytes),
      mimeType: 'application/json',
      role: 'report',
    };
    const events = [...batch.events.slice(0, -1), { ...outcome, outputs: [...outcome.outputs, report] }];
    return await this.#takeEvents(build, { ...batch, events });
  }

  async #takeEvents(build: FakeBuild, batch: EventBatch): Promise<{ status: number; body?: string }> {
    const failure = build.eventFailures.shift();
    if (failure !== undefined) return { status: failure };
    if (batch.attempt !== build.job.attempt) return { status: 409 };
    if (!build.batches.includes(batch.batch)) {
      build.batches.push(batch.batch);
      for (const event of batch.events) {
        build.events.push(event);
        if (event.type === 'success' || event.type === 'failure') build.outcome.resolve(event);
      }
    }
    if (batch.events.some(({ type }) => type === 'success' || type === 'failure')) await build.outcomeGate;
    return { status: 200, body: JSON.stringify({ cancelled: build.cancelled }) };
  }

  async #opens(request: IncomingMessage, build: FakeBuild): Promise<boolean> {
    const token = request.headers.authorization?.replace(/^Bearer /, '') ?? '';
    try {
      await jwtVerify(token, this.#keys.publicKey, {
        typ: 'build+jwt',
        audience: 'kiln:build',
        subject: build.job.buildId,
      });
      return true;
    } catch {
      return false;
    }
  }
}

const readAll = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
};
