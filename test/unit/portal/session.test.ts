// Being signed in: how it begins, how long it lasts, what ends it, and what it is asked again for.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { HttpBrowser } from '../../support/http-browser.ts';
import { alice, begin, bob, kindOf, type Site, signIn, startSite, whoIs } from './harness.ts';

const MINUTE = 60_000;

let site: Site;
let browser: HttpBrowser;
let usual: Site['terms'];
beforeAll(async () => {
  site = await startSite();
  usual = site.terms;
});
afterAll(() => site?.[Symbol.asyncDispose]());
beforeEach(() => {
  browser = new HttpBrowser();
  site.terms = usual;
  site.ahead = 0;
  site.pass(MINUTE);
});

const cookieOf = (of: HttpBrowser) => of.cookies(site.url).get('postern') as string;
const seconds = () => Math.floor(Date.now() / 1000);

describe('the cookie', () => {
  test('is 256 random bits, and the store has their digest alone', async () => {
    await signIn(site, browser);
    const cookie = cookieOf(browser);
    expect(cookie).toMatch(/^[\w-]{43}$/);
    expect(await site.store.portalSession(cookie)).toBeUndefined();
    expect(await whoIs(site, browser)).not.toHaveProperty('cookie');
    expect(JSON.stringify(await whoIs(site, browser))).not.toContain(cookie);
  });

  test('session fixation: whatever the browser had before is not what it gets', async () => {
    const planted = 'A'.repeat(43);
    browser.cookies(site.url).set('postern', planted);
    await signIn(site, browser);
    expect(cookieOf(browser)).not.toBe(planted);
    const attacker = new HttpBrowser();
    attacker.cookies(site.url).set('postern', planted);
    expect(await whoIs(site, attacker)).toBeUndefined();
  });

  test('a second sign-in ends the first session, the attacker’s own included', async () => {
    const attacker = new HttpBrowser();
    await signIn(site, attacker, { email: 'bob@example.com' });
    browser.cookies(site.url).set('postern', cookieOf(attacker));
    await signIn(site, browser);
    expect((await whoIs(site, browser))?.user).toBe(alice);
    expect(await whoIs(site, attacker)).toBeUndefined();
  });

  test.each([
    ['cut', (cookie: string) => cookie.slice(0, -1)],
    ['lengthened', (cookie: string) => `${cookie}A`],
    ['with a character changed', (cookie: string) => `${cookie[0] === 'A' ? 'B' : 'A'}${cookie.slice(1)}`],
    ['in quotes', (cookie: string) => `"x${cookie}"`],
    ['of 4 kB', () => 'A'.repeat(4096)],
    ['with SQL', () => `' or 1=1 --`],
  ])('%s is nobody’s', async (_, change) => {
    await signIn(site, browser);
    const page = await browser.request(`${site.url}/`, {
      headers: { cookie: `postern=${encodeURIComponent(change(cookieOf(browser)))}` },
    });
    expect({ status: page.status, to: page.headers.get('location') }).toEqual({
      status: 302,
      to: '/sign-in?return=%2F',
    });
  });

  test.each([
    ['http://127.0.0.1:1', 'postern', /; Path=\/; HttpOnly; SameSite=Lax$/],
    ['https://portal.example.com', '__Host-postern', /; Path=\/; HttpOnly; Secure; SameSite=Lax$/],
  ])('as browsers are told of it at %s', async (publicUrl, name, attributes) => {
    await using other = await startSite((terms) => ({
      ...terms,
      settings: { ...terms.settings, publicUrl },
    }));
    const page = await signIn(other, browser);
    const line = page.headers.getSetCookie().find((one) => one.startsWith(`${name}=`));
    expect(line).toMatch(attributes);
    expect(page.headers.has('strict-transport-security')).toBe(publicUrl.startsWith('https:'));
  });
});

describe('a session ends', () => {
  const shiftTo = async (steps: number[]) => {
    for (const step of steps) {
      site.ahead += step;
      site.pass(step);
      await whoIs(site, browser);
    }
  };

  test('when it is idle for 15 minutes, and not before', async () => {
    await signIn(site, browser);
    await shiftTo([14 * MINUTE, 14 * MINUTE]);
    expect((await whoIs(site, browser))?.user).toBe(alice);
    site.ahead += 15 * MINUTE + 1000;
    expect(await whoIs(site, browser)).toBeUndefined();
    // And does not come back.
    site.ahead = 0;
    expect(await whoIs(site, browser)).toBeUndefined();
  });

  test('after 8 hours in any case', async () => {
    await signIn(site, browser);
    await shiftTo(Array.from({ length: 47 }, () => 10 * MINUTE));
    expect((await whoIs(site, browser))?.user).toBe(alice);
    await shiftTo([10 * MINUTE]);
    expect(await whoIs(site, browser)).toBeUndefined();
  });

  test('by signing out, which leads to the provider’s own', async () => {
    await signIn(site, browser);
    const { csrf = '' } = (await whoIs(site, browser)) ?? {};
    const kept = cookieOf(browser);
    const page = await browser.post(`${site.url}/sign-out`, { _csrf: csrf });
    expect(kindOf(page)).toBe('continue');
    const to = new URL(/"to":"([^"]+)"/.exec(page.body)?.[1] ?? '');
    expect(to.origin + to.pathname).toBe(`${site.provider.issuer}/end`);
    expect(to.searchParams.get('post_logout_redirect_uri')).toBe(`${site.url}/signed-out`);
    expect(to.searchParams.get('id_token_hint')).toMatch(/^eyJ/);
    expect(browser.cookies(site.url).has('postern')).toBe(false);
    browser.cookies(site.url).set('postern', kept);
    expect(await whoIs(site, browser)).toBeUndefined();
    const [record] = await site.store.audit({ user: alice, most: 1 });
    expect(record).toMatchObject({ action: 'signed_out', by: alice });
  });

  test('by signing out, at the provider too although it has not been asked for long; not if it does not answer', async () => {
    for (const isDown of [false, true]) {
      await signIn(site, browser);
      const { csrf = '' } = (await whoIs(site, browser)) ?? {};
      site.pass(3_700_000);
      if (isDown) site.provider.faults.set('metadata', 'hang');
      const page = await browser.post(`${site.url}/sign-out`, { _csrf: csrf });
      site.provider.faults.clear();
      expect({ status: page.status, kind: kindOf(page) }).toEqual(
        isDown ? { status: 303, kind: undefined } : { status: 200, kind: 'continue' },
      );
      expect(await whoIs(site, browser)).toBeUndefined();
    }
  });

  test('by signing out, here alone where the config says so', async () => {
    site.terms = { ...usual, provider: { ...usual.provider, logout: false } };
    await signIn(site, browser);
    const { csrf = '' } = (await whoIs(site, browser)) ?? {};
    const page = await browser.post(`${site.url}/sign-out`, { _csrf: csrf });
    expect({ status: page.status, to: page.headers.get('location') }).toEqual({
      status: 303,
      to: '/signed-out',
    });
  });

  test('not by a form of another site', async () => {
    await signIn(site, browser);
    expect((await browser.post(`${site.url}/sign-out`, {})).status).toBe(403);
    expect((await whoIs(site, browser))?.user).toBe(alice);
  });

  test('when its user is disabled, and when an admin ends it', async () => {
    await signIn(site, browser);
    await site.store.setUserDisabled(alice, Date.now());
    expect(await whoIs(site, browser)).toBeUndefined();
    await site.store.setUserDisabled(alice, null);
    await signIn(site, browser);
    expect(await site.store.endPortalSessions({ user: alice })).toBeGreaterThan(0);
    expect(await whoIs(site, browser)).toBeUndefined();
  });

  test('when its user has ten newer ones', async () => {
    await signIn(site, browser, { email: 'bob@example.com' });
    for (let n = 0; n < 10; n++) {
      site.ahead += 10;
      await signIn(site, new HttpBrowser(), { email: 'bob@example.com' });
    }
    expect(await whoIs(site, browser)).toBeUndefined();
    expect(await site.store.endPortalSessions({ user: bob })).toBe(10);
  });

  test('and what is over is purged from the store', async () => {
    await signIn(site, browser);
    const at = Date.now() + 1000;
    await site.store.purgePortal({ seenBefore: at, createdBefore: 0, auditBefore: at });
    expect(await whoIs(site, browser)).toBeUndefined();
    expect(await site.store.audit({ most: 10 })).toEqual([]);
  });
});

describe('a change needs a sign-in of the last ten minutes', () => {
  const aged = { auth_time: seconds() - 3600 };

  test('an old one is led to the provider with max_age, and back to the form', async () => {
    await signIn(site, browser, aged);
    const page = await browser.request(`${site.url}/passwords/new`);
    const to = '/sign-in?fresh=1&return=%2Fpasswords%2Fnew';
    expect({ status: page.status, to: page.headers.get('location') }).toEqual({ status: 302, to });
    const sent = await begin(site, browser, to);
    expect(sent.get('max_age')).toBe('300');
    expect(sent.get('prompt')).toBeNull();
    const back = await signIn(site, browser, {}, to);
    expect(back.headers.get('location')).toBe('/passwords/new');
    expect((await browser.request(`${site.url}/passwords/new`)).body).toBe('a form');
  });

  test('a form is led there by a page, because form-action holds redirects', async () => {
    await signIn(site, browser, aged);
    const { csrf = '' } = (await whoIs(site, browser)) ?? {};
    const page = await browser.post(`${site.url}/passwords`, { _csrf: csrf, name: 'Phone' });
    expect(page.status).toBe(200);
    expect(page.body).toContain('/sign-in?fresh=1&return=%2Fpasswords%2Fnew');
    expect(await site.passwords.list({ user: alice })).toEqual([]);
  });

  test.each(['continue', 'internal_error'] as const)(
    'a page that cannot be shown (%s) is an error page, and no more',
    async (brokenNotice) => {
      await using other = await startSite(undefined, { brokenNotice });
      await signIn(other, browser, aged);
      const { csrf = '' } = (await whoIs(other, browser)) ?? {};
      const page =
        brokenNotice === 'continue'
          ? await browser.post(`${other.url}/passwords`, { _csrf: csrf, name: 'Phone' })
          : await browser.request(`${other.url}/broken`);
      expect(page.status).toBe(500);
      expect(page.body).not.toContain('broken');
      expect((await whoIs(other, browser))?.user).toBe(alice);
    },
  );

  test('an ID token that is too long for an address is not kept', async () => {
    await signIn(site, browser, { more: 'x'.repeat(5000) });
    const { csrf = '' } = (await whoIs(site, browser)) ?? {};
    const page = await browser.post(`${site.url}/sign-out`, { _csrf: csrf });
    expect(page.body).toContain('post_logout_redirect_uri');
    expect(page.body).not.toContain('id_token_hint');
  });

  test('a sign-in without auth_time is never recent', async () => {
    await signIn(site, browser, { auth_time: undefined });
    expect((await browser.request(`${site.url}/passwords/new`)).status).toBe(302);
  });

  test('a provider that does not heed max_age is asked with prompt=login, once', async () => {
    await signIn(site, browser, aged);
    const first = await signIn(site, browser, aged, '/sign-in?fresh=1&return=/passwords/new');
    const url = new URL(first.headers.get('location') ?? '');
    expect(url.searchParams.get('prompt')).toBe('login');
    const { comeBack, claimsFor } = await import('./harness.ts');
    const { jwt } = await import('../../support/evil-oidc-provider.ts');
    site.provider.idToken = jwt(claimsFor(site, url.searchParams.get('nonce'), aged), site.provider.key);
    const second = await comeBack(site, browser, url.searchParams);
    expect({ status: second.status, kind: kindOf(second) }).toEqual({
      status: 403,
      kind: 'sign_in_not_fresh',
    });
  });

  test('nor is one that is too old by seconds sent round and round', async () => {
    const sooner = { auth_time: seconds() - 610 };
    await signIn(site, browser, sooner);
    const page = await signIn(site, browser, sooner, '/sign-in?fresh=1&return=/passwords/new');
    expect(new URL(page.headers.get('location') ?? '').searchParams.get('prompt')).toBe('login');
  });

  test('another user’s fresh sign-in does not go on with what the first was about', async () => {
    await signIn(site, browser, aged);
    const page = await signIn(
      site,
      browser,
      { email: 'bob@example.com' },
      '/sign-in?fresh=1&return=/passwords/new',
    );
    expect(page.headers.get('location')).toBe('/');
    expect((await whoIs(site, browser))?.user).toBe(bob);
  });

  test('eleven minutes after it, no more', async () => {
    await signIn(site, browser);
    expect((await browser.request(`${site.url}/passwords/new`)).status).toBe(200);
    site.ahead += 11 * MINUTE;
    expect((await browser.request(`${site.url}/passwords/new`)).status).toBe(302);
  });
});
