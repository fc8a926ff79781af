// The portal's HTTP server: what every request passes before it gets to a page. In this order: how many connections and requests
// there may be, security headers, cookies, the session, the body (small), CSRF.

import { randomBytes } from 'node:crypto';
import type { Server } from 'node:http';
import { createServer } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';
import cookie from '@fastify/cookie';
import formbody from '@fastify/formbody';
import helmet from '@fastify/helmet';
import fastify, {
  type FastifyInstance,
  type FastifyPluginAsync,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import type { Events } from '../events.ts';
import type { Clock } from '../lib/clock.ts';
import { UnavailableError } from '../lib/errors.ts';
import { canonicalAddress, networkOf } from '../lib/network.ts';
import type { SelectorKeys } from '../passwords/selector-keys.ts';
import type { Passwords } from '../passwords/service.ts';
import { HashQueueFullError } from '../passwords/verifier.ts';
import type { LiveSessions } from '../sessions/live-sessions.ts';
import type { PortalStore } from '../store/portal-store.ts';
import type { Store } from '../store/store.ts';
import { createAudit } from './audit.ts';
import { Buckets } from './buckets.ts';
import type { Notice, PortalDeps, PortalSettings } from './context.ts';
import { cookieNames } from './cookies.ts';
import { hasToken, isFromHere } from './csrf.ts';
import { MailNotify } from './notify.ts';
import { formPage } from './pages/form-page.ts';
import { plainNotice } from './plain-notice.ts';
import type { PortalContext } from './portal-context.ts';
import { Provider } from './provider.ts';
import { returnPath } from './return-path.ts';
import { PortalSessions } from './session.ts';
import { signInPath, signInRoutes } from './sign-in.ts';
import { PORTAL_CONNECTIONS, type PortalTerms } from './terms.ts';

/** Bytes of a request's body: the largest form has a tenth of it. */
const MOST_BODY = 16_384;
const MOST_CONNECTIONS_PER_NETWORK = 60;
/** Of one network, an office behind one address perhaps; of one sign-in; and what makes the provider work. */
const RATES = {
  network: { burst: 300, perSecond: 30 },
  session: { burst: 120, perSecond: 10 },
  signIn: { burst: 60, perSecond: 2 },
} as const;
/** Milliseconds. */
const DEADLINES = { headers: 5_000, request: 10_000, keepAlive: 5_000, check: 1_000 } as const;

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
    requestTimeout: DEADLINES.request,
    keepAliveTimeout: DEADLINES.keepAlive,
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
  const bound_ = server.address();
  return {
    port: typeof bound_ === 'object' && bound_ !== null ? bound_.port : deps.address.port,
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

function addressOf(request: FastifyRequest): string {
  // What a proxy wrote need not be an address.
  const { remoteAddress = '' } = request.socket;
  return canonicalAddress(request.ip) ?? canonicalAddress(remoteAddress) ?? remoteAddress;
}

/** A server that bounds connections, by network too unless they come from a trusted proxy. */
function httpServer(
  { certificate }: PortalTerms,
  events: Pick<Events, 'portalRejected'>,
  isProxy: (address: string) => boolean,
): Server | TlsServer {
  const options = { connectionsCheckingInterval: DEADLINES.check, maxHeaderSize: 16_384 };
  const server =
    certificate === null
      ? createServer(options)
      : createTlsServer({ ...options, ...certificate, handshakeTimeout: DEADLINES.headers });
  server.headersTimeout = DEADLINES.headers;
  server.maxConnections = PORTAL_CONNECTIONS;
  const counts = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const address = canonicalAddress(socket.remoteAddress ?? '');
    if (address === undefined || isProxy(address)) return;
    const network = networkOf(address);
    const count = (counts.get(network) ?? 0) + 1;
    if (count > MOST_CONNECTIONS_PER_NETWORK) {
      events.portalRejected('connections');
      socket.destroy();
      return;
    }
    counts.set(network, count);
    socket.once('close', () => {
      const left = (counts.get(network) ?? 1) - 1;
      if (left > 0) counts.set(network, left);
      else counts.delete(network);
    });
  });
  return server;
}

function securityHeaders(publicUrl: string) {
  const isSecure = publicUrl.startsWith('https:');
  return {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'"],
        fontSrc: ["'self'"],
        connectSrc: ["'self'"],
        manifestSrc: ["'self'"],
        formAction: ["'self'"],
        baseUri: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
    frameguard: { action: 'deny' },
    // Not no-referrer: browsers would then send `Origin: null` with our own forms, and Origin is what tells them from others'.
    referrerPolicy: { policy: 'same-origin' },
    strictTransportSecurity: isSecure ? { maxAge: 31_536_000, includeSubDomains: false } : false,
    crossOriginOpenerPolicy: { policy: 'same-origin' },
    crossOriginResourcePolicy: { policy: 'same-origin' },
    crossOriginEmbedderPolicy: true,
  } as const;
}

/** How often, and what no answer may be without. */
function bound(app: FastifyInstance, context: PortalContext): void {
  const perNetwork = new Buckets(RATES.network, context.clock);
  app.addHook('onRequest', async (request, reply) => {
    if (perNetwork.take(context.networkOf(request))) return;
    context.events.portalRejected('rate');
    // A page of a few bytes: nothing is rendered for a flood.
    reply
      .header('retry-after', '10')
      .header('connection', 'close')
      .code(429)
      .type('text/html; charset=utf-8');
    return reply.send(plainNotice('Too many requests from your network. Try again in a minute.'));
  });
  app.addHook('onSend', async (_request, reply, payload) => {
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store');
    return payload;
  });
}

/** Every request in here is somebody's, and every change was asked for by a page of ours. */
function behindSignIn(app: FastifyInstance, context: PortalContext): void {
  const { sessions, cookies, notice } = context;
  const perSession = new Buckets(RATES.session, context.clock);
  app.decorateRequest('signedIn');
  app.addHook('onRequest', async (request, reply) => {
    const signedIn = await sessions.find(request.cookies[cookies.session]);
    if (signedIn === undefined) {
      // What was typed in a form comes with its body, which is read later.
      if (isForm(request)) return undefined;
      return askToSignIn(request, reply, context, pageOf(request), false);
    }
    if (!perSession.take(signedIn.sessionId)) {
      context.events.portalRejected('rate');
      return notice(reply, 429, { kind: 'too_many_requests' });
    }
    request.signedIn = signedIn;
    return undefined;
  });
  app.addHook('preHandler', async (request, reply) => {
    if (request.signedIn === undefined) {
      const page = formPage(request.url, request.body);
      return askToSignIn(request, reply, context, returnPath(page ?? pageOf(request)), false);
    }
    if (request.method === 'GET' || request.method === 'HEAD') return undefined;
    if (isFromHere(request, context.publicUrl) && hasToken(request, request.signedIn.csrf)) return undefined;
    context.events.portalRejected('csrf');
    return notice(reply, 403, { kind: 'stale_form' });
  });
}

function isForm({ method, headers }: FastifyRequest): boolean {
  return (
    method === 'POST' && headers['content-type']?.startsWith('application/x-www-form-urlencoded') === true
  );
}

/** The page to come back to: the one asked for, or the one that the form is on. */
function pageOf(request: FastifyRequest): string {
  if (request.method === 'GET' || request.method === 'HEAD') return returnPath(request.url);
  const { referer } = request.headers;
  if (referer === undefined || !URL.canParse(referer)) return '/';
  const { pathname, search } = new URL(referer);
  return returnPath(pathname + search);
}

/** A redirect for a page, a page that leads on for a form (`form-action` would hold a redirect), JSON for a script. */
function askToSignIn(
  request: FastifyRequest,
  reply: FastifyReply,
  { notice }: PortalContext,
  returnTo: string,
  fresh: boolean,
) {
  const to = signInPath(returnTo, fresh);
  const isScript =
    request.headers['x-csrf-token'] !== undefined || request.headers.accept === 'application/json';
  if (isScript) return reply.code(401).send({ signIn: to });
  if (request.method === 'GET' || request.method === 'HEAD') return reply.redirect(to, 302);
  return notice(reply, 200, { kind: 'continue', to });
}

function answerErrors(app: FastifyInstance, context: PortalContext): void {
  const { notice, events } = context;
  app.setNotFoundHandler((_request, reply) => notice(reply, 404, { kind: 'not_found' }));
  app.setErrorHandler(async (error: Error & { statusCode?: number }, _request, reply) => {
    if (error instanceof UnavailableError || error instanceof HashQueueFullError) {
      events.storeFailed('portal', error);
      return notice(reply, 503, { kind: 'unavailable' });
    }
    const { statusCode = 500 } = error;
    if (statusCode === 413) return notice(reply, 413, { kind: 'too_large' });
    if (statusCode === 429) return notice(reply, 429, { kind: 'too_many_requests' });
    if (statusCode >= 400 && statusCode < 500) return notice(reply, statusCode, { kind: 'stale_form' });
    const id = randomBytes(6).toString('base64url');
    events.internalError(`portal ${id}`, error);
    try {
      return await notice(reply, 500, { kind: 'internal_error', id });
    } catch {
      return reply
        .code(500)
        .type('text/html; charset=utf-8')
        .send(plainNotice(`Something went wrong (${id}).`));
    }
  });
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
      void askToSignIn(request, reply, context, returnPath(returnTo), true);
      return false;
    },
    addressOf,
  };
}
