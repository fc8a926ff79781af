// What the provider's claims say: who it is, whether two steps were taken, when.

import { parseUser, type User } from '../lib/user.ts';
import { CLOCK_TOLERANCE, type Claims } from './provider.ts';
import type { ClaimRule, ProviderTerms } from './terms.ts';

/** Whether a claim, a text or a list of texts, has one of the values. Exactly: no case is folded, no part taken for the whole. */
export function satisfies(claims: Claims, { claim, values }: ClaimRule): boolean {
  const found = Object.hasOwn(claims, claim) ? claims[claim] : undefined;
  const list = Array.isArray(found) ? found : [found];
  return list.some((value) => typeof value === 'string' && values.includes(value));
}

/** The user; undefined if the claim is missing, is none that can be a user, or is an address that nobody has verified. */
export function userOf(
  claims: Claims,
  terms: Pick<ProviderTerms, 'userClaim' | 'userDomain' | 'requireVerifiedEmail'>,
): User | undefined {
  const { userClaim, userDomain, requireVerifiedEmail } = terms;
  const name = Object.hasOwn(claims, userClaim) ? claims[userClaim] : undefined;
  if (typeof name !== 'string') return undefined;
  // Some providers write it as a text.
  const isVerified = claims.email_verified === true || claims.email_verified === 'true';
  if (requireVerifiedEmail && !isVerified) return undefined;
  return parseUser(name.includes('@') || userDomain === null ? name : `${name}@${userDomain}`);
}

/**
 * `auth_time` in milliseconds since the epoch, never later than `now`; 0 if there is none; undefined if it lies in the future
 * by more than clocks may be apart, or is no time.
 */
export function authTime(claims: Claims, now: number): number | undefined {
  const { auth_time: seconds } = claims;
  if (seconds === undefined) return 0;
  if (typeof seconds !== 'number' || !Number.isFinite(seconds) || seconds <= 0) return undefined;
  const at = seconds * 1000;
  return at > now + CLOCK_TOLERANCE * 1000 ? undefined : Math.min(at, now);
}
