import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Asset, AssetVersion } from '../../src/contract/assets.ts';
import { newId } from '../../src/contract/ids.ts';
import { limits } from '../../src/contract/limits.ts';
import { sha256 } from '../../src/core/tree.ts';
import { getTree, intakePrefix } from '../../src/data/objects.ts';
import { sweep } from '../../src/worker/scheduled.ts';
import { beginnings, gif, png, textBytes, wav } from '../support/media.ts';
import { type Account, call, database, expectJson, expectProblem, makeWorld, type World } from './support.ts';

const MiB = 1024 * 1024;
type Bytes = Uint8Array<ArrayBuffer>;

let world: World;
beforeAll(async () => {
  world = await makeWorld({});
});

interface Part {
  readonly name?: string;
  readonly type?: string;
  readonly mimeType?: string;
  readonly projectId?: string;
}

const form = (fileName: string, data: Bytes, { name, type, mimeType, projectId }: Part = {}): FormData => {
  const made = new FormData();
  made.set('projectId', projectId ?? world.projectId);
  if (name !== undefined) made.set('name', name);
  if (type !== undefined) made.set('type', type);
  made.set('file', new File([data], fileName, { type: mimeType ?? '' }));
  return made;
};

/** Projects of their own have their owner alone. */
const upload = (fileName: string, data: Bytes, part: Part = {}, as?: Account): Promise<Response> =>
  call('POST', '/api/assets/upload', {
    as: as ?? (part.projectId === undefined ? world.editor : world.owner),
    body: form(fileName, data, part),
  });

const stored = async (fileName: string, data: Bytes, part: Part = {}): Promise<Asset> =>
  (await expectJson<{ asset: Asset }>(await upload(fileName, data, part), 201)).asset;

const list = async (query = '', projectId = world.projectId): Promise<Asset[]> =>
  (
    await expectJson<{ assets: Asset[] }>(
      await call('GET', `/api/projects/${projectId}/assets${query}`, { as: world.owner }),
      200,
    )
  ).assets;

const read = async (path: string, as: Account = world.viewer): Promise<Bytes> => {
  const answer = await call('GET', path, { as });
  if (answer.status !== 200) throw new Error(`${answer.status}`);
  return new Uint8Array(await answer.arrayBuffer());
};

const waiting = async (): Promise<number> => (await env.ASSETS.list({ prefix: intakePrefix })).objects.length;

/** Noise that nobody has stored before, with the head of a picture. */
const large = (size: number): Bytes => {
  const data = new Uint8Array(size);
  for (let at = 0; at < size; at += 1000) data[at] = (at / 1000) % 251;
  data.set(png(1, 1));
  data.set(textBytes(newId()), 200);
  return data;
};

const newProject = async (): Promise<string> =>
  (
    await expectJson<{ project: { id: string } }>(
      await call('POST', '/api/projects', { as: world.owner, json: { name: 'Assets' } }),
      201,
    )
  ).project.id;

describe('an asset', () => {
  it('is what was uploaded, with the type of its bytes', async () => {
    const data = png(3, 2);
    const asset = await stored('Hero.png', data);
    expect(asset).toMatchObject({
      projectId: world.projectId,
      name: 'Hero.png',
      type: 'image',
      mimeType: 'image/png',
      size: data.length,
      hash: sha256(data),
      version: 1,
      uploadedBy: world.editor.id,
      deletedAt: null,
    });
    expect(await read(`/api/assets/${asset.id}/download`)).toEqual(data);
    const got = await call('GET', `/api/assets/${asset.id}`, { as: world.viewer });
    expect((await expectJson<{ asset: Asset }>(got, 200)).asset).toEqual(asset);
    expect(await list('?q=hero&type=image')).toEqual([asset]);
    expect(await list('?q=hero&type=audio')).toEqual([]);
  });

  it('of any size passes by in parts, and leaves nothing on its way', async () => {
    for (const size of [limits.asset.wholeBytes, limits.asset.wholeBytes + 1, 11 * MiB]) {
      const data = large(size);
      const asset = await stored(`large-${size}.png`, data);
      expect(asset).toMatchObject({ size, hash: sha256(data) });
      expect(sha256(await read(`/api/assets/${asset.id}/download`))).toBe(asset.hash);
    }
    expect(await waiting()).toBe(0);
  });

  it('may come before the fields that say whose it is', async () => {
    const data = large(3 * MiB);
    const body = new FormData();
    body.set('file', new File([data], 'early.png'));
    body.set('projectId', world.projectId);
    const { asset } = await expectJson<{ asset: Asset }>(
      await call('POST', '/api/assets/upload', { as: world.editor, body }),
      201,
    );
    expect(asset.hash).toBe(sha256(data));
    const other = new FormData();
    other.set('file', new File([data], 'early.png'));
    other.set('projectId', world.projectId);
    expect(
      await expectProblem(await call('POST', '/api/assets/upload', { as: world.stranger, body: other }), 404),
    ).toBe('not_found');
    expect(await waiting()).toBe(0);
  });

  it('is served in parts, by its tag, as a download that nothing runs', async () => {
    const data = wav(1);
    const asset = await stored('beep ä.wav', data);
    const url = `/api/assets/${asset.id}/download`;
    const range = await call('GET', url, { as: world.viewer, headers: { range: 'bytes=4-7' } });
    expect(range.status).toBe(206);
    expect(range.headers.get('content-range')).toBe(`bytes 4-7/${data.length}`);
    expect(new Uint8Array(await range.arrayBuffer())).toEqual(data.slice(4, 8));
    const whole = await call('GET', url, { as: world.viewer });
    await whole.body?.cancel();
    expect(whole.headers.get('content-type')).toBe('audio/wav');
    expect(whole.headers.get('content-disposition')).toBe("attachment; filename*=UTF-8''beep%20%C3%A4.wav");
    expect(whole.headers.get('x-content-type-options')).toBe('nosniff');
    expect(whole.headers.get('content-security-policy')).toContain('sandbox');
    const tag = whole.headers.get('etag') ?? '';
    expect((await call('GET', url, { as: world.viewer, headers: { 'if-none-match': tag } })).status).toBe(304);
    const beyond = await call('GET', url, { as: world.viewer, headers: { range: 'bytes=999999-' } });
    expect(await expectProblem(beyond, 416)).toBe('range_not_satisfiable');
  });

  it('of the same name is a new version; earlier ones stay and come back', async () => {
    const [first, second] = [png(1, 1), png(2, 2)];
    const { id } = await stored('tile.png', first);
    expect(await stored('TILE.png', second)).toMatchObject({ id, version: 2, name: 'TILE.png' });
    const versions = async () =>
      (
        await expectJson<{ versions: { version: number; hash: string }[] }>(
          await call('GET', `/api/assets/${id}/versions`, { as: world.viewer }),
          200,
        )
      ).versions;
    expect((await versions()).map(({ version, hash }) => [version, hash])).toEqual([
      [2, sha256(second)],
      [1, sha256(first)],
    ]);
    expect(await read(`/api/assets/${id}/download?version=1`)).toEqual(first);
    const restored = await call('POST', `/api/assets/${id}/versions/1/restore`, { as: world.editor });
    expect((await expectJson<{ asset: Asset }>(restored, 201)).asset).toMatchObject({
      version: 3,
      hash: sha256(first),
    });
    expect(await read(`/api/assets/${id}/download`)).toEqual(first);
    expect(await versions()).toHaveLength(3);
    for (const version of ['4', '0', '-1', 'x', '1e9'])
      expect(
        await expectProblem(
          await call('POST', `/api/assets/${id}/versions/${version}/restore`, { as: world.editor }),
          404,
        ),
      ).toBe('not_found');
  });

  it('keeps only so many versions', async () => {
    const projectId = await newProject();
    const { id } = await stored('many.txt', textBytes('0'), { projectId });
    const rows = Array.from({ length: limits.asset.versionsKept - 1 }, (_, n) => n + 2);
    await database.batch([
      ...rows.map((n) =>
        database
          .prepare(
            `INSERT INTO asset_versions SELECT asset_id, ?, object_key, hash, size, mime_type, metadata, created_by, created_at FROM asset_versions WHERE asset_id = ? AND version = 1`,
          )
          .bind(n, id),
      ),
      database.prepare('UPDATE assets SET version = ? WHERE id = ?').bind(limits.asset.versionsKept, id),
    ]);
    const asset = await stored('many.txt', textBytes('next'), { projectId });
    expect(asset.version).toBe(limits.asset.versionsKept + 1);
    const { versions } = await expectJson<{ versions: { version: number }[] }>(
      await call('GET', `/api/assets/${id}/versions`, { as: world.owner }),
      200,
    );
    expect(versions).toHaveLength(limits.asset.versionsKept);
    expect(versions.at(-1)?.version).toBe(2);
  });

  it('is renamed within its type and beside no other', async () => {
    const one = await stored('one.png', png(1, 2));
    await stored('two.png', png(1, 3));
    const rename = (name: string) => call('PATCH', `/api/assets/${one.id}`, { as: world.editor, json: { name } });
    expect((await expectJson<{ asset: Asset }>(await rename('uno.png'), 200)).asset).toMatchObject({
      name: 'uno.png',
      version: 1,
    });
    expect(await expectProblem(await rename('TWO.png'), 409)).toBe('path_conflict');
    expect(await expectProblem(await rename('uno.mp3'), 422)).toBe('type_mismatch');
    expect(await expectProblem(await rename('uno.html'), 415)).toBe('unsupported_media_type');
    expect(await expectProblem(await rename('a/uno.png'), 422)).toBe('invalid_path');
  });

  it('is in the trash for 30 days, and comes back by hand or by an upload of its name', async () => {
    const projectId = await newProject();
    const asset = await stored('gone.txt', textBytes('x'), { projectId });
    const url = `/api/assets/${asset.id}`;
    const trash = async () => expectJson(await call('DELETE', url, { as: world.owner }), 204);
    await trash();
    expect(await expectProblem(await call('GET', url, { as: world.owner }), 404)).toBe('not_found');
    expect(await list('', projectId)).toEqual([]);
    expect(await list('?trashed=true', projectId)).toMatchObject([{ id: asset.id }]);
    await expectJson(await call('POST', `${url}/restore`, { as: world.owner }), 200);
    expect(await list('', projectId)).toEqual([asset]);
    await trash();
    expect(await stored('gone.txt', textBytes('y'), { projectId })).toMatchObject({
      id: asset.id,
      version: 2,
      deletedAt: null,
    });
    await trash();
    const now = Date.now();
    await sweep(env, now + limits.asset.trashTtl - 60_000);
    expect(await list('?trashed=true', projectId)).toHaveLength(1);
    await sweep(env, now + limits.asset.trashTtl + 60_000);
    expect(await list('?trashed=true', projectId)).toEqual([]);
    const left = await database
      .prepare('SELECT count(*) AS n FROM asset_versions WHERE asset_id = ?')
      .bind(asset.id)
      .first('n');
    expect(left).toBe(0);
    // By that day everybody's sessions had ended.
    world = await makeWorld({});
  });

  it('is gone with its project', async () => {
    const projectId = await newProject();
    const { id } = await stored('x.txt', textBytes('x'), { projectId });
    await expectJson(await call('DELETE', `/api/projects/${projectId}?permanent=true`, { as: world.owner }), 204);
    for (const [table, column] of [
      ['assets', 'id'],
      ['asset_versions', 'asset_id'],
    ])
      expect(await database.prepare(`SELECT count(*) AS n FROM ${table} WHERE ${column} = ?`).bind(id).first('n')).toBe(
        0,
      );
  });

  it('is stored once for one idempotency key', async () => {
    const send = (data: Bytes) =>
      call('POST', '/api/assets/upload', {
        as: world.editor,
        body: form('once.png', data),
        headers: { 'idempotency-key': 'asset-once' },
      });
    const first = await expectJson<{ asset: Asset }>(await send(png(4, 4)), 201);
    expect(await expectJson(await send(png(4, 4)), 201)).toEqual(first);
    expect(await expectProblem(await send(png(4, 5)), 422)).toBe('idempotency_key_reused');
  });

  it('is stored once for one idempotency key also among many, with the verdicts of the first time', async () => {
    const send = (data: Bytes) => {
      const body = new FormData();
      body.set('projectId', world.projectId);
      body.append('files', new File([data], 'batch-once.png'));
      body.append('files', new File([textBytes('no picture')], 'batch-bad.png'));
      const headers = { 'idempotency-key': 'batch-once' };
      return call('POST', '/api/assets/batch-upload', { as: world.editor, body, headers });
    };
    const first = await expectJson<{ assets: Asset[]; errors: unknown[] }>(await send(png(6, 4)), 207);
    expect(first).toMatchObject({ assets: [{ version: 1 }], errors: [{ name: 'batch-bad.png' }] });
    expect(await expectJson(await send(png(6, 4)), 207)).toEqual(first);
    expect(await expectProblem(await send(png(6, 5)), 422)).toBe('idempotency_key_reused');
  });

  it('is told to the room and stands in the activity', async () => {
    const asset = await stored('told.txt', textBytes('told'));
    const { events } = await expectJson<{ events: { type: string; data: { assetId?: string } }[] }>(
      await call('GET', `/api/projects/${world.projectId}/events?since=0`, { as: world.viewer }),
      200,
    );
    expect(events).toContainEqual(
      expect.objectContaining({ type: 'asset.uploaded', data: { assetId: asset.id, name: 'told.txt', version: 1 } }),
    );
    const activity = await call('GET', `/api/projects/${world.projectId}/activity?action=asset`, { as: world.viewer });
    expect(await activity.text()).toContain('told.txt');
  });
});

describe('the metadata of an asset', () => {
  const versions = async (id: string) =>
    (
      await expectJson<{ versions: AssetVersion[] }>(
        await call('GET', `/api/assets/${id}/versions`, { as: world.viewer }),
        200,
      )
    ).versions;

  it('is what its bytes say, and each version says what changed', async () => {
    const first = await stored('sized.png', png(30, 20));
    expect(first.metadata).toEqual({ width: 30, height: 20, alpha: false, frames: 1 });
    const second = await stored('sized.png', png(30, 40));
    expect(second.metadata).toMatchObject({ height: 40 });
    const [newest, oldest] = await versions(first.id);
    expect(newest?.changes).toEqual({
      height: { from: 20, to: 40 },
      size: { from: first.size, to: second.size },
    });
    expect(oldest?.changes).toEqual({});
    expect(await list('?q=sized')).toMatchObject([{ metadata: second.metadata }]);
    const restored = await call('POST', `/api/assets/${first.id}/versions/1/restore`, { as: world.editor });
    expect((await expectJson<{ asset: Asset }>(restored, 201)).asset.metadata).toEqual(first.metadata);
  });

  it('is read where it has to be unpacked first', async () => {
    // test/support/media/letters.woff2
    const packed = [
      'd09GMgABAAAAAAJkAA4AAAAABDQAAAIQAAJeuAAAAAAAAAAAAAAAAAAAAAAAAAAAGhYbIByBFgZWAEwRDAqBUIEwATYCJAMUCwwA',
      'BCAFPAcgGxMDAK4GbGMy5pRtqmybE41crJjf84vB1yiM4Gs/dN/9CxAKQyyRfCYqLg5IRVio8ig7dXUBWxCawOL3a3OCShKTkCy5',
      'f7N9J5rQBMksXsKkmTSIUBKZBBgISWQV8TzK5+9/AGzbS7cOdzYcbsAHgNfHR3GECUYYxt8L9FOiiSaSbhPx8lDUxaSOJ/AugWpA',
      'EkIWApW69YqFpa4hxMrwXwDHcIstZAarscY8Vhwtsp9GlAgceVmVPKCwxxRFYh7ySIaoHGkk8Z7IwMAlJscKBH0EFqiOjFNmCmex',
      'x08e9smkBHuqqrRXaeWRX6R7UZSMlexD9Pa/UjyTUyOpqrwoSnNKGQEAO0cdIgqso9Lmf5m2gzIrvhzC9p8goUCzQqBZNo1K5ZJk',
      'ncZE/wXnMPt27dzmpLln/FegBFSiBENYA5ABIQlRlXNuv07K5zUnl4lnufq6przqBJc35uoobp6yzn/iVx/grK6o8fybsPaY8PG4',
      'eAVP36+Nm+n3d3YtIv7doTwnI7r5qERG/Ptm2A39g8fHKjtcT7R+tiqrc82f7pdTN4z0cXdT9OoPgEA6eBlp8TmbMv81Nr8c8LHh',
      'aDRW/ns+T/mqUNiUSyAoO/6XC/UzsKYMNqm4JH8gl455a390ahh1/RJsKCm2VLuQODetXEbSqxC5QmgFf15SrtUCiY4zwq/APg7x',
      'asWYRA7g/01QAAAA',
    ].join('');
    const font = Uint8Array.from(atob(packed), (char) => char.charCodeAt(0));
    expect((await stored('letters.woff2', font)).metadata).toEqual({ family: 'DejaVu Sans', style: 'Bold', glyphs: 5 });
  });

  it('#48 that cannot be read refuses nothing, and one that lies is only told', async () => {
    const broken = png(3, 3).slice(0, 30);
    expect((await stored('broken.png', broken)).metadata).toEqual({});
    const huge = png(1, 1);
    new DataView(huge.buffer).setUint32(16, 65_000);
    new DataView(huge.buffer).setUint32(20, 65_000);
    expect((await stored('huge.png', huge)).metadata).toMatchObject({ width: 65_000, height: 65_000 });
    const tag = new Uint8Array(2 * MiB);
    tag.set(textBytes('ID3'));
    tag.set([3, 0, 0, 0, 0x7f, 0x7f, 0x7f], 3);
    expect((await stored('tag.mp3', tag)).metadata).toEqual({});
    expect((await stored('silence.wav', wav(2))).metadata).toMatchObject({ duration: 2, channels: 1 });
  });
});

describe('the assets of a project', () => {
  const facts = (assets: readonly Asset[]) =>
    assets.map(({ name, type, mimeType, size, hash, metadata, version }) => ({
      name,
      type,
      mimeType,
      size,
      hash,
      metadata,
      version,
    }));
  let projectId: string;
  beforeAll(async () => {
    projectId = await newProject();
    await expectJson(
      await call('PUT', `/api/projects/${projectId}/files/index.html`, { as: world.owner, json: { content: 'x' } }),
      201,
    );
    await stored('hero.png', png(7, 7), { projectId });
    await stored('level.json', textBytes('{}'), { projectId });
    await stored('noise.png', large(2 * MiB), { projectId });
    const gone = await stored('gone.png', png(1, 1), { projectId });
    await expectJson(await call('DELETE', `/api/assets/${gone.id}`, { as: world.owner }), 204);
  });

  const copyOf = async (answer: Response): Promise<string> =>
    (await expectJson<{ project: { id: string } }>(answer, 201)).project.id;

  it.each([false, true])('are those of a copy, too (fork: %s), and count for it', async (fork) => {
    const json = { name: 'Copy', fork };
    const copy = await copyOf(await call('POST', `/api/projects/${projectId}/duplicate`, { as: world.owner, json }));
    expect(facts(await list('', copy))).toEqual(facts(await list('', projectId)));
    const bytes = (await list('', copy)).reduce((sum, { size }) => sum + size, 0);
    expect(await database.prepare('SELECT asset_bytes AS n FROM projects WHERE id = ?').bind(copy).first('n')).toBe(
      bytes,
    );
    const [first] = await list('', copy);
    expect(first && (await read(`/api/assets/${first.id}/download`, world.owner))).toEqual(png(7, 7));
  });

  it('are in its archive, and come out of it equal', async () => {
    const archive = await call('GET', `/api/projects/${projectId}/export`, { as: world.owner });
    const tag = archive.headers.get('etag');
    const bytes = await archive.arrayBuffer();
    const headers = { 'content-type': 'application/zip' };
    const answer = await call('POST', '/api/projects/import', { as: world.owner, body: bytes, headers });
    const { project, imported } = await expectJson<{ project: { id: string }; imported: object }>(answer, 201);
    expect(imported).toMatchObject({ files: 1, assets: 3, skipped: 0 });
    expect(facts(await list('', project.id))).toEqual(facts(await list('', projectId)));
    const again = await call('GET', `/api/projects/${project.id}/export`, { as: world.owner });
    expect(new Uint8Array(await again.arrayBuffer())).toHaveLength(bytes.byteLength);
    await stored('more.txt', textBytes('more'), { projectId });
    const changed = await call('GET', `/api/projects/${projectId}/export`, { as: world.owner });
    await changed.body?.cancel();
    expect(changed.headers.get('etag')).not.toBe(tag);
  });

  it('are part of what is built, below assets/, unless a file has the place', async () => {
    const build = async () => {
      const { build } = await expectJson<{ build: { id: string; treeHash: string } }>(
        await call('POST', '/api/builds', { as: world.owner, json: { projectId } }),
        202,
      );
      const tree = await getTree(env.ASSETS, build.treeHash);
      return { hash: build.treeHash, paths: tree?.map(({ path }) => path) };
    };
    const first = await build();
    expect(first.paths).toEqual(expect.arrayContaining(['index.html', 'assets/hero.png', 'assets/level.json']));
    expect(first.paths).not.toContain('assets/gone.png');
    await stored('hero.png', png(8, 8), { projectId });
    const second = await build();
    expect(second.paths).toEqual(first.paths);
    expect(second.hash).not.toBe(first.hash);
    const file = { as: world.owner, json: { content: 'mine' } };
    await expectJson(await call('PUT', `/api/projects/${projectId}/files/assets/Hero.png`, file), 201);
    expect((await build()).paths).toContain('assets/Hero.png');
    expect((await build()).paths).not.toContain('assets/hero.png');
  });
});

describe('a form of many assets', () => {
  const batch = (files: readonly (readonly [string, Bytes])[], projectId = world.projectId): Promise<Response> => {
    const body = new FormData();
    body.set('projectId', projectId);
    for (const [name, data] of files) body.append('files', new File([data], name));
    return call('POST', '/api/assets/batch-upload', { as: world.editor, body });
  };

  it('is stored whole, or says what of it was not', async () => {
    const good = [
      ['b1.png', png(5, 5)],
      ['b2.wav', wav(1)],
      ['b3.txt', textBytes('x'.repeat(2 * MiB))],
    ] as const;
    const all = await expectJson<{ assets: Asset[]; errors: unknown[] }>(await batch(good), 201);
    expect(all.assets.map(({ name, hash }) => [name, hash])).toEqual(good.map(([name, data]) => [name, sha256(data)]));
    expect(all.errors).toEqual([]);
    const some = await expectJson<{ assets: Asset[]; errors: { name: string; code: string }[] }>(
      await batch([
        ['bad.png', textBytes('<html>')],
        ['b4.png', png(6, 6)],
        ['bad.exe', textBytes('MZ')],
      ]),
      207,
    );
    expect(some.assets.map(({ name }) => name)).toEqual(['b4.png']);
    expect(some.errors.map(({ name, code }) => [name, code])).toEqual([
      ['bad.png', 'type_mismatch'],
      ['bad.exe', 'unsupported_media_type'],
    ]);
    expect(await waiting()).toBe(0);
  });

  it('has at most so many files', async () => {
    const files = Array.from(
      { length: limits.asset.batchFiles + 1 },
      (_, n) => [`n${n}.txt`, textBytes(`${n}`)] as const,
    );
    const projectId = await newProject();
    const before = await list('', projectId);
    const body = new FormData();
    body.set('projectId', projectId);
    for (const [name, data] of files) body.append('files', new File([data], name));
    expect(await expectProblem(await call('POST', '/api/assets/batch-upload', { as: world.owner, body }), 400)).toBe(
      'malformed_request',
    );
    expect(await list('', projectId)).toEqual(before);
  });
});

describe('hostile uploads', () => {
  it.each([
    ['HTML as image/png', 'x.png', textBytes('<!doctype html><script>1</script>'), 'image/png', 422],
    ['SVG as .png', 'x.png', textBytes('<svg xmlns="http://www.w3.org/2000/svg"/>'), 'image/png', 422],
    ['JPEG as .png', 'x.png', beginnings.jpeg, 'image/png', 422],
    ['JPEG as image/png', 'nameless', beginnings.jpeg, 'image/png', 422],
    ['PNG as text/html', 'x.png', png(1, 1), 'text/html', 422],
    ['PNG as application/zip', 'x.png', png(1, 1), 'application/zip', 422],
    ['PNG as model/gltf-binary', 'x.png', png(1, 1), 'model/gltf-binary', 422],
    ['a page', 'x.html', textBytes('<!doctype html>'), 'text/html', 415],
  ] as const)('#43 refuse %s, and store nothing', async (_what, name, data, mimeType, status) => {
    await expectProblem(await upload(name, data, { mimeType }), status);
    expect(await list(`?q=${name}`)).toEqual([]);
  });

  it('#43 of two formats at once are the one that their first bytes say, and never another', async () => {
    const polyglot = await stored('poly.gif', gif('/*<script>alert(1)</script>*/'));
    const answer = await call('GET', `/api/assets/${polyglot.id}/download`, { as: world.viewer });
    await answer.body?.cancel();
    expect(answer.headers.get('content-type')).toBe('image/gif');
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    expect(await expectProblem(await upload('poly.js', gif('=1')), 415)).toBe('unsupported_media_type');
    const script = textBytes('/*<script>alert(1)</script>*/alert(1)//');
    const tail = new Uint8Array([...png(2, 2), ...script]);
    for (const [name, data] of [
      ['tail.png', tail],
      ['chunk.png', png(2, 2, [0, 0, 0], [{ type: 'tEXt', data: script }])],
    ] as const) {
      const { mimeType, url: at } = await stored(name, data);
      expect(mimeType).toBe('image/png');
      const { host, pathname, search } = new URL(at);
      const shown = await call('GET', `${pathname}${search}`, { host, headers: { 'sec-fetch-dest': 'script' } });
      await shown.body?.cancel();
      expect(shown.headers.get('content-type')).toBe('image/png');
      expect(shown.headers.get('x-content-type-options')).toBe('nosniff');
    }
    expect(await stored('page.gif', textBytes('GIF89a<html><script>alert(1)</script>'))).toMatchObject({
      mimeType: 'image/gif',
    });
    const page = new Uint8Array([...textBytes('<!doctype html>'), ...png(2, 2)]);
    await expectProblem(await upload('page.png', page), 422);
    await expectProblem(await upload('paper', textBytes('%PDF-1.7\n1 0 obj<</OpenAction<</S/JavaScript>>>>'), {}), 422);
  });

  it('#45 end at the limit, at a broken form and at a lying length, and leave nothing', async () => {
    const raw = (body: BodyInit, headers: Record<string, string>): Promise<Response> =>
      call('POST', '/api/assets/upload', { as: world.editor, body, headers });
    const type = { 'content-type': 'multipart/form-data; boundary=b' };
    const begin = `--b\r\ncontent-disposition: form-data; name="projectId"\r\n\r\n${world.projectId}\r\n--b\r\ncontent-disposition: form-data; name="file"; filename="cut.txt"\r\n\r\n`;
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(MiB).fill(65)),
      start: (controller) => controller.enqueue(textBytes(begin)),
    });
    expect(await expectProblem(await raw(endless, type), 413)).toBe('payload_too_large');
    expect(await expectProblem(await raw(`${begin}cut`, type), 400)).toBe('malformed_request');
    expect(await expectProblem(await raw('no form', type), 400)).toBe('malformed_request');
    expect(await expectProblem(await raw('x', { 'content-type': 'multipart/form-data' }), 400)).toBe(
      'malformed_request',
    );
    expect(await expectProblem(await raw('x', { 'content-type': 'text/plain' }), 415)).toBe('unsupported_media_type');
    const lying = { ...type, 'content-length': String(limits.asset.uploadBytes * 2) };
    expect(await expectProblem(await raw(new ReadableStream(), lying), 413)).toBe('payload_too_large');
    expect(await list('?q=cut')).toEqual([]);
    expect(await waiting()).toBe(0);
  });

  it('#26 name no asset but through its own project', async () => {
    const asset = await stored('own.txt', textBytes('own'));
    for (const [method, path] of [
      ['GET', ''],
      ['GET', '/versions'],
      ['GET', '/download'],
      ['POST', '/versions/1/restore'],
      ['DELETE', ''],
    ] as const)
      expect(
        await expectProblem(await call(method, `/api/assets/${asset.id}${path}`, { as: world.stranger }), 404),
      ).toBe('not_found');
    expect(await expectProblem(await call('DELETE', `/api/assets/${asset.id}`, { as: world.viewer }), 403)).toBe(
      'forbidden',
    );
    expect(await expectProblem(await upload('v.txt', textBytes('v'), {}, world.viewer), 403)).toBe('forbidden');
    expect(await expectProblem(await upload('v.txt', textBytes('v'), { projectId: 'x' }), 404)).toBe('not_found');
    expect(await list('?q=own')).toMatchObject([{ id: asset.id, version: 1 }]);
  });

  it('#49 stop at the quota, also when they race for the last bytes; the answer says what is left', async () => {
    const projectId = await newProject();
    const { id } = await stored('fill.txt', textBytes('x'), { projectId });
    const left = 1000;
    await database
      .prepare('UPDATE asset_versions SET size = ? WHERE asset_id = ?')
      .bind(limits.asset.projectBytes - left, id)
      .run();
    // The next change counts what is there.
    await stored('count.txt', textBytes('x'.repeat(100)), { projectId });
    const race = await Promise.all(
      Array.from({ length: 6 }, (_, n) => upload(`race${n}.txt`, textBytes(`${n}`.repeat(600)), { projectId })),
    );
    expect(race.map(({ status }) => status).sort()).toEqual([201, 413, 413, 413, 413, 413]);
    const refused = race.find(({ status }) => status === 413);
    const problem = await expectJson<{ code: string; detail: string }>(refused as Response, 413);
    const { projectBytes } = limits.asset;
    expect(problem).toMatchObject({
      code: 'quota_exceeded',
      quota: { used: projectBytes - 300, limit: projectBytes, left: 300 },
    });
    expect(problem.detail).toContain('300 are left');
    expect(await expectProblem(await upload('big.png', large(2 * MiB), { projectId }), 413)).toBe('quota_exceeded');
    expect(await list('', projectId)).toHaveLength(3);
    // Versions of one asset take as much as assets of their own.
    const versions = await Promise.all(
      Array.from({ length: 4 }, (_, n) => upload('count.txt', textBytes(`${n}`.repeat(200)), { projectId })),
    );
    expect(versions.map(({ status }) => status).sort()).toEqual([201, 413, 413, 413]);
    const { usage } = await expectJson<{ usage: { assetBytes: { used: number; limit: number } } }>(
      await call('GET', '/api/usage', { as: world.owner }),
      200,
    );
    expect(usage.assetBytes.used).toBeGreaterThan(limits.asset.projectBytes - left);
    expect(usage.assetBytes.limit).toBe(limits.asset.userBytes);
    // What is erased makes place.
    await expectJson(await call('DELETE', `/api/assets/${id}?permanent=true`, { as: world.owner }), 204);
    await stored('fits.txt', textBytes('fits'.repeat(500)), { projectId });
    expect(await waiting()).toBe(0);
  });
});
