import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  createClient,
  hashFile,
  memoryAuth,
  type UploadProgress,
  uploadAsset,
  uploadAssets,
} from '../../src/client/index.ts';
import { newId } from '../../src/contract/ids.ts';
import { limits } from '../../src/contract/limits.ts';

const base = 'https://kiln.example';
const projectId = newId();
const { partSize } = limits.upload;
const bytes = (size: number): Uint8Array<ArrayBuffer> => Uint8Array.from({ length: size }, (_, at) => (at * 7) % 251);
const sha = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

const json = (body: unknown, status = 200, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json', ...headers } });
const problem = (code: string, status: number, headers: Record<string, string> = {}) =>
  json({ type: `${base}/docs/errors#${code}`, title: code, status, code, requestId: 'r' }, status, headers);

const assetOf = (name: string, data: Uint8Array, version = 1) => ({
  id: newId(),
  projectId,
  name,
  type: 'data',
  mimeType: 'application/octet-stream',
  size: data.length,
  hash: sha(data),
  version,
  url: `${base}/cdn`,
  thumbnailUrl: null,
  metadata: {},
  uploadedBy: newId(),
  uploadedAt: '2026-01-02T03:04:05.000Z',
  deletedAt: null,
});

interface Options {
  /** What goes wrong with a part, by how often it was sent. */
  readonly part?: (number: number, attempt: number) => Response | 'lost' | 'answer-lost' | undefined;
  /** Answers of `complete` that say that the bytes are being verified. */
  readonly pending?: number;
  readonly refusedAs?: string;
  readonly known?: boolean;
}

/** A server of one upload: keeps its parts, and counts what it was asked. */
function server({ part, pending = 0, refusedAs, known }: Options = {}) {
  const asked: string[] = [];
  const parts = new Map<number, Uint8Array>();
  const attempts = new Map<number, number>();
  const id = newId();
  let wanted = { name: '', size: 0, hash: '' };
  let polls = 0;
  let open = 0;
  let widest = 0;
  let renewed = 0;
  let asset: ReturnType<typeof assetOf> | undefined;
  const upload = (status: string) => ({
    id,
    projectId,
    name: wanted.name,
    size: wanted.size,
    status,
    partSize,
    direct: false,
    parts: Array.from({ length: Math.ceil(wanted.size / partSize) }, (_, at) => ({
      number: at + 1,
      size: Math.min(partSize, wanted.size - at * partSize),
      url: `${base}/part/${at + 1}?v=${renewed}`,
      etag: parts.has(at + 1) ? `tag-${at + 1}` : null,
    })),
    assetId: asset?.id ?? null,
    errorCode: refusedAs ?? null,
    expiresAt: '2026-01-03T03:04:05.000Z',
  });
  const whole = () =>
    Buffer.concat([...parts].sort(([a], [b]) => a - b).map(([, data]) => data)) as Uint8Array<ArrayBuffer>;
  const fetch = async (url: string, init: RequestInit): Promise<Response> => {
    const { pathname } = new URL(url);
    asked.push(`${init.method} ${pathname.replace(id, 'id')}`);
    if (pathname.startsWith('/part/')) {
      const number = Number(pathname.slice(6));
      const attempt = (attempts.get(number) ?? 0) + 1;
      attempts.set(number, attempt);
      open += 1;
      widest = Math.max(widest, open);
      await new Promise((resolve) => setTimeout(resolve, 1));
      open -= 1;
      init.signal?.throwIfAborted();
      const fault = part?.(number, attempt);
      if (fault instanceof Response) return fault;
      if (fault === 'lost') throw new TypeError('the connection was lost');
      parts.set(number, new Uint8Array(await (init.body as Blob).arrayBuffer()));
      if (fault === 'answer-lost') throw new TypeError('the connection was lost');
      return json({}, 200, { etag: `"tag-${number}"` });
    }
    if (pathname.endsWith('/complete')) {
      const body = JSON.parse(String(init.body)) as { parts: { number: number; etag: string }[] };
      expect(body.parts.map(({ number }) => number).sort((a, b) => a - b)).toEqual(
        upload('open').parts.map(({ number }) => number),
      );
      if (pending > 0) return json({ upload: upload('pending') }, 202);
      asset = assetOf(wanted.name, whole());
      return json({ asset }, 201);
    }
    if (pathname === '/api/assets/uploads') {
      wanted = JSON.parse(String(init.body));
      if (known) return json({ asset: { ...assetOf(wanted.name, new Uint8Array()), hash: wanted.hash } }, 201);
      return json({ upload: upload('open') }, parts.size > 0 ? 200 : 201);
    }
    if (init.method === 'DELETE') return new Response(null, { status: 204 });
    if (pathname.startsWith('/api/assets/uploads/')) {
      polls += 1;
      renewed += 1;
      if (pending === 0) return json({ upload: upload('open') });
      if (polls < pending) return json({ upload: upload('pending') });
      if (refusedAs) return json({ upload: upload('refused') });
      asset ??= assetOf(wanted.name, whole());
      return json({ upload: upload('done') });
    }
    if (asset && pathname === `/api/assets/${asset.id}`) return json({ asset });
    return problem('not_found', 404);
  };
  const client = createClient({ baseUrl: base, fetch, auth: memoryAuth({ accessToken: 't' }) });
  return { client, send: fetch, asked, parts, attempts, widest: () => widest };
}

const file = (data: Uint8Array<ArrayBuffer>, name = 'level.bin'): File => new File([data], name);

describe('a file that is hashed', () => {
  it('gives what any other SHA-256 gives, and says how far it is', async () => {
    const data = bytes(2 * 1024 * 1024 + 77);
    const steps: number[] = [];
    expect(await hashFile(new Blob([data]), { onHashed: (done) => steps.push(done) })).toBe(sha(data));
    expect(steps).toEqual([1024 * 1024, 2 * 1024 * 1024, data.length]);
    await expect(hashFile(new Blob([data]), { signal: AbortSignal.abort() })).rejects.toThrow();
  });
});

describe('an upload in parts', () => {
  it('sends them several at once, and says how far it is from the first byte to the last', async () => {
    const data = bytes(5 * partSize + 10);
    const { client, send, widest } = server();
    const steps: UploadProgress[] = [];
    const asset = await uploadAsset(client, {
      projectId,
      file: file(data),
      send,
      parallel: 3,
      onProgress: (step) => steps.push(step),
    });
    expect(asset.hash).toBe(sha(data));
    expect(widest()).toBe(3);
    expect([...new Set(steps.map(({ phase }) => phase))]).toEqual(['hashing', 'sending', 'verifying']);
    const sent = steps.filter(({ phase }) => phase === 'sending').map(({ done }) => done);
    expect(sent).toEqual([...sent].sort((a, b) => a - b));
    expect(sent.at(-1)).toBe(data.length);
  });

  it('is done at once where the project has its bytes', async () => {
    const data = bytes(partSize + 1);
    const { client, send, asked } = server({ known: true });
    expect((await uploadAsset(client, { projectId, file: file(data), send })).hash).toBe(sha(data));
    expect(asked).toEqual(['POST /api/assets/uploads']);
  });

  it('sends again what was lost, and what was answered by a server that was away', async () => {
    const data = bytes(3 * partSize);
    const lost: unknown[] = [];
    const { client, send, attempts } = server({
      part: (number, attempt) =>
        attempt > 1 ? undefined : number === 1 ? 'lost' : number === 2 ? 'answer-lost' : problem('unavailable', 503),
    });
    const asset = await uploadAsset(client, {
      projectId,
      file: file(data),
      send,
      onInterrupted: (error) => lost.push(error),
    });
    expect(asset.hash).toBe(sha(data));
    expect([...attempts.values()]).toEqual([2, 2, 2]);
    expect(lost).toHaveLength(3);
  });

  it('asks for fresh addresses once where its own are taken no more, and gives up when these are not either', async () => {
    const data = bytes(2 * partSize);
    const once = server({
      part: (number, attempt) => (number === 2 && attempt === 1 ? problem('forbidden', 403) : undefined),
    });
    expect((await uploadAsset(once.client, { projectId, file: file(data), send: once.send })).hash).toBe(sha(data));
    expect(once.asked.filter((line) => line === 'GET /api/assets/uploads/id')).toHaveLength(1);
    const always = server({ part: (number) => (number === 2 ? problem('forbidden', 403) : undefined) });
    await expect(uploadAsset(always.client, { projectId, file: file(data), send: always.send })).rejects.toMatchObject({
      code: 'forbidden',
    });
    expect(always.attempts.get(2)).toBe(2);
  });

  it('goes on after a reload with the parts that have not arrived', async () => {
    const data = bytes(4 * partSize);
    const stop = new AbortController();
    const { client, send, attempts, asked, parts } = server({
      part: (number) => {
        if (number === 3) stop.abort();
        return undefined;
      },
    });
    const first = uploadAsset(client, {
      projectId,
      file: file(data),
      send,
      parallel: 1,
      signal: stop.signal,
      keepOnAbort: true,
    });
    await expect(first).rejects.toThrow();
    expect(asked.some((line) => line.startsWith('DELETE'))).toBe(false);
    const had = [...parts.keys()];
    expect(had.length).toBeGreaterThan(0);
    attempts.clear();
    // The page, and with it all that it knew, is another.
    const asset = await uploadAsset(client, { projectId, file: file(data), send });
    expect(asset.hash).toBe(sha(data));
    expect([...attempts.keys()].sort()).toEqual([1, 2, 3, 4].filter((number) => !had.includes(number)));
  });

  it('that is stopped is given up, and so is one before its first part', async () => {
    const data = bytes(2 * partSize);
    const stop = new AbortController();
    const { client, send, asked } = server({ part: () => void stop.abort(new Error('enough')) });
    const stopped = uploadAsset(client, { projectId, file: file(data), send, signal: stop.signal });
    await expect(stopped).rejects.toThrow('enough');
    expect(asked.at(-1)).toBe('DELETE /api/assets/uploads/id');
    const early = server();
    const never = uploadAsset(early.client, {
      projectId,
      file: file(data),
      send: early.send,
      signal: AbortSignal.abort(),
    });
    await expect(never).rejects.toThrow();
    expect(early.asked).toEqual([]);
  });

  it('waits for the bytes to be verified, and says why they were refused', async () => {
    const data = bytes(partSize + 5);
    const good = server({ pending: 1 });
    expect((await uploadAsset(good.client, { projectId, file: file(data), send: good.send })).hash).toBe(sha(data));
    const bad = server({ pending: 1, refusedAs: 'type_mismatch' });
    await expect(uploadAsset(bad.client, { projectId, file: file(data), send: bad.send })).rejects.toMatchObject({
      code: 'type_mismatch',
    });
  });
});

describe('small files', () => {
  const answering = (answers: ((body: FormData, key: string | null) => Response | 'lost')[]) => {
    const keys: (string | null)[] = [];
    const fetch = async (_url: string, init: RequestInit): Promise<Response> => {
      const key = new Headers(init.headers).get('idempotency-key');
      keys.push(key);
      const answer = answers.shift()?.(init.body as FormData, key) ?? problem('internal', 500);
      if (answer === 'lost') throw new TypeError('the connection was lost');
      return answer;
    };
    return {
      keys,
      send: fetch,
      client: createClient({ baseUrl: base, fetch, auth: memoryAuth({ accessToken: 't' }) }),
    };
  };

  it('go in one form, which is the same one when it is sent again', async () => {
    const data = bytes(1000);
    const { client, keys, send } = answering([
      () => 'lost',
      () => problem('conflict', 409, { 'retry-after': '0' }),
      (form) => json({ asset: assetOf((form.get('file') as File).name, data) }, 201),
    ]);
    const asset = await uploadAsset(client, { projectId, file: file(data, 'a.bin'), send });
    expect(asset.name).toBe('a.bin');
    expect(new Set(keys).size).toBe(1);
    expect(keys).toHaveLength(3);
  });

  it('that are refused are not sent again', async () => {
    const { client, keys, send } = answering([() => problem('type_mismatch', 422)]);
    const refused = uploadAsset(client, { projectId, file: file(bytes(10)), send });
    await expect(refused).rejects.toMatchObject({ code: 'type_mismatch' });
    expect(keys).toHaveLength(1);
  });

  it('go together, at most as many as a form has, each with its own verdict', async () => {
    const files = Array.from({ length: limits.asset.batchFiles + 1 }, (_, at) => file(bytes(at + 1), `f${at}.bin`));
    const forms: number[] = [];
    const take = (form: FormData): Response => {
      const all = form.getAll('files') as File[];
      forms.push(all.length);
      const bad = all.filter(({ name }) => name === 'f3.bin');
      return json(
        {
          assets: all.filter((one) => !bad.includes(one)).map(({ name, size }) => assetOf(name, bytes(size))),
          errors: bad.map(({ name }) => ({ name, code: 'type_mismatch', detail: 'no' })),
        },
        bad.length > 0 ? 207 : 201,
      );
    };
    const single = (form: FormData): Response =>
      json({ asset: assetOf((form.get('file') as File).name, bytes(101)) }, 201);
    const { client, send } = answering([take, single]);
    const seen: string[] = [];
    let last = { done: 0, total: 0 };
    const result = await uploadAssets(client, {
      projectId,
      files,
      send,
      parallel: 1,
      onFile: ({ name }, outcome) =>
        seen.push(`${name} ${'asset' in outcome ? outcome.asset.name : outcome.error.code}`),
      onProgress: (progress) => {
        last = progress;
      },
    });
    expect(forms).toEqual([limits.asset.batchFiles]);
    expect(result.assets).toHaveLength(files.length - 1);
    expect(result.errors).toEqual([{ name: 'f3.bin', code: 'type_mismatch', detail: 'no' }]);
    expect(seen).toHaveLength(files.length);
    expect(seen).toContain('f3.bin type_mismatch');
    expect(seen).toContain('f4.bin f4.bin');
    expect(last).toEqual({ done: last.total, total: files.reduce((sum, { size }) => sum + size, 0) });
  });

  it('end together with what refuses all of them', async () => {
    const { client, send } = answering([() => problem('not_found', 404)]);
    const refused = uploadAssets(client, {
      projectId,
      files: [file(bytes(1), 'a.bin'), file(bytes(2), 'b.bin')],
      send,
    });
    await expect(refused).rejects.toMatchObject({ code: 'not_found' });
  });
});
