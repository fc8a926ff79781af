// What every request to the portal passes: CSRF, headers, bounds, proxies.

import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { NetworkSet } from '../../../src/lib/network.ts';
import { HttpBrowser, type Page } from '../../support/http-browser.ts';
import { alice, kindOf, type Site, signIn, startSite, whoIs } from './harness.ts';

let site: Site;
let browser: HttpBrowser;
let csrf: string;
let usual: Site['terms'];
beforeAll(async () => {
  site = await startSite();
  usual = site.terms;
});
afterAll(() => site?.[Symbol.asyncDispose]());
beforeEach(async () => {
  site.terms = usual;
  site.pass(60_000);
  browser = new HttpBrowser();
  await signIn(site, browser);
  csrf = (await whoIs(site, browser))?.csrf ?? '';
  await site.passwords.revoke({ user: alice });
});

const make = (fields: Record<string, string>, headers: Record<string, string> = {}) =>
  browser.post(`${site.url}/passwords`, { name: 'Phone', ...fields }, { headers });

const expectRefused = async (page: Page) => {
  expect({ status: page.status, kind: kindOf(page) }).toEqual({ status: 403, kind: 'stale_form' });
  expect(await site.passwords.list({ user: alice })).toEqual([]);
};

describe('cross-site request forgery', () => {
  test('a form of ours is taken', async () => {
    expect((await make({ _csrf: csrf })).status).toBe(200);
    expect(await site.passwords.list({ user: alice })).toHaveLength(1);
  });

  test('a script of ours sends the token in a header', async () => {
    const page = await browser.request(`${site.url}/passwords`, {
      method: 'POST',
      body: new URLSearchParams({ name: 'Phone' }),
      headers: { 'x-csrf-token': csrf, origin: site.url, 'sec-fetch-site': 'same-origin' },
    });
    expect(page.status).toBe(200);
  });

  test('no token', async () => expectRefused(await make({})));
  test('an empty one', async () => expectRefused(await make({ _csrf: '' })));
  test('a wrong one of the right length', async () => expectRefused(await make({ _csrf: 'A'.repeat(43) })));
  test('one too long', async () => expectRefused(await make({ _csrf: `${csrf}A` })));
  test('one that is in the query alone', async () =>
    expectRefused(await browser.post(`${site.url}/passwords?_csrf=${csrf}`, { name: 'Phone' })));

  test('another user’s', async () => {
    const other = new HttpBrowser();
    await signIn(site, other, { email: 'bob@example.com' });
    await expectRefused(await make({ _csrf: (await whoIs(site, other))?.csrf ?? '' }));
  });

  test('a stale one, of the session before this one', async () => {
    const before = csrf;
    await signIn(site, browser);
    await expectRefused(await make({ _csrf: before }));
  });

  test.each<[string, Record<string, string>]>([
    ['another origin', { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }],
    ['another host of the domain', { 'sec-fetch-site': 'same-site' }],
    ['an opaque origin', { origin: 'null', 'sec-fetch-site': 'cross-site' }],
    [
      'another origin, by an old browser',
      { origin: 'https://evil.example', 'sec-fetch-site': 'same-origin' },
    ],
    ['typed by the user', { 'sec-fetch-site': 'none' }],
  ])('a right token from %s', async (_, headers) => {
    const form = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
    await expectRefused(await make({ _csrf: csrf }, { ...form, ...headers }));
  });

  test('a right token from nowhere', async () => {
    const page = await browser.request(`${site.url}/passwords`, {
      method: 'POST',
      body: new URLSearchParams({ _csrf: csrf, name: 'Phone' }),
    });
    await expectRefused(page);
  });

  test.each(['application/json', 'text/plain', 'multipart/form-data; boundary=x'])(
    'a body of the type %s, which other sites can send too, is not read',
    async (type) => {
      const page = await browser.request(`${site.url}/passwords`, {
        method: 'POST',
        body: JSON.stringify({ _csrf: csrf, name: 'Phone' }),
        headers: { 'content-type': type, origin: site.url, 'sec-fetch-site': 'same-origin' },
      });
      expect(page.status).toBe(415);
      expect(await site.passwords.list({ user: alice })).toEqual([]);
    },
  );

  test('who is not signed in is led to the sign-in, and nothing is done', async () => {
    const page = await new HttpBrowser().post(`${site.url}/passwords`, { name: 'Phone', _csrf: csrf });
    expect(kindOf(page)).toBe('continue');
    expect(page.body).toContain('/sign-in?return=%2F');
    expect(await site.passwords.list({ user: alice })).toEqual([]);
  });

  test('a form whose session is over leads back to the page that it was on; a script is told', async () => {
    const stranger = new HttpBrowser();
    const init = { headers: { referer: `${site.url}/passwords/new` } };
    expect((await stranger.post(`${site.url}/passwords`, {}, init)).body).toContain(
      'return=%2Fpasswords%2Fnew',
    );
    const evil = { headers: { referer: 'https://evil.example//evil.example/' } };
    expect((await stranger.post(`${site.url}/passwords`, {}, evil)).body).toContain('return=%2F"');
    const page = await stranger.post(
      `${site.url}/passwords`,
      {},
      { headers: { accept: 'application/json' } },
    );
    expect({ status: page.status, body: JSON.parse(page.body) }).toEqual({
      status: 401,
      body: { signIn: '/sign-in?return=%2F' },
    });
  });
});

describe('headers', () => {
  test.each(['/', '/sign-in', '/signed-out', '/nothing/here', '/static/x.css', '/broken'])(
    'of %s',
    async (path) => {
      const page = await browser.request(`${site.url}${path}`);
      expect(page.headers.get('cache-control')).toBe('no-store');
      expect(page.headers.get('referrer-policy')).toBe('same-origin');
      expect(page.headers.get('x-frame-options')).toBe('DENY');
      expect(page.headers.get('x-content-type-options')).toBe('nosniff');
      expect(page.headers.get('cross-origin-opener-policy')).toBe('same-origin');
      const policy = page.headers.get('content-security-policy') ?? '';
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).toContain("form-action 'self'");
      expect(policy).not.toMatch(/unsafe|\*|data:/);
      expect(page.headers.has('server')).toBe(false);
      expect(page.headers.has('access-control-allow-origin')).toBe(false);
    },
  );

  test.each([
    { host: 'evil.example' },
    { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'gopher' },
    { forwarded: 'host=evil.example;proto=https' },
    { host: 'evil.example', 'x-forwarded-host': 'evil.example:1' },
  ])('host-header games change nothing: %j', async (headers) => {
    site.terms = { ...usual, trustedProxies: new NetworkSet(['127.0.0.0/8']) };
    const answer = await rawRequest(site, 'GET /sign-in?return=/passwords/new HTTP/1.1', headers);
    expect(answer).toMatch(/^HTTP\/1\.1 302 /);
    expect(answer).toContain(`redirect_uri=${encodeURIComponent(`${site.url}/sign-in/callback`)}`);
    expect(answer).not.toContain('evil.example');
    expect(await rawRequest(site, 'GET / HTTP/1.1', headers)).toMatch(
      /\r\nlocation: \/sign-in\?return=%2F\r\n/i,
    );
  });

  test('an error says nothing of the inside', async () => {
    const page = await browser.request(`${site.url}/broken`);
    expect({ status: page.status, kind: kindOf(page) }).toEqual({ status: 500, kind: 'internal_error' });
    expect(page.body).not.toMatch(/with-a-detail|\.ts|node_modules/);
    const id = /"id":"([\w-]+)"/.exec(page.body)?.[1] ?? 'none';
    expect(site.log().join('')).toContain(`portal ${id}`);
  });
});

describe('bounds', () => {
  test('a body of 10 MB is refused before it is read', async () => {
    const page = await browser
      .request(`${site.url}/passwords`, {
        method: 'POST',
        body: `name=${'x'.repeat(10_000_000)}`,
        headers: { 'content-type': 'application/x-www-form-urlencoded', origin: site.url },
      })
      .catch((error: Error) => error);
    // The server may hang up before the client has sent it all.
    if (!(page instanceof Error))
      expect({ status: page.status, kind: kindOf(page) }).toEqual({ status: 413, kind: 'too_large' });
    expect(await site.passwords.list({ user: alice })).toEqual([]);
  });

  test('a body that says it has 10 MB is answered at once', async () => {
    const cookie = [...browser.cookies(site.url)].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await rawRequest(site, 'POST /passwords HTTP/1.1', {
      cookie,
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': '10000000',
    });
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  });

  test.each([
    [
      'a header of 20 kB',
      `GET / HTTP/1.1\r\nHost: x\r\nCookie: ${'a'.repeat(20_000)}\r\n\r\n`,
      /^HTTP\/1\.1 431 /,
    ],
    ['no HTTP', '\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n', /^HTTP\/1\.1 400 /],
    [
      'two lengths',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
      /^HTTP\/1\.1 400 /,
    ],
    [
      'length and chunks',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      /^HTTP\/1\.1 400 /,
    ],
    [
      'a blank before the colon',
      'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n',
      /^HTTP\/1\.1 400 /,
    ],
    [
      'chunks that are not the last encoding',
      'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n',
      /^HTTP\/1\.1 400 /,
    ],
    [
      'a header that goes on in the next line',
      'GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n',
      /^HTTP\/1\.1 400 /,
    ],
    ['lines that end in LF alone', 'GET / HTTP/1.1\nHost: x\n\n', /^HTTP\/1\.1 400 /],
    ['no host', 'GET / HTTP/1.1\r\n\r\n', /^HTTP\/1\.1 400 /],
  ])('%s', async (_, bytes, expected) => {
    expect(await rawBytes(site, bytes)).toMatch(expected);
  });

  test.each([
    ['of a form that is not looked at', 'POST /passwords', 'application/x-www-form-urlencoded'],
    ['of a type that is not read', 'POST /passwords', 'application/json'],
    ['where none is expected', 'GET /signed-out', 'text/plain'],
  ])('a body %s is no second request', async (_, start, type) => {
    const second = 'GET /static/x.css HTTP/1.1\r\nHost: x\r\n\r\n';
    const head = `${start} HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nContent-Length: ${second.length}\r\n\r\n`;
    const last = 'GET /nothing/here HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
    const socket = connect(Number(new URL(site.url).port), '127.0.0.1');
    let heard = '';
    socket.on('data', (chunk) => {
      heard += chunk.toString('latin1');
    });
    socket.write(head + second + last);
    await once(socket, 'close');
    expect(heard.match(/HTTP\/1\.1 \d+ /g)).toHaveLength(2);
    expect(heard).not.toContain('p{}');
  });

  test('whatever host a request names, nothing of it comes back', async () => {
    for (const more of [
      'Host: evil.example',
      'Host: x\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: http',
    ]) {
      for (const path of ['/', '/sign-in', '/nothing', 'http://evil.example/', '/passwords/new?x=1']) {
        const answer = await rawBytes(site, `GET ${path} HTTP/1.1\r\n${more}\r\n\r\n`);
        expect(answer).toMatch(/^HTTP\/1\.1 [234]/);
        expect(answer).not.toContain('evil');
      }
    }
  });

  test('a path of 10 kB, and one that is not well-formed', async () => {
    expect((await browser.request(`${site.url}/${'a'.repeat(10_000)}`)).status).toBe(404);
    expect((await browser.request(`${site.url}/%E0%A4%A`)).status).toBeGreaterThanOrEqual(400);
  });

  test('one network’s flood is answered 429, another network is not', async () => {
    site.terms = { ...usual, trustedProxies: new NetworkSet(['127.0.0.0/8']) };
    const from = (address: string) => ({ headers: { 'x-forwarded-for': address } });
    const statuses: number[] = [];
    for (let batch = 0; batch < 10; batch++) {
      const answers = Array.from({ length: 40 }, () =>
        browser.request(`${site.url}/signed-out`, from('192.0.2.1')),
      );
      statuses.push(...(await Promise.all(answers)).map(({ status }) => status));
    }
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(20);
    expect((await browser.request(`${site.url}/signed-out`, from('192.0.2.2'))).status).toBe(200);
    expect(await site.metric('postern_portal_rejected_total{reason="rate"}')).toMatch(/ \d\d+$/);
    // An IPv6 network is one subscriber's /64.
    for (let n = 0; n < 320; n++)
      await browser.request(`${site.url}/signed-out`, from(`2001:db8::${n.toString(16)}`));
    expect((await browser.request(`${site.url}/signed-out`, from('2001:db8::ffff'))).status).toBe(429);
    expect((await browser.request(`${site.url}/signed-out`, from('2001:db8:0:1::1'))).status).toBe(200);
  });

  test('one network may have 60 connections', async () => {
    const sockets = Array.from({ length: 80 }, () =>
      connect(new URL(site.url).port as unknown as number, '127.0.0.1'),
    );
    for (const socket of sockets) socket.on('error', () => {});
    const closed = sockets.filter((socket) => socket.once('close', () => {}));
    await expect.poll(() => closed.filter((socket) => socket.destroyed).length).toBeGreaterThanOrEqual(20);
    for (const socket of sockets) socket.destroy();
    await expect
      .poll(async () => (await browser.request(`${site.url}/signed-out`).catch(() => undefined))?.status)
      .toBe(200);
  });
});

describe('X-Forwarded-For', () => {
  const loggedFrom = async (value: string) => {
    const visitor = new HttpBrowser();
    const original = visitor.request.bind(visitor);
    visitor.request = (url, init = {}) =>
      original(url, {
        ...init,
        headers: { ...(init.headers as Record<string, string>), 'x-forwarded-for': value },
      });
    await signIn(site, visitor);
    return (await site.store.audit({ user: alice, most: 1 }))[0]?.from;
  };

  test('from anyone else means nothing', async () => {
    expect(await loggedFrom('203.0.113.9')).toBe('127.0.0.1');
  });

  test.each([
    ['203.0.113.9', '203.0.113.9'],
    ['10.9.9.9, 203.0.113.9', '203.0.113.9'],
    // By two proxies, each of which adds whom it heard it from; and what somebody wrote before they did.
    ['203.0.113.9, 127.0.0.2', '203.0.113.9'],
    ['10.9.9.9, 127.0.0.3, 203.0.113.9, 127.0.0.2', '203.0.113.9'],
    ['::ffff:203.0.113.9', '203.0.113.9'],
    ['2001:DB8::1', '2001:db8::1'],
    ['not an address', '127.0.0.1'],
    ['203.0.113.9:1234', '127.0.0.1'],
    ['<script>', '127.0.0.1'],
  ])('from a trusted proxy: %s', async (value, expected) => {
    site.terms = { ...usual, trustedProxies: new NetworkSet(['127.0.0.0/8']) };
    expect(await loggedFrom(value)).toBe(expected);
  });
});

/** What the server sends until it closes or has sent a whole header. */
async function rawRequest({ url }: Site, start: string, headers: Record<string, string>): Promise<string> {
  const all = { host: new URL(url).host, connection: 'close', ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return rawBytes({ url } as Site, `${[start, ...lines].join('\r\n')}\r\n\r\n`);
}

async function rawBytes({ url }: Pick<Site, 'url'>, bytes: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  let heard = '';
  socket.on('data', (chunk) => {
    heard += chunk.toString('latin1');
    if (heard.includes('\r\n\r\n')) socket.end();
  });
  socket.on('error', () => {});
  socket.write(bytes, 'latin1');
  await once(socket, 'close');
  return heard;
}
