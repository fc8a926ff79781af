// Every route of the portal, the real pages: what another site can make of it, and that whatever changes something leaves an audit
// record. A new route fails here until it is in the table below.

import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { User } from '../../../src/lib/user.ts';
import { assets } from '../../../src/portal/pages/assets.ts';
import { noticePage } from '../../../src/portal/pages/notice.ts';
import { pages } from '../../../src/portal/pages/pages.ts';
import { csrfOf, HttpBrowser } from '../../support/http-browser.ts';
import { alice, bob, type Site, signIn, startSite } from './harness.ts';

/** What a route leaves in the audit records when it is used as it is meant to be; null: nothing, since it changes nothing. */
const ROUTES: Readonly<Record<string, { readonly action: string | null; readonly fields?: Fields }>> = {
  'GET /': { action: null },
  'GET /new': { action: null },
  'GET /delete-all': { action: null },
  'GET /setup': { action: null },
  'GET /passwords/:id/delete': { action: null },
  'GET /passwords/:id/rename': { action: null },
  'GET /admin': { action: null },
  'GET /admin/person': { action: null },
  'GET /admin/trail': { action: null },
  'GET /admin/person/delete': { action: null },
  'GET /admin/person/delete-all': { action: null },
  'GET /admin/person/disable': { action: null },
  'GET /admin/person/enable': { action: null },
  'GET /admin/person/end-sessions': { action: null },
  'GET /sign-in': { action: null },
  // Without a sign-in under way.
  'GET /sign-in/callback': { action: null },
  'GET /signed-out': { action: null },
  'POST /new': {
    action: 'created',
    fields: { name: 'New one', use: 'mail', expiry: 'never', once: 'A'.repeat(22) },
  },
  'POST /passwords/:id/rename': { action: 'renamed', fields: { name: 'Another name' } },
  'POST /passwords/:id/delete': { action: 'deleted' },
  'POST /delete-all': { action: 'deleted_all' },
  'POST /admin/person/delete': { action: 'deleted' },
  'POST /admin/person/delete-all': { action: 'deleted_all' },
  'POST /admin/person/disable': { action: 'disabled' },
  'POST /admin/person/enable': { action: 'enabled' },
  'POST /admin/person/end-sessions': { action: 'sessions_ended' },
  'POST /sign-out': { action: 'signed_out' },
};
type Fields = Readonly<Record<string, string>>;
const POSTS = Object.keys(ROUTES).filter((route) => route.startsWith('POST '));
const GETS = Object.keys(ROUTES).filter((route) => route.startsWith('GET '));

let site: Site;
const present = new Set<string>();
beforeAll(async () => {
  const watched = Object.assign(
    async (app: FastifyInstance) => {
      app.addHook('onRoute', ({ method, url }) => {
        for (const one of [method].flat()) if (one !== 'HEAD') present.add(`${one} ${url}`);
      });
      await app.register(assets);
    },
    // Not a scope of its own, so that it sees the routes that come later.
    { [Symbol.for('skip-override')]: true },
  );
  site = await startSite((terms) => terms, { pages: { pages, assets: watched, noticePage } });
});
afterAll(() => site?.[Symbol.asyncDispose]());

let browser: HttpBrowser;
let own: string;
let other: string;
beforeEach(async () => {
  site.pass(60_000);
  own = await oneOf(alice);
  other = await oneOf(bob);
  browser = new HttpBrowser();
  await signIn(site, browser, { groups: ['mail-admins'] });
});

/** An app password that the user has. Kept where there is one: how many may be made in an hour is bounded. */
async function oneOf(user: User): Promise<string> {
  await site.passwords.setUserDisabled(user, false);
  const [first, ...more] = await site.passwords.list({ user });
  await site.passwords.revoke({ user, ids: more.map(({ id }) => id) });
  if (first !== undefined) return first.id;
  return (await site.passwords.create({ user, name: `Phone ${Math.random()}` })).record.id;
}

/** Address and fields of a route as alice, an admin, uses it; Bob is whom she administers. */
async function used(route: string): Promise<{ url: string; fields: Fields }> {
  const path = route.slice(route.indexOf(' ') + 1).replace(':id', own);
  const isAdmins = path.startsWith('/admin/person');
  if (path === '/admin/person/enable') await site.passwords.setUserDisabled(bob, true);
  const fields = { ...ROUTES[route]?.fields, ...(isAdmins && { user: bob, id: other }) };
  const query = route.startsWith('GET ') ? `?${new URLSearchParams(fields)}` : '';
  return { url: `${site.url}${path}${query}`, fields };
}

/** Everything that is stored, but when a session was seen last. */
async function stored() {
  const [records, trail, users] = await Promise.all([
    site.passwords.list({ tombstones: true }),
    site.store.audit({ most: 10_000 }),
    site.store.searchUsers('', 1000),
  ]);
  return { records, trail, users };
}

async function isSignedIn(): Promise<boolean> {
  return (await browser.request(`${site.url}/`)).status === 200;
}

test('the table has every route, and no other', () => {
  const routes = [...present].filter((route) => !route.startsWith('GET /static/'));
  expect(routes.toSorted()).toEqual(Object.keys(ROUTES).toSorted());
});

describe('what changes something leaves an audit record', () => {
  test.each(POSTS)('%s', async (route) => {
    const csrf = csrfOf(await browser.request(`${site.url}/`));
    const { url, fields } = await used(route);
    const before = await stored();
    const page = await browser.post(url, { ...fields, _csrf: csrf });
    expect(page.status).toBeLessThan(400);
    const [newest] = await site.store.audit({ most: 1 });
    expect(before.trail.map(({ id }) => id)).not.toContain(newest?.id);
    expect(newest).toMatchObject({ by: alice, action: ROUTES[route]?.action, from: '127.0.0.1' });
  });
});

describe('another site', () => {
  const FOREIGN: readonly (readonly [string, Record<string, string>])[] = [
    ['another site', { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }],
    ['another host of the domain', { origin: 'https://www.example.com', 'sec-fetch-site': 'same-site' }],
    ['a sandboxed frame', { origin: 'null', 'sec-fetch-site': 'cross-site' }],
    ['another site, by an old browser', { origin: 'https://evil.example' }],
    ['nowhere', {}],
  ];
  const cases = POSTS.flatMap((route) => FOREIGN.map(([from, headers]) => [route, from, headers] as const));

  // As browsers do: a Lax cookie does not come with a form of another site.
  test.each(cases)('%s from %s, without the cookie: nothing changes', async (route, _, headers) => {
    const { url, fields } = await used(route);
    const before = await stored();
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      body: new URLSearchParams(fields),
      redirect: 'manual',
    });
    expect(answer.headers.getSetCookie()).toEqual([]);
    expect(await stored()).toEqual(before);
    expect(await isSignedIn()).toBe(true);
  });

  // Should a browser send it all the same, and know the token.
  test.each(cases)('%s from %s, with all: nothing changes', async (route, _, headers) => {
    const csrf = csrfOf(await browser.request(`${site.url}/`));
    const { url, fields } = await used(route);
    const before = await stored();
    const answer = await browser.request(url, {
      method: 'POST',
      headers,
      body: new URLSearchParams({ ...fields, _csrf: csrf }),
    });
    expect(answer.status).toBe(403);
    expect(answer.headers.getSetCookie()).toEqual([]);
    expect(await stored()).toEqual(before);
    expect(await isSignedIn()).toBe(true);
  });

  test.each(GETS)('a link to %s, which comes with the cookie: nothing changes', async (route) => {
    const { url } = await used(route);
    const before = await stored();
    const navigation = {
      'sec-fetch-site': 'cross-site',
      'sec-fetch-mode': 'navigate',
      'sec-fetch-dest': 'document',
    };
    for (const method of ['GET', 'HEAD']) {
      const answer = await browser.request(url, { method, headers: navigation });
      expect(answer.status).toBeLessThan(500);
      // A sign-in that begins has a cookie of its own.
      if (route !== 'GET /sign-in') expect(answer.headers.getSetCookie()).toEqual([]);
    }
    expect(await stored()).toEqual(before);
    expect(await isSignedIn()).toBe(true);
  });
});

test('signing out ends the stored session, whatever the browser keeps', async () => {
  const kept = [...browser.cookies(site.url)].map(([name, value]) => `${name}=${value}`).join('; ');
  const csrf = csrfOf(await browser.request(`${site.url}/`));
  await browser.post(`${site.url}/sign-out`, { _csrf: csrf });
  expect((await browser.request(`${site.url}/`, { headers: { cookie: kept } })).status).toBe(302);
});
