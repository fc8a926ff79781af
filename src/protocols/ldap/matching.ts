// Whether an entry that Postern itself answers with satisfies a client's filter (RFC 4511 §4.5.1.7). There is no schema here: values are
// compared without regard to case and needless spaces, numbers by what they count, and a matching rule that is named has no answer.

import { BER, BerReader, type Element } from './ber.ts';
import { FILTER } from './filter.ts';
import type { Attribute } from './responses.ts';

/** true, false, or undefined where nobody can say: "Undefined", which is not found, and neither is its negation. */
type Truth = boolean | undefined;

/**
 * Octets of a filter; no client that looks for the root DSE comes near. Strangers send them, and each item may be compared with each of
 * an attribute's values.
 */
const MOST_OCTETS = 4096;
/** Filters within each other; no client that looks for the root DSE has more. */
const MOST_NESTED = 50;

/** The places of a substring (RFC 4511 §4.5.1.7.2). */
const INITIAL = 0x80;
const FINAL = 0x82;

/** Names that are written as numbers, and values: of those that each entry has (RFC 4512 §2.4.1). */
const TYPES: ReadonlyMap<string, string> = new Map([['2.5.4.0', 'objectclass']]);
const VALUES: ReadonlyMap<string, string> = new Map([['2.5.6.0', 'top']]);

/** `filter` is well-formed (`isFilter`); one that is too long finds nothing. */
export function matches(filter: Buffer, attributes: readonly Attribute[]): boolean {
  if (filter.length > MOST_OCTETS) return false;
  const all = new Map(attributes.map(({ type, values }) => [typeOf(type), values.map(comparable)]));
  return truthOf(filter, new BerReader(filter).element(), all, 0) === true;
}

function truthOf(
  bytes: Buffer,
  element: Element | undefined,
  all: ReadonlyMap<string, readonly string[]>,
  depth: number,
): Truth {
  if (element === undefined || depth > MOST_NESTED) return undefined;
  const inside = new BerReader(bytes, element.start, element.end);
  switch (element.tag) {
    case FILTER.and:
    case FILTER.or: {
      // An empty one is absolutely true, or false (RFC 4526).
      const decisive = element.tag === FILTER.or;
      let truth: Truth = !decisive;
      while (!inside.atEnd) {
        const next = inside.element();
        // Not well-formed.
        if (next === undefined) return undefined;
        const one = truthOf(bytes, next, all, depth + 1);
        if (one === decisive) return decisive;
        if (one === undefined) truth = undefined;
      }
      return truth;
    }
    case FILTER.not: {
      const truth = truthOf(bytes, inside.element(), all, depth + 1);
      return truth === undefined ? undefined : !truth;
    }
    case FILTER.present:
      return all.has(typeOf(bytes.toString('utf8', element.start, element.end)));
    case FILTER.substrings:
      return hasSubstrings(inside, all);
    case FILTER.extensible:
      return isExtended(inside, all);
    default:
      return compares(element.tag, inside, all);
  }
}

function compares(tag: number, inside: BerReader, all: ReadonlyMap<string, readonly string[]>): Truth {
  const type = inside.octets();
  const value = inside.octets();
  if (type === undefined || value === undefined) return undefined;
  const asked = comparable(value);
  const values = all.get(typeOf(type.toString('utf8'))) ?? [];
  switch (tag) {
    case FILTER.equal:
    case FILTER.approximately:
      return values.includes(asked);
    case FILTER.greaterOrEqual:
      return values.some((one) => order(one, asked) >= 0);
    case FILTER.lessOrEqual:
      return values.some((one) => order(one, asked) <= 0);
    default:
      return undefined;
  }
}

function hasSubstrings(inside: BerReader, all: ReadonlyMap<string, readonly string[]>): Truth {
  const type = inside.octets();
  const list = inside.inside(BER.sequence);
  if (type === undefined || list === undefined) return undefined;
  const parts: { readonly tag: number; readonly text: string }[] = [];
  while (!list.atEnd) {
    const part = list.element();
    if (part === undefined) return undefined;
    parts.push({ tag: part.tag, text: fold(list.bytes.toString('utf8', part.start, part.end)) });
  }
  return (all.get(typeOf(type.toString('utf8'))) ?? []).some((value) => holds(value, parts));
}

/** Whether the parts stand in the value one behind the other; the initial one is the first, the final one the last. */
function holds(value: string, parts: readonly { readonly tag: number; readonly text: string }[]): boolean {
  let at = 0;
  for (const { tag, text } of parts) {
    const last = value.length - text.length;
    const found = tag === FINAL ? last : value.indexOf(text, at);
    if (found < at || !value.startsWith(text, found) || (tag === INITIAL && found > 0)) return false;
    at = found + text.length;
  }
  return true;
}

/** `type:=value` asks for equality; all else names a rule (RFC 4511 §4.5.1.7.7). */
function isExtended(inside: BerReader, all: ReadonlyMap<string, readonly string[]>): Truth {
  if (inside.tag === 0x81) return undefined;
  const type = inside.octets(0x82);
  const value = inside.octets(0x83);
  if (type === undefined || value === undefined) return undefined;
  return (all.get(typeOf(type.toString('utf8'))) ?? []).includes(comparable(value));
}

function typeOf(type: string): string {
  const name = type.toLowerCase();
  return TYPES.get(name) ?? name;
}

function comparable(value: Buffer): string {
  const text = fold(value.toString('utf8').trim());
  return VALUES.get(text) ?? text;
}

/** A name's spaces around `,` and `=` too. */
function fold(text: string): string {
  return text
    .toLowerCase()
    .replace(/\s+/g, ' ')
    .replace(/ ?([,=]) ?/g, '$1');
}

function order(a: string, b: string): number {
  if (/^\d{1,15}$/.test(a) && /^\d{1,15}$/.test(b)) return Number(a) - Number(b);
  return a < b ? -1 : Number(a > b);
}
