import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import {
  createClient,
  eachAsset,
  type KilnClient,
  memoryAuth,
  type Sender,
  uploadAsset,
  uploadAssets,
} from '../../src/client/index.ts';
import { newId } from '../../src/contract/ids.ts';
import { limits } from '../../src/contract/limits.ts';
import { sha256 } from '../../src/core/tree.ts';
import { png, textBytes } from '../support/media.ts';

const MiB = 1024 * 1024;
let client: KilnClient;
let token = '';
let projectId = '';

beforeAll(async () => {
  const auth = memoryAuth();
  client = createClient({ baseUrl: inject('origin'), auth });
  const name = `u-${newId().slice(-12)}`;
  await client.register({ email: `${name}@kiln.test`, username: name, password: `correct horse ${name}` });
  token = auth.get()?.accessToken ?? '';
  projectId = (await client.call('createProject', { body: { name: 'Uploads' } })).project.id;
});

const fileUrl = (path: string): string => `/api/projects/${projectId}/files/${path}`;
const paths = async (): Promise<string[]> =>
  (await client.call('listFiles', { params: { id: projectId } })).files.map(({ path }) => path);

const chunked = (data: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from(`${data.length.toString(16)}\r\n`), data, Buffer.from('\r\n')]);

/** Writes a request as no library would, and gives what comes back until the connection ends. */
async function raw(
  method: 'PUT' | 'POST',
  address: string,
  header: string,
  parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<string> {
  const { hostname, port } = new URL(inject('origin'));
  const socket = connect(Number(port), hostname);
  let answer = '';
  socket.on('data', (data) => {
    answer += data.toString('latin1');
    // An answer before the end of the body is the last word.
    socket.end();
  });
  const ended = new Promise<void>((resolve) => {
    socket.on('close', () => resolve());
    // A server that has answered may not read what is still on its way.
    socket.on('error', () => resolve());
  });
  socket.write(
    `${method} ${address} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nAuthorization: Bearer ${token}\r\n` +
      `Connection: close\r\n${header}\r\n\r\n`,
  );
  for await (const part of parts) {
    if (socket.writableEnded || socket.destroyed) break;
    if (!socket.write(part)) await Promise.race([ended, new Promise((resolve) => socket.once('drain', resolve))]);
  }
  socket.end();
  await ended;
  return answer;
}

const rawPut = (address: string, header: string, parts: Parameters<typeof raw>[3]): Promise<string> =>
  raw('PUT', address, `Content-Type: application/octet-stream\r\n${header}`, parts);

/** These bytes, and one more each second, for ever. */
async function* drip(begin?: string): AsyncGenerator<Uint8Array> {
  if (begin !== undefined) yield chunked(Buffer.from(begin));
  for (;;) {
    yield chunked(Buffer.from('x'));
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

const statusOf = (answer: string): string => /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 'none';

describe('#45 a body on the wire', () => {
  it('in chunks of no declared length is a file, up to the limit', async () => {
    const data = randomBytes(11 * MiB);
    const parts = Array.from({ length: 11 }, (_, index) => chunked(data.subarray(index * MiB, (index + 1) * MiB)));
    const answer = await rawPut(fileUrl('chunked.bin'), 'Transfer-Encoding: chunked', [
      ...parts,
      Buffer.from('0\r\n\r\n'),
    ]);
    expect(statusOf(answer)).toBe('201');
    expect(answer).toContain(sha256(data));
    const read = await client.raw('getFile', { params: { id: projectId, path: 'chunked.bin' }, query: { raw: true } });
    expect(sha256(new Uint8Array(await read.arrayBuffer()))).toBe(sha256(data));
  });

  it('in chunks beyond the limit is 413, and no file', async () => {
    const part = chunked(randomBytes(MiB));
    const parts = Array.from({ length: limits.file.sizeMax / MiB + 1 }, () => part);
    const answer = await rawPut(fileUrl('huge.bin'), 'Transfer-Encoding: chunked', [
      ...parts,
      Buffer.from('0\r\n\r\n'),
    ]);
    // Where the connection ends before its answer is read, that it did is the answer.
    expect(['413', 'none']).toContain(statusOf(answer));
    expect(await paths()).not.toContain('huge.bin');
  });

  it('declared beyond the limit is 413, and no file', async () => {
    const part = randomBytes(MiB);
    const parts = Array.from({ length: limits.file.sizeMax / MiB }, () => part);
    const header = `Content-Length: ${limits.file.sizeMax + 1}`;
    expect(['413', 'none']).toContain(
      statusOf(await rawPut(fileUrl('said.bin'), header, [...parts, Buffer.from('1')])),
    );
    expect(await paths()).not.toContain('said.bin');
  });

  it('of one byte a second ends with 408, and no file; a form with no asset', async () => {
    const form =
      `--edge\r\nContent-Disposition: form-data; name="projectId"\r\n\r\n${projectId}\r\n--edge\r\n` +
      'Content-Disposition: form-data; name="file"; filename="drip.txt"\r\nContent-Type: text/plain\r\n\r\n';
    const answers = await Promise.all([
      rawPut(fileUrl('drip.bin'), 'Transfer-Encoding: chunked', drip()),
      // In the name of a field, and in the file.
      ...['--edge\r\nContent-Disposition: form-data; name="', form].map((begin) =>
        raw(
          'POST',
          '/api/assets/upload',
          'Content-Type: multipart/form-data; boundary=edge\r\nTransfer-Encoding: chunked',
          drip(begin),
        ),
      ),
    ]);
    expect(answers.map(statusOf)).toEqual(['408', '408', '408']);
    expect(await paths()).not.toContain('drip.bin');
    const { assets } = await client.call('listAssets', { params: { id: projectId } });
    expect(assets.map(({ name }) => name)).not.toContain('drip.txt');
  });

  it.each([
    ['with a length', `Content-Length: ${4 * MiB}`, [randomBytes(3 * MiB)]],
    ['in chunks', 'Transfer-Encoding: chunked', [chunked(randomBytes(3 * MiB))]],
    ['in the middle of a chunk', 'Transfer-Encoding: chunked', [chunked(randomBytes(3 * MiB)).subarray(0, 2 * MiB)]],
    ['small, with a length', 'Content-Length: 1000', [randomBytes(999)]],
    ['small, in chunks', 'Transfer-Encoding: chunked', [chunked(randomBytes(999))]],
  ])('that ends early, %s, is no file', async (name, header, parts) => {
    const path = `${name.replaceAll(/\W+/g, '-')}.bin`;
    // Nobody reads the answer of one who has gone; here it is that of the development server.
    expect(statusOf(await rawPut(fileUrl(path), header, parts))).not.toMatch(/^2/);
    expect(await paths()).not.toContain(path);
  });

  it('that goes on after its length is a file of that length, and what follows is no part of it', async () => {
    const data = randomBytes(2 * MiB);
    const answer = await rawPut(fileUrl('more.bin'), `Content-Length: ${MiB + 100}`, [data]);
    expect(['201', 'none']).toContain(statusOf(answer));
    const { files } = await client.call('listFiles', { params: { id: projectId } });
    expect(files.find(({ path }) => path === 'more.bin')).toMatchObject({
      size: MiB + 100,
      hash: sha256(data.subarray(0, MiB + 100)),
    });
  });

  it('with a length that is no number, or with two, is no file', async () => {
    for (const header of ['Content-Length: ten', 'Content-Length: 5\r\nContent-Length: 6', 'Content-Length: -1']) {
      expect(['400', 'none']).toContain(statusOf(await rawPut(fileUrl('odd.bin'), header, [randomBytes(6)])));
      expect(await paths()).not.toContain('odd.bin');
    }
  });
});

describe('#45 a part of an upload on the wire', () => {
  it('is all of its bytes or nothing: what is cut off, too short or too long leaves the one that was there', async () => {
    const { partSize } = limits.upload;
    const data = randomBytes(partSize + 3 * MiB);
    const body = { projectId, name: 'wire.bin', size: data.length, hash: sha256(data) };
    const begun = await client.call('createUpload', { body });
    if (!('upload' in begun)) throw new Error('nobody has these bytes');
    const { id, parts } = begun.upload;
    const addresses = parts.map(({ url }) => url.slice(new URL(url).origin.length));
    const [first = '', second = ''] = addresses;
    const etags = async () => (await client.call('getUpload', { params: { id } })).upload.parts.map(({ etag }) => etag);
    const inChunks = [chunked(data.subarray(0, MiB)), chunked(data.subarray(MiB, partSize)), Buffer.from('0\r\n\r\n')];
    expect(statusOf(await rawPut(first, 'Transfer-Encoding: chunked', inChunks))).toBe('200');
    const rest = data.subarray(partSize);
    expect(statusOf(await rawPut(second, `Content-Length: ${rest.length}`, [rest]))).toBe('200');
    const whole = await etags();
    const other = randomBytes(4 * MiB);
    for (const [header, sent] of [
      [`Content-Length: ${3 * MiB}`, [other.subarray(0, 2 * MiB)]],
      [`Content-Length: ${2 * MiB}`, [other.subarray(0, 2 * MiB)]],
      [`Content-Length: ${4 * MiB}`, [other]],
      ['Content-Length: 0', []],
      ['Transfer-Encoding: chunked', [chunked(other.subarray(0, 2 * MiB))]],
      ['Transfer-Encoding: chunked', [chunked(other.subarray(0, 2 * MiB)), Buffer.from('0\r\n\r\n')]],
      [
        'Transfer-Encoding: chunked',
        [chunked(other.subarray(0, 3 * MiB)), chunked(other.subarray(0, 1)), Buffer.from('0\r\n\r\n')],
      ],
    ] as const)
      expect(statusOf(await rawPut(second, header, sent)), header).not.toMatch(/^2/);
    expect(await etags()).toEqual(whole);
    const named = parts.map(({ number }, at) => ({ number, etag: whole[at] ?? '' }));
    const done = await client.call('completeUpload', { params: { id }, body: { parts: named } });
    expect(done).toMatchObject({ asset: { size: data.length, hash: sha256(data) } });
  });

  it('of one byte a second ends with 408', async () => {
    const size = 3 * MiB;
    const begun = await client.call('createUpload', { body: { projectId, name: 'drip.bin', size } });
    if (!('upload' in begun)) throw new Error('nobody has these bytes');
    const [part] = begun.upload.parts;
    if (!part) throw new Error('it has a part');
    const address = part.url.slice(new URL(part.url).origin.length);
    expect(statusOf(await rawPut(address, 'Transfer-Encoding: chunked', drip()))).toBe('408');
    const { upload } = await client.call('getUpload', { params: { id: begun.upload.id } });
    expect(upload.parts.map(({ etag }) => etag)).toEqual([null]);
    await client.call('abortUpload', { params: { id: upload.id } });
  });
});

describe('raw bytes over HTTP', () => {
  const get = (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Response> =>
    fetch(`${inject('origin')}${fileUrl(path)}?raw=1`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...headers },
    });

  it.each([
    ['text', 'range.txt', Buffer.from('0123456789')],
    ['binary', 'range.bin', randomBytes(2 * MiB)],
  ])('of %s are served whole, in ranges and as HEAD', async (_name, path, data) => {
    await client.call('putFile', { params: { id: projectId, path }, body: new Uint8Array(data) });
    const whole = await get(path);
    expect(Buffer.from(await whole.arrayBuffer()).equals(data)).toBe(true);
    const tag = whole.headers.get('etag') ?? '';

    const head = await get(path, { range: 'bytes=0-1' }, 'HEAD');
    expect(head.status).toBe(200);
    expect(await head.text()).toBe('');
    for (const name of ['content-length', 'etag', 'accept-ranges', 'content-type', 'content-disposition'])
      expect(head.headers.get(name), name).toBe(
        name === 'content-length' ? String(data.length) : whole.headers.get(name),
      );

    const part = await get(path, { range: 'bytes=-4', 'if-range': tag });
    expect([part.status, part.headers.get('content-range')]).toEqual([
      206,
      `bytes ${data.length - 4}-${data.length - 1}/${data.length}`,
    ]);
    expect(Buffer.from(await part.arrayBuffer()).equals(data.subarray(-4))).toBe(true);
    const several = await get(path, { range: 'bytes=0-1,4-5' });
    expect([several.status, (await several.arrayBuffer()).byteLength]).toEqual([200, data.length]);
    const old = await get(path, { range: 'bytes=0-1', 'if-range': '"old"' });
    expect([old.status, (await old.arrayBuffer()).byteLength]).toEqual([200, data.length]);
    expect((await get(path, { 'if-none-match': tag })).status).toBe(304);
    expect((await get(path, { 'if-match': '"old"' })).status).toBe(412);
    const beyond = await get(path, { range: `bytes=${data.length}-` });
    expect([beyond.status, beyond.headers.get('content-range')]).toEqual([416, `bytes */${data.length}`]);
  });
});

describe('the client uploads', () => {
  const { partSize } = limits.upload;
  /** A file whose bytes nobody has stored before. */
  const noise = (size: number, name: string): File => new File([new Uint8Array(randomBytes(size))], name);
  /** Every second request with a part is lost, before or after it was answered. */
  const lossy = (): { send: Sender; sent: () => number } => {
    let sent = 0;
    const send: Sender = async (url, init) => {
      sent += 1;
      if (sent % 4 === 1) throw new TypeError('the connection was lost');
      const answer = await fetch(url, init);
      if (sent % 4 === 3) throw new TypeError('the answer was lost');
      return answer;
    };
    return { send, sent: () => sent };
  };

  it('a large file over a line that breaks; the same bytes again at once', async () => {
    const file = noise(3 * partSize + 123, 'large.bin');
    const { send, sent } = lossy();
    const asset = await uploadAsset(client, { projectId, file, send });
    expect(asset).toMatchObject({ name: 'large.bin', size: file.size, version: 1 });
    expect(asset.hash).toBe(sha256(new Uint8Array(await file.arrayBuffer())));
    expect(sent()).toBeGreaterThan(4);
    const read = await client.raw('downloadAsset', { params: { id: asset.id } });
    expect(sha256(new Uint8Array(await read.arrayBuffer()))).toBe(asset.hash);
    const again = await uploadAsset(client, {
      projectId,
      file: new File([file], 'again.bin'),
      send: () => Promise.reject(new Error('nothing is sent')),
    });
    expect(again).toMatchObject({ name: 'again.bin', hash: asset.hash });
  });

  it('what a reload left behind, from where it was', async () => {
    const file = noise(4 * partSize, 'resumed.bin');
    const stop = new AbortController();
    const numbers = (calls: string[]) => calls.map((url) => /parts\/(\d+)/.exec(url)?.[1]);
    const first: string[] = [];
    const before = uploadAsset(client, {
      projectId,
      file,
      parallel: 1,
      signal: stop.signal,
      keepOnAbort: true,
      send: async (url, init) => {
        first.push(url);
        if (first.length === 3) stop.abort();
        return await fetch(url, init);
      },
    });
    await expect(before).rejects.toThrow();
    const { uploads } = await client.call('listUploads', { params: { id: projectId } });
    expect(uploads).toMatchObject([{ name: 'resumed.bin', status: 'open' }]);
    expect(uploads[0]?.parts.map(({ etag }) => etag !== null)).toEqual([true, true, false, false]);
    const second: string[] = [];
    const asset = await uploadAsset(client, {
      projectId,
      file,
      parallel: 2,
      send: (url, init) => {
        second.push(url);
        return fetch(url, init);
      },
    });
    expect(numbers(second).sort()).toEqual(['3', '4']);
    expect(asset.hash).toBe(sha256(new Uint8Array(await file.arrayBuffer())));
    expect((await client.call('listUploads', { params: { id: projectId } })).uploads).toEqual([]);
  });

  it('nothing that was given up', async () => {
    const stop = new AbortController();
    const given = uploadAsset(client, {
      projectId,
      file: noise(2 * partSize, 'given-up.bin'),
      signal: stop.signal,
      send: (url, init) => {
        stop.abort();
        return fetch(url, init);
      },
    });
    await expect(given).rejects.toThrow();
    expect((await client.call('listUploads', { params: { id: projectId } })).uploads).toEqual([]);
  });

  it('many files, each judged by itself and stored once though forms are lost; lists and restores versions', async () => {
    const files = [
      new File([png(3, 3)], 'one.png'),
      new File([png(4, 4)], 'two.png'),
      new File([textBytes('no picture')], 'three.png'),
      noise(partSize + 1, 'four.bin'),
    ];
    const { send } = lossy();
    const { assets, errors } = await uploadAssets(client, { projectId, files, send });
    expect(assets.map(({ name, version }) => [name, version]).sort()).toEqual([
      ['four.bin', 1],
      ['one.png', 1],
      ['two.png', 1],
    ]);
    expect(errors).toMatchObject([{ name: 'three.png', code: 'type_mismatch' }]);
    const next = await uploadAsset(client, { projectId, file: new File([png(5, 6)], 'one.png') });
    const { versions } = await client.call('listAssetVersions', { params: { id: next.id } });
    expect(versions.map(({ version }) => version)).toEqual([2, 1]);
    const back = await client.call('restoreAssetVersion', { params: { id: next.id, version: '1' } });
    expect(back.asset).toMatchObject({ version: 3, hash: assets.find(({ name }) => name === 'one.png')?.hash });
    const found: string[] = [];
    for await (const { name } of eachAsset(client, projectId, { type: 'image' })) found.push(name);
    expect(found).toEqual(['one.png', 'two.png']);
  });
});
