// What a user can do here: the protocols that a listener speaks and by which a route leads the user somewhere.

import type { Config } from '../config/config.ts';
import { routeFor } from '../gate/routes.ts';
import { SPOKEN_PROTOCOLS, type SpokenProtocol } from '../lib/protocol.ts';
import type { User } from '../lib/user.ts';

export function usableProtocols(
  { listeners, routes }: Pick<Config, 'listeners' | 'routes'>,
  user: User,
): SpokenProtocol[] {
  return SPOKEN_PROTOCOLS.filter(
    (protocol) =>
      listeners.some((listener) => listener.protocol === protocol) &&
      routeFor(routes, user, protocol) !== undefined,
  );
}
