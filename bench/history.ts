import { parseArgs } from 'node:util';
import { describeMachine } from './lib/machine.ts';
import { figure, print, table } from './lib/print.ts';
import { RoomClient, Tally } from './lib/room-client.ts';
import {
  type BenchDocument,
  type RoomServer,
  type ServerName,
  serverNames,
  startRoomServer,
} from './lib/room-servers.ts';

export const historyUsage = `history — a document with a long history: how long until somebody has it
  --edits 100000    of one character each
  --run 20          of them in a row before the next place; with 1 each is an item of its own
  --clients 50      that come back at one time after the server was killed
  --server kiln,hocuspocus
  --rounds 5        openings; shown is their median`;

/** Edits of one frame while the history is made, and the pause after it: below every limit on frames. */
const scattered = { edits: 200, pause: 10 } as const;
/** Hocuspocus stores two seconds after the last edit, and then lets go of a document. Milliseconds. */
const settling = 4000;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const median = (list: readonly number[]): number => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? 0;

const clientOf = async (document: BenchDocument, index: number, tally: Tally): Promise<RoomClient> => {
  const client = new RoomClient(await document.url(index), document.dialect, index, tally, true);
  await client.ready;
  return client;
};

/** From the request for a socket to the whole text. Milliseconds. */
async function open(document: BenchDocument, edits: number): Promise<number> {
  const url = await document.url(0);
  const start = performance.now();
  const client = new RoomClient(url, document.dialect, 0, new Tally(1), true);
  await client.ready;
  const took = performance.now() - start;
  if (client.content.length < edits) throw new Error(`${client.content.length} of ${edits} edits are there`);
  await client.close();
  return took;
}

interface Result {
  readonly cold: number;
  readonly warm: number;
  readonly back: number;
}

interface Plan {
  readonly edits: number;
  readonly run: number;
  readonly clients: number;
  readonly rounds: number;
}

async function measure(server: RoomServer, { edits, run, clients, rounds }: Plan): Promise<Result> {
  const document = await server.newDocument();
  const writer = await clientOf(document, 0, new Tally(1));
  for (let made = 0; made < edits; made += scattered.edits) {
    writer.scatter(scattered.edits, run);
    await sleep(scattered.pause);
  }
  // Whoever joins after the last edit has all of them, so they have arrived.
  for (let length = 0; length < edits; await sleep(200)) {
    const joiner = await clientOf(document, 0, new Tally(1));
    length = joiner.content.length;
    await joiner.close();
  }
  await writer.close();

  const cold: number[] = [];
  const warm: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    await sleep(settling);
    document.forget?.();
    await sleep(200);
    cold.push(await open(document, edits));
    warm.push(await open(document, edits));
  }

  await sleep(settling);
  await server.restart?.();
  const tally = new Tally(clients);
  const start = performance.now();
  const all = await Promise.all(Array.from({ length: clients }, (_, index) => clientOf(document, index, tally)));
  all[0]?.type();
  while (tally.delivered < tally.expected) await sleep(1);
  const back = performance.now() - start;
  await Promise.all(all.map((client) => client.close()));
  return { cold: median(cold), warm: median(warm), back };
}

/** Opens a document of many edits on each server that was asked for, and has everybody come back to it after a kill. */
export async function runHistory(args: readonly string[]): Promise<boolean> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      edits: { type: 'string', default: '100000' },
      run: { type: 'string', default: '20' },
      clients: { type: 'string', default: '50' },
      server: { type: 'string', default: 'kiln,hocuspocus' },
      rounds: { type: 'string', default: '5' },
    },
  });
  const clients = Number(values.clients);
  const plan: Plan = { edits: Number(values.edits), run: Number(values.run), clients, rounds: Number(values.rounds) };
  print(describeMachine());
  const rows: string[][] = [];
  for (const wanted of values.server.split(',')) {
    const name: ServerName | undefined = serverNames.find((known) => known === wanted);
    if (!name) throw new Error(`no server ${wanted}`);
    const server = await startRoomServer(name, {
      clients,
      assets: true,
      inspect: false,
      verbose: false,
      silent: true,
      against: undefined,
    });
    const { cold, warm, back } = await measure(server, plan);
    rows.push([name, figure(cold), figure(warm), figure(back)]);
  }
  print();
  print(table(['', 'open, from disk, ms', 'open again, ms', `${clients} back after a kill, ms`], rows));
  return true;
}
