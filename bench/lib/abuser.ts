import { parentPort, workerData } from 'node:worker_threads';
import * as encoding from 'lib0/encoding';
import { WebSocket } from 'ws';
import * as sync from 'y-protocols/sync';
import * as Y from 'yjs';

/** What sockets of somebody hostile do, one kind after the other. */
const kinds = ['floods', 'asks', 'stays at the limit', 'sends too much', 'sends noise', 'reads nothing'] as const;
/** Milliseconds between what is sent again and again. */
const beat = 10;
/** Frames in each `beat`: 5,000 a second. */
const flood = 50;
/** Milliseconds until somebody who was closed comes again. */
const pause = 250;

/** From whoever started it: the URL for a socket, or that there is none; to it: that one is wanted, or was closed. */
export type ToAbuser = { readonly socket: number; readonly url: string | null };
export type FromAbuser = { readonly wanted: number } | { readonly closed: number };

const port = parentPort;
if (!port) throw new Error('this runs as a thread');
const { sockets, tooLarge, perSecond } = workerData as {
  readonly sockets: number;
  readonly tooLarge: number;
  /** Frames of one socket that the server takes. */
  readonly perSecond: number;
};
/** In each `beat`, a little below that: its clock is another. */
const allowed = Math.floor((perSecond * 0.9 * beat) / 1000);
const say = (message: FromAbuser): void => port.postMessage(message);

const askAgain = (socket: number): void => void setTimeout(() => say({ wanted: socket }), pause);
/** A sync step 1 of somebody who has nothing: the whole document for five bytes. */
const step1 = Uint8Array.of(0, 0, 1, 0);
/** "I have nothing that you lack": what costs the server least, and still a frame. */
const nothing = Uint8Array.of(0, 1, 2, 0, 0);
const noise = Uint8Array.of(0, 2, 255, 255, 255, 255, 1, 2, 3);
const large = new Uint8Array(tooLarge);

/** One who writes: each frame is an update of its own, which takes back what the one before wrote. */
function writing(connection: WebSocket): NodeJS.Timeout {
  const doc = new Y.Doc();
  const text = doc.getText('content');
  doc.on('update', (update: Uint8Array) => {
    connection.send(
      encoding.encode((encoder) => {
        encoding.writeVarUint(encoder, 0);
        sync.writeUpdate(encoder, update);
      }),
    );
  });
  return setInterval(() => {
    for (let frame = 0; frame < allowed; frame += 1)
      if (text.length > 0) text.delete(0, text.length);
      else text.insert(0, 'a drag');
  }, beat);
}

port.on('message', ({ socket, url }: ToAbuser) => {
  if (url === null) {
    askAgain(socket);
    return;
  }
  const kind = kinds[socket % kinds.length];
  const connection = new WebSocket(url, { perMessageDeflate: false });
  let timer: NodeJS.Timeout | undefined;
  connection.on('open', () => {
    if (kind === 'sends noise') connection.send(noise);
    else if (kind === 'sends too much') connection.send(large);
    else if (kind === 'reads nothing') {
      connection.send(step1);
      connection.pause();
    } else if (kind === 'stays at the limit') timer = writing(connection);
    else
      timer = setInterval(() => {
        for (let frame = 0; frame < flood; frame += 1) connection.send(kind === 'asks' ? step1 : nothing);
      }, beat);
  });
  connection.on('error', () => undefined);
  connection.on('close', (code) => {
    clearInterval(timer);
    say({ closed: code });
    askAgain(socket);
  });
});
for (let socket = 0; socket < sockets; socket += 1) say({ wanted: socket });
