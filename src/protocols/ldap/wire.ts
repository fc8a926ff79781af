// LDAP messages on the wire (RFC 4511): what they are made of, as far as Postern looks into them. Pure; nothing here throws at bytes
// that a peer sent. The rest of the wire is in
//
//   ber.ts       BerReader, encode, encodeUnsigned, encodeBoolean: elements
//   framer.ts    Framer: a stream of bytes → messages
//   wire.ts      readHead, readEnvelope, readControls, withControls, encodeMessage: one message, whatever its operation; the numbers
//   requests.ts  readBind, readExtended, readSearch, encodeBind, encodeExtended, encodeSearch…
//   responses.ts readResult, readEntry, encodeResult, encodeEntry, noticeOfDisconnection…

import { BER, BerReader, type Element, encode, encodeUnsigned, lengthAt, lengthOctets } from './ber.ts';

/** protocolOp's tags (RFC 4511 §4.2 and on). */
export const OP = {
  bindRequest: 0x60,
  bindResponse: 0x61,
  unbindRequest: 0x42,
  searchRequest: 0x63,
  searchResultEntry: 0x64,
  searchResultDone: 0x65,
  searchResultReference: 0x73,
  modifyRequest: 0x66,
  modifyResponse: 0x67,
  addRequest: 0x68,
  addResponse: 0x69,
  delRequest: 0x4a,
  delResponse: 0x6b,
  modifyDnRequest: 0x6c,
  modifyDnResponse: 0x6d,
  compareRequest: 0x6e,
  compareResponse: 0x6f,
  abandonRequest: 0x50,
  extendedRequest: 0x77,
  extendedResponse: 0x78,
  intermediateResponse: 0x79,
} as const;

/** Result codes (RFC 4511 appendix A; RFC 4370 §3 for the last). */
export const RESULT = {
  success: 0,
  operationsError: 1,
  protocolError: 2,
  authMethodNotSupported: 7,
  strongerAuthRequired: 8,
  referral: 10,
  unavailableCriticalExtension: 12,
  confidentialityRequired: 13,
  saslBindInProgress: 14,
  noSuchObject: 32,
  aliasProblem: 33,
  invalidDnSyntax: 34,
  aliasDereferencingProblem: 36,
  inappropriateAuthentication: 48,
  invalidCredentials: 49,
  insufficientAccessRights: 50,
  busy: 51,
  unavailable: 52,
  unwillingToPerform: 53,
  other: 80,
  authorizationDenied: 123,
} as const;

export const OID = {
  startTls: '1.3.6.1.4.1.1466.20037',
  noticeOfDisconnection: '1.3.6.1.4.1.1466.20036',
  /** RFC 4532 */
  whoAmI: '1.3.6.1.4.1.4203.1.11.3',
  /** RFC 3062 */
  passwordModify: '1.3.6.1.4.1.4203.1.11.1',
  /** RFC 3909 */
  cancel: '1.3.6.1.1.8',
  /** Control, RFC 4370. */
  proxiedAuthorization: '2.16.840.1.113730.3.4.18',
  /** Its first version (draft-weltman-ldapv3-proxy), which servers still know. */
  proxiedAuthorizationV1: '2.16.840.1.113730.3.4.12',
  /** Control, draft-wahl-ldap-session. */
  sessionTracking: '1.3.6.1.4.1.21008.108.63.1',
} as const;

/** The tag of `controls` in a message. */
const CONTROLS = 0xa0;

/** The beginning of a message: all that is needed to pass it on. */
export interface Head {
  readonly messageId: number;
  /** The protocolOp's tag. */
  readonly op: number;
  /** Octets of the message, with its header. */
  readonly total: number;
}

/** The most octets that it takes to read a head. */
export const MAX_HEAD = 17;

/** The head of the message that begins at `at`; undefined: more bytes are needed. */
export function readHead(bytes: Buffer, at: number, end = bytes.length): Head | 'malformed' | undefined {
  if (at >= end) return undefined;
  if (bytes[at] !== BER.sequence) return 'malformed';
  if (at + 2 > end) return undefined;
  const octets = lengthOctets(bytes[at + 1] as number);
  if (octets === undefined) return 'malformed';
  const id = at + 1 + octets;
  if (id > end) return undefined;
  const length = lengthAt(bytes, at + 1, octets);
  const last = id + length;
  // The shortest is an UnbindRequest: 02 01 01 42 00.
  if (length < 5) return 'malformed';
  if (id + 2 > end) return undefined;
  if (bytes[id] !== BER.integer) return 'malformed';
  const idOctets = lengthOctets(bytes[id + 1] as number);
  if (idOctets === undefined) return 'malformed';
  const idStart = id + 1 + idOctets;
  if (idStart > end) return idStart >= last ? 'malformed' : undefined;
  const idLength = lengthAt(bytes, id + 1, idOctets);
  const op = idStart + idLength;
  if (idLength === 0 || idLength > 4 || op + 2 > last) return 'malformed';
  if (op + 1 > end) return undefined;
  if ((bytes[idStart] as number) >= 0x80) return 'malformed';
  let messageId = 0;
  for (let n = idStart; n < op; n++) messageId = messageId * 256 + (bytes[n] as number);
  return { messageId, op: bytes[op] as number, total: last - at };
}

/** A whole message taken apart: its operation is not looked into, its controls are told by `readControls`. */
export interface Envelope {
  readonly messageId: number;
  /** The message's own bytes. */
  readonly bytes: Buffer;
  /** The messageID element. */
  readonly id: Element;
  readonly op: Element;
  readonly controls: Element | undefined;
}

/** undefined: it is no LDAPMessage, or has something behind its end. */
export function readEnvelope(bytes: Buffer): Envelope | undefined {
  const outer = new BerReader(bytes);
  const inner = outer.inside(BER.sequence);
  if (inner === undefined || !outer.atEnd) return undefined;
  const id = inner.element(BER.integer);
  const op = inner.element();
  if (id === undefined || op === undefined) return undefined;
  const messageId = new BerReader(bytes, id.at, id.end).unsigned();
  if (messageId === undefined) return undefined;
  const controls = inner.atEnd ? undefined : inner.element(CONTROLS);
  if (!inner.atEnd) return undefined;
  return { messageId, bytes, id, op, controls };
}

/** A control that goes with a message (RFC 4511 §4.1.11). */
export interface Control {
  readonly oid: string;
  readonly critical: boolean;
  readonly value: Buffer | null;
  /** The whole element. */
  readonly encoded: Buffer;
}

/** At most so many controls in a message. */
const MOST_CONTROLS = 64;

/** RFC 4512 §1.4. Nothing else is passed on: slapd takes what stands before a NUL for the name. */
const NUMERIC_OID = /^(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*))+$/;

/** The message's controls; undefined if they are not well-formed, or too many. */
export function readControls({ bytes, controls }: Envelope): Control[] | undefined {
  const found: Control[] = [];
  if (controls === undefined) return found;
  const list = new BerReader(bytes, controls.start, controls.end);
  while (!list.atEnd) {
    const element = list.element(BER.sequence);
    if (element === undefined || found.length === MOST_CONTROLS) return undefined;
    const reader = new BerReader(bytes, element.start, element.end);
    const oid = reader.octets()?.toString('latin1');
    if (oid === undefined || !NUMERIC_OID.test(oid)) return undefined;
    const critical = reader.tag === BER.boolean ? reader.boolean() : false;
    const value = reader.atEnd ? null : reader.octets();
    if (critical === undefined || value === undefined || !reader.atEnd) return undefined;
    found.push({ oid, critical, value, encoded: bytes.subarray(element.at, element.end) });
  }
  return found;
}

/** A control, whole, as `withControls` wants it. */
export function encodeControl(oid: string, critical: boolean, value: Uint8Array | string | null): Buffer {
  const parts = [encode(BER.octetString, oid)];
  // DEFAULT FALSE: not written (RFC 4511 §5.1).
  if (critical) parts.push(Buffer.of(BER.boolean, 1, 0xff));
  if (value !== null) parts.push(encode(BER.octetString, value));
  return encode(BER.sequence, ...parts);
}

/** The message with more controls: one or several, encoded. Its operation is not encoded anew. */
export function withControls(envelope: Envelope, more: Uint8Array): Buffer {
  const { bytes, controls } = envelope;
  const before = controls === undefined ? [] : [bytes.subarray(controls.start, controls.end)];
  return rebuild(envelope, { controls: [...before, more] });
}

/** The message with another operation, or other controls: encoded elements, none: no controls. */
export function rebuild(
  { bytes, id, op, controls }: Envelope,
  changes: { readonly op?: Uint8Array; readonly controls?: readonly Uint8Array[] },
): Buffer {
  const parts: Uint8Array[] = [bytes.subarray(id.at, id.end), changes.op ?? bytes.subarray(op.at, op.end)];
  if (changes.controls === undefined) {
    if (controls !== undefined) parts.push(bytes.subarray(controls.at, controls.end));
  } else if (changes.controls.length > 0) {
    parts.push(encode(CONTROLS, ...changes.controls));
  }
  return encode(BER.sequence, ...parts);
}

/** A message of an operation that is encoded already. */
export function encodeMessage(
  messageId: number,
  op: Uint8Array,
  controls: readonly Uint8Array[] = [],
): Buffer {
  const parts = [encodeUnsigned(messageId), op];
  if (controls.length > 0) parts.push(encode(CONTROLS, ...controls));
  return encode(BER.sequence, ...parts);
}
