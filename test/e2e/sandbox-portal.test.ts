// The sandbox's portal: signing in with a password and a second step at the sandbox's own provider, in as many clicks as it says.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { spawnTied, stopChild, whenReady } from '../support/child-process.ts';
import { csrfOf, HttpBrowser, type Page } from '../support/http-browser.ts';
import { newLogFile } from '../support/run-directory.ts';
import { ledger } from '../support/secrets-ledger.ts';
import { type TempDir, tempDir } from '../support/temp-dir.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'sandbox', 'main.ts');

let dir: TempDir;
let child: ReturnType<typeof spawnTied>;
let portal: string;
beforeAll(async () => {
  dir = tempDir();
  const state = join(dir.path, 'state.json');
  child = spawnTied(process.execPath, [MAIN, '--directory', dir.path], { stdio: 'ignore' });
  await whenReady(child, async () => existsSync(state) || undefined);
  const { portal: url, appPassword } = JSON.parse(readFileSync(state, 'utf8'));
  ledger(appPassword);
  portal = url;
});
afterAll(async () => {
  await stopChild(child);
  writeFileSync(newLogFile('postern-sandbox'), readFileSync(join(dir.path, 'postern.log')));
  dir[Symbol.dispose]();
});

/** What a person types at the provider, on two pages. */
async function signIn(
  browser: HttpBrowser,
  user: string,
  password = 'demo',
  code: object = { code: '123456' },
) {
  const first = await browser.open(`${portal}/`);
  expect(first.body).toContain('The password is <b>demo</b>');
  const second = await browser.submit(first.url, { name: user, password });
  return second.body.includes('name="code"') ? browser.submit(second.url, { ...code }) : second;
}
const heading = (page: Page) => /<h1>(.*?)<\/h1>/.exec(page.body)?.[1];

test('the demo user sees the app password of the round trip, makes another, and signs out', async () => {
  const browser = new HttpBrowser();
  const list = await signIn(browser, 'Demo@example.com');
  expect(heading(list)).toBe('App passwords');
  expect(list.body).toContain('<bdi>first device</bdi>');
  expect(list.body).not.toContain('href="/admin"');
  const form = await browser.open(`${portal}/new`);
  const once = /name="once" value="([\w-]+)"/.exec(form.body)?.[1] ?? '';
  const made = await browser.submit(`${portal}/new`, {
    _csrf: csrfOf(form),
    once,
    name: 'My own phone',
    use: 'mail',
    expiry: 'never',
  });
  const shown = /id="password".*?<\/code>/s.exec(made.body)?.[0].replace(/^[^>]*>|<[^>]*>/g, '') ?? '';
  expect(ledger(shown)).toMatch(/^[a-km-z2-9]{16}$/);
  const out = await browser.submit(`${portal}/sign-out`, { _csrf: csrfOf(form) });
  expect(heading(out)).toBe('Sign out of the sandbox?');
});

test('admin@example.com is an admin', async () => {
  const browser = new HttpBrowser();
  expect((await signIn(browser, 'admin@example.com')).body).toContain('href="/admin"');
  expect((await browser.open(`${portal}/admin?q=demo`)).body).toContain('demo@example.com');
});

test('without the second step, or with what is wrong, nobody gets in', async () => {
  const attempts = [
    await signIn(new HttpBrowser(), 'demo@example.com', 'demo', { skip: 'yes' }),
    await signIn(new HttpBrowser(), 'demo@example.com', 'guess'),
    await signIn(new HttpBrowser(), 'demo@example.com', 'demo', { code: '000000' }),
    await signIn(new HttpBrowser(), 'demo@example.org'),
    await signIn(new HttpBrowser(), '"><script>x</script>@example.com'),
  ];
  expect(attempts.map(heading)).toEqual([
    'A second step is needed',
    'The sandbox’s sign-in',
    'The second step',
    'The sandbox’s sign-in',
    'The sandbox’s sign-in',
  ]);
  expect(attempts.at(-1)?.body).not.toContain('<script>');
});
