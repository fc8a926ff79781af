// What the portal's server (sign-in, sessions, CSRF) and its pages know of each other.
//
// The pages are three things, which the server registers or calls:
//   pages/pages.ts    `export const pages: FastifyPluginAsync<PortalDeps>`: everything behind the sign-in. Every request in it has
//                     `request.signedIn`; who is not signed in was sent to the sign-in before. Every request but GET and HEAD has
//                     passed the CSRF check (field `_csrf` or header `x-csrf-token`: `request.signedIn.csrf`).
//   pages/assets.ts   `export const assets: FastifyPluginAsync`: styles and scripts under /static/, for everybody.
//   pages/notice.ts   `export function noticePage(notice: Notice, settings: PortalSettings): string | Promise<string>`: a whole HTML
//                     page that says one thing, to somebody who may not be signed in.
//
// The server has /sign-in, /sign-in/callback, POST /sign-out (with `_csrf`) and /signed-out, and sets the headers of every answer
// (CSP without inline scripts and styles, `Cache-Control: no-store` unless the answer has one). `form-action` is 'self', which
// browsers apply to redirects of a form's answer too: an answer to a POST must not redirect to another site. `requireFresh` minds it.

import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Events } from '../events.ts';
import type { Clock } from '../lib/clock.ts';
import type { Protocol } from '../lib/protocol.ts';
import type { User } from '../lib/user.ts';
import type { PasswordRecord } from '../passwords/record.ts';
import type { Passwords } from '../passwords/service.ts';
import type { LiveSessions } from '../sessions/live-sessions.ts';
import type { AuditAction, AuditRecord, UserSummary } from '../store/portal-store.ts';

/** Who a request is from. */
export interface SignedIn {
  readonly user: User;
  /** May see the admin's pages. */
  readonly isAdmin: boolean;
  /** When the user last proved who they are to the provider (`auth_time`), milliseconds since the epoch; 0: unknown. */
  readonly signedInAt: number;
  /** Names the session, without giving it away. */
  readonly sessionId: string;
  /** To stand in every form as `_csrf`. */
  readonly csrf: string;
}

/** What the configuration in force says to the pages. A reload changes it: ask for it anew in each request. */
export interface PortalSettings {
  /** The portal's origin as browsers see it, without a slash at its end. */
  readonly publicUrl: string;
  /** Whether app passwords may be made. Listing and deleting always may. */
  readonly creation: boolean;
  readonly maxPerUser: number;
  /** The protocols that a new app password may be good for, as far as they can be used. */
  readonly scopes: readonly Protocol[];
  /** The protocols that a listener speaks and by which a route leads the user somewhere. */
  readonly usableBy: (user: User) => readonly Protocol[];
  /** Milliseconds that a new app password may live; null: as long as it is not deleted. */
  readonly maxLifetime: number | null;
  /** Milliseconds since `signedInAt` after which `requireFresh` asks for another sign-in. */
  readonly freshFor: number;
  /** What people type in their mail clients, in the order of the configuration. */
  readonly endpoints: readonly Endpoint[];
  /** Whether the pages say that current mail programs may not need an app password. */
  readonly twoStepClients: boolean;
  /** Whom to ask, in the admin's words, plain text; null: nothing was written. */
  readonly help: string | null;
}

export interface Endpoint {
  readonly protocol: Protocol;
  readonly host: string;
  readonly port: number;
  readonly tls: 'implicit' | 'starttls' | 'none';
}

export interface AuditEvent {
  /** Who did it; null if that is not known (a sign-in that was refused). */
  readonly by: User | 'cli' | null;
  /** For whom. */
  readonly user: User | null;
  readonly action: AuditAction;
  /** The client's address; null for the command line. */
  readonly from: string | null;
  readonly passwordId?: string | null;
  /** The app password's name; with `renamed` the new one. */
  readonly name?: string | null;
  /** A few fixed words more: how many, the old name, why refused. Never a secret. */
  readonly detail?: string | null;
}

export interface Audit {
  /** Logs it, and writes it to the store. Never rejects: a store that does not answer is an event of its own. */
  record(event: AuditEvent): Promise<void>;
  /** The newest first, at most `most`; with `user` those by or for that user. Rejects with StoreUnavailableError. */
  list(options: { readonly user?: User; readonly most: number }): Promise<AuditRecord[]>;
}

/** Mail to the user. Returns at once; does nothing if mail is not configured. Never holds the secret. */
export interface Notify {
  created(record: PasswordRecord, facts: { readonly by: User; readonly from: string }): void;
  /** One message for all of them; they are of one user. */
  deleted(records: readonly PasswordRecord[], facts: { readonly by: User; readonly from: string }): void;
}

/** A user as the admin's search finds them. */
export type KnownUser = UserSummary;

export interface People {
  /** Users whose name contains the text, in order, at most so many. */
  search(text: string, most: number): Promise<KnownUser[]>;
  isDisabled(user: User): Promise<boolean>;
  /** Ends the user's sign-ins to the portal; gives how many there were. */
  endPortalSessions(user: User): Promise<number>;
}

export interface PortalDeps {
  readonly passwords: Passwords;
  readonly settings: () => PortalSettings;
  /** Live mail sessions: `list()`, `end({ user }, 'admin')`. */
  readonly sessions: Pick<LiveSessions, 'list' | 'end'>;
  readonly people: People;
  readonly audit: Audit;
  readonly notify: Notify;
  readonly clock: Clock;
  readonly events: Pick<Events, 'internalError' | 'storeFailed'>;
  /**
   * True if the sign-in is recent enough for a change. Otherwise the answer has been sent: it leads to the provider and back to
   * `returnTo`, a path of the portal's own, and the caller has to `return reply`.
   */
  requireFresh(request: FastifyRequest, reply: FastifyReply, returnTo: string): boolean;
  /** The client's address in canonical text, proxies taken into account. */
  addressOf(request: FastifyRequest): string;
}

/** A page that says one thing. `retry`: a path to try again at. */
export type Notice =
  /** The provider sent no proof of two-step verification: what is missing, and how to get it. */
  | { readonly kind: 'two_step_missing'; readonly user: User | null; readonly retry: string }
  /** Signed in at the provider, and not among those who may use the portal. */
  | { readonly kind: 'not_allowed' }
  /** What the provider calls the user is no name that Postern can use. */
  | { readonly kind: 'unusable_name' }
  | { readonly kind: 'user_disabled' }
  /** The provider does not answer, or too slowly. App passwords go on working. */
  | { readonly kind: 'provider_unavailable'; readonly retry: string }
  /** The provider answered something that cannot be accepted. */
  | { readonly kind: 'sign_in_failed'; readonly retry: string }
  /** The person, or the provider, broke the sign-in off (`access_denied`). */
  | { readonly kind: 'sign_in_cancelled'; readonly retry: string }
  /** The provider does not say when the user signed in, so a recent sign-in cannot be seen. */
  | { readonly kind: 'sign_in_not_fresh'; readonly retry: string }
  | { readonly kind: 'signed_out' }
  /** Leads on to `to` by itself (`<meta http-equiv="refresh" content="0;url=…">`), and has a link to it. */
  | { readonly kind: 'continue'; readonly to: string }
  /** A form that is too old, or not from here. */
  | { readonly kind: 'stale_form' }
  | { readonly kind: 'too_many_requests' }
  | { readonly kind: 'too_large' }
  | { readonly kind: 'not_found' }
  /** The store does not answer now. */
  | { readonly kind: 'unavailable' }
  /** `id` is in the log, too. */
  | { readonly kind: 'internal_error'; readonly id: string };

declare module 'fastify' {
  interface FastifyRequest {
    /** Set in every request that gets to the pages. */
    signedIn: SignedIn;
  }
}
