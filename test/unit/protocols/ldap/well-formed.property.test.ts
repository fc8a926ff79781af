// Filters of any shape are taken, and none that has anything too much or too little in it, wherever that is.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isFilter } from '../../../../src/protocols/ldap/well-formed.ts';
import { boolean, type Node, parse, text, tlv } from '../../../support/ldap-bytes.ts';

const value = fc.uint8Array({ maxLength: 200 });
const pair = fc.tuple(fc.constantFrom(0xa3, 0xa5, 0xa6, 0xa8), value, value);
const items = [
  value.map((name) => tlv(0x87, name)),
  pair.map(([tag, name, asserted]) => tlv(tag, text(name), text(asserted))),
  fc
    .tuple(
      value,
      fc.array(fc.tuple(fc.constantFrom(0x80, 0x81, 0x82), value), { minLength: 1, maxLength: 4 }),
    )
    .map(([name, parts]) => tlv(0xa4, text(name), tlv(0x30, ...parts.map(([tag, part]) => tlv(tag, part))))),
  fc
    .tuple(fc.boolean(), fc.boolean(), fc.boolean(), value)
    .map(([rule, type, dn, asserted]) =>
      tlv(
        0xa9,
        ...(rule ? [tlv(0x81, 'caseExactMatch')] : []),
        ...(type ? [tlv(0x82, 'cn')] : []),
        tlv(0x83, asserted),
        ...(dn ? [tlv(0x84, boolean(true).subarray(2))] : []),
      ),
    ),
];
const { filter } = fc.letrec<{ filter: Buffer }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 5 },
    ...items,
    fc
      .tuple(fc.constantFrom(0xa0, 0xa1), fc.array(tie('filter'), { maxLength: 4 }))
      .map(([tag, of]) => tlv(tag, ...of)),
    tie('filter').map((negated) => tlv(0xa2, negated)),
  ),
}));

const whole = (bytes: Buffer) => isFilter(bytes, 0, bytes.length);

/** The same with `extra` at the end of the constructed element that is the `at`th, in the order in which they begin. */
function grown(root: Node, at: number, extra: Uint8Array): Buffer {
  let count = 0;
  const copy = (node: Node): Buffer => {
    if (node.children.length === 0 && (node.tag & 0x20) === 0) return tlv(node.tag, node.bytes);
    const mine = count++;
    return tlv(node.tag, ...node.children.map(copy), ...(mine === at ? [extra] : []));
  };
  return copy(root);
}

test('a filter is one, and no more and no less than its bytes', () => {
  fc.assert(
    fc.property(filter, fc.nat(), (bytes, cut) => {
      expect(whole(bytes)).toBe(true);
      expect(whole(bytes.subarray(0, cut % bytes.length))).toBe(false);
      expect(whole(Buffer.concat([bytes, text('x')]))).toBe(false);
      expect(isFilter(Buffer.concat([bytes, text('x')]), 0, bytes.length)).toBe(true);
    }),
  );
});

test.each([
  ['controls', tlv(0xa0, text('x'))],
  ['a list of attributes', tlv(0x30)],
  ['half an element', Buffer.of(0x04)],
])('%s in any place of it make it none', (_, extra) => {
  fc.assert(
    fc.property(filter, fc.nat({ max: 20 }), (bytes, at) => {
      const other = grown(parse(bytes), at, extra);
      expect(whole(other)).toBe(other.equals(bytes));
    }),
  );
});

test('20,000 within each other are too many, and any bytes are a filter or not', () => {
  const nested = (depth: number) => {
    let bytes: Buffer = tlv(0x87, 'cn');
    for (let n = 0; n < depth; n++) bytes = tlv(n % 2 === 0 ? 0xa0 : 0xa2, bytes);
    return bytes;
  };
  expect(whole(nested(2000))).toBe(true);
  expect(whole(nested(20_001))).toBe(false);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      expect(typeof whole(Buffer.from(bytes))).toBe('boolean');
    }),
  );
});
