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
  --clients 50      that come back at one time after the server was killed, with the document that they had
  --fresh           they come without it: then decoding it so often, in one process, is most of what is measured
  --server kiln,hocuspocus
  --rounds 5        openings; shown is their median`;

/** Edits of one frame while the history is made, and the pause after it: below every limit on frames. */
const scattered = { edits: 200, pause: 10 } as const;
/** Hocuspocus stores two seconds after the last edit, and then lets go of a document. Milliseconds. */
const settling = 4000;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const median = (list: readonly number[]): number => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? 0;

const clientOf = async (
  document: BenchDocument,
  index: number,
  tally: Tally,
  hasUrl = (): void => undefined,
  before?: RoomClient,
): Promise<RoomClient> => {
  const url = await document.url(index);
  hasUrl();
  const client = new RoomClient(url, document.dialect, index, tally, true, before);
  await client.ready;
  return client;
};

/** Milliseconds. */
interface Opening {
  /** From the request for a socket to the whole text. */
  readonly whole: number;
  /** From the request to the last byte of the document: handshake, reading it, and the way. */
  readonly server: number;
  /** Decoding it, which the client does. */
  readonly client: number;
}

async function open(document: BenchDocument, edits: number): Promise<Opening> {
  const url = await document.url(0);
  const start = performance.now();
  const client = new RoomClient(url, document.dialect, 0, new Tally(1), true);
  await client.ready;
  const whole = performance.now() - start;
  if (client.content.length < edits) throw new Error(`${client.content.length} of ${edits} edits are there`);
  const { arrived, applied } = client.times;
  await client.close();
  return { whole, server: arrived - start, client: applied - arrived };
}

const middleOf = (openings: readonly Opening[]): Opening => ({
  whole: median(openings.map(({ whole }) => whole)),
  server: median(openings.map(({ server }) => server)),
  client: median(openings.map(({ client }) => client)),
});

interface Result {
  readonly cold: Opening;
  readonly warm: Opening;
  /** Milliseconds from the moment in which the server listens again until all have: a URL with a ticket, the document, and an edit of one of them. */
  readonly back: { readonly url: number; readonly document: number; readonly edit: number };
}

const opening = ({ whole, server, client }: Opening): string =>
  `${figure(whole)} (${figure(server)} + ${figure(client)})`;

interface Plan {
  readonly edits: number;
  readonly run: number;
  readonly clients: number;
  readonly rounds: number;
  readonly fresh: boolean;
}

async function measure(server: RoomServer, { edits, run, clients, rounds, fresh }: Plan): Promise<Result> {
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

  const cold: Opening[] = [];
  const warm: Opening[] = [];
  for (let round = 0; round < rounds; round += 1) {
    await sleep(settling);
    document.forget?.();
    await sleep(200);
    cold.push(await open(document, edits));
    warm.push(await open(document, edits));
  }

  const before: RoomClient[] = [];
  if (!fresh)
    for (let index = 0; index < clients; index += 1) before.push(await clientOf(document, index, new Tally(1)));
  await Promise.all(before.map((client) => client.close()));
  await sleep(settling);
  await server.restart?.();
  const tally = new Tally(clients);
  const start = performance.now();
  let url = 0;
  const all = await Promise.all(
    Array.from({ length: clients }, (_, index) =>
      clientOf(
        document,
        index,
        tally,
        () => {
          url = performance.now() - start;
        },
        before[index],
      ),
    ),
  );
  const there = performance.now() - start;
  all[0]?.type();
  while (tally.delivered < tally.expected) await sleep(1);
  const edit = performance.now() - start;
  await Promise.all(all.map((client) => client.close()));
  return { cold: middleOf(cold), warm: middleOf(warm), back: { url, document: there, edit } };
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
      fresh: { type: 'boolean', default: false },
    },
  });
  const clients = Number(values.clients);
  const plan: Plan = {
    edits: Number(values.edits),
    run: Number(values.run),
    clients,
    rounds: Number(values.rounds),
    fresh: values.fresh,
  };
  print(describeMachine());
  const rows: string[][] = [];
  for (const wanted of values.server.split(',')) {
    const name: ServerName | undefined = serverNames.find((known) => known === wanted);
    if (!name) throw new Error(`no server ${wanted}`);
    const server = await startRoomServer(name, {
      clients,
      inspect: false,
      verbose: false,
      silent: true,
      against: undefined,
    });
    const { cold, warm, back } = await measure(server, plan);
    rows.push([name, opening(cold), opening(warm), [back.url, back.document, back.edit].map(figure).join(' / ')]);
  }
  print();
  print('ms; openings: in all (server and way + decoding at the client)');
  print(table(['', 'open, from disk', 'open again', `${clients} back after a kill: URLs / document / edit`], rows));
  return true;
}
