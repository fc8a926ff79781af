// Signing in to the portal of the real program, against a real OpenID provider.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { HttpBrowser } from '../support/http-browser.ts';
import { type PosternWithPortal, startPosternWithPortal } from '../support/postern-with-portal.ts';

let site: PosternWithPortal;
beforeAll(async () => {
  site = await startPosternWithPortal();
}, 60_000);
afterAll(() => site?.[Symbol.asyncDispose]());

test('who signs in at the provider with two steps is signed in, and comes back to the portal', async () => {
  const browser = new HttpBrowser();
  const page = await browser.signIn(`${site.url}/sign-in`, 'alice@example.com');
  expect(page.url).toBe(`${site.url}/`);
  expect([...browser.cookies(site.url).keys()]).toEqual(['postern']);
  await site.postern.logged(/"action":"signed_in","by":"alice@example.com","user":"alice@example.com"/);
});

test('without the second step nobody is', async () => {
  const browser = new HttpBrowser();
  const page = await browser.signIn(`${site.url}/sign-in`, 'bob@example.com', { secondStep: false });
  expect(page.status).toBe(403);
  expect(browser.cookies(site.url).size).toBe(0);
  await site.postern.logged(/"action":"sign_in_refused".*"user":"bob@example.com"/);
});
