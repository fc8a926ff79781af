// `listeners`: where clients come in.

import { formatPath } from '../problems.ts';
import { choice, hostPort, listOf, nameOf, network, parseHostPort, section } from '../values.ts';
import type { Written } from '../written.ts';
import { protocol } from './protocol.ts';

export const listenersSchema = listOf(
  section({
    name: nameOf('a name').describe('Its name in metrics and logs.'),
    protocol: protocol().describe('What clients speak there.'),
    address: hostPort('0.0.0.0:993 or [::]:993', { anyPort: true }).describe(
      'Where it listens. Port 0 takes any free one.',
    ),
    tls: choice(['implicit', 'starttls'], 'passwords never travel in clear').describe(
      '`implicit`: TLS from the first byte; `starttls`: a client has to ask for it before it may log in.',
    ),
    proxyProtocol: listOf(network())
      .prefault([])
      .describe(
        'Networks of balancers. Every connection from there has to begin with a PROXY header (version 1 or 2), which says where the client is; from elsewhere such a header is refused.',
      ),
  }),
).min(1, { error: 'must have at least one listener' });

/** Names and addresses are each one listener's; the admin's address is none of theirs. */
export function checkListeners(listeners: Written, admin: Written): void {
  const names = new Map<string, Written>();
  const addresses = new Map<string, Written>();
  for (const listener of listeners.items()) {
    once(names, listener.get('name').text, listener.get('name'), listener, 'a name of its own');
    once(addresses, boundAddress(listener), listener.get('address'), listener, 'an address of its own');
  }
  once(addresses, boundAddress(admin), admin.get('address'), admin, 'an address of its own');
}

/** Host and port as one text, undefined for what is no address or binds to any free port. */
function boundAddress(place: Written): string | undefined {
  const address = parseHostPort(place.get('address').text ?? '');
  return address && address.port > 0 ? `${address.host} ${address.port}` : undefined;
}

function once(
  seen: Map<string, Written>,
  key: string | undefined,
  at: Written,
  owner: Written,
  right: string,
): void {
  if (key === undefined) return;
  const first = seen.get(key);
  if (first) at.wrong(`is taken by ${formatPath(first.path)} too, must be ${right}`);
  else seen.set(key, owner);
}
