// Signing in to the portal of the real program, against a real OpenID provider.

import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { csrfOf, HttpBrowser } from '../support/http-browser.ts';
import { createPki } from '../support/pki.ts';
import { type PosternWithPortal, startPosternWithPortal } from '../support/postern-with-portal.ts';

let site: PosternWithPortal;
beforeAll(async () => {
  site = await startPosternWithPortal({
    portal: 'admins: { claim: groups, values: [mail-admins] }',
    provider: { claimsInUserinfo: true, groups: { 'root@example.com': ['staff', 'mail-admins'] } },
  });
});
afterAll(() => site?.[Symbol.asyncDispose]());

test('who signs in with two steps comes to their list; e-mail address and groups may come by userinfo', async () => {
  const browser = new HttpBrowser();
  const page = await browser.signIn(`${site.url}/`, 'alice@example.com');
  expect({ url: page.url, status: page.status }).toEqual({ url: `${site.url}/`, status: 200 });
  expect(page.body).toContain('alice@example.com');
  expect([...browser.cookies(site.url).keys()]).toEqual(['postern']);
  await site.postern.logged(/"action":"signed_in","by":"alice@example.com","user":"alice@example.com"/);
  expect((await browser.open(`${site.url}/admin`)).status).not.toBe(200);
  const admin = new HttpBrowser();
  await admin.signIn(`${site.url}/`, 'root@example.com');
  expect((await admin.open(`${site.url}/admin`)).status).toBe(200);
});

test('without the second step nobody does', async () => {
  const browser = new HttpBrowser();
  const page = await browser.signIn(`${site.url}/`, 'bob@example.com', { secondStep: false });
  expect(page.status).toBe(403);
  expect(page.body).not.toContain('_csrf');
  expect(browser.cookies(site.url).size).toBe(0);
  await site.postern.logged(/"action":"sign_in_refused".*"user":"bob@example.com"/);
});

test('who breaks it off is told so', async () => {
  const browser = new HttpBrowser();
  const page = await browser.open(`${site.url}/`);
  const back = await browser.submit(page.url, { cancel: 'yes' });
  expect(back.url).toContain(`${site.url}/sign-in/callback?error=access_denied`);
  expect(back.status).toBe(403);
});

test('a code is good once, at the provider too', async () => {
  const browser = new HttpBrowser();
  const form = await browser.open(`${site.url}/`);
  let page = await browser.request(form.url, {
    method: 'POST',
    body: new URLSearchParams({ name: 'alice@example.com', password: 'x', second: 'yes' }),
  });
  while (!page.headers.get('location')?.startsWith(site.url)) {
    page = await browser.request(new URL(page.headers.get('location') ?? '', page.url).href);
  }
  const callback = page.headers.get('location') as string;
  const kept = [...browser.cookies(site.url)].map(([name, value]) => `${name}=${value}`).join('; ');
  expect((await browser.request(callback)).status).toBe(303);
  const again = await browser.request(callback, { headers: { cookie: kept } });
  expect(again.status).toBe(400);
  expect(again.headers.getSetCookie().join()).not.toContain('postern=');
});

test('signing out ends it here and, by way of a page that leads on, at the provider', async () => {
  const browser = new HttpBrowser();
  const list = await browser.signIn(`${site.url}/`, 'alice@example.com');
  const asked = await browser.submit(`${site.url}/sign-out`, { _csrf: csrfOf(list) });
  expect(asked.url).toContain(`${site.provider.issuer}/session/end?`);
  const xsrf = /name="xsrf" value="([^"]+)"/.exec(asked.body)?.[1] ?? '';
  const done = await browser.submit(`${site.provider.issuer}/session/end/confirm`, { xsrf, logout: 'yes' });
  expect({ url: done.url.split('?')[0], status: done.status }).toEqual({
    url: `${site.url}/signed-out`,
    status: 200,
  });
  // The provider asks again.
  expect((await browser.open(`${site.url}/`)).url).toContain('/interaction/');
});

test('a reload takes what the portal says and whom it lets in, and refuses to move it', async () => {
  await using other = await startPosternWithPortal({ portal: 'sessionIdle: 5m' });
  const { configFile } = other.postern;
  const browser = new HttpBrowser();
  await browser.signIn(`${other.url}/`, 'alice@example.com');
  expect((await browser.open(`${other.url}/new`)).status).toBe(200);
  const text = readFileSync(configFile, 'utf8');
  writeFileSync(
    configFile,
    text.replace(
      'sessionIdle: 5m',
      'creation: false\n  help: Ask Bob.\n  who: { claim: groups, values: [x] }',
    ),
  );
  other.postern.signal('SIGHUP');
  await other.postern.logged(/"event":"reloaded"/);
  const page = await browser.open(`${other.url}/`);
  expect(page.body).toContain('Ask Bob.');
  expect((await browser.open(`${other.url}/new`)).body).not.toContain('name="once"');
  expect((await new HttpBrowser().signIn(`${other.url}/`, 'alice@example.com')).status).toBe(403);
  writeFileSync(configFile, text.replace(/publicUrl: .*/, 'publicUrl: https://elsewhere.example.com'));
  other.postern.signal('SIGHUP');
  await other.postern.logged(/portal\.publicUrl: cannot change while Postern runs/);
});

test('by itself it speaks TLS, and a reload takes another certificate', async () => {
  using pki = await createPki();
  const [first, second] = [await pki.issue(), await pki.issue()];
  await using other = await startPosternWithPortal({
    publicUrl: (port) => `https://localhost:${port}`,
    portal: `tls: { certificate: "${first.certFile}", key: "${first.keyFile}" }`,
  });
  const get = () =>
    new Promise<{ status: number | undefined; headers: Record<string, unknown>; serial: string }>(
      (resolve, reject) => {
        const asked = request(`${other.url}/`, { ca: pki.ca.cert, agent: false }, (answer) => {
          const { serialNumber } = (answer.socket as import('node:tls').TLSSocket).getPeerCertificate();
          answer
            .resume()
            .once('end', () =>
              resolve({ status: answer.statusCode, headers: answer.headers, serial: serialNumber }),
            );
        });
        asked.once('error', reject).end();
      },
    );
  const before = await get();
  expect(before.status).toBe(302);
  expect(before.headers['strict-transport-security']).toMatch(/^max-age=\d{8}/);
  const { configFile } = other.postern;
  writeFileSync(
    configFile,
    readFileSync(configFile, 'utf8')
      .replace(first.certFile, second.certFile)
      .replace(first.keyFile, second.keyFile),
  );
  other.postern.signal('SIGHUP');
  await other.postern.logged(/"event":"reloaded"/);
  expect((await get()).serial).not.toBe(before.serial);
  const plain = await fetch(other.url.replace('https:', 'http:')).then(
    (answer) => answer.status,
    () => 0,
  );
  expect([0, 400]).toContain(plain);
});
