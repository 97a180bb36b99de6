import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import { frames, readFrames } from '../../src/contract/frames.ts';
import { newId } from '../../src/contract/ids.ts';
import type { DsseEnvelope, OutputFile, RunnerEvent } from '../../src/contract/jobs.ts';
import { limits } from '../../src/contract/limits.ts';
import { sha256 } from '../../src/core/tree.ts';
import { unwrap } from '../../src/durable-objects/rpc.ts';
import { buildRun } from '../../src/durable-objects/stubs.ts';
import { newBuild, projectToBuild, runnerOf, show, succeed, world } from './build-setup.ts';
import { claim } from './built.ts';
import { call, expectJson, expectProblem, roomStub } from './support.ts';

projectToBuild();

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('#71 #72 the token of a runner', () => {
  it('opens one attempt of one build, while it runs', async () => {
    const [build, other] = [await newBuild(), await newBuild()];
    const { attempt } = await claim(build.id);
    expect(await expectProblem(await (await runnerOf(build.id, attempt, { tokenOf: other.id })).manifest(), 401)).toBe(
      'unauthenticated',
    );
    // Of another time: one that has run out, leeway included.
    const late = await runnerOf(build.id, attempt, { ttl: -2 * limits.auth.clockLeeway });
    for (const answer of [await late.manifest(), await late.events([]), await late.output(sha256('x'), 'x')])
      expect(await expectProblem(answer, 401)).toBe('unauthenticated');
    expect(await expectProblem(await (await runnerOf(build.id, attempt + 1)).events([]), 409)).toBe('conflict');
    expect(await expectProblem(await (await runnerOf(build.id, attempt + 1)).manifest(), 409)).toBe('conflict');
    expect(
      await expectProblem(await call('GET', `/api/runner/builds/${build.id}/manifest`, { as: world.owner }), 401),
    ).toBe('unauthenticated');
    expect(await expectProblem(await (await runnerOf(build.id, attempt)).blob('0'.repeat(64)), 404)).toBe('not_found');
    await succeed(build.id, attempt);
    expect(await expectProblem(await (await runnerOf(build.id, attempt)).manifest(), 409)).toBe('conflict');
  });

  it('of a job that waits to be pulled begins it, once, and opens nothing before', async () => {
    const [late, later] = [`\ufefflate ${newId()}`, `later ${newId()}`];
    const write = async (content: string): Promise<void> => {
      const path = `/api/projects/${world.projectId}/files/late.txt`;
      expect((await call('PUT', path, { as: world.owner, json: { content } })).status).toBeLessThan(300);
    };
    await write(late);
    const build = await newBuild();
    await write(later);
    const { attempt } = await claim(build.id);
    await unwrap(buildRun(env, build.id).offered(attempt));
    const runner = await runnerOf(build.id, attempt);
    expect(await expectProblem(await runner.manifest(), 409)).toBe('conflict');
    expect(await expectProblem(await runner.events([]), 409)).toBe('conflict');
    const [one, other] = [newId(), newId()];
    const answers = await Promise.all([runner.start(one), runner.start(other)]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
    const winner = answers[0]?.status === 200 ? one : other;
    const job = await expectJson<{ texts: string[] }>(await runner.start(winner), 200);
    expect(job).toMatchObject({ buildId: build.id, projectId: world.projectId, attempt, treeHash: build.treeHash });
    // What was written of late is with it, and nothing that the snapshot does not have.
    expect(job.texts).toContain(late);
    expect(job.texts).not.toContain(later);
    await expectJson(await runner.manifest(), 200);
    expect(await expectProblem(await (await runnerOf(build.id, attempt + 1)).start(newId()), 409)).toBe('conflict');
    await succeed(build.id, attempt);
    expect(await expectProblem(await runner.start(winner), 409)).toBe('conflict');
  });

  it('stores only bytes that have the hash they are named by', async () => {
    const build = await newBuild();
    const runner = await runnerOf(build.id, (await claim(build.id)).attempt);
    expect(await expectProblem(await runner.output(sha256('promised'), 'delivered'), 422)).toBe('validation_failed');
    expect(await env.BUILDS.head(`output/${sha256('promised')}`)).toBeNull();
  });

  it('says which outputs are not stored yet, and reads to its end what is sent of another all the same', async () => {
    const build = await newBuild();
    const { attempt } = await claim(build.id);
    const runner = await runnerOf(build.id, attempt);
    const [there, absent] = [`there ${newId()}`, sha256(newId())];
    expect((await runner.output(sha256(there), there)).status).toBe(201);
    const answer = await expectJson<unknown>(await runner.missing([absent, sha256(there)]), 200);
    expect(answer).toEqual({ missing: [absent] });

    const parts = Array.from({ length: 8 }, () => new Uint8Array(64 * 1024));
    const body = new ReadableStream({
      pull: (controller) => {
        const next = parts.pop();
        if (next) controller.enqueue(next);
        else controller.close();
      },
    });
    expect((await runner.output(sha256(there), body)).status).toBe(200);
    expect(parts).toEqual([]);

    expect(await expectProblem(await runner.missing([]), 422)).toBe('validation_failed');
    const many = Array.from({ length: limits.build.batch.parts + 1 }, () => absent);
    expect(await expectProblem(await runner.missing(many), 422)).toBe('validation_failed');
    expect(await expectProblem(await (await runnerOf(build.id, attempt + 1)).missing([absent]), 409)).toBe('conflict');
    // What it was told of is believed without another question.
    await env.BUILDS.delete(`output/${sha256(there)}`);
    const output: OutputFile = {
      name: 'index.html',
      size: there.length,
      sha256: sha256(there),
      mimeType: 'text/html',
      role: 'site',
    };
    await expectJson(await runner.events([{ type: 'success', outputs: [output], timings: {} }]), 200);
    expect(await show(build.id)).toMatchObject({ status: 'success' });
  });

  it('opens small files together, and none of another snapshot with them', async () => {
    const build = await newBuild();
    const { attempt } = await claim(build.id);
    const runner = await runnerOf(build.id, attempt);
    const { files } = await expectJson<{ files: { hash: string }[] }>(await runner.manifest(), 200);
    const hashes = files.map(({ hash }) => hash);
    const answer = await runner.blobs(hashes);
    expect(answer.status).toBe(200);
    const contents = readFrames(new Uint8Array(await answer.arrayBuffer()));
    expect(contents?.map(({ hash, bytes }) => [hash, sha256(bytes)])).toEqual(hashes.map((hash) => [hash, hash]));

    const foreign = sha256('of somebody else');
    await env.ASSETS.put(`blob/${foreign}`, 'of somebody else');
    expect(await expectProblem(await runner.blobs([...hashes, foreign]), 404)).toBe('not_found');
    expect(await expectProblem(await runner.blobs([]), 422)).toBe('validation_failed');
    expect(await expectProblem(await (await runnerOf(build.id, attempt + 1)).blobs(hashes), 409)).toBe('conflict');
  });

  it('hands out what the room alone has, and the same once it is in the store and the room has let go of it', async () => {
    const content = `held ${newId()}`;
    const path = `/api/projects/${world.projectId}/files/held.txt`;
    await expectJson(await call('PUT', path, { as: world.owner, json: { content } }), 201);
    const build = await newBuild();
    const { treeHash, attempt } = await claim(build.id);
    expect(await env.ASSETS.head(`tree/${treeHash}`)).toBeNull();
    const runner = await runnerOf(build.id, attempt);
    const hash = sha256(content);
    const fetched = async () => {
      const { files } = await expectJson<{ files: { hash: string }[] }>(await runner.manifest(), 200);
      const together = await runner.blobs(files.map((file) => file.hash));
      return {
        files,
        alone: await (await runner.blob(hash)).text(),
        together: readFrames(new Uint8Array(await together.arrayBuffer()))?.map((one) => [one.hash, sha256(one.bytes)]),
      };
    };
    const held = await fetched();
    expect(held.alone).toBe(content);
    expect(held.together).toEqual(held.files.map((file) => [file.hash, file.hash]));
    const checkpoint = `/api/projects/${world.projectId}/checkpoints/${build.checkpointId}`;
    await expectJson(await call('GET', checkpoint, { as: world.owner }), 200);
    expect(await env.ASSETS.head(`tree/${treeHash}`)).not.toBeNull();
    await runInDurableObject(roomStub(world.projectId), (_room, state) => {
      state.storage.sql.exec('DELETE FROM contents');
    });
    expect(await fetched()).toEqual(held);
  });

  it('opens no file together with others that is too large for that', async () => {
    await expectJson(
      await call('PUT', `/api/projects/${world.projectId}/files/large.txt`, {
        as: world.owner,
        json: { content: 'x'.repeat(limits.build.batch.partBytes + 1) },
      }),
      201,
    );
    const build = await newBuild();
    const runner = await runnerOf(build.id, (await claim(build.id)).attempt);
    const { files } = await expectJson<{ files: { path: string; hash: string }[] }>(await runner.manifest(), 200);
    const hash = files.find(({ path }) => path === 'large.txt')?.hash ?? '';
    expect(await expectProblem(await runner.blobs([hash]), 413)).toBe('payload_too_large');
    expect((await (await runner.blob(hash)).arrayBuffer()).byteLength).toBe(limits.build.batch.partBytes + 1);
  });

  it('stores small outputs together, which a success may then name', async () => {
    const build = await newBuild();
    const { attempt } = await claim(build.id);
    const runner = await runnerOf(build.id, attempt);
    const contents = ['<h1>page</h1>', newId()].map((text) => ({ hash: sha256(text), bytes: encode(text) }));
    expect((await runner.outputs(frames(contents))).status).toBe(201);
    const outputs: OutputFile[] = contents.map(({ hash, bytes }, index) => ({
      ...{ name: `${index}.html`, size: bytes.length, sha256: hash, mimeType: 'text/html', role: 'site' },
    }));
    const wrong = outputs.map((output) => ({ ...output, size: output.size + 1 }));
    expect(await expectProblem(await runner.events([{ type: 'success', outputs: wrong, timings: {} }]), 409)).toBe(
      'conflict',
    );
    await expectJson(await runner.events([{ type: 'success', outputs, timings: {} }]), 200);
    expect((await show(build.id)).status).toBe('success');
    expect(await expectProblem(await runner.outputs(frames(contents)), 409)).toBe('conflict');
  });

  it.each([
    ['that have another hash', () => frames([{ hash: sha256('promised'), bytes: encode('delivered') }])],
    ['that are cut off', () => frames([{ hash: sha256('whole'), bytes: encode('whole') }]).slice(0, -1)],
    ['of which there are none', () => new Uint8Array()],
  ])('stores no outputs together %s', async (_name, body) => {
    const build = await newBuild();
    const runner = await runnerOf(build.id, (await claim(build.id)).attempt);
    expect(await expectProblem(await runner.outputs(new Uint8Array(body())), 422)).toBe('validation_failed');
    for (const text of ['promised', 'whole']) expect(await env.BUILDS.head(`output/${sha256(text)}`)).toBeNull();
  });

  it('stores no more outputs together than a Worker can hold', async () => {
    const build = await newBuild();
    const runner = await runnerOf(build.id, (await claim(build.id)).attempt);
    const large = new Uint8Array(limits.build.batch.partBytes + 1);
    const many = Array.from({ length: limits.build.batch.parts + 1 }, (_, n) => encode(`${build.id} ${n}`));
    for (const contents of [[large], many]) {
      const body = frames(contents.map((bytes) => ({ hash: sha256(bytes), bytes })));
      expect(await expectProblem(await runner.outputs(new Uint8Array(body)), 413)).toBe('payload_too_large');
    }
    expect(await env.BUILDS.head(`output/${sha256(large)}`)).toBeNull();
  });

  it('reports success with the small outputs in one request, to which the platform adds its signed word on their origin', async () => {
    const build = await newBuild();
    const { attempt } = await claim(build.id);
    const runner = await runnerOf(build.id, attempt);
    const [page, zip] = [encode(newId()), encode(newId())];
    const outputs: OutputFile[] = [
      { name: 'index.html', size: page.length, sha256: sha256(page), mimeType: 'text/html', role: 'site' },
      { name: 'game-web.zip', size: zip.length, sha256: sha256(zip), mimeType: 'application/zip', role: 'download' },
    ];
    const line: RunnerEvent = { type: 'log', at: Date.now(), level: 'info', step: 'package', message: 'the last line' };
    const told = { batch: 1, events: [line, { type: 'success', outputs, timings: { bundle: 5 } }] };
    const contents = [page, zip].map((bytes) => ({ hash: sha256(bytes), bytes }));

    // One that is stored nowhere, one that is named nowhere, one whose bytes are others, one that is for another attempt.
    expect(await expectProblem(await runner.success(told, contents.slice(1)), 409)).toBe('conflict');
    const stray = { hash: sha256(encode('stray')), bytes: encode('stray') };
    expect((await runner.success(told, [...contents, stray])).status).toBe(422);
    expect((await runner.success(told, [{ hash: sha256(page), bytes: zip }])).status).toBe(422);
    expect((await runner.success({ ...told, attempt: attempt + 1 }, contents)).status).toBe(409);
    expect((await runner.success({ ...told, events: [line] }, contents)).status).toBe(422);
    expect((await show(build.id)).status).toBe('building');

    expect(await expectJson(await runner.success(told, contents), 200)).toEqual({ cancelled: false });
    expect(await show(build.id)).toMatchObject({ status: 'success', timings: { bundle: 5 } });
    const { artifacts } = await expectJson<{ artifacts: { name: string; sha256: string }[] }>(
      await call('GET', `/api/builds/${build.id}/artifacts`, { as: world.viewer }),
      200,
    );
    expect(artifacts.map(({ name }) => name)).toEqual(['game-web.zip', 'provenance.json']);
    const report = await call('GET', `/api/builds/${build.id}/artifacts/provenance.json`, { as: world.viewer });
    const text = await report.text();
    expect(sha256(text)).toBe(artifacts[1]?.sha256);
    const { payload } = JSON.parse(text) as DsseEnvelope;
    expect(JSON.parse(atob(payload))).toMatchObject({
      subject: [
        { name: 'site/index.html', digest: { sha256: sha256(page) } },
        { name: 'downloads/game-web.zip', digest: { sha256: sha256(zip) } },
      ],
      predicate: { buildDefinition: { externalParameters: { projectId: world.projectId } } },
    });
    const { logs } = await expectJson<{ logs: { message: string }[] }>(
      await call('GET', `/api/builds/${build.id}/logs`, { as: world.viewer }),
      200,
    );
    expect(logs.map(({ message }) => message)).toEqual(['the last line']);

    // Its answer may have been lost: the same again is answered as before, and changes nothing.
    expect(await expectJson(await runner.success(told, contents), 200)).toEqual({ cancelled: false });
    expect((await show(build.id)).status).toBe('success');
    const late = await runnerOf(build.id, attempt + 1);
    expect(await expectProblem(await late.success({ ...told, attempt: attempt + 1 }, contents), 409)).toBe('conflict');
  });

  it('hears in answer to its success that the build was cancelled', async () => {
    const build = await newBuild();
    const runner = await runnerOf(build.id, (await claim(build.id)).attempt);
    await call('DELETE', `/api/builds/${build.id}`, { as: world.viewer });
    const told = { batch: 1, events: [{ type: 'success', outputs: [], timings: {} }] };
    expect(await expectJson(await runner.success(told, []), 200)).toEqual({ cancelled: true });
    expect((await show(build.id)).status).toBe('cancelled');
  });

  it('has the origin of its results signed, in the words of the platform', async () => {
    const build = await newBuild();
    const { attempt } = await claim(build.id);
    const runner = await runnerOf(build.id, attempt);
    const outputs = [{ name: 'game-web.zip', role: 'download', sha256: sha256('zip') }];
    const envelope = await expectJson<DsseEnvelope>(await runner.provenance({ outputs }), 200);
    expect(JSON.parse(atob(envelope.payload))).toMatchObject({
      subject: [{ name: 'downloads/game-web.zip', digest: { sha256: sha256('zip') } }],
      predicate: {
        buildDefinition: {
          externalParameters: { projectId: world.projectId, target: 'web' },
          resolvedDependencies: [{ digest: { sha256: build.treeHash } }],
        },
        runDetails: { metadata: { invocationId: `urn:kiln:build:${build.id}:${attempt}` } },
      },
    });
    const { keys } = await expectJson<{ keys: { kid: string }[] }>(await call('GET', '/.well-known/jwks.json'), 200);
    expect(keys.map(({ kid }) => kid)).toContain(envelope.signatures[0]?.keyid);

    expect(await expectProblem(await runner.provenance({ outputs, attempt: attempt + 1 }), 409)).toBe('conflict');
    expect(await expectProblem(await runner.provenance({ outputs: [] }), 422)).toBe('validation_failed');
    await succeed(build.id, attempt);
    expect(await expectProblem(await runner.provenance({ outputs }), 409)).toBe('conflict');
  });

  it('cannot claim a success whose files are not there, nor one twice', async () => {
    const build = await newBuild();
    const { attempt } = await claim(build.id);
    const runner = await runnerOf(build.id, attempt);
    const missing: OutputFile = {
      name: 'index.html',
      size: 3,
      sha256: sha256(newId()),
      mimeType: 'text/html',
      role: 'site',
    };
    expect(await expectProblem(await runner.events([{ type: 'success', outputs: [missing], timings: {} }]), 409)).toBe(
      'conflict',
    );
    expect((await show(build.id)).status).toBe('building');
    const outputs = await succeed(build.id, attempt);
    await expectJson(
      await runner.events([{ type: 'failure', kind: 'user', code: 'build_failed', message: 'late', timings: {} }]),
      200,
    );
    expect((await show(build.id)).status).toBe('success');
    expect(outputs).toHaveLength(2);
  });
});
