// Requests that are passed on, checked to the last element. A server may read a request's parts one after the other without minding
// where an element says that it ends: slapd does (measured, 2.5). Whatever stood too much in an operation would be read in place of the
// controls behind it, and the proxied authorization among them, which Postern has added, would be lost: the request would run as
// Postern's own account. So everything ends where what holds it ends, and has the tags of RFC 4511, or the request is not passed on.
//
// Nothing recurses: filters may lie in each other as deep as they like, up to a bound.

import { BER, BerReader, OUT_OF_RANGE } from './ber.ts';
import { FILTER } from './filter.ts';
import { type Envelope, OP } from './wire.ts';

/** Filters within each other; servers take fewer. */
const MOST_NESTED = 20_000;

/** Whether the operation is as RFC 4511 has it: Compare and the writes (§4.6 to §4.10). Search is for `readSearch`. */
export function isWellFormed({ bytes, op }: Envelope): boolean {
  const reader = new BerReader(bytes, op.start, op.end);
  switch (op.tag) {
    case OP.delRequest:
      return true;
    case OP.compareRequest: {
      const assertion = skip(reader, BER.octetString) && reader.inside(BER.sequence);
      return reader.atEnd && !!assertion && isOnly(assertion, BER.octetString, BER.octetString);
    }
    case OP.addRequest: {
      const attributes = skip(reader, BER.octetString) && reader.inside(BER.sequence);
      return reader.atEnd && !!attributes && isListOf(attributes, isAttribute);
    }
    case OP.modifyRequest: {
      const changes = skip(reader, BER.octetString) && reader.inside(BER.sequence);
      return reader.atEnd && !!changes && isListOf(changes, isChange);
    }
    case OP.modifyDnRequest: {
      const names = skip(reader, BER.octetString) && skip(reader, BER.octetString);
      if (!names || reader.boolean() === undefined) return false;
      return reader.atEnd || isOnly(reader, NEW_SUPERIOR);
    }
    default:
      return false;
  }
}

const NEW_SUPERIOR = 0x80;

/** Whether the numbers of a well-formed operation are such as LDAP has. Search tells by itself. */
export function isInRange({ bytes, op }: Envelope): boolean {
  if (op.tag !== OP.modifyRequest) return true;
  const reader = new BerReader(bytes, op.start, op.end);
  skip(reader, BER.octetString);
  const changes = reader.inside(BER.sequence);
  while (changes?.atEnd === false) {
    const operation = changes.inside(BER.sequence)?.number(BER.enumerated);
    if (operation === undefined || operation === OUT_OF_RANGE) return false;
  }
  return true;
}

/** Whether these bytes are one filter (RFC 4511 §4.5.1.7) and nothing else. */
export function isFilter(bytes: Buffer, start: number, end: number): boolean {
  const outer = new BerReader(bytes, start, end);
  /** What filters lie in, the innermost last. */
  const open = [outer];
  if (outer.atEnd) return false;
  for (let list = open.at(-1); list !== undefined; list = open.at(-1)) {
    if (list.atEnd) {
      open.pop();
      continue;
    }
    const filter = list.element();
    // One filter alone in the outermost place.
    if (filter === undefined || (list === outer && !outer.atEnd)) return false;
    const inside = new BerReader(bytes, filter.start, filter.end);
    if (filter.tag === FILTER.and || filter.tag === FILTER.or) {
      if (open.push(inside) > MOST_NESTED) return false;
    } else if (filter.tag === FILTER.not) {
      const negated = inside.element();
      if (negated === undefined || !inside.atEnd) return false;
      if (open.push(new BerReader(bytes, negated.at, negated.end)) > MOST_NESTED) return false;
    } else if (!isItem(filter.tag, inside)) {
      return false;
    }
  }
  return true;
}

function isItem(tag: number, inside: BerReader): boolean {
  switch (tag) {
    case FILTER.present:
      return true;
    case FILTER.equal:
    case FILTER.greaterOrEqual:
    case FILTER.lessOrEqual:
    case FILTER.approximately:
      return isOnly(inside, BER.octetString, BER.octetString);
    case FILTER.substrings: {
      const parts = skip(inside, BER.octetString) && inside.inside(BER.sequence);
      return inside.atEnd && !!parts && isListOf(parts, isSubstring);
    }
    case FILTER.extensible: {
      // matchingRule, type, matchValue, dnAttributes.
      if (inside.tag === 0x81) inside.element();
      if (inside.tag === 0x82) inside.element();
      if (!skip(inside, 0x83)) return false;
      return inside.atEnd || (inside.boolean(0x84) !== undefined && inside.atEnd);
    }
    default:
      return false;
  }
}

function isSubstring(list: BerReader): boolean {
  const { tag } = list;
  return (tag === 0x80 || tag === 0x81 || tag === 0x82) && skip(list, tag);
}

/** A type and its values: SEQUENCE { OCTET STRING, SET OF OCTET STRING }. */
function isAttribute(list: BerReader): boolean {
  const attribute = list.inside(BER.sequence);
  if (attribute === undefined || !skip(attribute, BER.octetString)) return false;
  const values = attribute.inside(BER.set);
  return attribute.atEnd && !!values && isListOf(values, (value) => skip(value, BER.octetString));
}

function isChange(list: BerReader): boolean {
  const change = list.inside(BER.sequence);
  if (change?.number(BER.enumerated) === undefined) return false;
  return isAttribute(change) && change.atEnd;
}

function isListOf(list: BerReader, isOne: (list: BerReader) => boolean): boolean {
  while (!list.atEnd) if (!isOne(list)) return false;
  return true;
}

/** Whether elements of these tags are there, and nothing else. */
function isOnly(reader: BerReader, ...tags: readonly number[]): boolean {
  return tags.every((tag) => skip(reader, tag)) && reader.atEnd;
}

function skip(reader: BerReader, tag: number): boolean {
  return reader.element(tag) !== undefined;
}
