// Who is signed in: 256 random bits in a cookie, their SHA-256 in the store. A sign-in ends when it is idle for too long, is too
// old, is signed out of, is ended by an admin, or its user is disabled.

import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import type { User } from '../lib/user.ts';
import type { PortalStore } from '../store/portal-store.ts';
import { BoundedMap } from '../throttle/bounded-map.ts';
import type { SignedIn } from './pages-interface.ts';

/** Sign-ins of one user at a time: the oldest goes. */
const MOST_PER_USER = 10;
/** Milliseconds between two notes that a session was used. */
const TOUCH_INTERVAL = 30_000;
/** ID tokens are kept for signing out at the provider, in memory only. */
const MOST_ID_TOKENS = 2_000;
/** It goes into an address, and servers bound those; without it the provider asks whom to sign out. */
const LONGEST_ID_TOKEN = 4_096;
const ID_BYTES = 32;
const SHAPE = /^[A-Za-z0-9_-]{43}$/;

export interface SessionBounds {
  /** Milliseconds. */
  readonly sessionIdle: number;
  readonly sessionMax: number;
}

export class PortalSessions {
  readonly #store: PortalStore;
  readonly #clock: Clock;
  readonly #bounds: () => SessionBounds;
  readonly #idTokens = new BoundedMap<string>(MOST_ID_TOKENS);

  constructor(deps: { store: PortalStore; clock: Clock; bounds: () => SessionBounds }) {
    this.#store = deps.store;
    this.#clock = deps.clock;
    this.#bounds = deps.bounds;
  }

  /**
   * Gives what the cookie is to hold: always a new value, whatever the browser had before. Undefined: the user has been disabled
   * meanwhile, and nothing was started.
   */
  async start(
    who: { user: User; isAdmin: boolean; signedInAt: number },
    idToken: string,
  ): Promise<string | undefined> {
    const cookie = randomBytes(ID_BYTES).toString('base64url');
    const now = this.#clock.now();
    const id = idOf(cookie);
    const session = { ...who, id, createdAt: now, seenAt: now };
    if (!(await this.#store.addPortalSession(session, MOST_PER_USER))) return undefined;
    if (idToken.length <= LONGEST_ID_TOKEN) this.#idTokens.set(id, idToken);
    return cookie;
  }

  /** Undefined if the cookie is of no session, or of one that is over. Rejects with StoreUnavailableError. */
  async find(cookie: string | undefined): Promise<SignedIn | undefined> {
    if (cookie === undefined || !SHAPE.test(cookie)) return undefined;
    const session = await this.#store.portalSession(idOf(cookie));
    if (session === undefined) return undefined;
    const now = this.#clock.now();
    const { sessionIdle, sessionMax } = this.#bounds();
    if (now - session.seenAt >= sessionIdle || now - session.createdAt >= sessionMax) {
      await this.end(session.id);
      return undefined;
    }
    // A use that cannot be noted is no reason to refuse it.
    if (now - session.seenAt >= TOUCH_INTERVAL) {
      await this.#store.touchPortalSession(session.id, now).catch(() => {});
    }
    const { user, isAdmin, signedInAt, id } = session;
    return { user, isAdmin, signedInAt, sessionId: id, csrf: csrfToken(cookie) };
  }

  async end(id: string): Promise<void> {
    this.#idTokens.delete(id);
    await this.#store.endPortalSessions({ id });
  }

  endAllOf(user: User): Promise<number> {
    return this.#store.endPortalSessions({ user });
  }

  /** For signing out at the provider; undefined if this process did not start the session, or has forgotten. */
  idToken(id: string): string | undefined {
    return this.#idTokens.peek(id);
  }
}

function idOf(cookie: string): string {
  return createHash('sha256').update(cookie).digest('base64url');
}

/** Good for one session, and for as long as it lasts. It does not give the cookie away. */
function csrfToken(cookie: string): string {
  return createHmac('sha256', cookie).update('csrf').digest('base64url');
}

/** Whether a form's token is the session's, in constant time. */
export function isSameToken(given: unknown, expected: string): boolean {
  if (typeof given !== 'string') return false;
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}
