// Which upstream serves a user, by protocol. The first route whose pattern matches wins, whatever it leads to.

import type { Protocol } from '../lib/protocol.ts';
import type { User } from '../lib/user.ts';

export type Route = { readonly users: string } & { readonly [P in Protocol]?: string | undefined };

/** Where a user's sessions of one protocol go. */
export interface Way {
  /** The upstream's name. */
  readonly upstream: string;
  /** The route's place in the config: what else it says, its policies, is found by that. */
  readonly route: number;
}

/** Undefined if no route matches, or the one that does has no upstream for the protocol. */
export function routeFor(routes: readonly Route[], user: User, protocol: Protocol): Way | undefined {
  const route = routes.findIndex(({ users }) => matches(users, user));
  const upstream = routes[route]?.[protocol];
  return upstream === undefined ? undefined : { upstream, route };
}

/** `*`, `*@example.com`, or one user. */
function matches(pattern: string, user: User): boolean {
  if (pattern === '*') return true;
  return pattern.startsWith('*@') ? user.endsWith(pattern.slice(1)) : pattern === user;
}
