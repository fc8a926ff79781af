// An office behind one address, where one browser has a page open that asks the portal for something again and again: everybody
// else there can still sign in. What that page can do is known from Fetch Metadata: embed and fetch, or send its own window about.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { jwt } from '../../support/evil-oidc-provider.ts';
import { HttpBrowser } from '../../support/http-browser.ts';
import { begin, claimsFor, comeBack, type Site, signIn, startSite, whoIs } from './harness.ts';

let site: Site;
beforeAll(async () => {
  site = await startSite();
});
afterAll(() => site?.[Symbol.asyncDispose]());
beforeEach(() => site.pass(600_000));

/** More than any rate lets through at once. */
const MANY = 400;
/** As often as browsers let a page send a window about, within 10 s. */
const NAVIGATIONS = 200;

const TYPED = { 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
const OF_OURS = { ...TYPED, 'sec-fetch-site': 'same-origin' };
const LINK = { ...TYPED, 'sec-fetch-site': 'cross-site' };
/** From the provider. */
const BACK = LINK;

/** Asks for `path` with these headers, without cookies, as often as a page might. Gives the statuses. */
async function hammer(path: string, headers: Record<string, string>, many = MANY): Promise<number[]> {
  const statuses = new Set<number>();
  for (let sent = 0; sent < many; sent += 40) {
    const answers = Array.from({ length: 40 }, () => new HttpBrowser().request(site.url + path, { headers }));
    for (const { status } of await Promise.all(answers)) statuses.add(status);
  }
  return [...statuses];
}

/** The whole way in, with the headers of each step. */
async function signsIn(how: Record<string, string>): Promise<boolean> {
  const browser = new HttpBrowser();
  const plain = browser.request.bind(browser);
  browser.request = (url, init = {}) => {
    const headers = url.includes('/callback') ? BACK : how;
    return plain(url, { ...init, headers: { ...headers, ...(init.headers as Record<string, string>) } });
  };
  const first = await browser.request(`${site.url}/`);
  if (first.headers.get('location') !== '/sign-in?return=%2F') return false;
  await signIn(site, browser).catch(() => undefined);
  return (await whoIs(site, browser)) !== undefined;
}

describe.each([
  ['a picture', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }],
  [
    'a script’s fetch',
    { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' },
  ],
  ['a frame', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' }],
  [
    'a frame of another host of the domain',
    { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' },
  ],
  ['a picture, by a browser that says less', { 'sec-fetch-site': 'cross-site' }],
])('%s, loaded again and again', (_, headers) => {
  test.each(['/sign-in', '/sign-in/callback?code=a&state=b', '/', '/static/x.css'])('%s', async (path) => {
    expect(await hammer(path, headers)).toEqual([403]);
    expect(await signsIn(TYPED)).toBe(true);
    expect(await signsIn(LINK)).toBe(true);
    expect(await signsIn({})).toBe(true);
  });
});

describe('a window that is sent to it again and again', () => {
  test.each(['/sign-in', '/sign-in/callback?code=a&state=b', '/'])('%s', async (path) => {
    await hammer(path, LINK, NAVIGATIONS);
    expect(await signsIn(TYPED)).toBe(true);
    expect(await signsIn(OF_OURS)).toBe(true);
  });

  test('who had begun to sign in before comes back from the provider and is in', async () => {
    const browser = new HttpBrowser();
    const sent = await begin(site, browser);
    expect(await hammer('/sign-in', LINK, NAVIGATIONS)).toContain(429);
    site.provider.idToken = jwt(claimsFor(site, sent.get('nonce')), site.provider.key);
    expect((await comeBack(site, browser, sent)).status).toBe(303);
  });
});

test('a page in a browser that says nothing of where requests come from harms none that does', async () => {
  expect(await hammer('/sign-in', {})).toContain(429);
  expect(await signsIn(TYPED)).toBe(true);
  expect(await signsIn(LINK)).toBe(true);
});

test.each([
  { 'sec-fetch-site': '' },
  { 'sec-fetch-site': 'same-origin, cross-site' },
  { 'sec-fetch-site': 'x'.repeat(4000) },
])('nonsense in the header is a browser that says nothing: %j', async (headers) => {
  expect(await hammer('/sign-in', headers)).toContain(429);
  expect(await signsIn(TYPED)).toBe(true);
});

test('a sign-in that is too much for now is none that has failed: it can be tried again', async () => {
  const browser = new HttpBrowser();
  const sent = await begin(site, browser);
  await hammer('/signed-out', {});
  site.provider.idToken = jwt(claimsFor(site, sent.get('nonce')), site.provider.key);
  expect((await comeBack(site, browser, sent)).status).toBe(429);
  site.pass(60_000);
  expect((await comeBack(site, browser, sent)).status).toBe(303);
});
