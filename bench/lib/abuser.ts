import { parentPort, workerData } from 'node:worker_threads';
import { WebSocket } from 'ws';

/** What sockets of somebody hostile do, one kind after the other. */
const kinds = ['floods', 'sends too much', 'sends noise', 'reads nothing'] as const;
/** Frames of a flood in each `beat` of milliseconds: 5,000 a second. */
const flood = { frames: 50, beat: 10 } as const;
/** Milliseconds until somebody who was closed comes again. */
const pause = 250;

/** From the bench: the URL for a socket, or that there is none; to it: that one is wanted, or was closed. */
export type ToAbuser = { readonly socket: number; readonly url: string | null };
export type FromAbuser = { readonly wanted: number } | { readonly closed: number };

const port = parentPort;
if (!port) throw new Error('this runs as a thread of the bench');
const { sockets, tooLarge } = workerData as { readonly sockets: number; readonly tooLarge: number };
const say = (message: FromAbuser): void => port.postMessage(message);

const askAgain = (socket: number): void => void setTimeout(() => say({ wanted: socket }), pause);
/** A sync step 1 of somebody who has nothing: the whole document for five bytes. */
const step1 = Uint8Array.of(0, 0, 1, 0);
const noise = Uint8Array.of(0, 2, 255, 255, 255, 255, 1, 2, 3);
const large = new Uint8Array(tooLarge);

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
    } else
      timer = setInterval(() => {
        for (let frame = 0; frame < flood.frames; frame += 1) connection.send(step1);
      }, flood.beat);
  });
  connection.on('error', () => undefined);
  connection.on('close', (code) => {
    clearInterval(timer);
    say({ closed: code });
    askAgain(socket);
  });
});
for (let socket = 0; socket < sockets; socket += 1) say({ wanted: socket });
