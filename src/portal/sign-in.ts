// Signing in and out.
//
//   GET  /sign-in?return=PATH[&fresh=1]   → 302 to the provider; state, nonce and PKCE verifier go into a sealed cookie
//   GET  /sign-in/callback?code&state     → the code is redeemed, a session starts; 303 to PATH
//   POST /sign-out                        → the session ends; on to the provider's own sign-out, where there is one
//   GET  /signed-out                      → says so
//
// The cookie binds the answer to the browser that asked (login CSRF), is good for ten minutes and for one answer.

import { randomBytes } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { User } from '../lib/user.ts';
import { BoundedMap } from '../throttle/bounded-map.ts';
import { authTime, satisfies, userOf } from './claims.ts';
import { cookieOptions } from './cookies.ts';
import { hasToken, isFromHere } from './csrf.ts';
import { type Redeemed, type SignInChecks, SignInError } from './provider.ts';
import { type RequestSource, sourceOf } from './request-source.ts';
import { returnPath } from './return-path.ts';
import { seal, unseal } from './seal.ts';
import type { PortalContext } from './server-context.ts';
import type { PortalTerms } from './terms.ts';

/** Milliseconds that somebody may take at the provider. */
const PATIENCE = 600_000;
/** Sign-ins under way in one browser; past that the cookies of all of them go. */
const MOST_UNDER_WAY = 5;
/** States that were used, and are not good again. Past so many, the provider still takes each code once. */
const MOST_USED = 10_000;
const STATE_BYTES = 24;
const STATE = /^[A-Za-z0-9_-]{32}$/;
const SUFFIX_LENGTH = 8;
/** Others are not ours, and may be such that no answer can name them. */
const SUFFIX = /^[A-Za-z0-9_-]{8}$/;
const CONTEXT = 'sign-in';

interface UnderWay extends SignInChecks {
  readonly returnTo: string;
  /** Where the request that began it came from. */
  readonly source: RequestSource;
  /** Whose session it is to be a fresh sign-in for; undefined: anybody's. */
  readonly fresh?: { readonly user: User; readonly forced: boolean };
  readonly startedAt: number;
}

export function signInRoutes(app: FastifyInstance, context: PortalContext): void {
  const { clock, cookies, sealingKey, sessions, audit, notice, addressOf, events } = context;
  const used = new BoundedMap<true>(MOST_USED);

  app.get('/sign-in', async (request, reply) => {
    const source = sourceOf(request);
    if (!isWithinRate(request, source)) return notice(reply, 429, { kind: 'too_many_requests' });
    const query = request.query as Record<string, unknown>;
    const returnTo = returnPath(query.return);
    const present = query.fresh === '1' ? await sessions.find(request.cookies[cookies.session]) : undefined;
    return start(request, reply, {
      returnTo,
      source,
      ...(present && { fresh: { user: present.user, forced: false } }),
    });
  });

  app.get('/sign-in/callback', async (request, reply) => {
    const underWay = findUnderWay(request);
    if (underWay === undefined) {
      events.portalSignIn('failed', 'no sign-in of this browser is under way with that state');
      return notice(reply, 400, { kind: 'sign_in_failed', retry: '/sign-in' });
    }
    // Everybody comes back from another site: what counts is where they had set out from.
    if (!isWithinRate(request, underWay.source)) return notice(reply, 429, { kind: 'too_many_requests' });
    reply.clearCookie(cookieOf(underWay.state), cookieOptions(cookies));
    used.set(underWay.state, true);
    const retry = retryPath(underWay);
    const terms = context.terms();
    let redeemed: Redeemed;
    try {
      const search = request.url.slice(request.url.indexOf('?'));
      redeemed = await context.provider().redeem(search, underWay, neededClaims(terms));
    } catch (error) {
      return refuse(reply, error, retry);
    }
    return conclude(request, reply, redeemed, underWay, terms);
  });

  app.post('/sign-out', async (request, reply) => {
    const session = await sessions.find(request.cookies[cookies.session]);
    // A form of another site comes without the cookie, and may not take it away for that.
    const isOurs =
      isFromHere(request, context.publicUrl) && (session === undefined || hasToken(request, session.csrf));
    if (!isOurs) {
      events.portalRejected('csrf');
      return notice(reply, 403, { kind: 'stale_form' });
    }
    reply.clearCookie(cookies.session, cookieOptions(cookies));
    if (session === undefined) return reply.redirect('/signed-out', 303);
    const idToken = sessions.idToken(session.sessionId);
    await sessions.end(session.sessionId);
    const { user } = session;
    await audit.record({ by: user, user, action: 'signed_out', from: addressOf(request) });
    const elsewhere = await context.provider().signOutUrl(`${context.publicUrl}/signed-out`, idToken);
    // Not a redirect: `form-action` would hold it.
    if (elsewhere !== undefined) return notice(reply, 200, { kind: 'continue', to: elsewhere.href });
    return reply.redirect('/signed-out', 303);
  });

  app.get('/signed-out', (_request, reply) => notice(reply, 200, { kind: 'signed_out' }));

  function isWithinRate(request: FastifyRequest, source: RequestSource): boolean {
    return context.signInRate.take(`${source} ${context.networkOf(request)}`);
  }

  async function start(
    request: FastifyRequest,
    reply: FastifyReply,
    wanted: Pick<UnderWay, 'returnTo' | 'source' | 'fresh'>,
  ) {
    const { fresh } = wanted;
    const underWay: UnderWay = {
      state: randomBytes(STATE_BYTES).toString('base64url'),
      nonce: randomBytes(STATE_BYTES).toString('base64url'),
      verifier: randomBytes(32).toString('base64url'),
      ...wanted,
      startedAt: clock.now(),
    };
    let url: URL;
    try {
      // Half of what is allowed: who is sent there and back has time left to fill a form in.
      const freshFor = context.terms().provider.maxAge / 2;
      url = await context
        .provider()
        .authorizationUrl(underWay, fresh === undefined ? {} : { freshFor, force: fresh.forced });
    } catch (error) {
      return refuse(reply, error, retryPath(underWay));
    }
    forgetMany(request, reply);
    const value = seal(underWay, sealingKey, CONTEXT);
    reply.setCookie(cookieOf(underWay.state), value, { ...cookieOptions(cookies), maxAge: PATIENCE / 1000 });
    return reply.redirect(url.href, 302);
  }

  function cookieOf(state: string): string {
    return cookies.signIn + state.slice(0, SUFFIX_LENGTH);
  }

  /** The sign-in that a callback answers, unless it has been answered. */
  function findUnderWay(request: FastifyRequest): UnderWay | undefined {
    const { state } = request.query as { state?: unknown };
    if (typeof state !== 'string' || !STATE.test(state)) return undefined;
    const value = request.cookies[cookieOf(state)];
    if (value === undefined) return undefined;
    const underWay = unseal(value, sealingKey, CONTEXT) as UnderWay | undefined;
    if (underWay?.state !== state || used.peek(state) !== undefined) return undefined;
    return clock.now() - underWay.startedAt > PATIENCE ? undefined : underWay;
  }

  function forgetMany(request: FastifyRequest, reply: FastifyReply): void {
    const present = Object.keys(request.cookies).filter(
      (name) => name.startsWith(cookies.signIn) && SUFFIX.test(name.slice(cookies.signIn.length)),
    );
    if (present.length < MOST_UNDER_WAY) return;
    for (const name of present) reply.clearCookie(name, cookieOptions(cookies));
  }

  /** The provider has said who it is. */
  async function conclude(
    request: FastifyRequest,
    reply: FastifyReply,
    { idClaims, claims, idToken }: Redeemed,
    underWay: UnderWay,
    terms: PortalTerms,
  ) {
    const { provider, who, admins } = terms;
    const retry = retryPath(underWay);
    const from = addressOf(request);
    const user = userOf(claims, provider);
    const refuseUser = async (status: number, detail: string, page: Parameters<typeof notice>[2]) => {
      events.portalSignIn('refused', detail);
      await audit.record({ by: null, user: user ?? null, action: 'sign_in_refused', from, detail });
      return notice(reply, status, page);
    };
    if (!satisfies(idClaims, provider.twoStep)) {
      const page = { kind: 'two_step_missing', user: user ?? null, retry } as const;
      return refuseUser(403, 'no proof of two-step verification', page);
    }
    if (user === undefined) {
      return refuseUser(403, `no usable user in the claim ${provider.userClaim}`, { kind: 'unusable_name' });
    }
    if (who !== null && !satisfies(claims, who)) {
      return refuseUser(403, 'not among those who may sign in', { kind: 'not_allowed' });
    }
    const now = clock.now();
    const signedInAt = authTime(idClaims, now);
    if (signedInAt === undefined) {
      return refuseUser(400, 'auth_time lies in the future, or is no time', {
        kind: 'sign_in_failed',
        retry,
      });
    }
    const refuseDisabled = () => refuseUser(403, 'the user is disabled', { kind: 'user_disabled' });
    if (await context.isDisabled(user)) return refuseDisabled();
    const { fresh } = underWay;
    // No tolerance: with one, a page that asks for less would send them here again and again.
    if (fresh !== undefined && now - signedInAt > provider.maxAge) {
      // There are providers that do not heed max_age: it is asked for in other words, once.
      if (!fresh.forced) {
        const { returnTo, source } = underWay;
        return start(request, reply, { returnTo, source, fresh: { ...fresh, forced: true } });
      }
      return refuseUser(403, 'no recent auth_time', { kind: 'sign_in_not_fresh', retry });
    }
    const before = await sessions.find(request.cookies[cookies.session]);
    if (before !== undefined) await sessions.end(before.sessionId);
    const isAdmin = admins !== null && satisfies(claims, admins);
    const cookie = await sessions.start({ user, isAdmin, signedInAt }, idToken);
    if (cookie === undefined) return refuseDisabled();
    reply.setCookie(cookies.session, cookie, cookieOptions(cookies));
    events.portalSignIn('signed_in', null);
    await audit.record({ by: user, user, action: 'signed_in', from });
    // What one was about to do is not for another to go on with.
    const isSame = fresh === undefined || fresh.user === user;
    return reply.redirect(isSame ? underWay.returnTo : '/', 303);
  }

  function refuse(reply: FastifyReply, error: unknown, retry: string) {
    if (!(error instanceof SignInError)) throw error;
    events.portalSignIn(error.kind, error.message);
    switch (error.kind) {
      case 'unavailable':
        return notice(reply, 503, { kind: 'provider_unavailable', retry });
      case 'cancelled':
        return notice(reply, 403, { kind: 'sign_in_cancelled', retry });
      case 'no_two_step':
        return notice(reply, 403, { kind: 'two_step_missing', user: null, retry });
      case 'failed':
        return notice(reply, 400, { kind: 'sign_in_failed', retry });
    }
  }
}

function retryPath({ returnTo, fresh }: UnderWay): string {
  return signInPath(returnTo, fresh !== undefined);
}

/** The sign-in that leads back to a page. */
export function signInPath(returnTo: string, fresh: boolean): string {
  return `/sign-in?${fresh ? 'fresh=1&' : ''}return=${encodeURIComponent(returnTo)}`;
}

function neededClaims({ provider, who, admins }: PortalTerms): string[] {
  return [
    provider.userClaim,
    ...(provider.requireVerifiedEmail ? ['email_verified'] : []),
    ...(who === null ? [] : [who.claim]),
    ...(admins === null ? [] : [admins.claim]),
  ];
}
