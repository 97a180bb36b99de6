import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AwsClient } from 'aws4fetch';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { System } from '../../scripts/lib/system.ts';
import { hashFile, importArchive, type KilnClient, uploadAsset } from '../../src/client/index.ts';
import type { Upload } from '../../src/contract/assets.ts';
import { limits } from '../../src/contract/limits.ts';
import { sha256 } from '../../src/core/tree.ts';
import { signUp } from '../support/people.ts';
import { freePort } from '../support/ports.ts';
import { newSystem } from '../support/system.ts';
import { zipOf } from '../support/zip.ts';

const { partSize } = limits.upload;
const state = mkdtempSync(join(tmpdir(), 'kiln-direct-'));
let system: System;
let ada: KilnClient;
let projectId: string;
let endpoint: string;

beforeAll(async () => {
  const port = await freePort();
  endpoint = `http://localhost:${port}/cdn-cgi/local/r2/s3`;
  // The local store checks signatures (SigV4) by the keys of wrangler.toml.
  const vars = {
    S3_ENDPOINT: endpoint,
    S3_BUCKET: 'kiln-assets',
    S3_ACCESS_KEY_ID: 'local',
    S3_SECRET_ACCESS_KEY: 'local-secret',
  };
  system = await newSystem({ port, state, vars });
  await system.start();
  ada = await signUp(system.origin, 'ada');
  projectId = (await ada.call('createProject', { body: { name: 'Direct' } })).project.id;
});

afterAll(async () => {
  await system.stop();
  rmSync(state, { recursive: true, force: true });
});

const noise = (size: number, name: string): File => new File([new Uint8Array(randomBytes(size))], name);

const begun = async (file: File): Promise<Upload> => {
  const made = await ada.call('createUpload', { body: { projectId, name: file.name, size: file.size } });
  if (!('upload' in made)) throw new Error('nobody has these bytes');
  return made.upload;
};

const put = (url: string, body: Blob): Promise<Response> => fetch(url, { method: 'PUT', body });
const urlOf = ({ parts }: Upload, number: number): string => parts[number - 1]?.url ?? '';
const slice = (file: File, number: number): Blob => file.slice((number - 1) * partSize, number * partSize);

describe('an upload straight into the bucket', () => {
  it('is an asset of its bytes; none of them goes through the Worker', async () => {
    const file = noise(2 * partSize + 77, 'direct.bin');
    const sent: string[] = [];
    const asset = await uploadAsset(ada, {
      projectId,
      file,
      send: (url, init) => {
        sent.push(url);
        return fetch(url, init);
      },
    });
    expect(sent).toHaveLength(3);
    for (const url of sent) expect(url.startsWith(`${endpoint}/kiln-assets/upload/`)).toBe(true);
    expect(asset).toMatchObject({ size: file.size, hash: await hashFile(file), version: 1 });
    const read = await ada.raw('downloadAsset', { params: { id: asset.id } });
    expect(await hashFile(await read.blob())).toBe(asset.hash);
  });

  it('goes on after a reload with the parts that have not arrived', async () => {
    const file = noise(3 * partSize, 'resumed.bin');
    const stop = new AbortController();
    let first = 0;
    const before = uploadAsset(ada, {
      projectId,
      file,
      parallel: 1,
      signal: stop.signal,
      keepOnAbort: true,
      send: (url, init) => {
        first += 1;
        if (first === 3) stop.abort();
        return fetch(url, init);
      },
    });
    await expect(before).rejects.toThrow();
    const second: string[] = [];
    const asset = await uploadAsset(ada, {
      projectId,
      file,
      send: (url, init) => {
        second.push(url);
        return fetch(url, init);
      },
    });
    expect(second.map((url) => new URL(url).searchParams.get('partNumber'))).toEqual(['3']);
    expect(asset.hash).toBe(await hashFile(file));
  });

  it('#46 #49 takes no part of another length, at another key, of another number, or unsigned', async () => {
    const file = noise(partSize + 1000, 'signed.bin');
    const upload = await begun(file);
    const other = await begun(noise(partSize + 1000, 'other.bin'));
    const url = urlOf(upload, 2);
    const bent = (change: (url: URL) => void): string => {
      const made = new URL(url);
      change(made);
      return made.href;
    };
    for (const [what, address, body] of [
      ['longer', url, noise(2000, 'x')],
      ['shorter', url, noise(10, 'x')],
      ['another part', bent((made) => made.searchParams.set('partNumber', '1')), slice(file, 2)],
      [
        'another upload',
        bent((made) => made.searchParams.set('uploadId', new URL(urlOf(other, 2)).searchParams.get('uploadId') ?? '')),
        slice(file, 2),
      ],
      ['another key', bent((made) => (made.pathname = new URL(urlOf(other, 2)).pathname)), slice(file, 2)],
      ['a blob', bent((made) => (made.pathname = made.pathname.replace('/upload/', '/blob/'))), slice(file, 2)],
      ['for longer', bent((made) => made.searchParams.set('X-Amz-Expires', '604800')), slice(file, 2)],
      ['no signature', bent((made) => made.searchParams.delete('X-Amz-Signature')), slice(file, 2)],
    ] as const)
      expect((await put(address, body)).status, what).toBeGreaterThanOrEqual(400);
    const taken = await put(url, slice(file, 2));
    expect(taken.status).toBe(200);
    const list = await fetch(`${endpoint}/kiln-assets?list-type=2`);
    expect(list.status).toBeGreaterThanOrEqual(400);
  });

  it('#46 is completed by the tags that the bucket gave, and by no others', async () => {
    const file = noise(partSize + 1000, 'tags.bin');
    const upload = await begun(file);
    const { id } = upload;
    const tags: { number: number; etag: string }[] = [];
    for (const { number, url } of upload.parts) {
      const answer = await put(url, slice(file, number));
      tags.push({ number, etag: answer.headers.get('etag') ?? '' });
    }
    const said = tags.map(({ number }) => ({ number, etag: '0'.repeat(32) }));
    const lie = ada.call('completeUpload', { params: { id }, body: { parts: said } });
    await expect(lie).rejects.toMatchObject({ code: 'validation_failed' });
    const done = await ada.call('completeUpload', { params: { id }, body: { parts: tags } });
    expect(done).toMatchObject({ asset: { name: 'tags.bin', hash: await hashFile(file), version: 1 } });
  });

  it('#49 that is given up leaves no part in the bucket', async () => {
    const upload = await begun(noise(partSize + 1000, 'given-up.bin'));
    const { id } = upload;
    expect((await put(urlOf(upload, 2), noise(1000, 'x'))).status).toBe(200);
    await ada.call('abortUpload', { params: { id } });
    expect((await put(urlOf(upload, 2), noise(1000, 'x'))).status).toBeGreaterThanOrEqual(400);
  });
});

describe('an archive straight into the bucket', () => {
  /** Keys that begin so, as the owner of the bucket lists them. */
  const keys = async (prefix: string): Promise<string[]> => {
    const owner = new AwsClient({
      accessKeyId: 'local',
      secretAccessKey: 'local-secret',
      service: 's3',
      region: 'auto',
    });
    const answer = await owner.fetch(`${endpoint}/kiln-assets?list-type=2&prefix=${encodeURIComponent(prefix)}`);
    expect(answer.status).toBe(200);
    return [...(await answer.text()).matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key = '']) => key);
  };

  it('of more than one request takes is a project of its bytes, and leaves nothing behind', async () => {
    const size = 20 * 1024 * 1024;
    const contents = new Map<string, Uint8Array>(
      Array.from({ length: 6 }, (_, index) => [`data/${index}.bin`, new Uint8Array(randomBytes(size + index))]),
    );
    contents.set('index.html', new TextEncoder().encode('<p>large</p>'));
    const entries = [...contents].map(([name, content]) => ({ name, content, method: 0 }));
    const file = new File([zipOf(entries)], 'large.zip');
    expect(file.size).toBeGreaterThan(limits.archive.uploadBytes);
    const sent: string[] = [];
    const { project, imported } = await importArchive(ada, {
      file,
      send: (url, init) => {
        sent.push(url);
        return fetch(url, init);
      },
    });
    expect(project.name).toBe('large');
    expect(imported).toMatchObject({ files: contents.size, skipped: 0 });
    expect(sent).toHaveLength(Math.ceil(file.size / partSize));
    for (const url of sent) expect(url.startsWith(`${endpoint}/kiln-assets/upload/`)).toBe(true);

    const { files } = await ada.call('listFiles', { params: { id: project.id } });
    const hashes = new Map([...contents].map(([path, content]) => [path, sha256(content)]));
    expect(new Map(files.map(({ path, hash }) => [path, hash]))).toEqual(hashes);
    for (const [path, hash] of hashes) {
      const read = await ada.raw('getFile', { params: { id: project.id, path }, query: { raw: true } });
      expect(sha256(new Uint8Array(await read.arrayBuffer())), path).toBe(hash);
      expect(await keys(`blob/${hash}`), path).toHaveLength(1);
    }
    // Neither the archive nor a part of it: an address of a part is good for nothing now.
    const id = /\/upload\/([^/?]+)/.exec(sent[0] ?? '')?.[1] ?? '';
    expect(await keys(`upload/${id}`)).toEqual([]);
    expect((await put(sent[0] ?? '', file.slice(0, partSize))).status).toBeGreaterThanOrEqual(400);
    await expect(ada.call('getUpload', { params: { id } })).rejects.toMatchObject({ code: 'not_found' });
  });
});
