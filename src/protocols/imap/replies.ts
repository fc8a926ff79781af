// What IMAP clients hear from Postern itself: fixed texts, with the response codes of RFC 5530 that clients act on.
// "Authentication failed" makes a client ask its user for a new password, so it is said for nothing else.

import type { Refused, Throttled, Unavailable } from '../../gate/verdict.ts';

/**
 * Nothing that a hashed secret cannot serve (CRAM-MD5, DIGEST-MD5, NTLM): Outlook would pick it. `theirs`: what the upstreams can do
 * besides (capabilities.ts).
 */
export function preLoginCapabilities(connection: { tls: unknown }, theirs: string): string {
  const ways = connection.tls === null ? 'STARTTLS LOGINDISABLED' : 'AUTH=PLAIN AUTH=LOGIN';
  return `IMAP4rev1 SASL-IR LITERAL- ID ${ways}${theirs === '' ? '' : ` ${theirs}`}`;
}

export const GREETING_TEXT = 'Postern ready';

export function verdictReply(verdict: Refused | Throttled | Unavailable): string {
  switch (verdict.kind) {
    case 'refused':
      return verdict.reason === 'other_identity'
        ? 'NO [AUTHORIZATIONFAILED] Logging in as another user is not possible'
        : 'NO [AUTHENTICATIONFAILED] Authentication failed';
    case 'throttled':
      return verdict.reason === 'user_sessions'
        ? 'NO [LIMIT] Too many sessions, close some or try again later'
        : 'NO [LIMIT] Too many failed logins, try again later';
    case 'unavailable':
      return 'NO [UNAVAILABLE] Temporarily unavailable, try again later';
  }
}

export const REPLIES = {
  privacyRequired: 'NO [PRIVACYREQUIRED] Turn on STARTTLS first',
  mechanismUnknown: 'NO [CANNOT] Authentication mechanism not supported',
  cancelled: 'BAD Authentication cancelled',
  badBase64: 'BAD Invalid base64',
  badSyntax: 'BAD Invalid arguments',
  loginFirst: 'BAD Log in first',
  unknownCommand: 'BAD Unknown command',
  literalTooLarge: 'NO [TOOBIG] Literal too large',
  tlsOn: 'BAD TLS is on already',
} as const;

export const GOODBYES = {
  logout: 'Logging out',
  attempts: 'Too many failed logins',
  commands: 'Too many commands without a login',
  deadline: 'Login took too long',
  shutdown: 'Server is shutting down',
  lineTooLong: 'Line too long',
  literalTooLarge: 'Literal too large',
  tlsRequired: 'This port speaks TLS from the first byte: set the security of the connection to SSL/TLS',
} as const;

export type Goodbye = keyof typeof GOODBYES;
