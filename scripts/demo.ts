// `npm run demo`: drives the main job on a running system over the public API, and says what it saw.
import { strict as assert } from 'node:assert';
import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import { createClient, joinProject, type KilnClient, type RoomDocument, watchBuild } from '../src/client/index.ts';
import type { Build } from '../src/contract/builds.ts';
import { newId } from '../src/contract/ids.ts';
import { fetchContent } from './lib/content.ts';
import { sleep } from './lib/processes.ts';

const { values } = parseArgs({
  options: {
    url: { type: 'string', default: 'http://localhost:8787' },
    template: { type: 'string', default: 'phaser-platformer' },
  },
});

const started = Date.now();
let step = 0;
async function show<T>(title: string, work: () => Promise<T>, saw: (result: T) => string): Promise<T> {
  step += 1;
  const begin = Date.now();
  const result = await work();
  process.stdout.write(
    `${String(step).padStart(2)}. ${title.padEnd(46)} ${String(Date.now() - begin).padStart(6)} ms   ${saw(result)}\n`,
  );
  return result;
}

/** Waits for something that collaborators see a moment later. */
async function eventually(what: string, check: () => boolean | Promise<boolean>, patience = 60_000): Promise<void> {
  const deadline = Date.now() + patience;
  while (!(await check())) {
    assert(Date.now() < deadline, `${what} did not happen within ${patience} ms`);
    await sleep(20);
  }
}

async function signUp(name: string): Promise<KilnClient> {
  const client = createClient({ baseUrl: values.url });
  const unique = newId().slice(-12);
  await client.register({
    email: `${name}-${unique}@demo.example`,
    username: `${name}-${unique}`,
    password: `a demo password ${unique}`,
    displayName: name,
  });
  return client;
}

async function main(): Promise<void> {
  const { ada, grace } = await show(
    'Two people sign up',
    async () => ({ ada: await signUp('Ada'), grace: await signUp('Grace') }),
    () => 'Ada, Grace',
  );

  const { project } = await show(
    'Ada starts from a template',
    () => ada.call('createFromTemplate', { params: { templateId: values.template }, body: { name: 'Demo game' } }),
    (result) => `${result.project.fileCount} files from ${values.template}`,
  );
  const id = project.id;

  await show(
    'A stranger sees nothing',
    () =>
      grace.call('getProject', { params: { id } }).then(
        () => assert.fail('Grace is no member'),
        (error: { code: string }) => error,
      ),
    (error) => {
      assert.equal(error.code, 'not_found');
      return error.code;
    },
  );

  await show(
    'Ada invites Grace as editor',
    async () => {
      const { user } = await grace.call('getMe');
      return await ada.call('addCollaborator', { params: { id }, body: { userId: user.id, role: 'editor' } });
    },
    ({ collaborator }) => `${collaborator.displayName} is ${collaborator.role}`,
  );

  const path = 'NOTES.md';
  await ada.call('putFile', { params: { id, path }, body: { content: '# Notes\n\n' } });
  const rooms = [joinProject(ada, id), joinProject(grace, id)] as const;
  const documents = await show(
    'Both open one file in the room',
    async (): Promise<[RoomDocument, RoomDocument]> => {
      const opened: [RoomDocument, RoomDocument] = [rooms[0].openDocument(path), rooms[1].openDocument(path)];
      await Promise.all(opened.map((document) => document.synced));
      await eventually(
        'presence of two',
        async () => (await ada.call('getPresence', { params: { id } })).users.length === 2,
      );
      return opened;
    },
    () => `${rooms[0].users.size} present`,
  );
  const [left, right] = documents;

  await show(
    'Both type at the same time',
    async () => {
      for (let index = 0; index < 40; index += 1) {
        left.text.insert(left.text.length, `a${index} `);
        right.text.insert(0, `g${index} `);
        await sleep(5);
      }
      await eventually(
        'convergence',
        () => left.text.toString() === right.text.toString() && !left.dirty && !right.dirty,
      );
      const text = left.text.toString();
      for (let index = 0; index < 40; index += 1)
        assert(text.includes(`a${index} `) && text.includes(`g${index} `), 'a keystroke is missing');
      return text;
    },
    (text) => `${text.length} characters, equal on both sides, saved`,
  );

  await show(
    'A REST write merges into the open file',
    async () => {
      const { file } = await ada.call('getFile', { params: { id, path } });
      right.text.insert(right.text.length, 'typed meanwhile');
      await ada.call('putFile', {
        params: { id, path },
        body: { content: file.content.replace('# Notes', '# Notes by REST') },
        headers: { 'if-match': `"${file.hash}"` },
      });
      await eventually('the merge', () =>
        [left, right].every(
          ({ text }) => text.toString().includes('# Notes by REST') && text.toString().includes('typed meanwhile'),
        ),
      );
      const after = await ada.call('getFile', { params: { id, path } });
      await eventually(
        'equality with REST',
        async () => (await ada.call('getFile', { params: { id, path } })).file.content === left.text.toString(),
      );
      return after.file;
    },
    (file) => `${file.size} bytes, both edits kept`,
  );
  for (const document of documents) document.close();
  for (const room of rooms) room.leave();

  const follow = async (buildId: string): Promise<{ lines: number; build: Build }> => {
    let lines = 0;
    await watchBuild(
      ada,
      buildId,
      {
        log: (line) => {
          lines += 1;
          process.stdout.write(`      ${line.step.padEnd(12)} ${line.message.split('\n')[0]?.slice(0, 110)}\n`);
        },
      },
      AbortSignal.timeout(300_000),
    );
    return { lines, build: (await ada.call('getBuild', { params: { id: buildId } })).build };
  };
  const { build } = await show(
    'The game is built, with a live log',
    async () => {
      const queued = await ada.call('createBuild', { body: { projectId: id, target: 'web' } });
      const result = await follow(queued.build.id);
      assert.equal(result.build.status, 'success', `${result.build.errorCode}: ${result.build.errorMessage}`);
      return result;
    },
    (result) =>
      `${result.lines} log lines; ${Object.entries(result.build.timings)
        .map(([name, ms]) => `${name} ${Math.round(ms)}`)
        .join(', ')}`,
  );

  await show(
    'The same tree again comes from the cache',
    () => ada.call('createBuild', { body: { projectId: id, target: 'web' } }),
    ({ build: again }) => {
      assert(again.cached && again.status === 'success');
      return `cached, ${again.status}`;
    },
  );

  await show(
    'The zip is downloaded and checked',
    async () => {
      const { artifacts } = await ada.call('listArtifacts', { params: { id: build.id } });
      const zip = artifacts.find((artifact) => artifact.name.endsWith('.zip'));
      assert(zip, 'there is no zip');
      const bytes = Buffer.from(
        await (await ada.raw('getArtifact', { params: { id: build.id, name: zip.name } })).arrayBuffer(),
      );
      assert.equal(createHash('sha256').update(bytes).digest('hex'), zip.sha256);
      assert.equal(bytes.length, zip.size);
      return zip;
    },
    (zip) => `${zip.name}, ${zip.size} bytes, sha256 ${zip.sha256.slice(0, 12)}… matches`,
  );

  await show(
    'The game answers at its own origin',
    async () => {
      assert(build.playUrl, 'there is no play URL');
      const page = await fetchContent(build.playUrl);
      assert.equal(page.status, 200);
      const scripts = [...page.body.toString().matchAll(/src="([^"]+\.js)"/g)].map((match) => match[1] ?? '');
      assert(scripts.length > 0, 'the page loads no script');
      for (const script of scripts) assert.equal((await fetchContent(build.playUrl, script)).status, 200, script);
      return { url: build.playUrl, scripts };
    },
    (page) => `${page.url} (${page.scripts.length} script${page.scripts.length === 1 ? '' : 's'})`,
  );
}

try {
  await main();
  process.stdout.write(`\nEverything matched, in ${((Date.now() - started) / 1000).toFixed(1)} s.\n`);
  process.exit(0);
} catch (error) {
  process.stderr.write(`\nThe demo failed: ${error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(1);
}
