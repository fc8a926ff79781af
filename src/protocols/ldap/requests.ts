// Requests: those that Postern looks into, read; those that it makes itself, encoded. Pure. The envelope's operation must be of the kind
// that is read; undefined is the answer for what is not well-formed: structures and lengths that are wrong end the connection, while a
// value that is out of range is answered (RFC 4511 §4.1.1).

import { isUtf8 } from 'node:buffer';
import { Secret } from '../../lib/secret.ts';
import { BER, BerReader, encode, encodeBoolean, encodeUnsigned, OUT_OF_RANGE } from './ber.ts';
import { isFilter } from './well-formed.ts';
import { type Envelope, encodeMessage, OP, rebuild } from './wire.ts';

/** BindRequest (RFC 4511 §4.2). */
export interface Bind {
  /** OUT_OF_RANGE for some of those that there are not. */
  readonly version: number;
  /** As it came. What is not UTF-8 in it is U+FFFD, which no user and no DN has. */
  readonly name: string;
  readonly authentication:
    | { readonly kind: 'simple'; readonly password: Secret }
    | { readonly kind: 'sasl'; readonly mechanism: string; readonly credentials: Secret | null }
    /** An alternative that the RFC does not have. */
    | { readonly kind: 'other' };
}

const AUTHENTICATION = { simple: 0x80, sasl: 0xa3 } as const;

export function readBind({ bytes, op }: Envelope): Bind | undefined {
  const reader = new BerReader(bytes, op.start, op.end);
  const version = reader.number();
  const name = reader.octets()?.toString('utf8');
  const { tag } = reader;
  const choice = reader.element();
  if (version === undefined || name === undefined || choice === undefined || !reader.atEnd) return undefined;
  if (tag === AUTHENTICATION.simple) {
    const password = secretText(bytes.subarray(choice.start, choice.end));
    return { version, name, authentication: { kind: 'simple', password } };
  }
  if (tag !== AUTHENTICATION.sasl) return { version, name, authentication: { kind: 'other' } };
  const sasl = new BerReader(bytes, choice.start, choice.end);
  const mechanism = sasl.octets()?.toString('latin1');
  const credentials = sasl.atEnd ? null : sasl.octets();
  if (mechanism === undefined || credentials === undefined || !sasl.atEnd) return undefined;
  const secret = credentials && secretText(credentials);
  return { version, name, authentication: { kind: 'sasl', mechanism, credentials: secret } };
}

/** Not UTF-8: taken octet by octet, so that a Latin-1 password is refused as a password and not as bad syntax. */
function secretText(octets: Buffer): Secret {
  return new Secret(octets.toString(isUtf8(octets) ? 'utf8' : 'latin1'));
}

/** ExtendedRequest (RFC 4511 §4.12). */
export interface Extended {
  readonly oid: string;
  readonly value: Buffer | null;
}

export function readExtended({ bytes, op }: Envelope): Extended | undefined {
  const reader = new BerReader(bytes, op.start, op.end);
  const oid = reader.octets(0x80)?.toString('latin1');
  const value = reader.atEnd ? null : reader.octets(0x81);
  if (oid === undefined || value === undefined || !reader.atEnd) return undefined;
  return { oid, value };
}

/** Whether a Password Modify's value names whose password it is (RFC 3062 §2); undefined: it is not well-formed. */
export function passwordModifyNamesUser(value: Buffer | null): boolean | undefined {
  if (value === null) return false;
  const reader = new BerReader(value).inside(BER.sequence);
  if (reader === undefined) return undefined;
  if (reader.tag !== 0x80) return false;
  const user = reader.octets(0x80);
  return user && user.length > 0;
}

/** The id that an AbandonRequest names (RFC 4511 §4.11); OUT_OF_RANGE: there is no such. */
export function readAbandon({ bytes, op }: Envelope): number | undefined {
  return new BerReader(bytes, op.at, op.end).number(OP.abandonRequest);
}

/** SearchRequest (RFC 4511 §4.5.1), as far as it matters here. */
export interface Search {
  readonly base: Buffer;
  /** 0: the base alone, 1: one level, 2: the subtree. */
  readonly scope: number;
  /** 0: no limit. */
  readonly sizeLimit: number;
  /** Seconds, 0: no limit. */
  readonly timeLimit: number;
  readonly typesOnly: boolean;
  /** The whole element, well-formed. */
  readonly filter: Buffer;
  readonly attributes: readonly string[];
  /** Whether every number in it is one that LDAP has, and its list of attributes no longer than may be. If not, it is of no use. */
  readonly isInRange: boolean;
  /** The places of the two limits' elements in the message. */
  readonly limits: { readonly start: number; readonly end: number };
}

const MOST_ATTRIBUTES = 4096;

export function readSearch({ bytes, op }: Envelope): Search | undefined {
  const reader = new BerReader(bytes, op.start, op.end);
  const base = reader.octets();
  const scope = reader.number(BER.enumerated);
  const derefAliases = reader.number(BER.enumerated);
  const size = reader.element(BER.integer);
  const time = reader.element(BER.integer);
  const typesOnly = reader.boolean();
  const filter = reader.element();
  const list = reader.inside(BER.sequence);
  if (base === undefined || scope === undefined || derefAliases === undefined || size === undefined)
    return undefined;
  if (time === undefined || typesOnly === undefined || filter === undefined || list === undefined)
    return undefined;
  const sizeLimit = new BerReader(bytes, size.at, size.end).number();
  const timeLimit = new BerReader(bytes, time.at, time.end).number();
  if (sizeLimit === undefined || timeLimit === undefined || !reader.atEnd) return undefined;
  if (!isFilter(bytes, filter.at, filter.end)) return undefined;
  const attributes: string[] = [];
  let listed = 0;
  for (; !list.atEnd; listed++) {
    const attribute = list.octets();
    if (attribute === undefined) return undefined;
    if (listed < MOST_ATTRIBUTES) attributes.push(attribute.toString('utf8'));
  }
  return {
    base,
    scope,
    sizeLimit,
    timeLimit,
    typesOnly,
    filter: bytes.subarray(filter.at, filter.end),
    attributes,
    isInRange:
      listed <= MOST_ATTRIBUTES && ![scope, derefAliases, sizeLimit, timeLimit].includes(OUT_OF_RANGE),
    limits: { start: size.at, end: time.end },
  };
}

/** The search with other limits. Nothing else of it is encoded anew. */
export function withLimits(envelope: Envelope, search: Search, sizeLimit: number, timeLimit: number): Buffer {
  const { bytes, op } = envelope;
  const limits = [encodeUnsigned(sizeLimit), encodeUnsigned(timeLimit)];
  const before = bytes.subarray(op.start, search.limits.start);
  const after = bytes.subarray(search.limits.end, op.end);
  return rebuild(envelope, { op: encode(OP.searchRequest, before, ...limits, after) });
}

/** A simple Bind of version 3, a whole message. */
export function encodeBind(messageId: number, dn: string, password: Secret): Buffer {
  const simple = encode(AUTHENTICATION.simple, password.reveal());
  const op = encode(OP.bindRequest, encodeUnsigned(3), encode(BER.octetString, dn), simple);
  return encodeMessage(messageId, op);
}

/** An ExtendedRequest (StartTLS, Who am I), a whole message. */
export function encodeExtended(messageId: number, oid: string, value: Uint8Array | null = null): Buffer {
  const parts = [encode(0x80, oid)];
  if (value !== null) parts.push(encode(0x81, value));
  return encodeMessage(messageId, encode(OP.extendedRequest, ...parts));
}

/** A SearchRequest, a whole message. `filter` is encoded already (`presentFilter`, or names.ts); aliases are not followed. */
export function encodeSearch(
  messageId: number,
  search: {
    readonly base: string;
    readonly scope: 0 | 1 | 2;
    readonly filter: Uint8Array;
    readonly attributes: readonly string[];
    readonly sizeLimit: number;
    readonly timeLimit: number;
  },
): Buffer {
  const op = encode(
    OP.searchRequest,
    encode(BER.octetString, search.base),
    encodeUnsigned(search.scope, BER.enumerated),
    encodeUnsigned(0, BER.enumerated),
    encodeUnsigned(search.sizeLimit),
    encodeUnsigned(search.timeLimit),
    encodeBoolean(false),
    search.filter,
    encode(BER.sequence, ...search.attributes.map((name) => encode(BER.octetString, name))),
  );
  return encodeMessage(messageId, op);
}

/** `(attribute=*)` */
export function presentFilter(attribute: string): Buffer {
  return encode(0x87, attribute);
}

export function encodeUnbind(messageId: number): Buffer {
  return encodeMessage(messageId, Buffer.of(OP.unbindRequest, 0));
}
