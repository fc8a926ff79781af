// The portal's server with a store of its own, plain pages in place of the real ones, and a provider that does as it is told.

import { join } from 'node:path';
import { createEvents, createMetrics } from '../../../src/events.ts';
import { createLog } from '../../../src/lib/log.ts';
import { NetworkSet } from '../../../src/lib/network.ts';
import { Secret } from '../../../src/lib/secret.ts';
import { parseUser, type User } from '../../../src/lib/user.ts';
import { openKeys } from '../../../src/passwords/keys-file.ts';
import { createPasswords, type Passwords } from '../../../src/passwords/service.ts';
import type { Notice } from '../../../src/portal/pages-interface.ts';
import { type Portal, type PortalPages, startPortal } from '../../../src/portal/server.ts';
import type { PortalTerms } from '../../../src/portal/terms.ts';
import { openStoreOnce } from '../../../src/store/open.ts';
import type { UnwatchedStore } from '../../../src/store/store.ts';
import { EvilOidcProvider, jwt } from '../../support/evil-oidc-provider.ts';
import type { HttpBrowser, Page } from '../../support/http-browser.ts';
import { freePort } from '../../support/ports.ts';
import { ledger } from '../../support/secrets-ledger.ts';
import { tempDir } from '../../support/temp-dir.ts';

export const alice = parseUser('alice@example.com') as User;
export const bob = parseUser('bob@example.com') as User;
export const CLIENT_SECRET = ledger('quitte-und-schlehe-77');

/** Pages that say what they got. */
const pages: PortalPages = {
  pages: async (app, { requireFresh, passwords }) => {
    app.get('/', async (request) => request.signedIn);
    app.get('/passwords/new', async (request, reply) => {
      if (!requireFresh(request, reply, '/passwords/new')) return reply;
      return 'a form';
    });
    app.post('/passwords', async (request, reply) => {
      if (!requireFresh(request, reply, '/passwords/new')) return reply;
      const { name } = request.body as { name: string };
      const { record } = await passwords.create({ user: request.signedIn.user, name });
      return { made: record.id };
    });
    app.get('/broken', async () => {
      throw new Error('with-a-detail-of-the-inside');
    });
  },
  assets: async (app) => {
    app.get('/static/x.css', async () => 'p{}');
  },
  noticePage: (notice: Notice) => {
    const refresh =
      notice.kind === 'continue' ? `<meta http-equiv="refresh" content="0;url=${notice.to}">` : '';
    return `${refresh}<p>${JSON.stringify(notice)}</p>`;
  },
};

export interface Site extends AsyncDisposable {
  readonly url: string;
  readonly provider: EvilOidcProvider;
  readonly store: UnwatchedStore;
  readonly passwords: Passwords;
  readonly portal: Portal;
  /** Change what is configured. */
  terms: PortalTerms;
  /** Milliseconds that the portal's clock is ahead. */
  ahead: number;
  /** Lets limits and what is kept for a time grow so many milliseconds older, and no dates. */
  pass(milliseconds: number): void;
  /** The log's lines so far. */
  log(): string[];
  metric(text: string): Promise<string>;
}

export async function startSite(
  change: (terms: PortalTerms) => PortalTerms = (terms) => terms,
  options: { readonly brokenNotice?: Notice['kind']; readonly pages?: PortalPages } = {},
): Promise<Site> {
  await using started = new AsyncDisposableStack();
  const dir = started.use(tempDir());
  const provider = started.use(await new EvilOidcProvider().start());
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const lines: string[] = [];
  const log = createLog('debug', { write: (line: string) => lines.push(line) });
  const metrics = createMetrics();
  const events = createEvents({ log, metrics });
  let ahead = 0;
  let passed = 0;
  const clock = { now: () => Date.now() + ahead, monotonic: () => passed };
  const store = started.use(await openStoreOnce(`sqlite:${join(dir.path, 'postern.db')}`, { clock }));
  const keys = await openKeys({ file: join(dir.path, 'keys.json'), store });
  const passwords = createPasswords({
    store,
    keys,
    hash: { memoryKiB: 64, passes: 1, lanes: 1 },
    clock,
    limits: { maxPerUser: 40 },
  });
  let terms = change({
    settings: {
      publicUrl: url,
      creation: true,
      maxPerUser: 40,
      scopes: ['imap', 'smtp', 'pop3', 'ldap'],
      usableBy: () => ['imap', 'smtp', 'ldap'],
      twoStepClients: false,
      maxLifetime: null,
      freshFor: 600_000,
      endpoints: [],
      help: null,
    },
    provider: {
      issuer: provider.issuer,
      clientId: 'postern',
      clientSecret: new Secret(CLIENT_SECRET),
      clientAuthentication: 'client_secret_basic',
      scopes: ['openid', 'email'],
      userClaim: 'email',
      userDomain: null,
      requireVerifiedEmail: true,
      ca: null,
      twoStep: { claim: 'amr', values: ['mfa', 'hwk'], request: 'none' },
      maxAge: 600_000,
      logout: true,
      timeout: 500,
    },
    who: null,
    admins: { claim: 'groups', values: ['mail-admins'] },
    sessionIdle: 900_000,
    sessionMax: 8 * 3_600_000,
    trustedProxies: new NetworkSet([]),
    mail: null,
    certificate: null,
  });
  const portal = started.use(
    await startPortal({
      address: { host: '127.0.0.1', port },
      terms: () => terms,
      store,
      keys,
      passwords,
      sessions: { list: () => [], end: () => 0 },
      clock,
      events,
      pages: options.pages ?? {
        ...pages,
        noticePage(notice, settings) {
          if (notice.kind === options.brokenNotice) throw new Error('a view that is broken');
          return pages.noticePage(notice, settings);
        },
      },
    }),
  );
  const all = started.move();
  return {
    url,
    provider,
    store,
    passwords,
    portal,
    get terms() {
      return terms;
    },
    set terms(next) {
      terms = next;
    },
    get ahead() {
      return ahead;
    },
    set ahead(next) {
      ahead = next;
    },
    pass(milliseconds) {
      passed += milliseconds;
    },
    log: () => lines,
    metric: async (text) =>
      (await metrics.render()).body.split('\n').find((line) => line.startsWith(text)) ?? '',
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

/** What the browser is sent to the provider with. */
export async function begin(site: Site, browser: HttpBrowser, path = '/sign-in'): Promise<URLSearchParams> {
  const page = await browser.request(`${site.url}${path}`);
  const location = page.headers.get('location');
  if (page.status !== 302 || location === null)
    throw new Error(`no way to the provider: ${page.status} ${page.body}`);
  return new URL(location).searchParams;
}

/** Right claims, and what a test changes about them; undefined takes one away. */
export function claimsFor(site: Site, nonce: string | null, changes: Record<string, unknown> = {}): object {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: site.provider.issuer,
    aud: 'postern',
    sub: 'a1',
    iat: now,
    exp: now + 300,
    nonce,
    auth_time: now - 5,
    email: 'alice@example.com',
    email_verified: true,
    amr: ['pwd', 'mfa'],
    ...changes,
  };
  return Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined));
}

/** Comes back from the provider with a code for the ID token that the provider has. */
export function comeBack(site: Site, browser: HttpBrowser, sent: URLSearchParams, more = ''): Promise<Page> {
  const state = encodeURIComponent(sent.get('state') ?? '');
  return browser.request(`${site.url}/sign-in/callback?code=a-code&state=${state}${more}`);
}

/** The whole way, with these claims. */
export async function signIn(
  site: Site,
  browser: HttpBrowser,
  changes: Record<string, unknown> = {},
  path = '/sign-in',
): Promise<Page> {
  const sent = await begin(site, browser, path);
  site.provider.idToken = jwt(claimsFor(site, sent.get('nonce'), changes), site.provider.key);
  return comeBack(site, browser, sent);
}

/** Who the portal says that the browser is. */
export async function whoIs(
  site: Site,
  browser: HttpBrowser,
): Promise<{ user: string; csrf: string } | undefined> {
  const page = await browser.request(`${site.url}/`);
  return page.status === 200 ? JSON.parse(page.body) : undefined;
}

/** The kind of notice that a page is. */
export function kindOf(page: Page): string | undefined {
  return /"kind":"(\w+)"/.exec(page.body)?.[1];
}
