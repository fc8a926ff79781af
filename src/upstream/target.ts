// Where an upstream is and how a connection to it is protected, as the dialler needs it.

import { isLoopback } from '../lib/network.ts';
import type { UpstreamAddress } from './address.ts';
import type { UpstreamHealth } from './health.ts';

/** One object for each upstream, for as long as its config holds: its TLS context is kept by that object's identity. */
export interface UpstreamTarget {
  /** Its name in the config. */
  readonly name: string;
  /** Tried in this order. */
  readonly addresses: readonly UpstreamAddress[];
  readonly tls: 'implicit' | 'starttls' | 'none';
  /** A private CA as PEM text, instead of the system's; null: the system's. */
  readonly ca: string | null;
  /** The name that the certificate must have, instead of the address's host. */
  readonly serverName: string | null;
  /** SHA-256 of the one certificate that is accepted, instead of any CA and name: `AA:BB:…`. */
  readonly fingerprint: string | null;
  /** Whether the connection begins with a PROXY header, ahead of TLS. Default: none. */
  readonly proxyProtocol?: 'none' | 'v2';
  /** What is known of its addresses. Without it each is tried each time. */
  readonly health?: UpstreamHealth;
  /** Milliseconds for each address: name resolution, TCP, TLS and the protocol's greeting together. */
  readonly connectDeadline: number;
}

/** One that is logged in to for a user. */
export interface LoginTarget extends UpstreamTarget {
  /** Milliseconds from connected to the end of the login. */
  readonly loginDeadline: number;
  readonly onConnected: (address: UpstreamAddress, seconds: number) => void;
  /** It was connected, and then went or fell silent. Failed connections are for its health to tell. */
  readonly onFailed: (
    address: UpstreamAddress,
    error: Error,
    login?: { readonly session: string; readonly user: string },
  ) => void;
}

/** Whether an upstream is told where a client is: `secure` means over TLS, or to this machine (its address is `remoteAddress`). */
export function maySendClientAddress(
  {
    tls,
    sendClientAddress,
  }: Pick<UpstreamTarget, 'tls'> & { readonly sendClientAddress: 'secure' | 'always' | 'never' },
  remoteAddress: string,
): boolean {
  if (sendClientAddress !== 'secure') return sendClientAddress === 'always';
  return tls !== 'none' || isLoopback(remoteAddress);
}
