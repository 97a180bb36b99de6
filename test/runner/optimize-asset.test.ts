import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Document, NodeIO } from '@gltf-transform/core';
import { EXTMeshoptCompression } from '@gltf-transform/extensions';
import { MeshoptDecoder } from 'meshoptimizer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../src/contract/ids.ts';
import type { AssetOutcome } from '../../src/contract/jobs.ts';
import type { AssetTask } from './support/fake-platform.ts';
import { RunnerWorld } from './support/world.ts';

const world = new RunnerWorld();
/** Hears of whatever a hostile file makes somebody fetch. */
let bait: Server;
const fetched: string[] = [];

beforeAll(async () => {
  bait = createServer((request, response) => {
    fetched.push(request.url ?? '');
    response.end('secret');
  });
  await new Promise<void>((resolve) => bait.listen(0, '127.0.0.1', resolve));
});

afterAll(async () => {
  bait?.close();
});

const run = async (bytes: string | Uint8Array, job: AssetTask): Promise<Buffer | AssetOutcome> => {
  const optimization = await world.platform.optimization(bytes, job);
  const answer = await world.runner.post(optimization.ticket);
  if (answer.status !== 202) throw new Error(`the runner answered ${answer.status}: ${await answer.text()}`);
  return await optimization.outcome.promise;
};

const smaller = async (...given: Parameters<typeof run>): Promise<Buffer> => {
  const outcome = await run(...given);
  if (!Buffer.isBuffer(outcome)) throw new Error(JSON.stringify(outcome));
  return outcome;
};

const svg = { mimeType: 'image/svg+xml' } as const;
const glb = { mimeType: 'model/gltf-binary' } as const;
const gltf = { mimeType: 'model/gltf+json' } as const;

const positions = new Float32Array(Array.from({ length: 9000 }, (_, i) => ((i / 3) | 0) * ((i % 3) + 1)));
const document = (): Document => {
  const made = new Document();
  const buffer = made.createBuffer();
  const scene = made.createScene('scene');
  for (const name of ['left', 'right']) {
    const accessor = made.createAccessor().setType('VEC3').setArray(positions).setBuffer(buffer);
    const primitive = made.createPrimitive().setAttribute('POSITION', accessor);
    scene.addChild(made.createNode(name).setMesh(made.createMesh(name).addPrimitive(primitive)));
  }
  return made;
};
/** The same model as one text. */
const asText = async (): Promise<string> => {
  const { json, resources } = await new NodeIO().writeJSON(document());
  for (const part of json.buffers ?? [])
    part.uri = `data:application/octet-stream;base64,${Buffer.from(resources[part.uri ?? ''] ?? []).toString('base64')}`;
  return JSON.stringify(json);
};

/** A GLB of one JSON chunk. */
const glbOf = (json: object): Buffer => {
  const text = Buffer.from(JSON.stringify(json));
  const padded = Buffer.concat([text, Buffer.alloc((4 - (text.length % 4)) % 4, 0x20)]);
  const head = Buffer.alloc(20);
  head.write('glTF', 0, 'latin1');
  head.writeUInt32LE(2, 4);
  head.writeUInt32LE(20 + padded.length, 8);
  head.writeUInt32LE(padded.length, 12);
  head.write('JSON', 16, 'latin1');
  return Buffer.concat([head, padded]);
};

describe('an asset', () => {
  it('is shortened as a drawing, keeping what a game may look for', async () => {
    const source =
      '<?xml version="1.0"?>\n<!-- made with a pencil -->\n<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10">\n  <g id="keep">\n    <path d="M 0 0 L 10 0 L 10 10 Z"/>\n  </g>\n</svg>\n';
    const text = (await smaller(source, svg)).toString();
    expect(text.length).toBeLessThan(source.length);
    expect(text).not.toContain('pencil');
    expect(text).toContain('id="keep"');
    expect(await run(text, svg)).toEqual({ type: 'unchanged' });
  });

  it('stores equal parts of a model once, as GLB and as glTF', async () => {
    const binary = await new NodeIO().writeBinary(document());
    const text = await asText();
    const results = [
      [binary, await smaller(binary, glb), (made: Buffer) => new NodeIO().readBinary(new Uint8Array(made))],
      [
        text,
        await smaller(text, gltf),
        (made: Buffer) => new NodeIO().readJSON({ json: JSON.parse(made.toString()), resources: {} }),
      ],
    ] as const;
    for (const [before, after, read] of results) {
      expect(after.length).toBeLessThan(before.length * 0.6);
      const root = (await read(after)).getRoot();
      expect(root.listNodes().map((node) => node.getName())).toEqual(['left', 'right']);
      for (const mesh of root.listMeshes())
        expect(mesh.listPrimitives()[0]?.getAttribute('POSITION')?.getArray()).toEqual(positions);
    }
  });

  it('has its meshes compressed only when that is asked for', async () => {
    const binary = await new NodeIO().writeBinary(document());
    const plain = await smaller(binary, glb);
    const compressed = await smaller(binary, { ...glb, compressMeshes: true });
    expect(compressed.length).toBeLessThan(plain.length);
    expect(plain.toString('latin1')).not.toContain('EXT_meshopt_compression');
    await MeshoptDecoder.ready;
    const io = new NodeIO()
      .registerExtensions([EXTMeshoptCompression])
      .registerDependencies({ 'meshopt.decoder': MeshoptDecoder });
    const root = (await io.readBinary(new Uint8Array(compressed))).getRoot();
    expect(root.listMeshes()[0]?.listPrimitives()[0]?.getAttribute('POSITION')?.getCount()).toBe(positions.length / 3);
  });

  it('that is broken fails by its type', async () => {
    const cut = {
      asset: { version: '2.0' },
      buffers: [{ byteLength: 4, uri: 'data:application/octet-stream;base64,AAAAAA==' }],
      bufferViews: [{ buffer: 0, byteLength: 4000 }],
      accessors: [{ bufferView: 0, componentType: 5126, count: 1000, type: 'SCALAR' }],
    };
    for (const [bytes, type] of [
      ['<svg><', svg],
      ['glTF', glb],
      [(await new NodeIO().writeBinary(document())).subarray(0, 400), glb],
      ['{"asset":', gltf],
      [JSON.stringify(cut), gltf],
    ] as const)
      expect(await run(bytes, type), String(bytes).slice(0, 20)).toEqual({
        type: 'failure',
        kind: 'user',
        code: 'asset_broken',
      });
  });
});

describe('#48 #66 #70 a hostile asset', () => {
  it('that grows while it is read is left alone', async () => {
    const laughs = Array.from({ length: 9 }, (_, i) => `<!ENTITY l${i + 1} "${`&l${i};`.repeat(10)}">`).join('');
    const bomb = `<!DOCTYPE svg [<!ENTITY l0 "ha">${laughs}]><svg xmlns="http://www.w3.org/2000/svg"><text>&l9;</text></svg>`;
    expect(await run(bomb, svg)).toEqual({ type: 'unchanged' });
    const deep = `<svg xmlns="http://www.w3.org/2000/svg">${'<g>'.repeat(200_000)}${'</g>'.repeat(200_000)}</svg>`;
    expect(await run(deep, svg)).toMatchObject({ type: 'failure' });
  });

  it('that names files and addresses gets none of them', async () => {
    const { port } = bait.address() as AddressInfo;
    const addresses = [
      '/etc/passwd',
      'file:///etc/passwd',
      '../../../../etc/passwd',
      'http://169.254.169.254/latest/meta-data/',
      `http://127.0.0.1:${port}/buffer`,
    ];
    for (const uri of addresses) {
      const broken = { type: 'failure', kind: 'user', code: 'asset_broken' };
      const json = { asset: { version: '2.0' }, buffers: [{ uri, byteLength: 12 }] };
      expect(await run(JSON.stringify(json), gltf), uri).toEqual(broken);
      expect(await run(glbOf(json), glb), uri).toEqual(broken);
      const image = { asset: { version: '2.0' }, images: [{ uri }] };
      expect(await run(glbOf(image), glb), uri).toEqual(broken);
      // A drawing keeps what it refers to, and nobody goes there.
      const drawing = `<!-- x --><svg xmlns="http://www.w3.org/2000/svg"><image href="${uri}"/><style>@import url(${uri});</style></svg>`;
      const made = (await smaller(drawing, svg)).toString();
      expect(made).not.toMatch(/root:|secret/);
    }
    expect(fetched).toEqual([]);
  });

  it('that points beyond its own bytes reads nothing there', async () => {
    const uri = `data:application/octet-stream;base64,${Buffer.from('own').toString('base64')}`;
    const views = [
      {
        bufferViews: [{ buffer: 0, byteLength: 4000 }],
        accessors: [{ bufferView: 0, componentType: 5121, count: 4000, type: 'SCALAR' }],
      },
      {
        bufferViews: [{ buffer: 0, byteOffset: 4, byteLength: 64 }],
        images: [{ bufferView: 0, mimeType: 'image/jpeg' }],
      },
    ];
    for (const view of views) {
      const json = {
        asset: { version: '2.0', extras: 'x'.repeat(9000) },
        buffers: [{ byteLength: 4000, uri }],
        ...view,
      };
      const broken = { type: 'failure', kind: 'user', code: 'asset_broken' };
      expect(await run(JSON.stringify(json), gltf)).toEqual(broken);
      expect(await run(glbOf({ ...json, buffers: [{ byteLength: 4000 }] }), glb)).toMatchObject({ type: 'failure' });
    }
  });

  it('that asks for more memory than there is ends, and takes nobody with it', async () => {
    for (const count of [4_000_000_000, 150_000_000]) {
      const accessors = Array.from({ length: 8 }, () => ({ componentType: 5126, count, type: 'MAT4' }));
      const meshes = accessors.map((_, at) => ({ primitives: [{ attributes: { POSITION: at } }] }));
      const outcome = await run(glbOf({ asset: { version: '2.0' }, accessors, meshes }), glb);
      expect(outcome, String(count)).toMatchObject({ type: 'failure' });
    }
    expect(await world.runner.health()).toMatchObject({ status: 'ok' });
    expect(await smaller('<!-- still here --><svg xmlns="http://www.w3.org/2000/svg"/>', svg)).toBeDefined();
  });

  it('that takes too long is killed with all it started', async () => {
    const path = `<path d="${'M0 0L1.23456789 9.87654321'.repeat(20_000)}"/>`;
    const outcome = await run(`<svg xmlns="http://www.w3.org/2000/svg">${path.repeat(20)}</svg>`, {
      ...svg,
      timeout: 300,
    });
    expect(outcome).toEqual({ type: 'failure', kind: 'limit', code: 'payload_too_large' });
  });
});

describe('a ticket', () => {
  it('is refused with a token of another job or kind, and begun once', async () => {
    const one = await world.platform.optimization('<svg xmlns="http://www.w3.org/2000/svg"/>', svg);
    const other = await world.platform.optimization('<svg xmlns="http://www.w3.org/2000/svg"/>', svg);
    expect((await world.runner.post({ ...one.ticket, token: other.ticket.token })).status).toBe(403);
    expect((await world.runner.post({ ...one.ticket, attempt: 2 })).status).toBe(403);
    expect((await world.runner.post({ ...one.ticket, optimizationId: newId() })).status).toBe(403);
    expect((await world.runner.post({ ...one.ticket, token: 'x' })).status).toBe(401);
    const build = await world.platform.build({ 'index.html': '' });
    expect((await world.runner.post({ ...one.ticket, token: build.job.token })).status).toBe(401);
    expect((await world.runner.post({ v: 1, optimizationId: 'x' })).status).toBe(422);
    expect(one.executions).toEqual([]);
    expect((await world.runner.post(one.ticket)).status).toBe(202);
    await one.outcome.promise;
    expect((await world.runner.post(one.ticket)).status).toBe(202);
    await expect.poll(async () => (await world.runner.health()).running).toBe(0);
    expect(await one.outcome.promise).toEqual({ type: 'unchanged' });
  });

  it('of an asset with other bytes than were promised ends without a result', async () => {
    const outcome = await run('<!-- x --><svg xmlns="http://www.w3.org/2000/svg"/>', { ...svg, hash: '0'.repeat(64) });
    expect(outcome).toEqual({ type: 'failure', kind: 'infra', code: 'runner_lost' });
  });
});
