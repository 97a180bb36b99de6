import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { System } from '../../scripts/lib/system.ts';
import { limits } from '../../src/contract/limits.ts';
import { sha256 } from '../../src/core/tree.ts';
import { launchBrowser } from '../browser/chromium.ts';
import { clientOf, makeProject, register, visitor } from '../browser/person.ts';
import { freePort } from '../support/ports.ts';
import { newSystem } from '../support/system.ts';

const { partSize } = limits.upload;
const state = mkdtempSync(join(tmpdir(), 'kiln-direct-browser-'));
let browser: Browser;
let system: System;
let bucket: string;

beforeAll(async () => {
  browser = await launchBrowser();
  const port = await freePort();
  // Another origin than the workspace's, which is at `localhost`, as the account's endpoint is.
  bucket = `http://127.0.0.1:${port}`;
  const vars = {
    S3_ENDPOINT: `${bucket}/cdn-cgi/local/r2/s3`,
    S3_BUCKET: 'kiln-assets',
    S3_ACCESS_KEY_ID: 'local',
    S3_SECRET_ACCESS_KEY: 'local-secret',
  };
  system = await newSystem({ port, state, vars });
  await system.start();
});
afterAll(async () => {
  await browser?.close();
  await system?.stop();
  rmSync(state, { recursive: true, force: true });
});

/*
 * The local endpoint has one rule for every bucket, which nothing sets: any origin of this machine (`localhost` in all its
 * forms, and the hosts of the Worker's routes; another Origin is 403), any header, and every header of the answer is shown
 * (miniflare, workers/r2/s3). So what is shown here is that the browser asks for no more than `cors.json` of
 * docs/operations/deploy.md allows: PUT, no header beyond `content-type`, and `etag` of the answer.
 */
it('a file goes from the workspace straight into the bucket, within what its CORS rules allow', async () => {
  const ada = await visitor(browser, 'ada');
  const { page } = ada;
  const sent: { method: string; origin: string | undefined; asks: string | undefined; shows: string }[] = [];
  page.on('response', async (response) => {
    const request = response.request();
    if (!request.url().startsWith(bucket)) return;
    const headers = await request.allHeaders();
    const { etag = '' } = response.headers();
    const own = Object.keys(headers).filter(
      (name) => name === 'content-type' || /^(?:authorization|cookie|x-)/.test(name),
    );
    sent.push({ method: request.method(), origin: headers.origin, asks: own.join(), shows: etag });
  });
  await page.goto(system.origin);
  await register(ada);
  await page.getByTestId('new-project').first().waitFor();
  const client = await clientOf(ada, system.origin);
  const projectId = await makeProject(client, 'Direct', { 'src/main.ts': '' });
  await page.goto(`${system.origin}/p/${projectId}`);
  expect(new URL(page.url()).origin).not.toBe(bucket);

  const bytes = randomBytes(2 * partSize + 1000);
  await page.getByTestId('show-assets').click();
  await page.getByTestId('asset-files').setInputFiles({ name: 'film.bin', mimeType: '', buffer: bytes });
  await page.getByTestId('asset-film.bin').waitFor();
  const { assets } = await client.call('listAssets', { params: { id: projectId } });
  expect(assets).toMatchObject([{ name: 'film.bin', size: bytes.length, hash: sha256(bytes) }]);
  await expect.poll(() => sent.length).toBe(3);
  for (const { method, origin, asks, shows } of sent) {
    expect(method).toBe('PUT');
    expect(origin).toBe(system.origin);
    expect(['', 'content-type']).toContain(asks);
    expect(shows).not.toBe('');
  }
  expect(ada.complaints).toEqual([]);

  // A page from elsewhere, with an address that is signed: the rules of the bucket are what stops it, not the signature.
  const made = await client.call('createUpload', { body: { projectId, name: 'two.bin', size: 5 } });
  const address = 'upload' in made ? (made.upload.parts[0]?.url ?? '') : '';
  const preflight = (from: string): Promise<Response> =>
    fetch(address, {
      method: 'OPTIONS',
      headers: {
        origin: from,
        'access-control-request-method': 'PUT',
        'access-control-request-headers': 'content-type',
      },
    });
  const allowed = await preflight(system.origin);
  expect(allowed.status).toBe(204);
  expect(allowed.headers.get('access-control-allow-origin')).toBe('*');
  expect(allowed.headers.get('access-control-allow-methods')).toContain('PUT');
  expect((await preflight('https://evil.example')).status).toBe(403);
});
