// `listeners`: where clients come in.

import { formatPath } from '../problems.ts';
import { listOf, nameOf, optional, reshaped, section } from '../shapes.ts';
import { choice, flag, hostPort, network, parseHostPort } from '../values.ts';
import type { Written } from '../written.ts';
import { protocol } from './protocol.ts';

const listenerSchema = reshaped(
  section({
    /** Its name in metrics and logs. */
    name: nameOf('a name'),
    /** What clients speak there. */
    protocol: protocol(),
    /** Where it listens. Port 0 takes any free one. */
    address: hostPort('0.0.0.0:993 or [::]:993', { anyPort: true }),
    /**
     * `implicit`: TLS from the first byte; `starttls`: a client has to ask for it before it may log in; `none`: see
     * `passwordsInClear`.
     */
    tls: choice(['implicit', 'starttls', 'none']),
    /**
     * With `tls: none`, which it has to stand beside: app passwords and mail cross this listener’s network readable
     * by all on it. For closed networks with devices that cannot do TLS. SMTP and LDAP only.
     */
    passwordsInClear: optional(choice(['accepted'])),
    /**
     * Networks of balancers. Every connection from there has to begin with a PROXY header (version 1 or 2), which
     * says where the client is; from elsewhere such a header is refused.
     */
    proxyProtocol: listOf(network()).prefault([]),
    /**
     * Advertises `AUTH=LOGIN PLAIN` beside `AUTH LOGIN PLAIN`, for mail clients from before 1999 (Outlook Express 4).
     * SMTP only. Default: false.
     */
    authEquals: flag().exactOptional(),
    /**
     * What people type in their mail clients, as the portal tells them. Default: `hostname` and the port in
     * `address`.
     */
    publicAddress: optional(hostPort('mail.example.com:993', { anyPort: false })),
  }),
  ({ address, passwordsInClear, ...listener }) => ({ ...listener, ...address }),
  ({ host, port, ...listener }) => ({
    ...listener,
    address: { host, port },
    passwordsInClear: listener.tls === 'none' ? ('accepted' as const) : null,
  }),
);

export const listenersSchema = listOf(listenerSchema).min(1, { error: 'must have at least one listener' });

/** Names and addresses are each one listener's; the admin's and the portal's addresses are none of theirs. */
export function checkListeners(listeners: Written, admin: Written, portal: Written): void {
  const names = new Map<string, Written>();
  const addresses = new Map<string, Written>();
  for (const listener of listeners.items()) {
    once(names, listener.get('name').text, listener.get('name'), listener, 'a name of its own');
    once(addresses, boundAddress(listener), listener.get('address'), listener, 'an address of its own');
    checkTlsMode(listener);
    const protocolName = listener.get('protocol').text;
    if (listener.get('authEquals').isWritten && protocolName !== undefined && protocolName !== 'smtp')
      listener.get('authEquals').wrongKey(`means nothing with protocol: ${protocolName}, must be left out`);
  }
  once(addresses, boundAddress(admin), admin.get('address'), admin, 'an address of its own');
  once(addresses, boundAddress(portal), portal.get('address'), portal, 'an address of its own');
}

/** Passwords travel in clear only where the configuration says so in as many words. */
function checkTlsMode(listener: Written): void {
  const tls = listener.get('tls');
  const inClear = listener.get('passwordsInClear');
  if (tls.text !== 'none') {
    if (inClear.isWritten && tls.isWritten)
      inClear.wrongKey('means nothing without tls: none, must be left out');
  } else if (listener.get('protocol').text === 'imap') {
    tls.wrong('is none, must be implicit or starttls: mail clients that speak IMAP can do TLS');
  } else if (!inClear.isWritten) {
    tls.wrong('is none, must be implicit or starttls, or stand beside passwordsInClear: accepted');
  }
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
