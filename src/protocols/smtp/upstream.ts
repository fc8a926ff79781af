// Logs in to an SMTP upstream for the user, and speaks with it step by step.

import type { Secret } from '../../lib/secret.ts';
import type { UpstreamAddress, UpstreamTarget } from '../../upstream/target.ts';

/** How Postern logs in for the user. */
export type SmtpLoginMethod =
  /** SASL PLAIN with the user as authorization identity. */
  | { readonly method: 'plain'; readonly user: string; readonly password: Secret }
  /** One fixed account, whoever the user is. */
  | { readonly method: 'password'; readonly user: string; readonly password: Secret }
  /** XCLIENT names the user (Postfix). */
  | { readonly method: 'xclient' }
  /** It trusts Postern's address. */
  | { readonly method: 'none' };

export interface SmtpUpstream extends UpstreamTarget {
  readonly login: SmtpLoginMethod;
  /** Milliseconds from the greeting to the end of the login. */
  readonly loginDeadline: number;
  readonly sendClientAddress: 'secure' | 'always' | 'never';
  readonly onConnected: (address: UpstreamAddress, seconds: number) => void;
  /** It was connected, and then went or fell silent. Failed connections are for its health to tell. */
  readonly onFailed: (address: UpstreamAddress, error: Error) => void;
}
