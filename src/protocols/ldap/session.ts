// The LDAP server's side (RFC 4511): the state of one connection, from anonymous to bound and back, any number of times.

import type { Events } from '../../events.ts';
import type { ProtocolServer } from '../../listen/listener.ts';
import type { AdmissionDeps } from '../admission.ts';
import type { LdapUpstream } from './upstream.ts';

export interface LdapDeps extends AdmissionDeps {
  readonly upstreams: ReadonlyMap<string, LdapUpstream>;
  readonly events: Events;
  /** Failed attempts after which the connection is closed. */
  readonly attemptsPerConnection: number;
  /** Milliseconds without a byte in either direction that end a session. */
  readonly idle: number;
}

export function createLdapServer(_deps: LdapDeps): ProtocolServer {
  return {
    serve: async (connection) => {
      connection.socket.destroy();
    },
    plaintextOnTlsPort: () => null,
  };
}
