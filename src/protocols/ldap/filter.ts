// Search filters on the wire (RFC 4511 §4.5.1.7). These come from the config, filled in with a name; clients' pass as they are, once
// they are known to be filters (well-formed.ts).

import type { SearchFilter } from '../../lib/search-filter.ts';
import { BER, encode } from './ber.ts';

/** A filter's choices. */
export const FILTER = {
  and: 0xa0,
  or: 0xa1,
  not: 0xa2,
  equal: 0xa3,
  substrings: 0xa4,
  greaterOrEqual: 0xa5,
  lessOrEqual: 0xa6,
  present: 0x87,
  approximately: 0xa8,
  extensible: 0xa9,
} as const;
const INITIAL = 0x80;
const ANY = 0x81;
const FINAL = 0x82;

export function encodeFilter(filter: SearchFilter): Buffer {
  const tag = FILTER[filter.kind];
  switch (filter.kind) {
    case 'and':
    case 'or':
      return encode(tag, ...filter.of.map(encodeFilter));
    case 'not':
      return encode(tag, encodeFilter(filter.of));
    case 'present':
      return encode(tag, filter.attribute);
    case 'substrings':
      return encode(tag, encode(BER.octetString, filter.attribute), encodeParts(filter.parts));
    case 'extensible': {
      const { attribute, rule, dnAttributes, value } = filter;
      return encode(
        tag,
        ...(rule === '' ? [] : [encode(0x81, rule)]),
        ...(attribute === '' ? [] : [encode(0x82, attribute)]),
        encode(0x83, value),
        // DEFAULT FALSE: not written (RFC 4511 §5.1).
        ...(dnAttributes ? [Buffer.of(0x84, 1, 0xff)] : []),
      );
    }
    default:
      return encode(tag, encode(BER.octetString, filter.attribute), encode(BER.octetString, filter.value));
  }
}

/** `initial*any*final`; what is empty at either end is not there. */
function encodeParts(parts: readonly string[]): Buffer {
  const last = parts.length - 1;
  const encoded = parts.flatMap((part, index) => {
    if (part === '') return [];
    return [encode(index === 0 ? INITIAL : index === last ? FINAL : ANY, part)];
  });
  return encode(BER.sequence, ...encoded);
}
