/**
 * The floor under Kiln's figures: a Worker that does nothing, on the very options that Kiln runs on.
 * `/` is one request, `/object` one call of an object, `/database` one D1 query, `/bucket/…` one object of R2, streamed; a WebSocket on
 * `/relay/…` joins an object that sends every Yjs update on to everybody else and does nothing more; on `/gather/<milliseconds>/…` it sends
 * what comes within so long as one frame, and does nothing more: what Kiln's frames cost without Kiln.
 * The host strips its types and runs it as it is, so it imports nothing of ours.
 */
import { DurableObject } from 'cloudflare:workers';

/** An empty sync step 2: "I have nothing that you lack" (y-protocols/PROTOCOL.md). */
const emptyStep2 = new Uint8Array([0, 1, 2, 0, 0]);
const emptyStep1 = new Uint8Array([0, 0, 1, 0]);

export class ProjectRoom extends DurableObject {
  #window = 0;
  #gathered: Uint8Array[] = [];

  nothing(): boolean {
    return true;
  }

  override fetch(request: Request): Response {
    const [, kind, milliseconds] = new URL(request.url).pathname.split('/');
    if (kind === 'gather') this.#window = Number(milliseconds);
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    server.send(emptyStep1);
    return new Response(null, { status: 101, webSocket: client });
  }

  override webSocketMessage(socket: WebSocket, message: ArrayBuffer | string): void {
    const frame = new Uint8Array(message as ArrayBuffer);
    if (frame[0] === 0 && frame[1] === 0) socket.send(emptyStep2);
    if (frame[0] === 0 && frame[1] !== 2) return;
    if (this.#window === 0) {
      for (const other of this.ctx.getWebSockets()) if (other !== socket) other.send(frame);
      return;
    }
    this.#gathered.push(frame);
    if (this.#gathered.length === 1) setTimeout(() => this.#send(), this.#window);
  }

  #send(): void {
    const whole = new Uint8Array(this.#gathered.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const frame of this.#gathered) {
      whole.set(frame, at);
      at += frame.length;
    }
    this.#gathered = [];
    for (const socket of this.ctx.getWebSockets()) socket.send(whole);
  }

  override webSocketClose(socket: WebSocket): void {
    socket.close(1000);
  }
}

/** Kiln's other classes, which the options name. */
export class BuildRun extends DurableObject {}
export class BuildRunner extends DurableObject {}

interface FloorEnv {
  readonly PROJECT_ROOM: DurableObjectNamespace<ProjectRoom>;
  readonly DB: D1Database;
  readonly ASSETS: R2Bucket;
}

// biome-ignore lint/style/noDefaultExport: a Worker's entry is its default export
export default {
  async fetch(request: Request, env: FloorEnv): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname.startsWith('/relay/') || pathname.startsWith('/gather/'))
      return await env.PROJECT_ROOM.getByName(pathname).fetch(request);
    if (pathname.startsWith('/object'))
      return Response.json({ ok: await env.PROJECT_ROOM.getByName(pathname).nothing() });
    if (pathname === '/database') return Response.json(await env.DB.prepare('SELECT 1 AS ok').first());
    if (pathname.startsWith('/bucket/') && request.method === 'PUT') {
      await env.ASSETS.put(pathname, request.body);
      return new Response(null, { status: 204 });
    }
    if (pathname.startsWith('/bucket/')) {
      const object = await env.ASSETS.get(pathname);
      // As Kiln's answer has them; without a length it would go in chunks.
      return new Response(object?.body ?? null, {
        headers: { 'content-type': 'application/octet-stream', 'content-length': String(object?.size ?? 0) },
      });
    }
    return Response.json({ ok: true });
  },
  queue(): void {
    // Takes what nobody sends.
  },
};
