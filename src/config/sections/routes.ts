// `routes`: which users go to which upstream.

import { SPOKEN_PROTOCOLS } from '../../lib/protocol.ts';
import { listOf, nameOf, reshaped, section } from '../shapes.ts';
import { suggestion } from '../suggest.ts';
import { userPattern } from '../values.ts';
import type { Written } from '../written.ts';
import { directorySchema } from './directory.ts';
import { submissionSchema } from './submission.ts';

const routeSection = section({
  /**
   * Whom it is for: `"*"` everyone, `"*@example.com"` a domain, `"alice@example.com"` one user. The first match
   * wins.
   */
  users: userPattern(),
  /** The upstream for IMAP. Without it, these users have no IMAP. */
  imap: nameOf('the name of an upstream').exactOptional(),
  /** The upstream for sending mail. Without it, these users cannot send. */
  smtp: nameOf('the name of an upstream').exactOptional(),
  /** What these users may send. Only beside `smtp`; every key has a default. */
  submission: submissionSchema.exactOptional(),
  /** The upstream for the directory. Without it, these users have no directory. */
  ldap: nameOf('the name of an upstream').exactOptional(),
  /** What they may do in the directory. */
  directory: directorySchema.exactOptional(),
});

/** A route that has a protocol has its terms. */
const routeSchema = reshaped(
  routeSection,
  (route) =>
    ({
      ...route,
      ...(route.smtp !== undefined && { submission: route.submission ?? submissionSchema.parse({}) }),
      ...(route.ldap !== undefined && { directory: route.directory ?? directorySchema.parse({}) }),
    }) as typeof route,
  (route) => route,
);

export const routesSchema = listOf(routeSchema).min(1, { error: 'must have at least one route' });

/** A route leads to an upstream that exists and speaks its protocol. */
export function checkRoutes(routes: Written, upstreams: Written): void {
  const known = new Map(upstreams.entries());
  for (const route of routes.items()) {
    const submission = route.get('submission');
    if (submission.isWritten && !route.get('smtp').isWritten)
      submission.wrongKey('means nothing without smtp, must be left out');
    const directory = route.get('directory');
    if (directory.isWritten && !route.get('ldap').isWritten)
      directory.wrongKey('means nothing without ldap, must be left out');
    for (const protocol of SPOKEN_PROTOCOLS) {
      const target = route.get(protocol);
      if (target.text === undefined) continue;
      const upstream = known.get(target.text);
      if (!upstream) {
        target.wrong(`names no upstream, ${suggestion(target.text, [...known.keys()])}`);
      } else if (upstream.get('protocol').isWritten && upstream.get('protocol').text !== protocol) {
        target.wrong(`names an upstream of another protocol, must be one with protocol: ${protocol}`);
      }
    }
  }
}
