// What stands before every page: rates, the session, CSRF; and what is answered when something goes wrong.

import { randomBytes } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { UnavailableError } from '../lib/errors.ts';
import { canonicalAddress } from '../lib/network.ts';
import { HashQueueFullError } from '../passwords/verifier.ts';
import { hasToken, isFromHere } from './csrf.ts';
import { formPage } from './pages/form-page.ts';
import { plainNotice } from './plain-notice.ts';
import { Buckets } from './rate-limit.ts';
import { sourceOf } from './request-source.ts';
import { returnPath } from './return-path.ts';
import type { PortalContext } from './server-context.ts';
import { signInPath } from './sign-in.ts';

/**
 * Of one network, an office behind one address perhaps; of one sign-in; and what makes the provider work. Each source of requests has
 * a rate of its own, see request-source.ts.
 */
export const RATES = {
  network: { burst: 300, perSecond: 30 },
  session: { burst: 120, perSecond: 10 },
  signIn: { burst: 60, perSecond: 2 },
} as const;

/** The client's address in canonical text, proxies taken into account. */
export function addressOf(request: FastifyRequest): string {
  // What a proxy wrote need not be an address.
  const { remoteAddress = '' } = request.socket;
  return canonicalAddress(request.ip) ?? canonicalAddress(remoteAddress) ?? remoteAddress;
}

/** How often, and what no answer may be without. */
export function bound(app: FastifyInstance, context: PortalContext): void {
  const perNetwork = new Buckets(RATES.network, context.clock);
  app.addHook('onRequest', async (request, reply) => {
    const source = sourceOf(request);
    if (source === 'embedded') {
      // Neither counted nor looked at: what another site embeds comes by the thousand, from people who know nothing of it.
      context.events.portalRejected('embedded');
      reply.code(403).type('text/html; charset=utf-8');
      return reply.send(plainNotice('This page does not open inside another.'));
    }
    if (perNetwork.take(`${source} ${context.networkOf(request)}`)) return;
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
export function behindSignIn(app: FastifyInstance, context: PortalContext): void {
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
    if (!perSession.take(`${sourceOf(request)} ${signedIn.sessionId}`)) {
      context.events.portalRejected('rate');
      return notice(reply, 429, { kind: 'too_many_requests' });
    }
    // A reload that takes the admins away does so at once.
    const isAdmin = signedIn.isAdmin && context.terms().admins !== null;
    request.signedIn = { ...signedIn, isAdmin };
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
export function askToSignIn(
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

export function answerErrors(app: FastifyInstance, context: PortalContext): void {
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
