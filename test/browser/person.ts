import { mkdirSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { expect, inject } from 'vitest';
import { createClient, type KilnClient } from '../../src/client/index.ts';
import { newId } from '../../src/contract/ids.ts';

/** `SCREENSHOTS=DIR npm test -- browser` keeps pictures of every screen for a person to look at. */
const pictures = process.env.SCREENSHOTS;
export async function picture(page: Page, name: string): Promise<void> {
  if (!pictures) return;
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: `${pictures}/${name}.png` });
}

export interface Person {
  readonly page: Page;
  readonly username: string;
  readonly email: string;
  readonly complaints: string[];
}

/** Somebody with a browser of their own, as cookies are not shared, who has not signed up. */
export async function visitor(browser: Browser, name: string): Promise<Person> {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 },
    reducedMotion: 'reduce',
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    // Whether somebody is signed in is asked at start; "no" is an answer, not a fault.
    if (message.type() === 'error' && !/401/.test(message.text())) complaints.push(message.text());
  });
  const username = `${name}-${newId().slice(-10)}`;
  return { page, username, email: `${username}@kiln.test`, complaints };
}

const password = 'correct horse battery';

/** The same person as a client of the API, for what is not about the screen. */
export async function clientOf({ email }: Person, baseUrl = inject('origin')): Promise<KilnClient> {
  const client = createClient({ baseUrl });
  await client.login({ email, password });
  return client;
}

interface ProjectOptions {
  isPublic?: boolean;
  /** Besides the owner. */
  members?: readonly (readonly [Person, 'editor' | 'viewer'])[];
}

/** A project with these files; its id. */
export async function makeProject(
  client: KilnClient,
  name: string,
  files: Readonly<Record<string, string>>,
  { isPublic = false, members = [] }: ProjectOptions = {},
): Promise<string> {
  const { project } = await client.call('createProject', { body: { name, isPublic } });
  const params = { id: project.id };
  const operations = Object.entries(files).map(([path, content]) => ({ op: 'create' as const, path, content }));
  await client.call('batchFiles', { params, body: { operations } });
  for (const [{ username }, role] of members)
    await client.call('addCollaborator', { params, body: { username, role } });
  return project.id;
}

/** Signs up where the page is. */
export async function register({ page, username, email }: Person): Promise<void> {
  await page.getByTestId('switch-register').click();
  await page.getByTestId('email').fill(email);
  await page.getByTestId('username').fill(username);
  await page.getByTestId('password').fill(password);
  await picture(page, `sign-up-${username.split('-')[0]}`);
  await page.getByTestId('submit-register').click();
}

/** Somebody who has signed up and sees their projects. */
export async function person(browser: Browser, name: string): Promise<Person> {
  const someone = await visitor(browser, name);
  await someone.page.goto(inject('origin'));
  await register(someone);
  await someone.page.getByTestId('new-project').first().waitFor();
  return someone;
}

/** The link of the newest mail to an address, from the page that shows them. */
export async function mailedLink(email: string, subject: string): Promise<string> {
  let link: string | undefined;
  await expect
    .poll(async () => {
      const answer = await fetch(`${inject('origin')}/dev/mail`, { headers: { accept: 'application/json' } });
      const { mails } = (await answer.json()) as { mails: { to: string; subject: string; text: string }[] };
      const mail = mails.find((one) => one.to === email && one.subject === subject);
      link = /https?:\/\/\S+#\S+/.exec(mail?.text ?? '')?.[0];
      return link;
    })
    .toBeDefined();
  return link ?? '';
}
