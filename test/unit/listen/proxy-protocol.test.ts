// Headers as balancers send them, headers as nobody should, and any split of either.
//
// The worst that could come in: a header that is read differently by its pieces than whole; one whose length makes us buffer
// without end; one that smuggles an address in past its checksum or its family.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crc32c } from '../../../src/listen/crc32c.ts';
import {
  looksLikeProxyHeader,
  ProxyHeaderParser,
  type ProxyHeaderResult,
  parseProxyHeader,
} from '../../../src/listen/proxy-protocol.ts';
import { proxyHeader } from '../../../src/upstream/proxy-header.ts';

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const NO_REST = Buffer.alloc(0);

/** A version 2 header: the length is right unless told. */
function v2(versionCommand: number, family: number, body: Buffer, length = body.length): Buffer {
  return Buffer.concat([SIGNATURE, Buffer.from([versionCommand, family, length >> 8, length & 0xff]), body]);
}

const tlv = (type: number, value: Buffer | string) => {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([type, bytes.length >> 8, bytes.length & 0xff]), bytes]);
};

/** 192.0.2.7:51234 to 198.51.100.1:993. */
const IPV4 = Buffer.from('c0000207c6336401c82203e1', 'hex');
/** [2001:db8::7]:51234 to [2001:db8::1]:993. */
const IPV6 = Buffer.from(
  '20010db8000000000000000000000007' + '20010db8000000000000000000000001' + 'c82203e1',
  'hex',
);

const proxied = (from: string, fromPort: number, to: string, toPort: number, rest: Buffer = NO_REST) => ({
  kind: 'header',
  header: {
    kind: 'proxied',
    source: { address: from, port: fromPort },
    destination: { address: to, port: toPort },
  },
  rest,
});
const local = (rest: Buffer = NO_REST) => ({ kind: 'header', header: { kind: 'local' }, rest });
const refused = (fault: string) => ({ kind: 'refused', fault });
const ALICE = proxied('192.0.2.7', 51_234, '198.51.100.1', 993);

describe('CRC-32C', () => {
  test.each([
    // RFC 3720 appendix B.4.
    [Buffer.alloc(32), 0x8a91_36aa],
    [Buffer.alloc(32, 0xff), 0x62a8_ab43],
    [Buffer.from(Array.from({ length: 32 }, (_, i) => i)), 0x46dd_794e],
    [Buffer.from('123456789'), 0xe306_9283],
    [Buffer.alloc(0), 0],
  ])('%#', (bytes, expected) => {
    expect(crc32c(bytes)).toBe(expected);
  });
});

describe('version 1', () => {
  const parse = (text: string) => parseProxyHeader(Buffer.from(text, 'latin1'));

  test.each([
    ['PROXY TCP4 192.0.2.7 198.51.100.1 51234 993\r\n', ALICE],
    ['PROXY TCP4 192.0.2.7 198.51.100.1 0 65535\r\n', proxied('192.0.2.7', 0, '198.51.100.1', 65_535)],
    ['PROXY TCP6 2001:DB8:0::7 2001:db8::1 1 2\r\n', proxied('2001:db8::7', 1, '2001:db8::1', 2)],
    ['PROXY TCP6 ::ffff:192.0.2.7 ::FFFF:c633:6401 1 2\r\n', proxied('192.0.2.7', 1, '198.51.100.1', 2)],
    ['PROXY UNKNOWN\r\n', local()],
    ['PROXY UNKNOWN ffff:f...f:ffff anything 65535\r\n', local()],
  ])('%j', (text, expected) => {
    expect(parse(text)).toEqual(expected);
  });

  test('what comes behind it is left', () => {
    expect(parse('PROXY TCP4 192.0.2.7 198.51.100.1 51234 993\r\na1 NOOP\r\n')).toEqual({
      ...ALICE,
      rest: Buffer.from('a1 NOOP\r\n'),
    });
  });

  test('the longest that there can be has 107 octets, and one octet more is refused', () => {
    const unknown = `PROXY UNKNOWN ${'x'.repeat(107 - 16)}\r\n`;
    expect(unknown).toHaveLength(107);
    expect(parse(unknown)).toEqual(local());
    expect(parse(unknown.slice(0, 106))).toEqual({ kind: 'more' });
    expect(parse(unknown.replace('x', 'xx'))).toEqual(refused('malformed'));
    expect(parse(unknown.replace('x', 'xx').slice(0, 107))).toEqual(refused('malformed'));
  });

  test.each([
    'PROXY TCP4 192.0.2.7 198.51.100.1 51234 993\n',
    'PROXY TCP4 192.0.2.7 198.51.100.1 51234 993\r\r\n',
    'PROXY TCP4 192.0.2.7 198.51.100.1 51234\r\n',
    'PROXY TCP4 192.0.2.7 198.51.100.1 51234 993 \r\n',
    'PROXY TCP4  192.0.2.7 198.51.100.1 51234 993\r\n',
    'PROXY TCP4\t192.0.2.7 198.51.100.1 51234 993\r\n',
    'PROXY TCP4 192.0.2.7 198.51.100.1 51234 65536\r\n',
    'PROXY TCP4 192.0.2.7 198.51.100.1 051234 993\r\n',
    'PROXY TCP4 192.0.2.7 198.51.100.1 -1 993\r\n',
    'PROXY TCP4 192.0.2.07 198.51.100.1 51234 993\r\n',
    'PROXY TCP4 192.0.2 198.51.100.1 51234 993\r\n',
    'PROXY TCP4 2001:db8::7 2001:db8::1 51234 993\r\n',
    'PROXY TCP6 192.0.2.7 198.51.100.1 51234 993\r\n',
    'PROXY TCP6 2001:db8::7 198.51.100.1 51234 993\r\n',
    'PROXY TCP6 fe80::1%eth0 fe80::2 51234 993\r\n',
    'PROXY UDP4 192.0.2.7 198.51.100.1 51234 993\r\n',
    'PROXY UNKNOWNX\r\n',
    'PROXY \r\n',
    'PROXY \n',
  ])('refused: %j', (text) => {
    expect(parse(text)).toEqual(refused('malformed'));
  });
});

describe('version 2', () => {
  test.each([
    ['IPv4', v2(0x21, 0x11, IPV4), ALICE],
    ['IPv6', v2(0x21, 0x21, IPV6), proxied('2001:db8::7', 51_234, '2001:db8::1', 993)],
    [
      'IPv4-mapped IPv6 as IPv4',
      v2(
        0x21,
        0x21,
        Buffer.from(`${'00'.repeat(10)}ffffc0000207${'00'.repeat(10)}ffffc6336401c82203e1`, 'hex'),
      ),
      ALICE,
    ],
    [
      'TLVs, known and unknown',
      v2(0x21, 0x11, Buffer.concat([IPV4, tlv(2, 'mail'), tlv(4, ''), tlv(0xee, 'x')])),
      ALICE,
    ],
    ['LOCAL', v2(0x20, 0x00, NO_REST), local()],
    ['LOCAL with addresses, which do not count', v2(0x20, 0x11, IPV4), local()],
    ['LOCAL with anything', v2(0x20, 0x11, Buffer.from([3, 9, 9])), local()],
    ['AF_UNSPEC', v2(0x21, 0x00, Buffer.from([9, 9])), local()],
    ['AF_UNIX', v2(0x21, 0x31, Buffer.alloc(216)), local()],
    ['UDP, which nobody has connected by', v2(0x21, 0x12, IPV4), local()],
    ['an address block without a transport', v2(0x21, 0x10, IPV4), local()],
  ])('%s', (_, bytes, expected) => {
    expect(parseProxyHeader(bytes)).toEqual(expected);
    expect(parseProxyHeader(Buffer.concat([bytes, Buffer.from('\x16\x03')]))).toEqual({
      ...expected,
      rest: Buffer.from('\x16\x03'),
    });
  });

  test.each([
    ['version 1 in a version 2 header', v2(0x11, 0x11, IPV4)],
    ['version 3', v2(0x31, 0x11, IPV4)],
    ['command 2', v2(0x22, 0x11, IPV4)],
    ['family 4', v2(0x21, 0x41, IPV4)],
    ['transport 3', v2(0x21, 0x13, IPV4)],
    ['no room for the addresses', v2(0x21, 0x11, IPV4.subarray(1))],
    ['IPv6 in the room of IPv4', v2(0x21, 0x21, IPV4)],
    ['AF_UNIX in the room of IPv6', v2(0x21, 0x31, IPV6)],
    ['a TLV without its length', v2(0x21, 0x11, Buffer.concat([IPV4, Buffer.from([1, 0])]))],
    ['a TLV longer than the header', v2(0x21, 0x11, Buffer.concat([IPV4, Buffer.from([1, 0, 2, 9])]))],
    ['a checksum of two octets', v2(0x21, 0x11, Buffer.concat([IPV4, tlv(3, 'ab')]))],
    ['more than 4 KiB', v2(0x21, 0x11, NO_REST, 4081)],
    ['all that 16 bits can say', v2(0x20, 0x00, NO_REST, 65_535)],
  ])('refused: %s', (_, bytes) => {
    expect(parseProxyHeader(bytes)).toEqual(refused('malformed'));
  });

  test('4 KiB are not too much', () => {
    const large = v2(0x21, 0x11, Buffer.concat([IPV4, tlv(4, Buffer.alloc(4096 - 16 - 12 - 3))]));
    expect(large).toHaveLength(4096);
    expect(parseProxyHeader(large)).toEqual(ALICE);
  });

  describe('with a checksum', () => {
    const unchecked = v2(
      0x21,
      0x11,
      Buffer.concat([IPV4, tlv(2, 'mail'), tlv(3, Buffer.alloc(4)), tlv(4, 'pad')]),
    );
    const at = unchecked.indexOf(tlv(3, Buffer.alloc(4))) + 3;
    const checked = Buffer.from(unchecked);
    checked.writeUInt32BE(crc32c(unchecked), at);

    test('that is right', () => {
      expect(parseProxyHeader(checked)).toEqual(ALICE);
    });

    test('that any flipped bit of the addresses, the TLVs or itself makes wrong', () => {
      for (let octet = 16; octet < checked.length; octet++) {
        const isLengthOrType =
          octet >= 28 && ![31, 32, 33, 34].includes(octet) && !(octet >= at && octet < at + 4);
        if (isLengthOrType) continue;
        const flipped = Buffer.from(checked);
        flipped[octet]! ^= 0x10;
        expect(parseProxyHeader(flipped), `octet ${octet}`).toEqual(refused('checksum'));
      }
    });

    test('twice', () => {
      const twice = v2(0x21, 0x11, Buffer.concat([IPV4, tlv(3, Buffer.alloc(4)), tlv(3, Buffer.alloc(4))]));
      expect(parseProxyHeader(twice)).toEqual(refused('malformed'));
    });
  });
});

describe('anything else is no header', () => {
  test.each(['\x16\x03\x01', 'a1 LOGIN x y\r\n', 'proxy TCP4', 'PROXX', '\r\n\r\n\r', 'Q', '\0'])(
    '%j',
    (text) => {
      expect(parseProxyHeader(Buffer.from(text))).toEqual(refused('missing'));
      expect(looksLikeProxyHeader(Buffer.from(text))).toBe('no');
    },
  );

  test.each(['P', 'PROXY ', '\r', '\r\n\r\n\0', ''])('%j may become one', (text) => {
    expect(parseProxyHeader(Buffer.from(text))).toEqual({ kind: 'more' });
    expect(looksLikeProxyHeader(Buffer.from(text))).toBe(text === 'PROXY ' ? 'yes' : 'perhaps');
  });
});

describe('for any input', () => {
  const port = fc.integer({ min: 0, max: 65_535 });
  const v1 = fc
    .tuple(fc.ipV4(), fc.ipV4(), port, port)
    .map(([from, to, a, b]) => Buffer.from(`PROXY TCP4 ${from} ${to} ${a} ${b}\r\n`));
  const bytes = (max: number) => fc.uint8Array({ maxLength: max }).map((octets) => Buffer.from(octets));
  const header2 = fc
    .tuple(
      fc.constantFrom(0x20, 0x21, 0x22, 0x11),
      fc.constantFrom(0x00, 0x11, 0x21, 0x31, 0x12, 0x51),
      fc.constantFrom(IPV4, IPV6, NO_REST),
      bytes(40),
      fc.option(fc.nat(65_535)),
    )
    .map(([command, family, addresses, more, length]) =>
      v2(command, family, Buffer.concat([addresses, more]), length ?? addresses.length + more.length),
    );
  const stream = fc
    .tuple(fc.oneof(v1, header2, bytes(200)), bytes(40), fc.option(fc.tuple(fc.nat(150), fc.nat(255))))
    .map(([header, rest, damage]) => {
      const all = Buffer.concat([header, rest]);
      if (damage !== null && all.length > 0) all[damage[0] % all.length] = damage[1];
      return all;
    });

  test('every split of the bytes gives the same result, and nothing is lost', () => {
    fc.assert(
      fc.property(stream, fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 40 }), (all, sizes) => {
        const whole = parseProxyHeader(all);
        const parser = new ProxyHeaderParser();
        let result: ProxyHeaderResult = { kind: 'more' };
        let at = 0;
        for (const size of [...sizes, all.length]) {
          if (result.kind !== 'more' || at >= all.length) break;
          result = parser.push(all.subarray(at, at + size));
          at += size;
        }
        const unread = all.subarray(at);
        expect(
          result.kind === 'header' ? { ...result, rest: Buffer.concat([result.rest, unread]) } : result,
        ).toEqual(whole);
        if (whole.kind === 'header')
          expect(whole.rest.equals(all.subarray(all.length - whole.rest.length))).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  test('it never waits for more than 4 KiB', () => {
    fc.assert(
      fc.property(fc.constantFrom('PROXY ', SIGNATURE.toString('latin1')), bytes(300), (start, more) => {
        const all = Buffer.concat([Buffer.from(start, 'latin1'), more, Buffer.alloc(4096, 'x')]);
        expect(parseProxyHeader(all).kind).not.toBe('more');
      }),
    );
  });

  test('what Postern sends to an upstream is understood, mixed families as IPv6', () => {
    const address = fc.oneof(fc.ipV4(), fc.ipV6());
    fc.assert(
      fc.property(address, port, address, port, (from, fromPort, to, toPort) => {
        const canonical = (text: string) => parseProxyHeader(Buffer.from(`PROXY TCP6 ${text} ::1 1 1\r\n`));
        const sent = proxyHeader({
          source: { address: from, port: fromPort },
          destination: { address: to, port: toPort },
        });
        const read = parseProxyHeader(sent);
        if (read.kind !== 'header' || read.header.kind !== 'proxied') throw new Error(`read as ${read.kind}`);
        expect(read.rest).toHaveLength(0);
        const { source, destination } = read.header;
        expect([source.port, destination.port]).toEqual([fromPort, toPort]);
        for (const [written, heard] of [
          [from, source.address],
          [to, destination.address],
        ] as const) {
          const expected = written.includes(':') ? (canonical(written) as typeof read).header : undefined;
          expect(heard).toBe(expected?.kind === 'proxied' ? expected.source.address : written);
        }
      }),
    );
    expect(parseProxyHeader(proxyHeader(undefined))).toEqual(local());
  });
});
