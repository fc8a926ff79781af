// Responses: those that Postern reads, and those that it gives itself. Pure. The envelope's operation must be of the kind that is read;
// undefined is the answer for what is not well-formed.

import { BER, BerReader, encode, encodeUnsigned } from './ber.ts';
import { type Envelope, encodeMessage, OID, OP } from './wire.ts';

/** LDAPResult (RFC 4511 §4.1.9), and what an ExtendedResponse has besides. */
export interface Result {
  readonly code: number;
  readonly matchedDn: string;
  /** Untrusted. */
  readonly diagnostic: string;
  /** responseName, of an ExtendedResponse. */
  readonly oid: string | null;
  /** responseValue, of an ExtendedResponse; serverSaslCreds have another tag and are left out. */
  readonly value: Buffer | null;
}

const REFERRAL = 0xa3;
const SERVER_SASL_CREDENTIALS = 0x87;
const RESPONSE_NAME = 0x8a;
const RESPONSE_VALUE = 0x8b;

/** Of any response that ends an operation. */
export function readResult({ bytes, op }: Envelope): Result | undefined {
  const reader = new BerReader(bytes, op.start, op.end);
  const code = reader.unsigned(BER.enumerated);
  const matchedDn = reader.octets()?.toString('utf8');
  const diagnostic = reader.octets()?.toString('utf8');
  if (code === undefined || matchedDn === undefined || diagnostic === undefined) return undefined;
  let oid: string | null = null;
  let value: Buffer | null = null;
  while (!reader.atEnd) {
    const element = reader.element();
    if (element === undefined) return undefined;
    const contents = bytes.subarray(element.start, element.end);
    if (element.tag === RESPONSE_NAME) oid = contents.toString('latin1');
    else if (element.tag === RESPONSE_VALUE) value = contents;
    else if (element.tag !== REFERRAL && element.tag !== SERVER_SASL_CREDENTIALS) return undefined;
  }
  return { code, matchedDn, diagnostic, oid, value };
}

/** SearchResultEntry (RFC 4511 §4.5.2). */
export interface Entry {
  readonly dn: string;
  readonly attributes: readonly Attribute[];
}
export interface Attribute {
  readonly type: string;
  readonly values: readonly Buffer[];
}

export function readEntry({ bytes, op }: Envelope): Entry | undefined {
  const reader = new BerReader(bytes, op.start, op.end);
  const dn = reader.octets()?.toString('utf8');
  const list = reader.inside(BER.sequence);
  if (dn === undefined || list === undefined || !reader.atEnd) return undefined;
  const attributes: Attribute[] = [];
  while (!list.atEnd) {
    const attribute = list.inside(BER.sequence);
    const type = attribute?.octets()?.toString('utf8');
    const set = attribute?.inside(BER.set);
    if (type === undefined || set === undefined || !attribute?.atEnd) return undefined;
    const values: Buffer[] = [];
    while (!set.atEnd) {
      const value = set.octets();
      if (value === undefined) return undefined;
      values.push(value);
    }
    attributes.push({ type, values });
  }
  return { dn, attributes };
}

/** What a result says besides its code. */
export interface ResultParts {
  readonly diagnostic?: string;
  readonly matchedDn?: string;
  /** Of an ExtendedResponse. */
  readonly oid?: string;
  readonly value?: Uint8Array | string;
  /** Of a BindResponse. */
  readonly serverSaslCredentials?: Uint8Array;
}

/** A response that ends an operation, a whole message; `op` is the response's tag. */
export function encodeResult(messageId: number, op: number, code: number, parts: ResultParts = {}): Buffer {
  const { diagnostic = '', matchedDn = '', oid, value, serverSaslCredentials } = parts;
  const contents = [
    encodeUnsigned(code, BER.enumerated),
    encode(BER.octetString, matchedDn),
    encode(BER.octetString, diagnostic),
  ];
  if (serverSaslCredentials !== undefined)
    contents.push(encode(SERVER_SASL_CREDENTIALS, serverSaslCredentials));
  if (oid !== undefined) contents.push(encode(RESPONSE_NAME, oid));
  if (value !== undefined) contents.push(encode(RESPONSE_VALUE, value));
  return encodeMessage(messageId, encode(op, ...contents));
}

/** A SearchResultEntry's operation, without its message. */
export function encodeEntry({ dn, attributes }: Entry): Buffer {
  const list = attributes.map(({ type, values }) =>
    encode(
      BER.sequence,
      encode(BER.octetString, type),
      encode(BER.set, ...values.map((value) => encode(BER.octetString, value))),
    ),
  );
  return encode(OP.searchResultEntry, encode(BER.octetString, dn), encode(BER.sequence, ...list));
}

/** RFC 4511 §4.4.1: the last that a client hears. */
export function noticeOfDisconnection(code: number, diagnostic: string): Buffer {
  return encodeResult(0, OP.extendedResponse, code, { diagnostic, oid: OID.noticeOfDisconnection });
}
