// What SMTP clients hear from Postern itself: fixed texts, with the enhanced codes of RFC 3463, 4954 and 7505 that clients act
// on. 535 makes a client ask its user for a new password, so it is said for nothing else.

import type { Refused, Throttled, Unavailable } from '../../gate/verdict.ts';
import type { EndReason } from '../../sessions/live-sessions.ts';
import type { SmtpReply } from './upstream.ts';

export function verdictReply(verdict: Refused | Throttled | Unavailable): string {
  switch (verdict.kind) {
    case 'refused':
      return verdict.reason === 'other_identity'
        ? '535 5.7.8 Logging in as another user is not possible'
        : '535 5.7.8 Authentication failed';
    case 'throttled':
      return verdict.reason === 'user_sessions'
        ? '454 4.7.0 Too many sessions, close some or try again later'
        : '454 4.7.0 Too many failed logins, try again later';
    case 'unavailable':
      return '454 4.7.0 Temporarily unavailable, try again later';
  }
}

export const REPLIES = {
  ok: '250 2.0.0 OK',
  bye: '221 2.0.0 Bye',
  help: '214 2.0.0 See RFC 5321 and RFC 6409',
  vrfy: '252 2.1.5 Cannot verify the user, but will take the message',
  startTls: '220 2.0.0 Ready to start TLS',
  loggedIn: '235 2.7.0 Authentication successful',
  sendData: '354 End data with <CR><LF>.<CR><LF>',

  lineTooLong: '500 5.5.2 Line too long',
  unknownCommand: '500 5.5.2 Unknown command',
  unreadable: '500 5.5.2 Control characters or no UTF-8 in the command',
  notImplemented: '502 5.5.1 Command not implemented',
  noArguments: '501 5.5.4 No arguments are allowed here',
  tlsOn: '503 5.5.1 TLS is on already',
  noTls: '502 5.5.1 No TLS on this port',

  authArguments: '501 5.5.4 Syntax: AUTH mechanism [initial response]',
  authMechanism: '504 5.5.4 Authentication mechanism not supported',
  authCancelled: '501 5.7.0 Authentication cancelled',
  authBase64: '501 5.5.2 Invalid base64',
  authTooLong: '500 5.5.6 Authentication exchange line is too long',
  authOnce: '503 5.5.1 Already authenticated',
  authNeedsTls: '538 5.7.11 Encryption required: turn on STARTTLS first',
  tlsFirst: '530 5.7.0 Must issue a STARTTLS command first',
  loginFirst: '530 5.7.0 Authentication required',

  mailSyntax: '501 5.5.4 Syntax: MAIL FROM:<address> [parameters]',
  rcptSyntax: '501 5.5.4 Syntax: RCPT TO:<address> [parameters]',
  parameterUnknown: '555 5.5.4 Parameter not recognised or not supported',
  parameterValue: '501 5.5.4 Invalid value of a parameter',
  needsUtf8: '553 5.6.7 An address that is not ASCII needs SMTPUTF8',
  nested: '503 5.5.1 A message is under way already',
  mailFirst: '503 5.5.1 MAIL first',
  recipientFirst: '503 5.5.1 RCPT first',
  noRecipients: '554 5.5.1 No valid recipients',
  noAddress: '501 5.1.3 No recipient address',

  senderNotAllowed: '553 5.7.1 Sender address not allowed for this login',
  nullSenderNotAllowed: '553 5.7.1 The empty sender address is not allowed here',
  tooLarge: '552 5.3.4 Message too large',
  tooManyRecipients: '452 4.5.3 Too many recipients',
  recipientQuota: '452 4.5.3 Too many recipients in too short a time, try again later',
  messageQuota: '450 4.7.1 Too many messages in too short a time, try again later',
  bareNewline: '550 5.6.0 The message has a bare CR or LF in it: lines end in CR LF',
  nul: '550 5.6.0 The message has a NUL in it',

  upstreamUnreachable: '451 4.4.1 The mail server cannot be reached, try again later',
  upstreamLost: '451 4.4.2 The connection to the mail server was lost, try again later',
  upstreamNonsense: '451 4.5.0 The mail server gave no proper answer, try again later',
  fateUnknown: '451 4.4.2 The connection to the mail server was lost before it confirmed the message',
} as const;

export const GOODBYES = {
  attempts: '421 4.7.0 Too many failed logins',
  commands: '421 4.7.0 Too many commands without a login',
  errors: '421 4.7.0 Too many errors',
  unasked: '421 4.7.0 A message came without having been asked for',
  deadline: '421 4.4.2 Login took too long',
  idle: '421 4.4.2 Nothing was heard for too long',
  wrong_end:
    '550 5.6.0 The message has no end that could be taken for one: it is <CR><LF>.<CR><LF>, with both in each place',
  shutdown: '421 4.3.2 Server is shutting down',
  admin: '421 4.7.0 The session was ended by an administrator',
  revoked: '421 4.7.0 The app password is not valid any more',
  expired: '421 4.7.0 The app password is not valid any more',
  user_disabled: '421 4.7.0 The app password is not valid any more',
} as const satisfies Record<EndReason, string> & Record<string, string>;

export type Goodbye = keyof typeof GOODBYES;

export const TLS_REQUIRED =
  '554 5.7.0 This port speaks TLS from the first byte: set the security of the connection to SSL/TLS\r\n';

/** Whether an upstream's answer is one that may follow a command other than DATA. */
export function isFinal({ code }: SmtpReply): boolean {
  return (code >= 200 && code < 300) || (code >= 400 && code < 600);
}

export function isPositive({ code }: SmtpReply): boolean {
  return code >= 200 && code < 300;
}

/** An upstream's answer as it came, without the last line end. */
export function relayed(reply: SmtpReply): string {
  if (!isFinal(reply)) return REPLIES.upstreamNonsense;
  const { code, lines } = reply;
  const last = lines.length - 1;
  if (last <= 0) return `${code} ${lines[0] ?? ''}`;
  return lines.map((line, index) => `${code}${index === last ? ' ' : '-'}${line}`).join('\r\n');
}
