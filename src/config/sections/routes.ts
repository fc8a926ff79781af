// `routes`: which users go to which upstream.

import { suggestion } from '../suggest.ts';
import { listOf, nameOf, section, userPattern } from '../values.ts';
import type { Written } from '../written.ts';

export const routesSchema = listOf(
  section({
    users: userPattern().describe(
      'Whom it is for: `"*"` everyone, `"*@example.com"` a domain, `"alice@example.com"` one user. The first match wins.',
    ),
    imap: nameOf('the name of an upstream')
      .optional()
      .describe('The upstream for IMAP. Without it, these users have no IMAP.'),
  }),
).min(1, { error: 'must have at least one route' });

/** A route leads to an upstream that exists and speaks its protocol. */
export function checkRoutes(routes: Written, upstreams: Written): void {
  const known = new Map(upstreams.entries());
  for (const route of routes.items()) {
    const target = route.get('imap');
    if (target.text === undefined) continue;
    const upstream = known.get(target.text);
    if (!upstream) {
      target.wrong(`names no upstream, ${suggestion(target.text, [...known.keys()])}`);
    } else if (upstream.get('protocol').isWritten && upstream.get('protocol').text !== 'imap') {
      target.wrong('names an upstream of another protocol, must be one with protocol: imap');
    }
  }
}
