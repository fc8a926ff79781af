// The portal's HTTP server: what every request passes before it gets to a page. In this order: how many connections and requests
// there may be, security headers, cookies, the session, the body (small), CSRF.

import type { Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import cookie from '@fastify/cookie';
import formbody from '@fastify/formbody';
import helmet from '@fastify/helmet';
import fastify, { type FastifyPluginAsync, type FastifyReply } from 'fastify';
import type { Events } from '../events.ts';
import type { Clock } from '../lib/clock.ts';
import { networkOf } from '../lib/network.ts';
import type { SelectorKeys } from '../passwords/selector-keys.ts';
import type { Passwords } from '../passwords/service.ts';
import type { LiveSessions } from '../sessions/live-sessions.ts';
import type { PortalStore } from '../store/portal-store.ts';
import type { Store } from '../store/store.ts';
import { createAudit } from './audit.ts';
import { cookieNames } from './cookies.ts';
import { addressOf, answerErrors, askToSignIn, behindSignIn, bound, RATES } from './guards.ts';
import { httpServer, securityHeaders } from './http-server.ts';
import { MailNotify } from './notify.ts';
import type { Notice, PortalDeps, PortalSettings } from './pages-interface.ts';
import { Provider } from './provider.ts';
import { Buckets } from './rate-limit.ts';
import { returnPath } from './return-path.ts';
import type { PortalContext } from './server-context.ts';
import { PortalSessions } from './session.ts';
import { signInRoutes } from './sign-in.ts';
import type { PortalTerms } from './terms.ts';

/** Bytes of a request's body: the largest form has a tenth of it. */
const MOST_BODY = 16_384;

/** The three things of context.ts. */
export interface PortalPages {
  readonly pages: FastifyPluginAsync<PortalDeps>;
  readonly assets: FastifyPluginAsync;
  readonly noticePage: (notice: Notice, settings: PortalSettings) => string | Promise<string>;
}

export interface PortalServerDeps {
  readonly address: { readonly host: string; readonly port: number };
  readonly terms: () => PortalTerms;
  readonly store: PortalStore & Pick<Store, 'select'>;
  readonly keys: Pick<SelectorKeys, 'derive'>;
  readonly passwords: Passwords;
  readonly sessions: Pick<LiveSessions, 'list' | 'end'>;
  readonly clock: Clock;
  readonly events: Events;
  readonly pages: PortalPages;
}

export interface Portal extends AsyncDisposable {
  readonly port: number;
  /** The terms have changed: takes what they say of the certificate. */
  configure(): void;
}

/** Rejects with Node's error (EADDRINUSE, EACCES). */
export async function startPortal(deps: PortalServerDeps): Promise<Portal> {
  const { terms, store, clock, events } = deps;
  const { publicUrl } = terms().settings;
  const sessions = new PortalSessions({ store, clock, bounds: terms });
  const notify = new MailNotify({ terms, clock, events });
  let provider = new Provider(terms().provider, { redirectUri: redirectUri(publicUrl), clock });
  const context: PortalContext = {
    publicUrl,
    cookies: cookieNames(publicUrl),
    terms,
    provider() {
      const wanted = terms().provider;
      if (wanted !== provider.terms) {
        provider = new Provider(wanted, { redirectUri: redirectUri(publicUrl), clock });
      }
      return provider;
    },
    sessions,
    audit: createAudit({ store, clock, events }),
    clock,
    events,
    sealingKey: deps.keys.derive('portal sign-in'),
    signInRate: new Buckets(RATES.signIn, clock),
    isDisabled: async (user) => (await store.select(user, [])).userDisabled,
    notice: (reply, status, notice) => answerNotice(reply, status, notice),
    addressOf,
    networkOf: (request) => networkOf(addressOf(request)),
  };

  async function answerNotice(reply: FastifyReply, status: number, notice: Notice): Promise<FastifyReply> {
    const page = await deps.pages.noticePage(notice, terms().settings);
    return reply.code(status).type('text/html; charset=utf-8').send(page);
  }

  const server = httpServer(terms(), events, (address) => terms().trustedProxies.has(address));
  const app = fastify({
    serverFactory: (handler) => server.on('request', handler) as Server,
    trustProxy: (address) => terms().trustedProxies.has(address),
    bodyLimit: MOST_BODY,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 100 },
    logger: false,
  });
  await app.register(helmet, securityHeaders(publicUrl));
  await app.register(cookie);
  app.removeAllContentTypeParsers();
  await app.register(formbody, { bodyLimit: MOST_BODY });
  bound(app, context);
  answerErrors(app, context);
  await app.register(deps.pages.assets);
  signInRoutes(app, context);
  await app.register(async (inner) => {
    behindSignIn(inner, context);
    await inner.register(deps.pages.pages, pagesDeps(deps, context, notify));
  });

  await app.listen({ host: deps.address.host, port: deps.address.port });
  // Without a handler it would end the process.
  server.on('error', (error) => events.acceptFailed('portal', error));
  const listening = server.address();
  return {
    port: typeof listening === 'object' && listening !== null ? listening.port : deps.address.port,
    configure() {
      const { certificate } = terms();
      if (certificate !== null) (server as TlsServer).setSecureContext(certificate);
    },
    async [Symbol.asyncDispose]() {
      notify[Symbol.dispose]();
      await app.close();
    },
  };
}

function redirectUri(publicUrl: string): string {
  return `${publicUrl}/sign-in/callback`;
}

function pagesDeps(deps: PortalServerDeps, context: PortalContext, notify: MailNotify): PortalDeps {
  const { store, passwords, sessions, clock, events } = deps;
  return {
    passwords,
    settings: () => context.terms().settings,
    sessions,
    people: {
      search: (text, most) => store.searchUsers(text, most),
      isDisabled: context.isDisabled,
      endPortalSessions: (user) => context.sessions.endAllOf(user),
    },
    audit: context.audit,
    notify,
    clock,
    events,
    requireFresh(request, reply, returnTo) {
      const { freshFor } = context.terms().settings;
      if (clock.now() - request.signedIn.signedInAt <= freshFor) return true;
      void sendSoon(reply, askToSignIn(request, reply, context, returnPath(returnTo), true));
      return false;
    },
    addressOf,
  };
}

/** The caller waits for the answer, not for this: what it fails with has to become the answer. */
async function sendSoon(reply: FastifyReply, answer: unknown): Promise<void> {
  try {
    await answer;
  } catch (error) {
    reply.send(error);
  }
}
