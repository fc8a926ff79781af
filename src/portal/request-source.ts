// Where a request comes from, as the browser says (Fetch Metadata, W3C): so that one page that asks the portal for something again and
// again does not use up what everybody behind the same address may have.

import type { FastifyRequest } from 'fastify';

/**
 * `here`: from a page of ours, or typed. `link`: a whole window was sent here from elsewhere, as by a link, or by the provider on the way
 * back. `embedded`: a page of another site has us in it, as a picture, a frame, a fetch; nothing of ours is meant for that. `unknown`:
 * the browser is too old to say, or it is none, or the portal is not reached by HTTPS.
 */
export type RequestSource = 'here' | 'link' | 'embedded' | 'unknown';

export function sourceOf({ headers }: Pick<FastifyRequest, 'headers'>): RequestSource {
  switch (headers['sec-fetch-site']) {
    case 'same-origin':
    case 'none':
      return 'here';
    case 'same-site':
    case 'cross-site':
      return headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document'
        ? 'link'
        : 'embedded';
    default:
      return 'unknown';
  }
}
