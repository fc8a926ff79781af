// The portal's cookies: what they are called, and what browsers are told of them.

import type { CookieSerializeOptions } from '@fastify/cookie';

/** What a browser keeps while it is signed in. Nothing else is kept but the sealed cookies of sign-ins under way. */
export interface CookieNames {
  readonly session: string;
  /** Followed by the first characters of the sign-in's state: several can be under way, in as many tabs. */
  readonly signIn: string;
  readonly isSecure: boolean;
}

/**
 * `__Host-` (RFC 6265bis §4.1.3.2): no other host of the domain, and no page in clear, can set such a cookie. Without HTTPS, which
 * is for loopback only, browsers would not take it.
 */
export function cookieNames(publicUrl: string): CookieNames {
  const isSecure = publicUrl.startsWith('https:');
  const prefix = isSecure ? '__Host-' : '';
  return { session: `${prefix}postern`, signIn: `${prefix}postern-sign-in-`, isSecure };
}

/** Lax and not Strict: the way back from the provider comes from another site. */
export function cookieOptions({ isSecure }: CookieNames): CookieSerializeOptions {
  return { path: '/', httpOnly: true, secure: isSecure, sameSite: 'lax' };
}
