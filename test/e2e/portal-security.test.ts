// The portal of the real program next to mail logins: what happens at one must not reach the other.

import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Dovecot, startDovecot } from '../support/dovecot.ts';
import { csrfOf, HttpBrowser, type Page } from '../support/http-browser.ts';
import { imapFlow } from '../support/imapflow-client.ts';
import { type OidcProvider, startOidcProvider } from '../support/oidc-provider.ts';
import { createPki, type Pki } from '../support/pki.ts';
import { freePort } from '../support/ports.ts';
import { type Postern, startPostern } from '../support/postern.ts';
import { ledger } from '../support/secrets-ledger.ts';

let pki: Pki;
let dovecot: Dovecot;
let provider: OidcProvider;
let postern: Postern;
let url: string;

beforeAll(async () => {
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  pki = await createPki();
  const certificate = await pki.issue();
  dovecot = await startDovecot({ certificate });
  provider = await startOidcProvider({ portal: url, groups: { 'root@example.com': ['mail-admins'] } });
  postern = await startPostern({
    certificate,
    files: { master: dovecot.master.password },
    config: `
upstreams:
  dovecot:
    protocol: imap
    address: localhost:${dovecot.ports.imaps}
    tls: implicit
    ca: ${pki.ca.certFile}
    login: { method: plain, user: ${dovecot.master.user}, passwordFile: ./master }
routes:
  - { users: "*@example.com", imap: dovecot }
appPasswords: { maxPerUser: 5 }
portal:
  address: 127.0.0.1:${port}
  publicUrl: ${url}
  oidc: ${provider.section}
  admins: { claim: groups, values: [mail-admins] }
`,
  });
});
afterAll(async () => {
  await postern?.[Symbol.asyncDispose]();
  await provider?.[Symbol.asyncDispose]();
  await dovecot?.[Symbol.asyncDispose]();
  pki?.[Symbol.dispose]();
});

const mail = (user: string, password: string) =>
  imapFlow(
    { port: postern.ports.imaps, tls: 'implicit', caFile: pki.ca.certFile, user, password },
    pki.ca.cert,
  );

/** Makes one as a person does, and reads it from the page. */
async function makeIn(
  browser: HttpBrowser,
  name: string,
): Promise<{ page: Page; password: string | undefined }> {
  const form = await browser.open(`${url}/new`);
  const once = /name="once" value="([^"]+)"/.exec(form.body)?.[1] ?? '';
  const use = 'everything';
  const expiry = /<option value="([^"]*)"/.exec(form.body)?.[1] ?? '';
  const page = await browser.post(`${url}/new`, { _csrf: csrfOf(form), once, name, use, expiry });
  const shown = /id="password"[^>]*>(.*?)<\/code>/s.exec(page.body)?.[1];
  const password = shown?.replace(/<[^>]+>/g, '');
  if (password !== undefined) ledger(password);
  return { page, password };
}

test('an app password made in the portal logs in, shows as used, and ends its session when it is deleted', async () => {
  const browser = new HttpBrowser();
  const name = `Old phone ${Math.random()}`;
  await browser.signIn(`${url}/`, 'alice@example.com');
  const { page, password } = await makeIn(browser, name);
  expect(page.status).toBe(200);
  expect(page.headers.get('cache-control')).toContain('no-store');
  expect(password).toHaveLength(16);
  await using session = await mail('alice@example.com', password ?? '');
  await expect.poll(async () => (await browser.open(`${url}/`)).body).toMatch(/127\.0\.0\.1/);
  const [, id = ''] = /\/passwords\/(ap_\w+)\/delete/.exec((await browser.open(`${url}/`)).body) ?? [];
  const question = await browser.open(`${url}/passwords/${id}/delete`);
  const closed = once(session.client, 'close');
  await browser.submit(`${url}/passwords/${id}/delete`, { _csrf: csrfOf(question) });
  await closed;
  const listed = JSON.parse(
    (await postern.cli(['audit', 'list', '--user', 'alice@example.com', '--json'])).stdout,
  );
  const actions = listed.slice(0, 3).map(({ action }: { action: string }) => action);
  expect(actions).toEqual(['deleted', 'created', 'signed_in']);
  expect(listed[1]).toMatchObject({
    by: 'alice@example.com',
    from: '127.0.0.1',
    name,
    passwordId: id,
  });
});

test('another user’s app password is nobody’s at any address', async () => {
  const { id } = await postern.createPassword('alice@example.com', 'Alice’s own');
  const browser = new HttpBrowser();
  await browser.signIn(`${url}/`, 'eve@example.com');
  const { page: made } = await makeIn(browser, `Eve’s own ${Math.random()}`);
  expect(made.status).toBe(200);
  const csrf = csrfOf(await browser.open(`${url}/`));
  for (const path of [`/passwords/${id}/delete`, `/passwords/${id}/rename`]) {
    expect((await browser.open(`${url}${path}`)).status, path).toBe(404);
    const page = await browser.post(`${url}${path}`, { _csrf: csrf, name: 'Mine' });
    expect(page.status, path).toBe(404);
  }
  for (const path of ['/admin', '/admin/person?user=alice@example.com', '/admin/trail']) {
    const page = await browser.open(`${url}${path}`);
    expect([403, 404], path).toContain(page.status);
    expect(page.body).not.toContain('Alice’s own');
  }
  const list = JSON.parse(
    (await postern.cli(['password', 'list', '--user', 'alice@example.com', '--json'])).stdout,
  );
  expect(list.find((one: { id: string }) => one.id === id)).toMatchObject({
    name: 'Alice’s own',
    revokedAt: null,
  });
});

test('what commands do is in the audit records, too', async () => {
  const user = 'carol@example.com';
  const { id } = await postern.createPassword(user, 'Scanner');
  await postern.revoke(id);
  for (const command of ['disable', 'enable']) await postern.cli(['user', command, user]);
  const listed = JSON.parse((await postern.cli(['audit', 'list', '--user', user, '--json'])).stdout);
  expect(listed.map(({ by, action, name }: Record<string, unknown>) => `${by} ${action} ${name}`)).toEqual([
    'cli enabled null',
    'cli disabled null',
    'cli deleted Scanner',
    'cli created Scanner',
  ]);
  const { stdout } = await postern.cli(['audit', 'list', '--last', '2']);
  expect(stdout.split('\n')).toHaveLength(4);
});

test('fifty creations at once at one below the most: one more, and mail logins go on', async () => {
  const user = `dave${Date.now()}@example.com`;
  for (let n = 0; n < 3; n++) await postern.createPassword(user, `device ${n}`);
  const { password } = await postern.createPassword(user, 'device 3');
  const browser = new HttpBrowser();
  await browser.signIn(`${url}/`, user);
  const form = await browser.open(`${url}/new`);
  const csrf = csrfOf(form);
  const use = 'everything';
  const expiry = /<option value="([^"]*)"/.exec(form.body)?.[1] ?? '';
  const once = /name="once" value="([^"]+)"/.exec(form.body)?.[1] ?? '';
  // As many as one network may have connections; 1,000 of them are tested on the store itself.
  const posts = Array.from({ length: 50 }, (_, n) => {
    // Each is a form of its own, as a script would make them.
    const token = `${once.slice(0, -2)}${String(n).padStart(2, '0')}`;
    return browser.post(`${url}/new`, { _csrf: csrf, once: token, name: `more ${n}`, use, expiry });
  });
  await using session = await mail(user, password);
  await session.client.noop();
  const pages = await Promise.all(posts);
  const list = JSON.parse((await postern.cli(['password', 'list', '--user', user, '--json'])).stdout);
  expect(list).toHaveLength(5);
  expect(pages.every(({ status }) => status < 500 || status === 503)).toBe(true);
});

test('a flood of the portal does not reach mail logins', async () => {
  const { password } = await postern.createPassword('flo@example.com');
  let isOver = false;
  const counts = new Map<number, number>();
  const flood = Array.from({ length: 40 }, async (_, n) => {
    const browser = new HttpBrowser();
    for (let turn = 0; !isOver; turn++) {
      const path = ['/', '/sign-in', '/sign-in/callback?code=a&state=b', '/new', '/static/portal.css'][
        (n + turn) % 5
      ];
      const init = turn % 7 === 0 ? { method: 'POST', body: 'x'.repeat(100_000) } : {};
      const status = (await browser.request(`${url}${path}`, init).catch(() => undefined))?.status ?? 0;
      counts.set(status, (counts.get(status) ?? 0) + 1);
    }
  });
  // Every one gets in while it lasts.
  for (let n = 0; n < 8 || (counts.get(429) ?? 0) <= 100; n++) {
    await using session = await mail('flo@example.com', password);
    await session.client.noop();
  }
  isOver = true;
  await Promise.all(flood);
  expect(counts.get(429)).toBeGreaterThan(100);
  expect(
    (await postern.metrics()).value('postern_portal_rejected_total', { reason: 'rate' }),
  ).toBeGreaterThan(100);
});

test('without the provider nobody signs in, who is signed in stays so, and mail logins go on', async () => {
  let browser = new HttpBrowser();
  // The flood before this one has used up what this network may ask for.
  await expect
    .poll(async () => (await browser.request(`${url}/signed-out`)).status, { interval: 500 })
    .toBe(200);
  await expect
    .poll(
      async () => {
        // Anew each time: a sign-in that was cut short leaves the provider in the middle of one.
        browser = new HttpBrowser();
        return (await browser.signIn(`${url}/`, 'gina@example.com').catch(() => undefined))?.status;
      },
      { interval: 1000 },
    )
    .toBe(200);
  const { password } = await postern.createPassword('gina@example.com');
  await provider.stop();
  expect((await browser.open(`${url}/`)).status).toBe(200);
  const stranger = new HttpBrowser();
  /** Asks until it is not too often for this network. */
  const patiently = async (path: string, init: Parameters<HttpBrowser['request']>[1] = {}) => {
    for (;;) {
      const answer = await stranger.request(`${url}${path}`, init);
      if (answer.status !== 429) return answer;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  };
  const sent = await patiently('/sign-in');
  // What the provider says of itself was known: it is the provider's own address that does not answer.
  expect(sent.status).toBe(302);
  const [[cookie = '', value = '']] = stranger.cookies(url) as unknown as [[string, string]];
  const state = new URL(sent.headers.get('location') ?? '').searchParams.get('state');
  const back = await patiently(
    `/sign-in/callback?code=a&state=${state}&iss=${encodeURIComponent(provider.issuer)}`,
    { headers: { cookie: `${cookie}=${value}` } },
  );
  expect(back.status).toBe(503);
  await expect
    .poll(async () => (await stranger.request(`${url}/sign-in`)).status, { interval: 1000 })
    .toBe(503);
  await using session = await mail('gina@example.com', password);
  await session.client.noop();
});
