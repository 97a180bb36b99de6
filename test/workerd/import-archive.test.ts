import { exports } from 'cloudflare:workers';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  createClient,
  type ImportOptions,
  type ImportProgress,
  importArchive,
  type KilnClient,
  memoryAuth,
  type Sender,
} from '../../src/client/index.ts';
import { newId } from '../../src/contract/ids.ts';
import { limits } from '../../src/contract/limits.ts';
import { zipOf } from '../support/zip.ts';
import { type Account, database, origin, signUp } from './support.ts';

const { partSize } = limits.upload;
/** To the Worker and back, as over the wire. */
const carry = (url: string, init: RequestInit): Promise<Response> => exports.default.fetch(new Request(url, init));

let account: Account;
let client: KilnClient;
beforeAll(async () => {
  account = await signUp('archivist');
});
beforeEach(() => {
  // So that what goes in parts can be small.
  vi.spyOn(limits.archive, 'uploadBytes', 'get').mockReturnValue(1000 as never);
  client = createClient({ baseUrl: origin, fetch: carry, auth: memoryAuth({ accessToken: account.token }) });
});
afterEach(() => {
  vi.restoreAllMocks();
});

const large = (name = 'Moon base.zip'): File => {
  const mark = newId().charCodeAt(35);
  const data = new Uint8Array(2 * partSize).map((_, at) => (at * 2654435761 * mark) >>> 11);
  return new File(
    [
      zipOf([
        { name: 'index.html', content: newId() },
        { name: 'data.bin', content: data, method: 0 },
      ]),
    ],
    name,
  );
};
const projects = async (): Promise<string[]> =>
  (await client.call('listProjects', { query: { limit: 200 } })).projects.map(({ id }) => id);
const waiting = (): Promise<number | null> =>
  database
    .prepare("SELECT count(*) AS n FROM uploads WHERE project_id = '' AND user_id = ?")
    .bind(account.id)
    .first('n');

/** Sends parts, and notes which. */
function noted(judge: (count: number) => void = () => undefined): { send: Sender; sent: string[] } {
  const sent: string[] = [];
  let count = 0;
  return {
    sent,
    send: async (url, init, onSent) => {
      count += 1;
      judge(count);
      sent.push(/\/parts\/(\d+)/.exec(url)?.[1] ?? url);
      const answer = await carry(url, init);
      onSent((init.body as Blob).size);
      return answer;
    },
  };
}

const start = (options: Partial<ImportOptions> & { file: Blob }) => importArchive(client, { parallel: 1, ...options });

describe('importArchive', () => {
  it('sends what fits in one request, under one key: asked again it is the same project', async () => {
    vi.restoreAllMocks();
    const file = new File([zipOf([{ name: 'index.html', content: newId() }])], 'Small.zip');
    const steps: ImportProgress[] = [];
    const { send, sent } = noted();
    const key = newId();
    const made = await start({
      file,
      send,
      name: 'Small',
      idempotencyKey: key,
      onProgress: (step) => steps.push(step),
    });
    expect(sent).toEqual([`${origin}/api/projects/import?name=Small`]);
    expect(made.project.name).toBe('Small');
    expect(steps.map(({ phase, done }) => [phase, done])).toEqual([
      ['sending', 0],
      ['unpacking', file.size],
    ]);
    expect((await start({ file, send, name: 'Small', idempotencyKey: key })).project.id).toBe(made.project.id);
  });

  it('sends a larger one in parts, says how far it is, and leaves nothing behind', async () => {
    const file = large();
    const steps: ImportProgress[] = [];
    const { send, sent } = noted();
    const { project, imported } = await start({ file, send, onProgress: (step) => steps.push(step) });
    expect(sent).toEqual(['1', '2', '3']);
    expect(project.name).toBe('Moon base');
    expect(imported).toMatchObject({ files: 2, assets: 0, skipped: 0 });
    expect([...new Set(steps.map(({ phase }) => phase))]).toEqual(['hashing', 'sending', 'unpacking']);
    for (const phase of ['hashing', 'sending', 'unpacking'] as const) {
      const done = steps.filter((step) => step.phase === phase).map((step) => step.done);
      expect(done, phase).toEqual([...done].sort((a, b) => a - b));
      expect(done.at(-1), phase).toBe(file.size);
    }
    expect(await waiting()).toBe(0);
  });

  it('sends again what was lost, and asks again where no answer came: one project', async () => {
    const before = await projects();
    const lost: unknown[] = [];
    const { send, sent } = noted((count) => {
      if (count === 2) throw new TypeError('the connection was lost');
    });
    let imports = 0;
    client = createClient({
      baseUrl: origin,
      auth: memoryAuth({ accessToken: account.token }),
      fetch: async (url, init) => {
        const answer = await carry(url, init);
        if (!new URL(url).pathname.endsWith('/projects/import')) return answer;
        imports += 1;
        if (imports > 1) return answer;
        await answer.body?.cancel();
        throw new TypeError('the connection was lost');
      },
    });
    const { project } = await start({ file: large(), send, onInterrupted: (error) => lost.push(error) });
    expect(sent.sort()).toEqual(['1', '2', '3']);
    expect(imports).toBeGreaterThan(1);
    expect(lost.length).toBeGreaterThan(0);
    expect((await projects()).filter((id) => !before.includes(id))).toEqual([project.id]);
  });

  it('goes on after a reload with the parts that have not arrived; another file begins anew', async () => {
    const file = large();
    const stop = new AbortController();
    const first = noted((count) => {
      if (count === 3) stop.abort();
    });
    await expect(start({ file, send: first.send, signal: stop.signal, keepOnAbort: true })).rejects.toThrow();
    expect(await waiting()).toBe(1);
    const other = noted();
    await start({ file: large(), send: other.send });
    expect(other.sent).toEqual(['1', '2', '3']);
    const second = noted();
    const { imported } = await start({ file: new File([file], file.name), send: second.send });
    expect(second.sent).toEqual(['3']);
    expect(imported.files).toBe(2);
    expect(await waiting()).toBe(0);
  });

  it('is nobody else’s to go on with', async () => {
    const file = large();
    const stop = new AbortController();
    const first = noted((count) => {
      if (count === 3) stop.abort();
    });
    await expect(start({ file, send: first.send, signal: stop.signal, keepOnAbort: true })).rejects.toThrow();
    const stranger = await signUp('other');
    const theirs = createClient({ baseUrl: origin, fetch: carry, auth: memoryAuth({ accessToken: stranger.token }) });
    const second = noted();
    await importArchive(theirs, { file, send: second.send, parallel: 1 });
    expect(second.sent).toEqual(['1', '2', '3']);
    expect(await waiting()).toBe(1);
  });

  it('that is stopped gives up what has arrived, and one that is refused says why', async () => {
    await database.prepare("DELETE FROM uploads WHERE project_id = ''").run();
    const stop = new AbortController();
    const { send } = noted((count) => {
      if (count === 2) stop.abort(new Error('enough'));
    });
    await expect(start({ file: large(), send, signal: stop.signal })).rejects.toThrow('enough');
    expect(await waiting()).toBe(0);
    const evil = new File([zipOf([{ name: '../../etc/passwd', content: 'x'.repeat(2000), method: 0 }])], 'evil.zip');
    await expect(start({ file: evil, send: noted().send })).rejects.toMatchObject({ code: 'invalid_entry' });
    expect(await waiting()).toBe(0);
  });
});
