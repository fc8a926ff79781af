// What Postern says in its own words. All of it is fixed text: nothing here comes from a peer, a config or an error.

import type { Refused, Throttled, Unavailable } from '../../gate/verdict.ts';
import { encodeResult, noticeOfDisconnection, type ResultParts } from './responses.ts';
import { OP, RESULT } from './wire.ts';

/** Why the connection is ended: a Notice of Disconnection (RFC 4511 §4.4.1). */
export const GOODBYES = {
  malformed: [RESULT.protocolError, 'Malformed message'],
  tooLarge: [RESULT.protocolError, 'Message too large'],
  badMessageId: [RESULT.protocolError, 'Message id 0, or of an operation that is under way'],
  unknownOperation: [RESULT.protocolError, 'Unknown operation'],
  attempts: [RESULT.unavailable, 'Too many failed binds'],
  requests: [RESULT.unavailable, 'Too many requests before bind'],
  deadline: [RESULT.unavailable, 'Took too long to bind'],
  idle: [RESULT.unavailable, 'Idle for too long'],
  shutdown: [RESULT.unavailable, 'Shutting down'],
  ended: [RESULT.unavailable, 'Ended by the administrator'],
  // The reason that the RFC has for it: a security association that is no good any more.
  revoked: [RESULT.strongerAuthRequired, 'The password that this session began with is no longer valid'],
  upstreamGone: [RESULT.unavailable, 'The directory closed the connection'],
  upstreamFault: [RESULT.unavailable, 'The directory sent what cannot be passed on'],
  tlsRequired: [RESULT.confidentialityRequired, 'This port speaks TLS from the first byte: use ldaps'],
} as const satisfies Record<string, readonly [code: number, diagnostic: string]>;
export type Goodbye = keyof typeof GOODBYES;

export function goodbyeNotice(why: Goodbye): Buffer {
  const [code, diagnostic] = GOODBYES[why];
  return noticeOfDisconnection(code, diagnostic);
}

/** What an operation is answered with, other than success. */
export const REPLIES = {
  // As Active Directory has it, which clients know.
  bindFirst: [RESULT.operationsError, 'Bind first'],
  tlsFirst: [RESULT.confidentialityRequired, 'TLS required'],
  notAllowed: [RESULT.insufficientAccessRights, 'Not allowed here'],
  notOnBehalf: [RESULT.unwillingToPerform, 'Name the user whose password it is'],
  tooMany: [RESULT.busy, 'Too many operations under way'],
  unknownExtension: [RESULT.protocolError, 'Extended operation not supported'],
  notPassedOn: [RESULT.unavailableCriticalExtension, 'A critical control is not passed on'],
  outOfRange: [RESULT.protocolError, 'A value is out of range'],
  criticalControl: [RESULT.unavailableCriticalExtension, 'A critical control is not supported'],
  tlsOn: [RESULT.operationsError, 'TLS is on already'],
  tlsNotNow: [RESULT.operationsError, 'Operations are under way'],
  badVersion: [RESULT.protocolError, 'Only version 3 is spoken'],
  mechanismUnknown: [RESULT.authMethodNotSupported, 'Use a simple bind, or SASL PLAIN'],
  emptyPassword: [RESULT.unwillingToPerform, 'A bind with a name needs a password'],
  anonymous: [RESULT.inappropriateAuthentication, 'Anonymous bind is not allowed'],
  badCredentials: [RESULT.invalidCredentials, 'Invalid credentials'],
  goOn: [RESULT.saslBindInProgress, ''],
} as const satisfies Record<string, readonly [code: number, diagnostic: string]>;
export type Reply = keyof typeof REPLIES;

/** `op`: the response's tag. */
export function encodeReply(messageId: number, op: number, reply: Reply, parts: ResultParts = {}): Buffer {
  const [code, diagnostic] = REPLIES[reply];
  return encodeResult(messageId, op, code, { ...parts, diagnostic });
}

/** The answer to a Bind that was not admitted. */
export function encodeVerdict(messageId: number, verdict: Refused | Throttled | Unavailable): Buffer {
  switch (verdict.kind) {
    case 'refused':
      return encodeReply(messageId, OP.bindResponse, 'badCredentials');
    case 'throttled':
      return encodeResult(messageId, OP.bindResponse, RESULT.busy, { diagnostic: 'Try again later' });
    case 'unavailable':
      return encodeResult(messageId, OP.bindResponse, RESULT.unavailable, {
        diagnostic: 'Temporarily unavailable',
      });
  }
}

/** The response that ends a request, by the request's tag. Bind, Abandon and Unbind are not among them. */
export const RESPONSE_TO: ReadonlyMap<number, number> = new Map([
  [OP.searchRequest, OP.searchResultDone],
  [OP.modifyRequest, OP.modifyResponse],
  [OP.addRequest, OP.addResponse],
  [OP.delRequest, OP.delResponse],
  [OP.modifyDnRequest, OP.modifyDnResponse],
  [OP.compareRequest, OP.compareResponse],
  [OP.extendedRequest, OP.extendedResponse],
]);
