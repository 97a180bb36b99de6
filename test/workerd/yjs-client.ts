import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { Awareness, applyAwarenessUpdate, encodeAwarenessUpdate } from 'y-protocols/awareness';
import * as sync from 'y-protocols/sync';
import * as Y from 'yjs';
import { type HeardMessage, readFrame } from '../../src/contract/room.ts';
import { type Account, call, expectJson } from './support.ts';

/** Opens a socket of the room with a fresh ticket; throws the status when the upgrade is refused. */
export async function openSocket(
  as: Account,
  projectId: string,
  path: string,
  headers: Record<string, string> = {},
): Promise<WebSocket> {
  const { ticket } = await expectJson<{ ticket: string }>(
    await call('POST', `/api/projects/${projectId}/room/ticket`, { as }),
    200,
  );
  const response = await call('GET', `/api/projects/${projectId}/${path}?ticket=${ticket}`, {
    headers: { upgrade: 'websocket', ...headers },
  });
  if (!response.webSocket) throw new Error(`refused with ${response.status}`);
  return response.webSocket;
}

/** A socket of the project channel, and what it hears. */
export interface Ear {
  readonly socket: WebSocket;
  readonly messages: HeardMessage[];
  /** Close code, once it has closed. */
  closed: number | null;
}

/** Listens at the project channel, from its first word or its end on. */
export async function listen(as: Account, projectId: string): Promise<Ear> {
  const socket = await openSocket(as, projectId, 'room');
  const ear: Ear = { socket, messages: [], closed: null };
  socket.addEventListener('message', ({ data }) => {
    ear.messages.push(...readFrame(String(data)));
  });
  socket.addEventListener('close', ({ code }) => {
    ear.closed = code;
  });
  socket.accept();
  await until(() => ear.messages.length > 0 || ear.closed !== null);
  return ear;
}

/** A y-protocols client with nothing of ours in it: what any editor would run. */
export class YjsClient {
  readonly doc = new Y.Doc();
  readonly text = this.doc.getText('content');
  readonly awareness = new Awareness(this.doc);
  readonly socket: WebSocket;
  /** Close code, once the room has ended the socket. */
  closed: number | null = null;
  synced = false;
  /** Types of the messages that came, in their order: of sync messages with the step, as `0.1`. */
  readonly heard: string[] = [];

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.addEventListener('message', ({ data }) => this.#receive(new Uint8Array(data as ArrayBuffer)));
    socket.addEventListener('close', ({ code }) => {
      this.closed = code;
    });
    socket.accept();
    this.doc.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin !== this) this.sendUpdate(update);
    });
    this.awareness.on('update', ({ added, updated }: { added: number[]; updated: number[] }, origin: unknown) => {
      if (origin !== this) this.#sendAwareness([...added, ...updated]);
    });
    this.ask();
  }

  static async open(as: Account, projectId: string, path: string): Promise<YjsClient> {
    const client = new YjsClient(await openSocket(as, projectId, `docs/${path}`));
    await until(() => client.synced || client.closed !== null);
    return client;
  }

  /** Asks for what this lacks; the answer says that what was sent before is stored, or was refused. */
  ask(): void {
    this.#send((encoder) => {
      encoding.writeVarUint(encoder, 0);
      sync.writeSyncStep1(encoder, this.doc);
    });
  }

  sendUpdate(update: Uint8Array): void {
    this.#send((encoder) => {
      encoding.writeVarUint(encoder, 0);
      sync.writeUpdate(encoder, update);
    });
  }

  close(): void {
    clearInterval(this.awareness._checkInterval as Parameters<typeof clearInterval>[0]);
    this.socket.close(1000);
  }

  #sendAwareness(clients: number[]): void {
    this.#send((encoder) => {
      encoding.writeVarUint(encoder, 1);
      encoding.writeVarUint8Array(encoder, encodeAwarenessUpdate(this.awareness, clients));
    });
  }

  #send(write: (encoder: encoding.Encoder) => void): void {
    const encoder = encoding.createEncoder();
    write(encoder);
    if (this.closed === null) this.socket.send(encoding.toUint8Array(encoder));
  }

  #receive(frame: Uint8Array): void {
    const decoder = decoding.createDecoder(frame);
    const type = decoding.readVarUint(decoder);
    this.heard.push(type === 0 ? `0.${frame[1]}` : String(type));
    if (type === 1) {
      applyAwarenessUpdate(this.awareness, decoding.readVarUint8Array(decoder), this);
      return;
    }
    if (type === 2) return;
    const encoder = encoding.createEncoder();
    encoding.writeVarUint(encoder, 0);
    if (sync.readSyncMessage(decoder, encoder, this.doc, this) === sync.messageYjsSyncStep2) this.synced = true;
    if (encoding.length(encoder) > 1) this.socket.send(encoding.toUint8Array(encoder));
  }
}

/** Waits for something that happens after a turn of the network; the test's own timeout bounds it. */
export async function until(check: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await check())) await new Promise((resolve) => setTimeout(resolve, 5));
}
