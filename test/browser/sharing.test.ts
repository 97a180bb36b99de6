import type { Page } from 'playwright-core';
import { describe, expect, inject, it } from 'vitest';
import { browser, openBrowser } from './browser.ts';
import { mailedLink, type Person, person, picture, register, visitor } from './person.ts';

openBrowser();

/** What the browser says of answers that a screen is there to show. */
const withoutRefusals = (someone: Person): string[] => someone.complaints.filter((text) => !/status of 404/.test(text));

async function newProject({ page }: Person, name: string): Promise<void> {
  await page.getByTestId('new-project').first().click();
  await page.getByTestId('project-name').fill(name);
  await page.getByTestId('create-project').click();
  await page.getByTestId('share').waitFor();
}

async function share(page: Page, view: 'people' | 'invites' | 'activity'): Promise<void> {
  if (!(await page.getByTestId('share-people').isVisible())) await page.getByTestId('share').click();
  await page.getByTestId(`share-${view}`).click();
}

/** Makes an invitation and returns its link, as the clipboard has it. */
async function invite(page: Page, email?: string): Promise<string> {
  await share(page, 'invites');
  if (email !== undefined) {
    await page.getByTestId('invite-kind').selectOption('addressed');
    await page.getByTestId('invite-email').fill(email);
  }
  await page.getByTestId('invite-create').click();
  await page.getByTestId('invite-copy').click();
  await expect.poll(() => page.getByTestId('invite-copy').innerText()).toBe('Copied');
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  expect(await page.getByTestId('invite-url').inputValue()).toBe(copied);
  return copied;
}

describe('sharing', () => {
  it('takes a stranger from a link to a project, then to its owner, then through the trash', async () => {
    const ada = await person(browser, 'ada');
    await newProject(ada, 'Shared by link');
    const link = await invite(ada.page);
    await picture(ada.page, 'invite-link');

    // Grace has no account yet: she signs up on the way, and comes back to the invitation.
    const grace = await visitor(browser, 'grace');
    await grace.page.goto(link);
    await grace.page.getByTestId('auth-invited').waitFor();
    await picture(grace.page, 'invite-signed-out');
    await register(grace);
    await grace.page.getByTestId('invite-ready').waitFor();
    expect(await grace.page.getByRole('heading', { level: 1 }).innerText()).toBe('Shared by link');
    expect(await grace.page.getByTestId('invite-ready').innerText()).toContain(ada.username);
    await picture(grace.page, 'invite-preview');
    await grace.page.getByTestId('invite-accept').click();
    await grace.page.getByTestId('share').waitFor();
    expect(grace.page.url()).toBe(ada.page.url());

    // Ada sees the use, the member and the story, without doing anything.
    await expect.poll(() => ada.page.getByTestId('invites').innerText()).toContain('1 of 25 uses');
    await share(ada.page, 'activity');
    await ada.page.getByTestId('activity-invite.accepted').waitFor();
    expect(await ada.page.getByTestId('activity').innerText()).toContain(`${grace.username} joined by an invitation`);
    await picture(ada.page, 'activity');
    await ada.page.getByTestId('activity-filter').selectOption('project');
    await ada.page.getByTestId('activity-invite.accepted').waitFor({ state: 'detached' });
    await ada.page.getByTestId('activity-project.created').waitFor();

    // Opened again by a member, the invitation leads straight on.
    await grace.page.goto(link);
    await grace.page.getByTestId('invite-open').click();
    await grace.page.getByTestId('share').waitFor();

    // Ada gives the project away; both screens follow.
    await share(ada.page, 'people');
    await picture(ada.page, 'share-people');
    await ada.page.getByTestId(`role-${grace.username}`).selectOption('owner');
    await picture(ada.page, 'transfer');
    await ada.page.getByTestId('confirm').click();
    await ada.page.getByTestId('leave').waitFor();
    expect(await ada.page.getByTestId('share-invites').count()).toBe(0);
    await share(grace.page, 'people');
    await grace.page.getByTestId(`role-${ada.username}`).waitFor();
    // The former owner still has the editor in hand.
    expect(await ada.page.getByTestId('save-state').getAttribute('data-state')).not.toBe('read-only');

    await ada.page.getByTestId('leave').click();
    await ada.page.getByTestId('confirm').click();
    await ada.page.getByTestId('new-project').first().waitFor();
    expect(await ada.page.getByRole('link', { name: 'Shared by link' }).count()).toBe(0);
    await grace.page.getByTestId(`member-${ada.username}`).waitFor({ state: 'detached' });

    // Into the trash, out of it, into it again, and gone.
    const id = grace.page.url().split('/').at(-1) ?? '';
    const toTrash = async () => {
      await grace.page.goto(inject('origin'));
      await grace.page.getByTestId(`project-${id}`).hover();
      await grace.page.getByTestId(`trash-${id}`).click();
      await grace.page.getByTestId('confirm').click();
      await grace.page.getByTestId(`project-${id}`).waitFor({ state: 'detached' });
      await grace.page.getByTestId('trash').click();
      await grace.page.getByTestId(`restore-${id}`).waitFor();
    };
    await toTrash();
    await picture(grace.page, 'trash');
    await grace.page.getByTestId(`restore-${id}`).click();
    await grace.page.getByTestId(`project-${id}`).waitFor({ state: 'detached' });
    await grace.page.getByTestId('trash').click();
    await grace.page.getByTestId(`project-${id}`).waitFor();
    await toTrash();
    await grace.page.getByTestId(`erase-${id}`).click();
    expect(await grace.page.getByTestId('confirm').isDisabled()).toBe(true);
    await grace.page.getByTestId('confirm-typed').fill('Shared by link');
    await picture(grace.page, 'erase');
    await grace.page.getByTestId('confirm').click();
    await grace.page.getByTestId(`project-${id}`).waitFor({ state: 'detached' });
    expect([withoutRefusals(ada), withoutRefusals(grace)]).toEqual([[], []]);
  });

  it('#32 shows whom an invitation is not for, and who comes too late, that it does not work', async () => {
    const [ada, grace, eve] = [
      await person(browser, 'ada'),
      await person(browser, 'grace'),
      await person(browser, 'eve'),
    ];
    await newProject(ada, 'For Grace');
    const link = await invite(ada.page, grace.email);
    await picture(ada.page, 'invite-addressed');
    await eve.page.goto(link);
    await eve.page.getByTestId('invite-failed').waitFor();
    expect(await eve.page.getByTestId('invite-failed').innerText()).not.toContain('For Grace');
    expect(await eve.page.getByTestId('invite-failed').innerText()).toContain(eve.email);
    await picture(eve.page, 'invite-failed');
    await eve.page.getByRole('button', { name: 'Use another account' }).click();
    await eve.page.getByTestId('auth-invited').waitFor();
    expect(eve.page.url()).toBe(link);
    // An address that is registered is not proved yet.
    await grace.page.goto(link);
    await grace.page.getByTestId('invite-failed').waitFor();
    await grace.page.getByTestId('invite-unverified').waitFor();
    await grace.page.goto(await mailedLink(grace.email, 'Verify your address for Kiln'));
    await grace.page.getByTestId('verify').click();
    await grace.page.getByTestId('verify-done').waitFor();
    await grace.page.goto(link);
    await grace.page.getByTestId('invite-ready').waitFor();

    await ada.page.getByTestId('invite-withdraw').click();
    await expect.poll(() => ada.page.getByTestId('invites').innerText()).toBe('No invitation is open.');
    await grace.page.getByTestId('invite-accept').click();
    await grace.page.getByTestId('invite-failed').waitFor();
    await share(ada.page, 'activity');
    await ada.page.getByTestId('activity-invite.withdrawn').waitFor();
    expect([ada, grace, eve].flatMap(withoutRefusals)).toEqual([]);
  });
});
