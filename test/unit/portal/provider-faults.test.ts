// Signing in where the provider says no, is down, slow, out of order, or sends what it should not.

import { createPublicKey } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { jwt } from '../../support/evil-oidc-provider.ts';
import { HttpBrowser } from '../../support/http-browser.ts';
import { begin, claimsFor, comeBack, kindOf, type Site, signIn, startSite, whoIs } from './harness.ts';

let site: Site;
let browser: HttpBrowser;
beforeAll(async () => {
  site = await startSite();
});
afterAll(() => site?.[Symbol.asyncDispose]());
beforeEach(() => {
  browser = new HttpBrowser();
  // Whatever rates a test before has used up.
  site.pass(60_000);
  site.provider.faults.clear();
  site.provider.metadata = {};
});

const isSignedIn = () => [...browser.cookies(site.url).keys()].includes('postern');

describe('what the provider may say instead', () => {
  const answer = async (error: string) => {
    const sent = await begin(site, browser);
    return browser.request(`${site.url}/sign-in/callback?error=${error}&state=${sent.get('state')}`);
  };

  test.each([
    ['access_denied', 403, 'sign_in_cancelled'],
    ['login_required', 403, 'sign_in_cancelled'],
    ['unmet_authentication_requirements', 403, 'two_step_missing'],
    ['server_error', 400, 'sign_in_failed'],
    ['%3Cscript%3E', 400, 'sign_in_failed'],
  ])('%s', async (error, status, kind) => {
    const page = await answer(error);
    expect({ status: page.status, kind: kindOf(page) }).toEqual({ status, kind });
    expect(page.body).not.toContain('<script>');
  });

  test('10 kB of it, of which the log has little', async () => {
    const lines = site.log().length;
    await answer('x'.repeat(10_000));
    const logged = site.log().slice(lines).join('');
    expect(logged).toContain('the provider says xxx');
    expect(logged.length).toBeLessThan(1_000);
  });

  test('codes that it never gave: it is asked for each of them, and for nothing else', async () => {
    await begin(site, browser);
    const asked = { ...site.provider.asked };
    site.provider.faults.set('token', 'refuse');
    for (let n = 0; n < 3; n++) {
      expect(kindOf(await comeBack(site, browser, await begin(site, browser)))).toBe('sign_in_failed');
      expect(kindOf(await answer('server_error'))).toBe('sign_in_failed');
    }
    expect(site.provider.asked).toEqual({ ...asked, token: asked.token + 3 });
  });
});

describe('a provider that is down, slow or out of order', () => {
  const faults = ['hang', 'error', 'html', 'endless', 'redirect', 'reset'] as const;
  const startedWith = async (path = '/sign-in') => browser.request(`${site.url}${path}`);

  test.each(faults)('at its metadata: %s', async (fault) => {
    // What was known is too old.
    site.pass(3_700_000);
    site.provider.faults.set('metadata', fault);
    const page = await startedWith('/sign-in?return=/passwords/new');
    expect({ status: page.status, kind: kindOf(page) }).toEqual({
      status: 503,
      kind: 'provider_unavailable',
    });
    expect(page.body).toContain('/sign-in?return=%2Fpasswords%2Fnew');
    site.provider.faults.clear();
    expect((await startedWith()).status).toBe(302);
  });

  test.each(faults)('at its token endpoint: %s', async (fault) => {
    const sent = await begin(site, browser);
    site.provider.faults.set('token', fault);
    const page = await comeBack(site, browser, sent);
    expect(['provider_unavailable', 'sign_in_failed']).toContain(kindOf(page));
    if (['hang', 'error', 'endless', 'reset'].includes(fault)) expect(page.status).toBe(503);
    expect(isSignedIn()).toBe(false);
  });

  test.each(faults)('at its keys: %s', async (fault) => {
    // Keys are read anew with the metadata.
    site.pass(3_700_000);
    const sent = await begin(site, browser);
    site.provider.idToken = jwt(claimsFor(site, sent.get('nonce')), site.provider.key);
    site.provider.faults.set('keys', fault);
    const page = await comeBack(site, browser, sent);
    expect(['provider_unavailable', 'sign_in_failed']).toContain(kindOf(page));
    expect(isSignedIn()).toBe(false);
  });

  test.each(faults)('at userinfo: %s', async (fault) => {
    const sent = await begin(site, browser);
    site.provider.idToken = jwt(claimsFor(site, sent.get('nonce'), { email: undefined }), site.provider.key);
    site.provider.faults.set('userinfo', fault);
    const page = await comeBack(site, browser, sent);
    expect(['provider_unavailable', 'sign_in_failed']).toContain(kindOf(page));
    expect(isSignedIn()).toBe(false);
  });

  test.each([undefined, 'javascript:alert(1)', '/authorize', { href: 'https://evil.example' }])(
    'that says that one signs in at %j',
    async (endpoint) => {
      site.pass(3_700_000);
      site.provider.metadata = { authorization_endpoint: endpoint };
      const page = await startedWith();
      expect({ status: page.status, kind: kindOf(page) }).toEqual({
        status: 503,
        kind: 'provider_unavailable',
      });
      expect(page.headers.has('location')).toBe(false);
      // And is asked anew the next time.
      site.provider.metadata = {};
      expect((await startedWith()).status).toBe(302);
    },
  );

  test('that says that one signs out at what is no place for a browser', async () => {
    for (const endpoint of ['javascript:alert(1)', 'data:text/html,x', '/end']) {
      site.pass(3_700_000);
      site.provider.metadata = { end_session_endpoint: endpoint };
      await signIn(site, browser);
      const { csrf = '' } = (await whoIs(site, browser)) ?? {};
      const page = await browser.post(`${site.url}/sign-out`, { _csrf: csrf });
      expect({ status: page.status, to: page.headers.get('location') }).toEqual({
        status: 303,
        to: '/signed-out',
      });
    }
    site.provider.metadata = {};
    site.pass(3_700_000);
  });

  test.each([
    ['a claim of 100 kB', { more: 'x'.repeat(100_000) }, 303],
    ['20,000 groups', { groups: Array.from({ length: 20_000 }, (_, n) => `group ${n}`) }, 303],
    ['claims that are called like properties of any object', JSON.parse('{"__proto__":{"amr":"mfa"}}'), 303],
    ['no proof but by a prototype', JSON.parse('{"amr":null,"__proto__":{"amr":["mfa"]}}'), 403],
    ['a name of 100 kB', { email: `${'a'.repeat(100_000)}@example.com` }, 403],
    ['a claim of 600 kB, which is more than is read', { more: 'x'.repeat(600_000) }, 503],
  ] as [string, Record<string, unknown>, number][])('with %s', async (_, claims, status) => {
    expect((await signIn(site, browser, claims)).status).toBe(status);
    expect(isSignedIn()).toBe(status === 303);
  });

  test.each([1_000, 20_000])('with %i keys', async (count) => {
    const { n, e } = createPublicKey(site.provider.key.key).export({ format: 'jwk' });
    const others = Array.from({ length: count }, (_, one) => ({
      kty: 'RSA',
      n: `AQ${one}`,
      e,
      kid: `k${one}`,
    }));
    site.provider.jwks = { keys: [...others, { kty: 'RSA', n, e, kid: 'first', use: 'sig', alg: 'RS256' }] };
    site.pass(3_700_000);
    const page = await signIn(site, browser);
    site.provider.jwks = undefined;
    site.pass(3_700_000);
    // 20,000 are more than is read.
    expect(page.status).toBe(count === 1_000 ? 303 : 503);
  });

  test('that calls itself something else', async () => {
    site.pass(3_700_000);
    site.provider.metadata = { issuer: 'https://evil.example' };
    expect((await startedWith()).status).toBe(503);
  });

  test('is asked once by fifty browsers', async () => {
    site.pass(3_700_000);
    const asked = site.provider.asked.metadata;
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => new HttpBrowser().request(`${site.url}/sign-in`)),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([302]));
    expect(site.provider.asked.metadata).toBe(asked + 1);
  });

  test('and nothing of a token, a code or the client secret is in the log', () => {
    const log = site.log().join('');
    expect(log).toContain('portal_sign_in');
    expect(log).not.toMatch(/eyJ[\w-]{10}|a-code|access-of-a-test|quitte/);
  });
});
