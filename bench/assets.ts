import { createHash, randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { AwsClient } from 'aws4fetch';
import { Client } from 'undici';
import { createClient, uploadAsset } from '../src/client/index.ts';
import { newId } from '../src/contract/ids.ts';
import { limits } from '../src/contract/limits.ts';
import { watchHeap } from '../test/support/heap.ts';
import { png } from '../test/support/media.ts';
import { describeMachine, read, usage } from './lib/machine.ts';
import { type ServerProcess, startMiniflare } from './lib/miniflare.ts';
import { figure, print, ratio, table } from './lib/print.ts';

export const assetsUsage = `assets — a large file up and down, and a small one from the cache
  --size 256        MiB of the large file
  --rounds 3        of up and of down
  --seconds 8       of each closed loop of --connections 20
  --only            up, down, memory (16 MiB beside --size) or small`;

const MiB = 1024 * 1024;

/** Bytes that nobody has stored before. */
const noise = (length: number): Uint8Array<ArrayBuffer> => {
  const words = new Uint32Array(length / 4);
  let state = (randomInt(2 ** 31) | 1) >>> 0;
  for (let index = 0; index < words.length; index += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
  // No format begins so, whatever the rest is.
  words[0] = 0;
  return new Uint8Array(words.buffer);
};

async function drain(answer: Response): Promise<number> {
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  let bytes = 0;
  for await (const chunk of answer.body ?? []) bytes += chunk.length;
  return bytes;
}

/** Requests a second of one address, each as soon as the last is answered. */
async function loop(origin: string, path: string, host: string | undefined, connections: number, seconds: number) {
  const end = performance.now() + seconds * 1000;
  let count = 0;
  await Promise.all(
    Array.from({ length: connections }, async () => {
      const client = new Client(origin);
      while (performance.now() < end) {
        const answer = await client.request({ method: 'GET', path, headers: host === undefined ? {} : { host } });
        if (answer.statusCode !== 200) throw new Error(`${path}: ${answer.statusCode} ${await answer.body.text()}`);
        await answer.body.dump();
        count += 1;
      }
      await client.close();
    }),
  );
  return count / seconds;
}

interface Row {
  readonly speed: number;
  readonly cpu: number | null;
}

/** Seconds of one transfer, and the CPU that the server's processes used for it. */
async function timed(size: number, server: ServerProcess, work: () => Promise<void>): Promise<Row> {
  const before = read(server.pid);
  await work();
  const used = usage(before, read(server.pid));
  return { speed: size / used.seconds, cpu: used.serverCpu };
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** Rounds of some ways that take turns, each round beginning with another one; their medians beside the first. */
async function inTurns(rounds: number, ways: readonly (readonly [string, (round: number) => Promise<Row>])[]) {
  const rows = ways.map((): Row[] => []);
  for (let round = 0; round < rounds; round += 1)
    for (let turn = 0; turn < ways.length; turn += 1) {
      const at = (round + turn) % ways.length;
      const way = ways[at];
      if (way) rows[at]?.push(await way[1](round));
    }
  const [first = []] = rows;
  return ways.map(([what], at) => [
    what,
    figure(median((rows[at] ?? []).map(({ speed }) => speed))),
    at === 0 ? '–' : ratio(rows[at] ?? [], first, ({ speed }) => speed),
    figure(median((rows[at] ?? []).map(({ cpu }) => cpu ?? Number.NaN))),
  ]);
}

const ok = async (answer: Response): Promise<void> => {
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  await answer.body?.cancel();
};

/** Kiln with a project for the bench. */
async function startKiln(inspect: boolean) {
  const server = await startMiniflare('kiln', { inspect });
  const client = createClient({ baseUrl: server.origin });
  const name = `bench-${newId().slice(-12)}`;
  await client.register({ email: `${name}@kiln.test`, username: name, password: 'correct horse battery' });
  const { project } = await client.call('createProject', { body: { name: 'Assets', isPublic: true } });
  const upload = async (data: Uint8Array<ArrayBuffer>, hash: string): Promise<string> => {
    // What the platform does every minute: it reads what is too large to be read while the client waits.
    const sweeping = setInterval(
      () => void fetch(`${server.platform}/cdn-cgi/local/scheduled?cron=*+*+*+*+*`).catch(() => undefined),
      500,
    );
    try {
      const file = new Blob([data]);
      return (await uploadAsset(client, { projectId: project.id, file, name: `${hash.slice(0, 12)}.bin`, hash })).id;
    } finally {
      clearInterval(sweeping);
    }
  };
  const download = async (id: string, size: number): Promise<void> => {
    if ((await drain(await client.raw('downloadAsset', { params: { id } }))) !== size)
      throw new Error('the download is not whole');
  };
  const uploadForm = async (data: Uint8Array<ArrayBuffer>): Promise<void> => {
    const body = new FormData();
    body.set('projectId', project.id);
    body.set('file', new File([data], 'form.bin'));
    await client.call('uploadAsset', { body });
  };
  return { server, client, projectId: project.id, upload, uploadForm, download };
}

const hashOf = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

/** The same bytes put into a bucket by a Worker that does nothing else, by the bucket's S3 API, and through Kiln; and back. */
async function transfers(size: number, rounds: number, only: string | undefined): Promise<void> {
  const floor = await startMiniflare('floor');
  const kiln = await startKiln(false);
  const s3 = new AwsClient({ accessKeyId: 'local', secretAccessKey: 'local-secret', service: 's3', region: 'auto' });
  const head = [`${size} MiB, median of ${rounds}`, 'MiB/s', 'of the binding', 'CPU s'];
  if (only !== 'down') {
    // Bytes of each round are new to all three, and made before its clock starts.
    const files = Array.from({ length: rounds }, () => {
      const data = noise(size * MiB);
      return { data, hash: hashOf(data) };
    });
    const of = (round: number) => files[round] ?? { data: new Uint8Array(), hash: '' };
    const rows = await inTurns(rounds, [
      [
        'up: binding, one put',
        (round) =>
          timed(size, floor, async () =>
            ok(await fetch(`${floor.origin}/bucket/${round}`, { method: 'PUT', body: new Blob([of(round).data]) })),
          ),
      ],
      [
        'up: S3 API, one PUT',
        async (round) => {
          const address = `${floor.platform}/cdn-cgi/local/r2/s3/kiln-assets/plain-${round}`;
          const { url } = await s3.sign(address, { method: 'PUT', aws: { signQuery: true } });
          return await timed(size, floor, async () =>
            ok(await fetch(url, { method: 'PUT', body: new Blob([of(round).data]) })),
          );
        },
      ],
      [
        'up: Kiln, parts, put together, hashed, named',
        (round) => timed(size, kiln.server, async () => void (await kiln.upload(of(round).data, of(round).hash))),
      ],
    ]);
    print(table(head, rows));
  }
  if (only !== 'up') {
    const data = noise(size * MiB);
    await ok(await fetch(`${floor.origin}/bucket/down`, { method: 'PUT', body: new Blob([data]) }));
    const id = await kiln.upload(data, hashOf(data));
    const fromBinding = async (): Promise<void> => void (await drain(await fetch(`${floor.origin}/bucket/down`)));
    const fromKiln = (): Promise<void> => kiln.download(id, data.length);
    // Both files were written a moment ago; read once, both are where the machine keeps what it read.
    await fromBinding();
    await fromKiln();
    const rows = await inTurns(rounds, [
      ['down: binding, one get', () => timed(size, floor, fromBinding)],
      ['down: Kiln', () => timed(size, kiln.server, fromKiln)],
    ]);
    print(table(head, rows));
  }
  await floor.stop();
  await kiln.server.stop();
}

/** The most that the Worker's isolate, and all processes of the server, hold while a file goes up or down. A server for each. */
async function memory(sizes: readonly number[]): Promise<void> {
  const rows: string[][] = [];
  for (const size of sizes)
    for (const way of ['up', 'form', 'down'] as const) {
      // A form is one request, which has its limit.
      if (way === 'form' && size * MiB > limits.asset.uploadBytes) continue;
      const kiln = await startKiln(true);
      const { inspector, pid } = kiln.server;
      if (inspector === null) throw new Error('no inspector');
      const data = noise(size * MiB);
      const hash = hashOf(data);
      // What is loaded by the first upload is no part of any.
      const first = noise(9 * MiB);
      let id = await kiln.upload(first, hashOf(first));
      if (way === 'down') id = await kiln.upload(data, hash);
      const heap = await watchHeap(inspector);
      let processes = 0;
      const sampling = setInterval(() => {
        processes = Math.max(processes, read(pid).serverMemory ?? 0);
      }, 250);
      if (way === 'up') await kiln.upload(data, hash);
      else if (way === 'form') await kiln.uploadForm(data);
      else await kiln.download(id, data.length);
      clearInterval(sampling);
      const { peak, samples } = await heap.stop();
      rows.push([`${size} MiB ${way}`, figure(peak / MiB), figure(processes / MiB), String(samples)]);
      await kiln.server.stop();
    }
  print(table(['memory, peak MiB', 'isolate after collection', 'all processes, Miniflare too', 'samples'], rows));
}

/** A small picture, again and again, beside what cannot be less. */
async function small(connections: number, seconds: number): Promise<void> {
  const floor = await startMiniflare('floor');
  const trivial = await loop(floor.origin, '/', undefined, connections, seconds);
  await floor.stop();
  const { server, client, projectId } = await startKiln(false);
  const asset = await uploadAsset(client, { projectId, file: new File([png(64, 64)], 'small.png') });
  const { pathname, host } = new URL(asset.url);
  await loop(server.origin, pathname, host, 1, 1);
  const cached = await loop(server.origin, pathname, host, connections, seconds);
  const icon = await loop(server.origin, '/favicon.svg', undefined, connections, seconds);
  await server.stop();
  print(
    table(
      ['small file', 'requests/s', 'of the trivial route'],
      [
        ['trivial route', figure(trivial), '1'],
        ['asset at its address, from the cache', figure(cached), figure(cached / trivial)],
        ['static asset of the workspace', figure(icon), figure(icon / trivial)],
      ],
    ),
  );
}

export async function runAssets(args: readonly string[]): Promise<boolean> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      size: { type: 'string', default: '256' },
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '8' },
      connections: { type: 'string', default: '20' },
      only: { type: 'string' },
    },
  });
  print(describeMachine());
  const size = Number(values.size);
  const { only } = values;
  if (only === undefined || only === 'up' || only === 'down') await transfers(size, Number(values.rounds), only);
  if (only === undefined || only === 'memory') await memory([16, size]);
  if (only === undefined || only === 'small') await small(Number(values.connections), Number(values.seconds));
  return true;
}
