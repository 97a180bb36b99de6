import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { fetchContent } from '../../scripts/lib/content.ts';
import { type KilnClient, watchBuild } from '../../src/client/index.ts';
import type { Build } from '../../src/contract/builds.ts';
import { signUp } from '../support/people.ts';

let ada: KilnClient;
beforeAll(async () => {
  ada = await signUp(inject('origin'));
});

async function projectOf(files: Record<string, string>): Promise<string> {
  const { project } = await ada.call('createProject', { body: { name: 'Game' } });
  for (const [path, content] of Object.entries(files))
    await ada.call('putFile', { params: { id: project.id, path }, body: { content } });
  return project.id;
}

async function build(projectId: string): Promise<{ build: Build; lines: string[] }> {
  const lines: string[] = [];
  const { build: queued } = await ada.call('createBuild', { body: { projectId } });
  await watchBuild(ada, queued.id, { log: (line) => lines.push(line.message) }, AbortSignal.timeout(300_000));
  return { build: (await ada.call('getBuild', { params: { id: queued.id } })).build, lines };
}

describe('a build through queue and runner', () => {
  it.each(['canvas-arcade', 'phaser-platformer', 'three-runner'])(
    'of the template %s plays at its own origin',
    async (templateId) => {
      const { project } = await ada.call('createFromTemplate', { params: { templateId }, body: { name: templateId } });
      const { build: done } = await build(project.id);
      expect(done, `${done.errorCode}: ${done.errorMessage}`).toMatchObject({ status: 'success', progress: 1 });
      const page = await fetchContent(done.playUrl ?? '');
      expect(page.status).toBe(200);
      expect(page.headers['content-type']).toContain('text/html');
      for (const [, script] of page.body.toString().matchAll(/src="([^"]+\.js)"/g)) {
        const answer = await fetchContent(done.playUrl ?? '', script);
        expect(answer.status).toBe(200);
        expect(answer.headers['cache-control']).toContain('immutable');
      }
      const { artifacts } = await ada.call('listArtifacts', { params: { id: done.id } });
      for (const { name, sha256, size } of artifacts) {
        const bytes = Buffer.from(
          await (await ada.raw('getArtifact', { params: { id: done.id, name } })).arrayBuffer(),
        );
        expect(bytes.length).toBe(size);
        expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256);
      }
    },
  );

  it('of two projects with the same files gives the same bytes', async () => {
    const files = { 'src/main.ts': 'const size: number = 3;\ndocument.title = `${size}`;\n' };
    const builds = [await build(await projectOf(files)), await build(await projectOf(files))];
    const hashes = await Promise.all(
      builds.map(async (one) =>
        (await ada.call('listArtifacts', { params: { id: one.build.id } })).artifacts
          // Names the build itself.
          .filter(({ name }) => name !== 'provenance.json')
          .map(({ sha256 }) => sha256),
      ),
    );
    expect(hashes[0]?.length).toBeGreaterThan(0);
    expect(hashes[0]).toEqual(hashes[1]);
  });

  it('with a mistake fails with file, line and column, and takes the next build', async () => {
    const id = await projectOf({ 'src/main.ts': 'const a = 1;\nconst b = ;\n' });
    const { build: failed } = await build(id);
    expect(failed).toMatchObject({ status: 'failed', errorCode: 'build_failed' });
    const { logs } = await ada.call('getBuildLogs', { params: { id: failed.id } });
    expect(logs.find((line) => line.level === 'error')).toMatchObject({ file: 'src/main.ts', line: 2 });
    await ada.call('putFile', { params: { id, path: 'src/main.ts' }, body: { content: 'document.title = "ok";\n' } });
    expect((await build(id)).build.status).toBe('success');
  });

  it('#66 takes nothing from outside the project into what it makes', async () => {
    const reads = [
      "import secret from '../../../../../../etc/passwd?raw'; document.title = secret;",
      "import env from '/proc/self/environ?raw'; document.title = env;",
      'const name = location.hash; import(`../../../${name}.txt`);',
    ];
    for (const [index, content] of reads.entries()) {
      const { build: done, lines } = await build(await projectOf({ 'src/main.ts': content, 'n.txt': String(index) }));
      expect(`${done.errorMessage} ${lines.join(' ')}`).not.toMatch(/root:x|PATH=|node_modules\/\.bin/);
      if (done.status === 'success') {
        const zip = await (await ada.raw('getArtifact', { params: { id: done.id, name: 'game-web.zip' } })).text();
        expect(zip).not.toMatch(/root:x|PATH=/);
      } else expect(done.status).toBe('failed');
    }
  });

  it('#11 is taken down with the account that owns its project, by the operator’s command, and comes back', async () => {
    const mallory = await signUp(inject('origin'));
    const { user } = await mallory.call('getMe');
    const { project } = await mallory.call('createProject', { body: { name: 'Bait' } });
    const source = { params: { id: project.id, path: 'src/main.js' }, body: { content: "document.title = 'bait';\n" } };
    await mallory.call('putFile', source);
    const { build: queued } = await mallory.call('createBuild', { body: { projectId: project.id } });
    await watchBuild(mallory, queued.id, {}, AbortSignal.timeout(300_000));
    const { publication } = await mallory.call('publishBuild', { params: { id: queued.id }, body: {} });
    const { build: done } = await mallory.call('getBuild', { params: { id: queued.id } });
    const addresses = [publication.url, done.playUrl ?? ''];
    const stands = async () => await Promise.all(addresses.map(async (url) => (await fetchContent(url)).status));
    expect(await stands()).toEqual([200, 200]);
    const operate = async (command: string): Promise<string> => {
      const args = ['scripts/accounts.ts', command, user.id, '--reason', 'bait', '--url', inject('origin')];
      return (await promisify(execFile)(process.execPath, args)).stdout;
    };
    expect(await operate('disable')).toContain('is disabled');
    expect(await stands()).toEqual([404, 404]);
    expect(await operate('enable')).toContain('is active');
    expect(await stands()).toEqual([200, 200]);
  });
});
