// The whole way of a user, in a real browser: the real program, a real OpenID provider, a real Dovecot behind.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Dovecot, startDovecot } from '../support/dovecot.ts';
import { createPki, type Pki } from '../support/pki.ts';
import { type PosternWithPortal, startPosternWithPortal } from '../support/postern-with-portal.ts';
import { ledger } from '../support/secrets-ledger.ts';
import { connect } from '../support/transcript.ts';
import { DESKTOP, launchBrowser, openPage, PHONE, violations } from './browser.ts';

let browser: Browser;
let pki: Pki;
let dovecot: Dovecot;
let site: PosternWithPortal;
beforeAll(async () => {
  pki = await createPki();
  [browser, dovecot] = await Promise.all([launchBrowser(), startDovecot({ certificate: await pki.issue() })]);
  const { user, password } = dovecot.master;
  site = await startPosternWithPortal({
    provider: { groups: { 'root@example.com': ['postern-admins'] } },
    portal:
      'admins: { claim: groups, values: [postern-admins] }, help: "Call the help desk, extension 1234."',
    upstream: `{ dovecot: { protocol: imap, address: "localhost:${dovecot.ports.imaps}", tls: implicit, ca: "${pki.ca.certFile}", login: { method: plain, user: ${user}, password: "${password}" } } }`,
  });
});
afterAll(async () => {
  await browser?.close();
  await site?.[Symbol.asyncDispose]();
  await dovecot?.[Symbol.asyncDispose]();
  pki?.[Symbol.dispose]();
});

/** Signs in at the provider's page, which is open. */
async function signInAtProvider(page: Page, user: string, { secondStep = true } = {}): Promise<void> {
  await page.getByLabel('E-mail').fill(user);
  await page.getByLabel('Password').fill(ledger('rabenschwarz-und-laut'));
  await page.getByLabel('The second step').setChecked(secondStep);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

async function signIn(page: Page, user: string): Promise<void> {
  await page.goto(`${site.url}/`);
  await signInAtProvider(page, user);
  await page.getByRole('heading', { level: 1, name: 'App passwords' }).waitFor();
}

/** Makes one and gives it as it is shown: the bare 16 characters. */
async function make(page: Page, name: string): Promise<string> {
  await page.goto(`${site.url}/new`);
  await page.getByLabel('Name of the device').fill(name);
  await page.getByRole('button', { name: 'Make app password' }).click();
  return shown(page);
}

async function shown(page: Page): Promise<string> {
  const text = await page.locator('#password').textContent();
  expect(text).toMatch(/^[a-z2-9]{16}$/);
  return ledger(text as string);
}

async function imapSession(user: string, password: string) {
  const { ports } = site.postern;
  const session = await connect({ port: ports.imaps, tls: true, ca: readFileSync(site.ca, 'utf8') });
  await session.expect('* OK [CAPABILITY …');
  await session.send(`a LOGIN ${user} "${password}"\r\nb SELECT INBOX\r\n`);
  await session.expectUntil('a OK …');
  await session.expectUntil('b OK …');
  return session;
}

test('an app password is made, copied, used, seen to be used, and deleted, which ends the session within a second', async () => {
  const user = 'alice@example.com';
  const { context, page, faults } = await openPage(browser, { viewport: DESKTOP });
  await signIn(page, user);
  await page.getByRole('heading', { name: 'No app passwords yet' }).waitFor();
  await page.getByRole('link', { name: 'Make your first app password' }).click();
  await page.getByLabel('Name of the device').fill('Dad’s laptop');
  await page.getByRole('button', { name: 'Make app password' }).click();
  const password = await shown(page);
  expect(page.url()).not.toContain(password);
  await page.getByRole('button', { name: 'Copy' }).click();
  await expect.poll(() => page.getByRole('status').textContent()).toBe('Copied, without spaces');
  expect(await page.evaluate('navigator.clipboard.readText()')).toBe(password);
  await page.getByText('Thunderbird').click();
  expect(await page.getByRole('group').filter({ hasText: 'Thunderbird' }).textContent()).toContain(
    `${site.postern.ports.imaps}`,
  );

  // A reload and the way back show it no more.
  await page.reload();
  await page.getByRole('heading', { name: 'Already made' }).waitFor();
  expect(await page.content()).not.toContain(password.slice(0, 4));
  await page.getByRole('link', { name: 'To the list' }).click();
  await page.goBack().catch(() => {});
  expect(await page.locator('#password').count()).toBe(0);
  expect(await page.content()).not.toContain(password.slice(0, 4));

  await using session = await imapSession(user, password);
  await expect
    .poll(async () => {
      await page.goto(`${site.url}/`);
      return page.getByRole('listitem').filter({ hasText: 'Dad’s laptop' }).textContent();
    })
    .toMatch(/In use now.*over IMAP, from 127\.0\.0\.1/s);

  await page.getByRole('link', { name: 'Delete app password for Dad’s laptop' }).click();
  const dialogue = page.getByRole('dialog', { name: 'Delete app password' });
  await dialogue.getByText('One connection with it is open right now.').waitFor();
  const before = await page.evaluate('performance.timeOrigin');
  await dialogue.getByRole('button', { name: 'Delete' }).click();
  await session.closed();
  await page.getByRole('heading', { name: 'No app passwords yet' }).waitFor();
  // No full reload; the status says it, the focus is at the list, and the address does not say it again.
  expect(await page.evaluate('performance.timeOrigin')).toBe(before);
  await expect.poll(() => page.getByRole('status').textContent()).toContain('Deleted: Dad’s laptop');
  expect(await page.evaluate('document.activeElement?.id')).toBe('devices');
  const browserKeeps = await page.evaluate('[localStorage.length, sessionStorage.length]');
  expect(browserKeeps).toEqual([0, 0]);
  expect(faults).toEqual([]);
  await context.close();
});

test('the same way without a script, on a phone, and out again', async () => {
  const { context, page } = await openPage(browser, { viewport: PHONE, script: false });
  await signIn(page, 'bob@example.com');
  const password = await make(page, 'Phone');
  expect(await page.getByRole('button', { name: 'Copy' }).isVisible()).toBe(false);
  await page.getByText('Mail programs on Android').click();
  await page.getByText('choose manual setup').waitFor();
  (await imapSession('bob@example.com', password))[Symbol.asyncDispose]();
  await page.getByRole('link', { name: 'I have entered it' }).click();

  await page.getByRole('link', { name: 'Rename app password for Phone' }).click();
  await page.getByLabel('Name of the device').fill('Old phone');
  await page.getByRole('button', { name: 'Rename' }).click();
  await page.getByText('Renamed to Old phone.').waitFor();

  await page.getByRole('link', { name: 'Delete app password for Old phone' }).click();
  await page.getByRole('heading', { level: 1, name: 'Delete app password' }).waitFor();
  await page.getByRole('button', { name: 'Delete' }).click();
  await page.getByText('Deleted: Old phone').waitFor();

  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
  await page.getByRole('link', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Example sign-in' }).waitFor();
  await context.close();
});

test('with the keyboard only', async () => {
  const { context, page } = await openPage(browser);
  await page.goto(`${site.url}/`);
  const type = (text: string) => page.keyboard.type(text);
  await tabTo(page, 'input[name=name]');
  await type('carol@example.com');
  await tabTo(page, 'input[name=password]');
  await type(ledger('gelbe-zitronen-im-tal'));
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: 'App passwords' }).waitFor();

  await page.keyboard.press('Tab');
  expect(await focused(page)).toBe('Skip to the content');
  await tabTo(page, 'a[href="/new"]');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'New app password' }).waitFor();
  // The name has the focus; Enter sends.
  await type('Radio');
  await page.keyboard.press('Enter');
  await page.locator('#password').waitFor();
  await tabTo(page, 'button[data-copy]');
  await page.keyboard.press('Enter');
  await expect.poll(() => page.getByRole('status').textContent()).toContain('Copied');
  await shown(page);
  await tabTo(page, '.made > .actions a');
  await page.keyboard.press('Enter');

  await page.getByRole('heading', { name: 'Your devices' }).waitFor();
  await tabTo(page, 'a[href$="/delete"]');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  // What does no harm has the focus; Escape goes back to where one was.
  await expect.poll(() => focused(page)).toBe('Keep it');
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  expect(await focused(page)).toBe('Delete app password for Radio');
  await page.keyboard.press('Enter');
  await expect.poll(() => focused(page)).toBe('Keep it');
  await page.keyboard.press('Shift+Tab');
  expect(await focused(page)).toBe('Delete');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'No app passwords yet' }).waitFor();
  await context.close();
});

describe.each([{ script: true }, { script: false }])(
  'when a sign-in ends in the middle of a form (script: $script)',
  ({ script }) => {
    test('one signs in again and finds what was typed', async () => {
      const { context, page } = await openPage(browser, { script });
      await signIn(page, `dora${script ? 1 : 2}@example.com`);
      await page.goto(`${site.url}/new`);
      await page.getByLabel('Name of the device').fill('Küche & “Bad” <3');
      await page.getByLabel('Works until').selectOption('30');
      await context.clearCookies({ name: 'postern' });
      await page.getByRole('button', { name: 'Make app password' }).click();
      await page.waitForURL(/\/new\?/);
      expect(await page.getByLabel('Name of the device').inputValue()).toBe('Küche & “Bad” <3');
      expect(await page.getByLabel('Works until').inputValue()).toBe('30');
      await page.getByRole('button', { name: 'Make app password' }).click();
      await shown(page);
      await context.close();
    });

    test('a deletion is asked about once more', async () => {
      const { context, page } = await openPage(browser, { script });
      await signIn(page, `emil${script ? 1 : 2}@example.com`);
      await make(page, 'Tablet');
      await page.goto(`${site.url}/`);
      await page.getByRole('link', { name: 'Delete app password for Tablet' }).click();
      const button = page.getByRole('button', { name: 'Delete' });
      await button.waitFor();
      await context.clearCookies({ name: 'postern' });
      await button.click();
      await page.waitForURL(/\/delete$/);
      await page.getByRole('heading', { level: 1, name: 'Delete app password' }).waitFor();
      await page.goto(`${site.url}/`);
      expect(await page.getByRole('heading', { name: 'Tablet' }).count()).toBe(1);
      await context.close();
    });
  },
);

test('when the sign-in is too old for a change there is one round to the provider, and one is back where one was', async () => {
  const user = 'ida@example.com';
  const { context, page, faults } = await openPage(browser);
  await signIn(page, user);
  await make(page, 'Tablet');
  await page.goto(`${site.url}/`);
  makeSignInOld(user);
  await page.getByRole('link', { name: 'Delete app password for Tablet' }).click();
  await page.waitForURL(/\/delete$/);
  makeSignInOld(user);
  await page.getByRole('button', { name: 'Delete' }).click();
  // Not by a form that was on its way while one signed in: one says it once more.
  await page.getByRole('heading', { level: 1, name: 'Delete app password' }).waitFor();
  await page.getByRole('button', { name: 'Delete' }).click();
  await page.getByText('Deleted: Tablet').last().waitFor();

  await page.goto(`${site.url}/new`);
  await page.getByLabel('Name of the device').fill('New tablet');
  makeSignInOld(user);
  await page.getByRole('button', { name: 'Make app password' }).click();
  await page.waitForURL(/\/new\?name=New\+tablet/);
  await page.getByRole('button', { name: 'Make app password' }).click();
  await shown(page);
  // That a fetch may not follow to the provider is how the script knows.
  expect(faults.filter((fault) => !/CORS|Content Security Policy/.test(fault))).toEqual([]);
  await context.close();
});

test('without the second step there is a page that says so, and never the list', async () => {
  const { context, page } = await openPage(browser);
  await page.goto(`${site.url}/`);
  await signInAtProvider(page, 'frieda@example.com', { secondStep: false });
  await page.getByRole('heading', { name: 'A second step is needed' }).waitFor();
  await page.getByText('Set up two-step verification in the security settings').waitFor();
  await page.getByText('frieda@example.com').waitFor();
  expect(await violations(page)).toEqual([]);
  expect((await context.cookies(site.url)).map(({ name }) => name)).not.toContain('postern');
  await context.close();
});

test('the fortieth is made, the forty-first is not, until one is deleted', async () => {
  const { context, page } = await openPage(browser);
  await signIn(page, 'gustav@example.com');
  const statuses = await page.evaluate(`(async () => {
    const page = new DOMParser().parseFromString(await (await fetch('/new')).text(), 'text/html');
    const body = new URLSearchParams(new FormData(page.querySelector('form[action="/new"]')));
    const statuses = [];
    for (let n = 1; n <= 39; n++) {
      body.set('name', 'Device ' + n);
      body.set('once', String(n).padStart(22, 'x'));
      statuses.push((await fetch('/new', { method: 'POST', body })).status);
    }
    return statuses;
  })()`);
  expect(statuses).toEqual(Array.from({ length: 39 }, () => 200));
  // Two forms, opened while there was room for one.
  const other = await context.newPage();
  await other.goto(`${site.url}/new`);
  await other.getByLabel('Name of the device').fill('Device 41');
  await make(page, 'Device 40');
  await other.getByRole('button', { name: 'Make app password' }).click();
  await other.getByRole('heading', { name: 'Delete one first' }).waitFor();
  await other.getByRole('link', { name: 'Choose one to delete' }).click();
  await other.getByText('40 of 40').waitFor();
  expect(await other.getByRole('link', { name: 'New app password' }).count()).toBe(0);
  expect(await violations(other)).toEqual([]);
  await other.getByRole('link', { name: 'Delete app password for Device 7', exact: true }).click();
  await other.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await other.getByText('39 of 40').waitFor();
  await make(other, 'Device 41');
  await context.close();
});

test('an admin finds a person, ends their connections and deletes; whoever is none sees no such page', async () => {
  const user = 'hanna@example.com';
  const theirs = await openPage(browser);
  await signIn(theirs.page, user);
  const password = await make(theirs.page, 'Printer');
  await using session = await imapSession(user, password);
  expect((await theirs.page.goto(`${site.url}/admin`))?.status()).toBe(404);

  const { context, page } = await openPage(browser);
  await signIn(page, 'root@example.com');
  await page.getByRole('link', { name: 'Administration' }).click();
  await page.getByLabel('Find a person').fill('hanna');
  await page.keyboard.press('Enter');
  await page.getByRole('link', { name: user }).click();
  await page.getByRole('heading', { name: user }).waitFor();
  expect(await page.content()).not.toContain(password.slice(0, 4));
  await page.getByRole('link', { name: 'End connections' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'End connections' }).click();
  await session.closed();
  await page.getByText('The connections of this person are ended.').last().waitFor();
  // The sign-in to the portal is ended too: the provider still knows them, and signs them in anew.
  await theirs.page.goto(`${site.url}/`);
  await page.getByRole('link', { name: 'Delete app password for Printer' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByText('The app password is deleted.').last().waitFor();
  const rows = await page.getByRole('row').allInnerTexts();
  expect(
    rows.some((row) => /root@example\.com\s+deleted\s+hanna@example\.com\s+Printer\s+127\.0\.0\.1/.test(row)),
  ).toBe(true);
  await theirs.page.reload();
  await theirs.page.getByRole('heading', { name: 'No app passwords yet' }).waitFor();
  await theirs.context.close();
  await context.close();
});

/** As if the person had signed in an hour ago. */
function makeSignInOld(user: string): void {
  const database = new Database(join(site.postern.directory, 'postern.db'));
  const sql = 'UPDATE portal_sessions SET signed_in_at = signed_in_at - 3600000 WHERE user_name = ?';
  expect(database.prepare(sql).run(user).changes).toBeGreaterThan(0);
  database.close();
}

/** Presses Tab until what `selector` says has the focus. */
async function tabTo(page: Page, selector: string): Promise<void> {
  for (let presses = 0; presses < 40; presses++) {
    const isThere = await page.evaluate(`document.activeElement.matches(${JSON.stringify(selector)})`);
    if (isThere) return;
    await page.keyboard.press('Tab');
  }
  throw new Error(`Tab never comes to ${selector}`);
}

/** What a screen reader would say of the thing with the focus: its text. */
function focused(page: Page): Promise<string> {
  return page.evaluate("document.activeElement.textContent.replace(/\\s+/g, ' ').trim()");
}
