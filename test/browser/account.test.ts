import type { Page } from 'playwright-core';
import { describe, expect, inject, it } from 'vitest';
import { newId } from '../../src/contract/ids.ts';
import { browser, openBrowser } from './browser.ts';
import { mailedLink, type Person, person, picture, visitor } from './person.ts';

openBrowser();

/** What the browser says of refusals that a screen is there to show. */
const faults = (someone: Person): string[] => someone.complaints.filter((text) => !/status of 4\d\d/.test(text));

const openAccount = async (page: Page): Promise<void> => {
  await page.goto(`${inject('origin')}/account`);
  await page.getByTestId('section-password').waitFor();
};

/** Through the OpenID provider's own pages, as whoever has this address. */
async function throughOpenId(page: Page, email: string): Promise<void> {
  await page.locator('input[name=login]').fill(email);
  await page.locator('input[name=password]').fill('anything');
  await page.locator('button[type=submit]').click();
  await page.getByRole('button', { name: 'Continue' }).click();
}

async function throughGitHub(page: Page, login: string, email: string): Promise<void> {
  await page.getByLabel('Login').fill(login);
  await page.getByLabel('Email').fill(email);
  await page.getByRole('button', { name: 'Authorize' }).click();
}

describe('an account', () => {
  it('is verified, has a forgotten password back, and ends where it was left', async () => {
    const ada = await person(browser, 'ada');
    const { page } = ada;
    await openAccount(page);
    await page.getByTestId('unverified').waitFor();
    await picture(page, 'account');
    await page.goto(await mailedLink(ada.email, 'Verify your address for Kiln'));
    await page.getByTestId('verify').waitFor();
    expect(page.url()).not.toContain('#');
    await picture(page, 'verify');
    await page.getByTestId('verify').click();
    await page.getByTestId('verify-done').waitFor();
    await page.goto(`${inject('origin')}/dev/mail`);
    await picture(page, 'dev-mail');

    // Another browser, where the password is forgotten.
    const other = await visitor(browser, 'ada');
    await other.page.goto(inject('origin'));
    await other.page.getByTestId('oauth-github').waitFor();
    await picture(other.page, 'sign-in');
    await other.page.getByTestId('forgot').click();
    await other.page.getByTestId('email').fill(ada.email);
    await picture(other.page, 'forgot');
    await other.page.getByTestId('submit-forgot').click();
    await other.page.getByTestId('forgot-sent').waitFor();
    await other.page.goto(await mailedLink(ada.email, 'Reset your Kiln password'));
    await other.page.getByTestId('newPassword').fill('password123');
    await other.page.getByTestId('submit-reset').click();
    await expect.poll(() => other.page.locator('.field-note.wrong').innerText()).toContain('common');
    await picture(other.page, 'reset');
    const password = `a better horse ${newId()}`;
    await other.page.getByTestId('newPassword').fill(password);
    await other.page.getByTestId('submit-reset').click();
    await other.page.getByTestId('email').fill(ada.email);
    await other.page.getByTestId('password').fill(password);
    await other.page.getByTestId('submit-login').click();
    await other.page.getByTestId('new-project').first().waitFor();

    // The first browser's session is over.
    await page.goto(inject('origin'));
    await page.getByTestId('submit-login').waitFor();

    // A key is shown once, and is what the clipboard has.
    await openAccount(other.page);
    await other.page.getByTestId('name').fill('CI');
    await other.page.getByTestId('create-key').click();
    const secret = await other.page.getByTestId('key-secret').inputValue();
    expect(secret).toMatch(/^kiln_/);
    await other.page.getByTestId('copy-key').click();
    await expect.poll(() => other.page.evaluate(() => navigator.clipboard.readText())).toBe(secret);
    await picture(other.page, 'account-key');
    const listed = await fetch(`${inject('origin')}/api/projects`, { headers: { authorization: `Bearer ${secret}` } });
    expect(listed.status).toBe(200);
    await other.page.reload();
    await other.page.getByTestId('key-CI').waitFor();
    expect(await other.page.getByTestId('key-secret').count()).toBe(0);

    // Deleted, and had back by signing in.
    await other.page.getByTestId('delete-account').click();
    await other.page.getByTestId('password').fill(password);
    await picture(other.page, 'delete-account');
    await other.page.getByTestId('confirm-delete').click();
    await other.page.getByTestId('submit-login').waitFor();
    await other.page.getByTestId('email').fill(ada.email);
    await other.page.getByTestId('password').fill(password);
    await other.page.getByTestId('submit-login').click();
    await other.page.getByTestId('new-project').first().waitFor();
    expect([faults(ada), faults(other)]).toEqual([[], []]);
  });
});

describe('providers', () => {
  it('let a new face in through a real OpenID provider, link GitHub, and say who is somebody else', async () => {
    const grace = await visitor(browser, 'grace');
    // The provider's own page wants a font from another site, which is not there for a test.
    await grace.page.route(/^https:\/\/fonts\.googleapis\.com\//, (route) =>
      route.fulfill({ contentType: 'text/css', body: '' }),
    );
    const { page } = grace;
    await page.goto(inject('origin'));
    await page.getByTestId('oauth-google').click();
    await throughOpenId(page, grace.email);
    await page.getByTestId('new-project').first().waitFor();
    expect(new URL(page.url()).search).toBe('');
    const cookies = await page.context().cookies(inject('origin'));
    expect(cookies.find(({ name }) => name === '__Host-kiln_refresh')).toMatchObject({
      httpOnly: true,
      secure: true,
      sameSite: 'Strict',
    });
    expect(cookies.some(({ name }) => name === '__Host-kiln_oauth')).toBe(false);

    await openAccount(page);
    expect(await page.getByTestId('unlink-google').isDisabled()).toBe(true);
    await page.getByTestId('link-github').click();
    await throughGitHub(page, `grace-${newId().slice(-6)}`, grace.email);
    await page.getByTestId('unlink-github').waitFor();
    await picture(page, 'account-linked');
    await page.getByTestId('unlink-google').click();
    await page.getByTestId('link-google').waitFor();
    // A reload restores the session from the cookie.
    await page.reload();
    await page.getByTestId('link-google').waitFor();

    // An address that the provider has not verified opens no account that exists.
    const eve = await visitor(browser, 'eve');
    await eve.page.goto(inject('origin'));
    await eve.page.getByTestId('oauth-github').click();
    await eve.page.getByLabel('verified').uncheck();
    await throughGitHub(eve.page, `eve-${newId().slice(-6)}`, grace.email);
    await expect
      .poll(() => eve.page.getByTestId('auth-error').innerText())
      .toContain('An account with that email exists');
    await picture(eve.page, 'account-exists');
    expect([faults(grace), faults(eve)]).toEqual([[], []]);
  });

  it('#17 give a squatted address back to who has it', async () => {
    const mallory = await person(browser, 'mallory');
    const victim = await visitor(browser, 'victim');
    await victim.page.goto(inject('origin'));
    await victim.page.getByTestId('oauth-google').click();
    await throughOpenId(victim.page, mallory.email);
    await victim.page.getByTestId('new-project').first().waitFor();
    await openAccount(victim.page);
    expect(await victim.page.getByTestId('currentPassword').count()).toBe(0);
    await mallory.page.goto(inject('origin'));
    await mallory.page.getByTestId('email').fill(mallory.email);
    await mallory.page.getByTestId('password').fill('correct horse battery');
    await mallory.page.getByTestId('submit-login').click();
    await expect.poll(() => mallory.page.getByTestId('auth-error').innerText()).toContain('wrong');
  });
});
