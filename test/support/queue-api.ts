import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as z from 'zod';
import { newId } from '../../src/contract/ids.ts';

// The bounds are those of the API: https://developers.cloudflare.com/queues/configuration/pull-consumers/
const Pull = z.object({
  batch_size: z.int().min(1).max(100).default(5),
  visibility_timeout_ms: z.int().min(0).max(43_200_000).default(30_000),
});
const Lease = z.object({ lease_id: z.string() });
const Ack = z.object({
  acks: z.array(Lease).default([]),
  retries: z.array(Lease.extend({ delay_seconds: z.int().min(0).max(43_200).default(0) })).default([]),
});

interface Entry {
  readonly id: string;
  readonly body: string;
  readonly type: 'json' | 'text';
  readonly at: number;
  attempts: number;
  visibleAt: number;
  lease: string | null;
}

/** A queue with an HTTP pull consumer, as Cloudflare's API shows it: leases, visibility timeouts, retries, dead letters. */
export class QueueApi {
  readonly #server: Server;
  readonly #token: string;
  readonly #entries = new Map<string, Entry>();
  readonly dead: string[] = [];
  /** Every call: its path and its body, in order. */
  readonly calls: { readonly path: string; readonly body: unknown }[] = [];
  /** Statuses with which the next calls are refused. */
  failures: number[] = [];
  maxRetries = 3;

  private constructor(server: Server, token: string) {
    this.#server = server;
    this.#token = token;
  }

  static async start(token: string): Promise<QueueApi> {
    const server = createServer((request, response) => {
      void api.#route(request).then(({ status, body }) => {
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      });
    }).listen(0, '127.0.0.1');
    const api = new QueueApi(server, token);
    await once(server, 'listening');
    return api;
  }

  get url(): string {
    return `${this.#base}/client/v4/`;
  }

  /** Takes one message as a body of JSON, for whoever carries them here. */
  get sendUrl(): string {
    return `${this.#base}/send`;
  }

  get #base(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Messages that are neither acknowledged nor dead. */
  get size(): number {
    return this.#entries.size;
  }

  send(value: unknown, type: Entry['type'] = 'json'): string {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    const body = type === 'json' ? Buffer.from(text).toString('base64') : text;
    const entry: Entry = { id: newId(), body, type, at: Date.now(), attempts: 0, visibleAt: 0, lease: null };
    this.#entries.set(entry.id, entry);
    return entry.id;
  }

  /** Lets the visibility timeout of every leased message pass. */
  expireLeases(): void {
    for (const entry of this.#entries.values()) if (entry.lease !== null) entry.visibleAt = 0;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #route(request: IncomingMessage): Promise<{ status: number; body: object }> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const refuse = (status: number, message: string): { status: number; body: object } => ({
      status,
      body: { success: false, errors: [{ code: 10_000, message }], messages: [], result: null },
    });
    // Where a Worker's messages come in; the API proper has another way for that, which nobody here uses.
    if (request.url === '/send' && request.method === 'POST') {
      this.send(Buffer.concat(chunks).toString('utf8'));
      return { status: 200, body: {} };
    }
    const failure = this.failures.shift();
    if (failure !== undefined) return refuse(failure, 'not now');
    if (request.headers.authorization !== `Bearer ${this.#token}`) return refuse(401, 'Authentication error');
    const path = request.url?.split('/queues/jobs/')[1];
    const isOurs = request.url?.startsWith('/client/v4/accounts/studio/queues/jobs/') && request.method === 'POST';
    if (!isOurs || (path !== 'messages/pull' && path !== 'messages/ack')) return refuse(404, 'Not found');
    const body: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    this.calls.push({ path, body });
    const parsed = path === 'messages/pull' ? Pull.safeParse(body) : Ack.safeParse(body);
    if (!parsed.success) return refuse(400, parsed.error.message);
    const result = 'batch_size' in parsed.data ? this.#pull(parsed.data) : this.#ack(parsed.data);
    return { status: 200, body: { success: true, errors: [], messages: [], result } };
  }

  #pull({ batch_size, visibility_timeout_ms }: z.infer<typeof Pull>): object {
    const now = Date.now();
    const messages = [];
    for (const entry of this.#entries.values()) {
      if (messages.length === batch_size) break;
      if (entry.visibleAt > now) continue;
      if (entry.attempts > this.maxRetries) {
        this.#entries.delete(entry.id);
        this.dead.push(entry.id);
        continue;
      }
      entry.attempts += 1;
      entry.lease = newId();
      entry.visibleAt = now + visibility_timeout_ms;
      messages.push({
        id: entry.id,
        body: entry.body,
        timestamp_ms: entry.at,
        attempts: entry.attempts,
        lease_id: entry.lease,
        metadata: { 'CF-Content-Type': entry.type, 'CF-sourceMessageSource': 'worker' },
      });
    }
    return { message_backlog_count: this.#entries.size, messages };
  }

  /** A lease that is over is a warning and changes nothing. */
  #ack({ acks, retries }: z.infer<typeof Ack>): object {
    const byLease = (lease: string): Entry | undefined =>
      [...this.#entries.values()].find((entry) => entry.lease === lease && entry.visibleAt > Date.now());
    const warnings: Record<string, string> = {};
    let [ackCount, retryCount] = [0, 0];
    for (const { lease_id } of acks) {
      const entry = byLease(lease_id);
      if (entry === undefined) warnings[lease_id] = 'lease expired';
      else ackCount += Number(this.#entries.delete(entry.id));
    }
    for (const { lease_id, delay_seconds } of retries) {
      const entry = byLease(lease_id);
      if (entry === undefined) warnings[lease_id] = 'lease expired';
      else {
        entry.lease = null;
        entry.visibleAt = Date.now() + delay_seconds * 1000;
        retryCount += 1;
      }
    }
    return { ackCount, retryCount, warnings };
  }
}
