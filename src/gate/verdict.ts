// What goes into the gate and what comes out: the words that every protocol shares.

import type { Protocol } from '../lib/protocol.ts';
import type { Secret } from '../lib/secret.ts';
import type { User } from '../lib/user.ts';
import type { PasswordRecord } from '../passwords/record.ts';

/** One try to log in. */
export interface Attempt {
  readonly protocol: Protocol;
  /** The name as the client typed it. Untrusted. */
  readonly login: string;
  readonly secret: Secret;
  /** As whom the client wants to act, as it typed it (RFC 4616 §2); nothing or `''`: as itself. Untrusted. */
  readonly authorizationId?: string;
  readonly client: {
    /** Canonical IP address. */
    readonly address: string;
    /** What the client calls itself, if it said so before its login. Untrusted. */
    readonly software: string | null;
  };
  /** When the attempt was read, on the monotonic clock: refusals are answered a constant time after it. */
  readonly arrivedAt: number;
  /** Whether an attempt has failed on the same connection before: where many come at once, others go first. */
  readonly hasFailed?: boolean;
}

export const REFUSED_REASONS = [
  'bad_credentials',
  'empty_password',
  'not_an_app_password',
  'other_identity',
  'revoked',
  'expired',
  'wrong_protocol',
  'wrong_network',
  'user_disabled',
  'no_route',
] as const;
export type RefusedReason = (typeof REFUSED_REASONS)[number];

export const THROTTLED_REASONS = [
  'network_blocked',
  'network_and_user_blocked',
  'too_many_attempts',
  'verification_budget',
  'user_sessions',
] as const;
export type ThrottledReason = (typeof THROTTLED_REASONS)[number];

export const UNAVAILABLE_REASONS = [
  'store',
  'hash_queue',
  'overloaded',
  'upstream_unreachable',
  'upstream_closed',
  'upstream_refused_postern',
  'upstream_protocol',
  'upstream_unauthenticate',
  'upstream_no_entry',
  'name_lookup',
  'session_ended',
  'health_check',
] as const;
export type UnavailableReason = (typeof UNAVAILABLE_REASONS)[number];

/** `none` is the reason of an admitted login. */
export const REASONS = ['none', ...REFUSED_REASONS, ...THROTTLED_REASONS, ...UNAVAILABLE_REASONS] as const;
export type Reason = (typeof REASONS)[number];

export interface Admitted {
  readonly kind: 'admitted';
  readonly user: User;
  readonly record: PasswordRecord;
  /** The name of the upstream that the user's route leads to. */
  readonly upstream: string;
  /** That route's place in the config. */
  readonly route: number;
}
export interface Refused {
  readonly kind: 'refused';
  readonly reason: RefusedReason;
}
export interface Throttled {
  readonly kind: 'throttled';
  readonly reason: ThrottledReason;
  /** Milliseconds. */
  readonly retryAfter: number;
}
export interface Unavailable {
  readonly kind: 'unavailable';
  readonly reason: UnavailableReason;
}
export type Verdict = Admitted | Refused | Throttled | Unavailable;

export interface Decision {
  readonly verdict: Verdict;
  /** False: too many wait for their answer already, so the connection is closed without one. */
  readonly answer: boolean;
  /** The canonical user, if the login was one and does not look like a secret: for the log. */
  readonly user: User | null;
  /** The record whose secret was presented, admitted or not. */
  readonly passwordId: string | null;
}
