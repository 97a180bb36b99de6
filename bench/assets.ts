import { parseArgs } from 'node:util';
import { AwsClient } from 'aws4fetch';
import { Client } from 'undici';
import { createClient, uploadAsset } from '../src/client/index.ts';
import { newId } from '../src/contract/ids.ts';
import { png } from '../test/support/media.ts';
import { watchHeap } from './lib/heap.ts';
import { describeMachine, read, usage } from './lib/machine.ts';
import { startMiniflare } from './lib/miniflare.ts';
import { figure, print, table } from './lib/print.ts';

export const assetsUsage = `assets — a large file up and down, and a small one from the cache
  --size 256        MiB of the large file
  --seconds 8       of each closed loop of --connections 20
  --without-heap    no inspector, which costs time: true speeds in place of memory`;

const MiB = 1024 * 1024;

/** Bytes that nobody has stored before. */
const noise = (length: number): Uint8Array<ArrayBuffer> => {
  const words = new Uint32Array(length / 4);
  let state = (Date.now() | 1) >>> 0;
  for (let index = 0; index < words.length; index += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
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

/** A file through Kiln, beside the same bytes put into the same bucket by a Worker that does nothing else, and by its S3 API. */
export async function runAssets(args: readonly string[]): Promise<boolean> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      size: { type: 'string', default: '256' },
      seconds: { type: 'string', default: '8' },
      connections: { type: 'string', default: '20' },
      'without-heap': { type: 'boolean', default: false },
    },
  });
  print(describeMachine());
  const size = Number(values.size);
  const [seconds, connections] = [Number(values.seconds), Number(values.connections)];
  const data = noise(size * MiB);
  const rows: string[][] = [];
  const speeds = new Map<string, number>();
  const measure = async (
    what: string,
    base: string,
    server: { readonly pid: number; readonly inspector: string | null },
    work: () => Promise<void>,
  ): Promise<void> => {
    const stop = server.inspector === null ? null : await watchHeap(server.inspector);
    const before = read(server.pid);
    await work();
    const used = usage(before, read(server.pid));
    const heap = await stop?.();
    const speed = size / used.seconds;
    speeds.set(what, speed);
    const floor = speeds.get(base);
    rows.push([
      what,
      figure(speed),
      floor === undefined ? '–' : figure(speed / floor),
      figure(used.serverCpu),
      heap ? figure(heap.peak / MiB) : '–',
    ]);
  };

  const floor = await startMiniflare('floor', { assets: false, inspect: false });
  const file = new Blob([data]);
  const [bindingPut, bindingGet, s3Put] = ['binding, one put', 'binding, one get', 'S3 API, one PUT'];
  await measure(bindingPut, '', floor, async () => {
    const answer = await fetch(`${floor.origin}/bucket/large`, { method: 'PUT', body: file });
    if (!answer.ok) throw new Error(`${answer.status}`);
  });
  await measure(bindingGet, '', floor, async () => void (await drain(await fetch(`${floor.origin}/bucket/large`))));
  const s3 = new AwsClient({ accessKeyId: 'local', secretAccessKey: 'local-secret', service: 's3', region: 'auto' });
  const address = `${floor.origin}/cdn-cgi/local/r2/s3/kiln-assets/plain`;
  const signed = await s3.sign(address, { method: 'PUT', aws: { signQuery: true } });
  await measure(s3Put, '', floor, async () => {
    const answer = await fetch(signed.url, { method: 'PUT', body: file });
    if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  });
  const trivial = await loop(floor.origin, '/', undefined, connections, seconds);
  await floor.stop();

  const kiln = await startMiniflare('kiln', { assets: true, inspect: !values['without-heap'] });
  const client = createClient({ baseUrl: kiln.origin });
  const name = `bench-${newId().slice(-12)}`;
  await client.register({ email: `${name}@kiln.test`, username: name, password: 'correct horse battery' });
  const { project } = await client.call('createProject', { body: { name: 'Assets', isPublic: true } });
  const projectId = project.id;
  const { createHash } = await import('node:crypto');
  const hash = createHash('sha256').update(data).digest('hex');
  let id = '';
  await measure('Kiln: parts, put together, hashed, named', bindingPut, kiln, async () => {
    const begun = await client.call('createUpload', {
      body: { projectId, name: 'large.bin', size: data.length, hash },
    });
    if (!('upload' in begun)) throw new Error('nobody has these bytes');
    const uploading = uploadAsset(client, { projectId, file, name: 'large.bin', hash });
    const sweeping = setInterval(() => {
      // What the platform does every minute.
      void fetch(`${kiln.origin}/cdn-cgi/local/scheduled?cron=*+*+*+*+*`).catch(() => undefined);
    }, 2000);
    id = (await uploading).id;
    clearInterval(sweeping);
  });
  await measure('Kiln: download', bindingGet, kiln, async () => {
    const bytes = await drain(await client.raw('downloadAsset', { params: { id } }));
    if (bytes !== data.length) throw new Error('the download is not whole');
  });

  const small = await uploadAsset(client, { projectId, file: new File([png(64, 64)], 'small.png') });
  const { pathname, host } = new URL(small.url);
  await loop(kiln.origin, pathname, host, 1, 1);
  const cached = await loop(kiln.origin, pathname, host, connections, seconds);
  const icon = await loop(kiln.origin, '/favicon.svg', undefined, connections, seconds);
  await kiln.stop();

  print(table([`${size} MiB`, 'MiB/s', 'of the floor', 'CPU s', 'heap MiB, peak'], rows));
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
  return true;
}
