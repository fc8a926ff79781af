// Whether a change was asked for by a page of ours. Two things have to be right: where the browser says that the request comes from,
// and a token that only our pages know.

import type { FastifyRequest } from 'fastify';
import { isSameToken } from './session.ts';

/** `signedIn.csrf` in the field `_csrf` or the header `x-csrf-token`. */
export function hasToken(request: FastifyRequest, expected: string): boolean {
  const { body } = request;
  const field = typeof body === 'object' && body !== null ? (body as { _csrf?: unknown })._csrf : undefined;
  return isSameToken(request.headers['x-csrf-token'] ?? field, expected);
}

/**
 * Fetch Metadata where the browser sends it, `Origin` where not, and where both are missing, which no browser of these days does
 * in a POST, no. `same-site` is another host of the domain: not us.
 */
export function isFromHere(request: FastifyRequest, publicUrl: string): boolean {
  const { origin, 'sec-fetch-site': site } = request.headers;
  if (origin !== undefined && origin !== publicUrl) return false;
  if (site !== undefined) return site === 'same-origin';
  return origin === publicUrl;
}
