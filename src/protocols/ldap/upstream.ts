// The directory behind Postern: connecting to it, and binding there.

import type { Secret } from '../../lib/secret.ts';
import type { UpstreamAddress, UpstreamTarget } from '../../upstream/target.ts';

export interface LdapUpstream extends UpstreamTarget {
  readonly login: {
    /** The service account alone; or on behalf of the user by RFC 4370. */
    readonly method: 'bind' | 'proxied-authorization';
    readonly dn: string;
    readonly password: Secret;
  };
  /** Milliseconds from connected to bound. */
  readonly loginDeadline: number;
  readonly onConnected: (address: UpstreamAddress, seconds: number) => void;
  /** It was connected, and then went or fell silent. Failed connections are for its health to tell. */
  readonly onFailed: (address: UpstreamAddress, error: Error) => void;
}
