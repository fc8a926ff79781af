// Signing in against a provider that lies, and browsers that are lied to.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { jwt, newSigningKey } from '../../support/evil-oidc-provider.ts';
import { HttpBrowser } from '../../support/http-browser.ts';
import {
  alice,
  begin,
  CLIENT_SECRET,
  claimsFor,
  comeBack,
  kindOf,
  type Site,
  signIn,
  startSite,
  whoIs,
} from './harness.ts';

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
  // Whatever rates a test before has used up.
  site.pass(60_000);
  site.ahead = 0;
  site.provider.metadata = {};
  site.provider.userinfo = { sub: 'a1' };
  site.provider.keys = [site.provider.key];
});

const isSignedIn = () => [...browser.cookies(site.url).keys()].includes('postern');
const now = () => Math.floor(Date.now() / 1000);

describe('the way there and back', () => {
  test('what the provider is asked: code flow, PKCE, state, nonce, the one redirect URI', async () => {
    const sent = await begin(site, browser);
    expect(Object.fromEntries(sent)).toEqual({
      client_id: 'postern',
      response_type: 'code',
      scope: 'openid email',
      redirect_uri: `${site.url}/sign-in/callback`,
      code_challenge_method: 'S256',
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      state: expect.stringMatching(/^[\w-]{32}$/),
      nonce: expect.stringMatching(/^[\w-]{32}$/),
    });
    const again = await begin(site, browser);
    for (const key of ['state', 'nonce', 'code_challenge']) expect(again.get(key)).not.toBe(sent.get(key));
  });

  test('a right answer signs in, and the code is redeemed with the verifier', async () => {
    const page = await signIn(site, browser, {}, '/sign-in?return=/passwords/new');
    expect({ status: page.status, to: page.headers.get('location') }).toEqual({
      status: 303,
      to: '/passwords/new',
    });
    expect(await whoIs(site, browser)).toMatchObject({ user: alice, isAdmin: false });
    const asked = site.provider.tokenRequests.at(-1);
    expect(asked?.get('redirect_uri')).toBe(`${site.url}/sign-in/callback`);
    expect(asked?.get('code_verifier')).toMatch(/^[\w-]{43}$/);
  });

  test.each(['client_secret_basic', 'client_secret_post'] as const)(
    'the client secret is sent as %s',
    async (how) => {
      site.terms = { ...usual, provider: { ...usual.provider, clientAuthentication: how } };
      await signIn(site, browser);
      const inForm = site.provider.tokenRequests.at(-1)?.get('client_secret') === CLIENT_SECRET;
      expect(inForm).toBe(how === 'client_secret_post');
      expect(await whoIs(site, browser)).toMatchObject({ user: alice });
    },
  );

  test.each([
    ['acr_values', { acr_values: 'mfa hwk' }],
    [
      'claims',
      {
        claims: JSON.stringify({
          id_token: { auth_time: { essential: true }, amr: { essential: true, values: ['mfa', 'hwk'] } },
        }),
      },
    ],
    ['none', {}],
  ] as const)('two-step verification is asked for by %s', async (request, parameters) => {
    site.terms = {
      ...usual,
      provider: { ...usual.provider, twoStep: { ...usual.provider.twoStep, request } },
    };
    const sent = Object.fromEntries(await begin(site, browser));
    const { acr_values, claims } = sent;
    expect({ ...(acr_values && { acr_values }), ...(claims && { claims }) }).toEqual(parameters);
  });
});

describe('an ID token is refused', () => {
  const other = newSigningKey('first');
  const stranger = newSigningKey('unknown');
  test.each<[string, Record<string, unknown>]>([
    ['for another client', { aud: 'another' }],
    ['for several, without azp', { aud: ['postern', 'another'] }],
    ['of another issuer', { iss: 'https://evil.example' }],
    ['that has expired', { exp: now() - 60 }],
    ['that is not valid yet', { nbf: now() + 300 }],
    ['from the future', { iat: now() + 3600 }],
    ['with another nonce', { nonce: 'another-nonce' }],
    ['without a nonce', { nonce: undefined }],
    ['without a subject', { sub: undefined }],
    ['with an auth_time in the future', { auth_time: now() + 3600 }],
    ['with an auth_time that is a text', { auth_time: String(now()) }],
    ['with an auth_time that is a list', { auth_time: [now()] }],
    ['with a negative auth_time', { auth_time: -1 }],
    ['with an auth_time that is no number', { auth_time: String(now()) }],
  ])('%s', async (_, changes) => {
    const page = await signIn(site, browser, changes);
    expect({ status: page.status, kind: kindOf(page) }).toEqual({ status: 400, kind: 'sign_in_failed' });
    expect(isSignedIn()).toBe(false);
  });

  test.each<[string, (claims: object) => string]>([
    ['signed by another key of the same name', (claims) => jwt(claims, other)],
    ['signed by a key that is not published', (claims) => jwt(claims, stranger)],
    ['with alg none', (claims) => jwt(claims, site.provider.key, 'none')],
    ['signed with the client secret', (claims) => jwt(claims, site.provider.key, { HS256: CLIENT_SECRET })],
    [
      'whose claims were changed',
      (claims) => {
        const [header, , signature] = jwt(claims, site.provider.key).split('.');
        const changed = Buffer.from(JSON.stringify({ ...claims, email: 'bob@example.com' })).toString(
          'base64url',
        );
        return `${header}.${changed}.${signature}`;
      },
    ],
    ['that is none', () => 'not.a.token'],
  ])('%s', async (_, make) => {
    const sent = await begin(site, browser);
    site.provider.idToken = make(claimsFor(site, sent.get('nonce')));
    const page = await comeBack(site, browser, sent);
    expect({ status: page.status, kind: kindOf(page) }).toEqual({ status: 400, kind: 'sign_in_failed' });
    expect(isSignedIn()).toBe(false);
  });

  test('that is missing', async () => {
    const sent = await begin(site, browser);
    site.provider.idToken = undefined;
    expect(kindOf(await comeBack(site, browser, sent))).toBe('sign_in_failed');
  });

  test('but not for clocks that are 20 s apart', async () => {
    expect((await signIn(site, browser, { exp: now() - 20, auth_time: now() + 20 })).status).toBe(303);
    expect((await whoIs(site, browser))?.user).toBe(alice);
  });

  test('and after a failure new keys are taken', async () => {
    const next = newSigningKey('second');
    const sent = await begin(site, browser);
    site.provider.idToken = jwt(claimsFor(site, sent.get('nonce')), next);
    expect((await comeBack(site, browser, sent)).status).toBe(400);
    site.provider.keys = [next];
    const again = await begin(site, browser);
    site.provider.idToken = jwt(claimsFor(site, again.get('nonce')), next);
    expect((await comeBack(site, browser, again)).status).toBe(303);
    // And for the tests after this one.
    site.provider.keys = [site.provider.key];
    const last = await begin(site, browser);
    await comeBack(site, browser, last);
  });
});

describe('an answer is only taken by the browser that asked, once, in time', () => {
  test('login CSRF: a code of the attacker’s in the browser of somebody else', async () => {
    const attacker = new HttpBrowser();
    const sent = await begin(site, attacker);
    site.provider.idToken = jwt(claimsFor(site, sent.get('nonce')), site.provider.key);
    const asked = site.provider.asked.token;
    expect(kindOf(await comeBack(site, browser, sent))).toBe('sign_in_failed');
    // Nor with a sign-in of its own under way.
    await begin(site, browser);
    expect(kindOf(await comeBack(site, browser, sent))).toBe('sign_in_failed');
    expect(isSignedIn()).toBe(false);
    expect(site.provider.asked.token).toBe(asked);
  });

  test.each([
    ['no state', ''],
    ['an empty state', '&state='],
    ['another state', `&state=${'x'.repeat(32)}`],
    ['two states', '&state=a&state=b'],
    ['a very long state', `&state=${'x'.repeat(5000)}`],
  ])('%s', async (_, query) => {
    await begin(site, browser);
    const page = await browser.request(`${site.url}/sign-in/callback?code=a-code${query}`);
    expect({ status: page.status, kind: kindOf(page) }).toEqual({ status: 400, kind: 'sign_in_failed' });
  });

  test('a state of another name with the same first characters', async () => {
    const sent = await begin(site, browser);
    const state = `${sent.get('state')?.slice(0, 8)}${'x'.repeat(24)}`;
    expect(kindOf(await comeBack(site, browser, new URLSearchParams({ state })))).toBe('sign_in_failed');
  });

  test('a second time, with the cookie kept', async () => {
    const sent = await begin(site, browser);
    const kept = [...browser.cookies(site.url)].map(([name, value]) => `${name}=${value}`).join('; ');
    site.provider.idToken = jwt(claimsFor(site, sent.get('nonce')), site.provider.key);
    expect((await comeBack(site, browser, sent)).status).toBe(303);
    const asked = site.provider.asked.token;
    const url = `${site.url}/sign-in/callback?code=a-code&state=${sent.get('state')}`;
    const again = await browser.request(url, { headers: { cookie: kept } });
    expect(kindOf(again)).toBe('sign_in_failed');
    expect(site.provider.asked.token).toBe(asked);
  });

  test('eleven minutes later', async () => {
    const sent = await begin(site, browser);
    site.provider.idToken = jwt(claimsFor(site, sent.get('nonce')), site.provider.key);
    site.ahead += 660_000;
    expect(kindOf(await comeBack(site, browser, sent))).toBe('sign_in_failed');
  });

  test('with any character of the cookie changed', async () => {
    const sent = await begin(site, browser);
    site.provider.idToken = jwt(claimsFor(site, sent.get('nonce')), site.provider.key);
    const [[name, value]] = browser.cookies(site.url) as unknown as [[string, string]];
    for (const at of [0, 20, 100, value.length - 2]) {
      const changed = `${value.slice(0, at)}${value[at] === 'A' ? 'B' : 'A'}${value.slice(at + 1)}`;
      const url = `${site.url}/sign-in/callback?code=a-code&state=${sent.get('state')}`;
      const page = await browser.request(url, { headers: { cookie: `${name}=${changed}` } });
      expect(kindOf(page)).toBe('sign_in_failed');
    }
  });

  test('of the issuer that was asked, where it names itself (RFC 9207)', async () => {
    site.provider.metadata = { authorization_response_iss_parameter_supported: true };
    site.pass(3_700_000);
    const sent = await begin(site, browser);
    site.provider.idToken = jwt(claimsFor(site, sent.get('nonce')), site.provider.key);
    expect(kindOf(await comeBack(site, browser, sent, '&iss=https://evil.example'))).toBe('sign_in_failed');
    const again = await begin(site, browser);
    site.provider.idToken = jwt(claimsFor(site, again.get('nonce')), site.provider.key);
    const iss = encodeURIComponent(site.provider.issuer);
    expect((await comeBack(site, browser, again, `&iss=${iss}`)).status).toBe(303);
    site.pass(3_700_000);
  });

  test('cookies that look like ours and are not are left alone', async () => {
    const names = ['a b', 'a"b(c)d', '<script>', '', 'ü', '0123456', '012345678'];
    const cookie = names.map((name) => `postern-sign-in-${name}=x`).join('; ');
    const headers = { cookie: Buffer.from(cookie).toString('latin1') };
    const page = await browser.request(`${site.url}/sign-in`, { headers });
    expect(page.status).toBe(302);
    expect(page.headers.getSetCookie()).toHaveLength(1);
    for (const name of names) {
      const state = encodeURIComponent(`${name}${'x'.repeat(32)}`.slice(0, 32));
      const back = await browser.request(`${site.url}/sign-in/callback?code=a&state=${state}`, { headers });
      expect({ name, status: back.status }).toEqual({ name, status: 400 });
    }
  });

  test('several tabs may be under way, and a browser is not filled with cookies', async () => {
    const first = await begin(site, browser);
    await begin(site, browser);
    site.provider.idToken = jwt(claimsFor(site, first.get('nonce')), site.provider.key);
    expect((await comeBack(site, browser, first)).status).toBe(303);
    for (let n = 0; n < 12; n++) await begin(site, browser);
    expect(browser.cookies(site.url).size).toBeLessThanOrEqual(7);
  });
});

describe('who it is', () => {
  test.each<[string, Record<string, unknown>, string]>([
    ['no proof of two steps', { amr: ['pwd'] }, 'two_step_missing'],
    ['no claim that could prove it', { amr: undefined }, 'two_step_missing'],
    ['a part of a value', { amr: ['mf'] }, 'two_step_missing'],
    ['another case', { amr: ['MFA'] }, 'two_step_missing'],
    ['a text that holds the value', { amr: 'pwd mfa' }, 'two_step_missing'],
    ['an object', { amr: { mfa: true } }, 'two_step_missing'],
    ['no e-mail address', { email: undefined }, 'unusable_name'],
    ['an address that nobody verified', { email_verified: false }, 'unusable_name'],
    ['an address that is not said to be verified', { email_verified: undefined }, 'unusable_name'],
    ['a name without a domain', { email: 'alice' }, 'unusable_name'],
    ['a name with a separator', { email: 'alice*master@example.com' }, 'unusable_name'],
    ['a name with a control character', { email: 'alice\n@example.com' }, 'unusable_name'],
    ['a name with a look-alike', { email: 'ａlice@example.com' }, 'unusable_name'],
    ['a list of names', { email: ['alice@example.com'] }, 'unusable_name'],
  ])('%s: nobody', async (_, changes, kind) => {
    const page = await signIn(site, browser, changes);
    expect({ status: page.status, kind: kindOf(page) }).toEqual({ status: 403, kind });
    expect(isSignedIn()).toBe(false);
  });

  test.each<[string, Record<string, unknown>]>([
    ['a text', { amr: 'mfa' }],
    ['another of the values', { amr: ['hwk'] }],
    ['in another case of the name', { email: 'Alice@EXAMPLE.com' }],
  ])('%s: alice', async (_, changes) => {
    expect((await signIn(site, browser, changes)).status).toBe(303);
    expect((await whoIs(site, browser))?.user).toBe(alice);
  });

  test('what the ID token lacks, userinfo may say, but not that two steps were taken', async () => {
    site.provider.userinfo = { sub: 'a1', email: 'alice@example.com', email_verified: true, amr: ['mfa'] };
    expect((await signIn(site, browser, { email: undefined })).status).toBe(303);
    expect(kindOf(await signIn(site, browser, { email: undefined, amr: undefined }))).toBe(
      'two_step_missing',
    );
  });

  test('userinfo of another subject says nothing', async () => {
    site.provider.userinfo = { sub: 'somebody-else', email: 'bob@example.com', email_verified: true };
    expect(kindOf(await signIn(site, browser, { email: undefined }))).toBe('sign_in_failed');
  });

  test('a domain for names that have none', async () => {
    const provider = {
      ...usual.provider,
      userClaim: 'preferred_username',
      userDomain: 'example.com',
      requireVerifiedEmail: false,
    };
    site.terms = { ...usual, provider };
    await signIn(site, browser, { preferred_username: 'Alice' });
    expect((await whoIs(site, browser))?.user).toBe(alice);
  });

  test('only those who may, and admins by their group', async () => {
    site.terms = { ...usual, who: { claim: 'groups', values: ['staff', 'mail-admins'] } };
    expect(kindOf(await signIn(site, browser, { groups: ['guests'] }))).toBe('not_allowed');
    expect(kindOf(await signIn(site, browser))).toBe('not_allowed');
    expect((await signIn(site, browser, { groups: ['staff'] })).status).toBe(303);
    expect(await whoIs(site, browser)).toMatchObject({ isAdmin: false });
    expect((await signIn(site, browser, { groups: ['guests', 'mail-admins'] })).status).toBe(303);
    expect(await whoIs(site, browser)).toMatchObject({ isAdmin: true });
    // Nobody is, once the config has no admins any more.
    site.terms = { ...site.terms, admins: null };
    expect(await whoIs(site, browser)).toMatchObject({ isAdmin: false });
  });

  test('not a user who is disabled', async () => {
    await site.store.setUserDisabled(alice, Date.now());
    expect(kindOf(await signIn(site, browser))).toBe('user_disabled');
    await site.store.setUserDisabled(alice, null);
    expect((await signIn(site, browser)).status).toBe(303);
  });

  test('nor one who is disabled while they sign in, not even once they are enabled again', async () => {
    const select = site.store.select.bind(site.store);
    // The last look before the session: a command disables the user just behind it.
    site.store.select = async (...args) => {
      const seen = await select(...args);
      site.store.select = select;
      await site.passwords.setUserDisabled(alice, true);
      return seen;
    };
    const page = await signIn(site, browser);
    expect({ status: page.status, kind: kindOf(page) }).toEqual({ status: 403, kind: 'user_disabled' });
    expect(isSignedIn()).toBe(false);
    expect((await site.store.audit({ user: alice, most: 1 }))[0]).toMatchObject({
      action: 'sign_in_refused',
      detail: 'the user is disabled',
    });
    await site.passwords.setUserDisabled(alice, false);
    expect(await whoIs(site, browser)).toBeUndefined();
  });

  test('each sign-in and each refusal is an audit record', async () => {
    await signIn(site, browser);
    await signIn(site, browser, { amr: ['pwd'] });
    const [refused, made] = await site.store.audit({ user: alice, most: 2 });
    expect(refused).toMatchObject({ by: null, user: alice, action: 'sign_in_refused', from: '127.0.0.1' });
    expect(made).toMatchObject({ by: alice, user: alice, action: 'signed_in', from: '127.0.0.1' });
  });
});
