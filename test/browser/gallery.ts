// The portal's pages with data that never changes, at a time that never changes: for pictures, and for looking at every page there is.
// The pages are the real ones; sign-in, store and clock are stood in for.

import formbody from '@fastify/formbody';
import helmet from '@fastify/helmet';
import fastify, { type FastifyInstance } from 'fastify';
import { parseUser, type User } from '../../src/lib/user.ts';
import { AppPassword } from '../../src/passwords/app-password.ts';
import type { PasswordRecord } from '../../src/passwords/record.ts';
import { PasswordRefusedError, type PasswordRequest } from '../../src/passwords/service.ts';
import { assets } from '../../src/portal/pages/assets.ts';
import { noticePage } from '../../src/portal/pages/notice.ts';
import { pages } from '../../src/portal/pages/pages.ts';
import type { KnownUser, Notice, PortalDeps, PortalSettings } from '../../src/portal/pages-interface.ts';
import type { AuditRecord } from '../../src/store/portal-store.ts';
import { newRecord } from '../support/records.ts';

export const NOW = Date.UTC(2026, 10, 24, 10, 15);
export const ALICE = parseUser('alice@example.com') as User;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** What every app password made here is. It is nobody's. */
export const SHOWN = 'mgfk7w3hxq9dr5vn';

export const SETTINGS: PortalSettings = {
  publicUrl: 'https://mail.example.com',
  creation: true,
  maxPerUser: 40,
  scopes: ['imap', 'smtp', 'pop3', 'ldap'],
  usableBy: () => ['imap', 'smtp', 'ldap'],
  twoStepClients: false,
  maxLifetime: null,
  freshFor: 600_000,
  endpoints: [
    { protocol: 'imap', host: 'mail.example.com', port: 993, tls: 'implicit' },
    { protocol: 'imap', host: 'mail.example.com', port: 143, tls: 'starttls' },
    { protocol: 'smtp', host: 'mail.example.com', port: 465, tls: 'implicit' },
    { protocol: 'smtp', host: 'mail.example.com', port: 587, tls: 'starttls' },
    { protocol: 'ldap', host: 'mail.example.com', port: 636, tls: 'implicit' },
  ],
  help: 'Call the help desk, extension 1234.',
};

export const RECORDS: readonly PasswordRecord[] = [
  record('ap_laptop222222', 'Dad’s laptop', {
    scope: ['imap', 'smtp', 'pop3'],
    createdAt: NOW - 214 * DAY,
    lastUsed: { at: NOW - 4 * 60_000, from: '192.0.2.17', protocol: 'imap', client: 'Thunderbird 128' },
  }),
  record('ap_scanner22222', 'Scanner, 2nd floor', {
    scope: ['smtp'],
    createdAt: NOW - 61 * DAY,
    expiresAt: NOW + 12 * DAY,
    lastUsed: { at: NOW - 26 * HOUR, from: '192.0.2.80', protocol: 'smtp', client: null },
  }),
  record('ap_outlook22222', 'Outlook 2010 at the office', {
    createdAt: NOW - 400 * DAY,
    lastUsed: { at: NOW - 131 * DAY, from: '2001:db8::7a', protocol: 'imap', client: 'Outlook 14' },
  }),
  record('ap_tablet222222', 'Old tablet', { scope: ['ldap'], createdAt: NOW - 2 * DAY }),
  record('ap_phone2222222', 'Old phone', {
    createdAt: NOW - 300 * DAY,
    revokedAt: NOW - 9 * DAY,
    lastRefused: { at: NOW - 12 * 60_000, from: '198.51.100.4', protocol: 'imap', client: 'Android-Mail' },
  }),
];

export interface Gallery extends AsyncDisposable {
  readonly url: string;
  readonly app: FastifyInstance;
  records: PasswordRecord[];
  settings: PortalSettings;
  isAdmin: boolean;
  /** False: `requireFresh` leads to a sign-in. */
  isFresh: boolean;
  /** Put under /notice/0, /notice/1, … */
  readonly notices: Notice[];
  /** What the audit was told, and the mails, in order. */
  readonly said: string[];
}

export function record(id: string, name: string, more: Partial<PasswordRecord> = {}): PasswordRecord {
  return {
    ...newRecord({ id, name, user: ALICE }),
    revokedAt: null,
    lastUsed: null,
    lastRefused: null,
    ...more,
  };
}

/** Listens on loopback unless `listen` is false; then `app.inject` asks it. */
export async function startGallery({ listen = true } = {}): Promise<Gallery> {
  const app = fastify();
  const gallery: Gallery = {
    url: '',
    app,
    records: [...RECORDS],
    settings: SETTINGS,
    isAdmin: false,
    isFresh: true,
    notices: [],
    said: [],
    [Symbol.asyncDispose]: () => app.close(),
  };
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'"],
        connectSrc: ["'self'"],
        formAction: ["'self'"],
        baseUri: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
    strictTransportSecurity: false,
  });
  await app.register(formbody);
  await app.register(assets);
  app.setNotFoundHandler((_request, reply) =>
    reply
      .code(404)
      .type('text/html; charset=utf-8')
      .send(noticePage({ kind: 'not_found' }, gallery.settings)),
  );
  app.get<{ Params: { number: string } }>('/notice/:number', (request, reply) => {
    const notice = gallery.notices[Number(request.params.number)] as Notice;
    return reply.type('text/html; charset=utf-8').send(noticePage(notice, gallery.settings));
  });
  await app.register(async (inner) => {
    inner.decorateRequest('signedIn');
    inner.addHook('onRequest', async (request) => {
      request.signedIn = {
        user: ALICE,
        isAdmin: gallery.isAdmin,
        signedInAt: NOW,
        sessionId: 'session',
        csrf: 'token-of-the-gallery',
      };
    });
    await inner.register(pages, depsOf(gallery));
  });
  if (!listen) return gallery;
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  return Object.assign(gallery, { url });
}

function depsOf(gallery: Gallery): PortalDeps {
  const live = (which: { user?: User; tombstones?: boolean } = {}) =>
    gallery.records.filter(
      ({ user, revokedAt }) =>
        (which.user === undefined || user === which.user) &&
        (which.tombstones === true || revokedAt === null),
    );
  const change = (id: string, given: Partial<PasswordRecord>) => {
    gallery.records = gallery.records.map((one) => (one.id === id ? { ...one, ...given } : one));
  };
  return {
    passwords: {
      async create(request: PasswordRequest) {
        const present = live({ user: request.user });
        if (present.length >= gallery.settings.maxPerUser)
          throw new PasswordRefusedError('limit', 'too many');
        if (present.some(({ name }) => name.toLowerCase() === request.name.toLowerCase())) {
          throw new PasswordRefusedError('duplicate_name', 'taken');
        }
        const { name, scope = null, expiresAt = null } = request;
        const id = `ap_made${gallery.records.length}`.padEnd(15, '2');
        const made = record(id, name, { scope, expiresAt, createdAt: NOW });
        gallery.records.push(made);
        return { record: made, password: new AppPassword(SHOWN) };
      },
      list: async (which) => live(which),
      async revoke(which) {
        const ids = live({ ...('user' in which && which.user ? { user: which.user } : {}) })
          .map(({ id }) => id)
          .filter((id) => !('ids' in which) || which.ids.includes(id));
        for (const id of ids) change(id, { revokedAt: NOW });
        return ids;
      },
      async rename(id, user, name) {
        const others = live({ user }).filter((one) => one.id !== id);
        if (others.some((one) => one.name === name))
          throw new PasswordRefusedError('duplicate_name', 'taken');
        change(id, { name });
        return name;
      },
      setUserDisabled: async () => true,
      purge: async () => 0,
    },
    settings: () => gallery.settings,
    sessions: {
      list: () => [
        {
          id: 'one',
          protocol: 'imap',
          user: ALICE,
          passwordId: 'ap_laptop222222',
          upstream: 'dovecot',
          client: { address: '192.0.2.17', port: 50_000 },
          device: 'Laptop',
          software: 'Thunderbird 128',
          tls: 'TLSv1.3',
          since: NOW - HOUR,
          state: 'joined',
        },
      ],
      end: () => 1,
    },
    people: {
      search: async (text) => PEOPLE.filter(({ user }) => user.includes(text)),
      isDisabled: async () => false,
      endPortalSessions: async () => 1,
    },
    audit: {
      async record(event) {
        gallery.said.push(
          `audit ${event.by} ${event.action} ${event.user} ${event.name ?? event.detail ?? ''}`.trim(),
        );
      },
      list: async () => [...TRAIL],
    },
    notify: {
      created: ({ name }) => gallery.said.push(`mail created ${name}`),
      deleted: (records) => gallery.said.push(`mail deleted ${records.map(({ name }) => name).join(', ')}`),
    },
    clock: { now: () => NOW, monotonic: () => 0 },
    events: { internalError() {}, storeFailed() {} },
    requireFresh(_request, reply, returnTo) {
      if (gallery.isFresh) return true;
      reply.header('x-return-to', returnTo).redirect('/notice/0', 303);
      return false;
    },
    addressOf: () => '192.0.2.17',
  };
}

const PEOPLE: readonly KnownUser[] = [
  { user: ALICE, isDisabled: false, passwords: 4 },
  { user: 'bob@example.com' as User, isDisabled: true, passwords: 1 },
  { user: 'carol@example.com' as User, isDisabled: false, passwords: 0 },
];

const TRAIL: readonly AuditRecord[] = [
  trail(5, 'alice@example.com', 'created', 'Old tablet', '192.0.2.17', null),
  trail(6, 'alice@example.com', 'signed_in', null, '192.0.2.17', null),
  trail(200, 'admin@example.com', 'deleted', 'Old phone', '192.0.2.3', null),
  trail(900, 'cli', 'enabled', null, null, null),
  trail(1500, 'alice@example.com', 'renamed', 'Dad’s laptop', '2001:db8::17', 'was Laptop'),
];

function trail(
  minutes: number,
  by: string,
  action: string,
  name: string | null,
  from: string | null,
  detail: string | null,
): AuditRecord {
  const at = NOW - minutes * 60_000;
  return { id: `${minutes}`, at, by, user: ALICE, action, from, passwordId: null, name, detail };
}
