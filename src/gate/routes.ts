// Which upstream serves a user, by protocol. The first route whose pattern matches wins, whatever it leads to.

import type { Protocol } from '../lib/protocol.ts';
import type { User } from '../lib/user.ts';

export type Route = { readonly users: string } & { readonly [P in Protocol]?: string | undefined };

/** The upstream's name; undefined if no route matches, or the one that does has none for the protocol. */
export function routeFor(routes: readonly Route[], user: User, protocol: Protocol): string | undefined {
  return routes.find((route) => matches(route.users, user))?.[protocol];
}

/** `*`, `*@example.com`, or one user. */
function matches(pattern: string, user: User): boolean {
  if (pattern === '*') return true;
  return pattern.startsWith('*@') ? user.endsWith(pattern.slice(1)) : pattern === user;
}
