// The LDAP framer on any bytes, split in any way: the same messages, nothing thrown, nothing held beyond the bound.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encode } from '../../../../src/protocols/ldap/ber.ts';
import { Framer } from '../../../../src/protocols/ldap/framer.ts';
import { readHead } from '../../../../src/protocols/ldap/wire.ts';

const LIMIT = 300;

const message = fc.uint8Array({ maxLength: 290 }).map((contents) => encode(0x30, contents));

/** Bytes as a peer could send them: messages, their beginnings, and noise. */
const stream = fc
  .array(
    fc.oneof(
      { weight: 8, arbitrary: message },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 8 }) },
      { weight: 1, arbitrary: fc.constantFrom([0x30, 0x80], [0x30, 0x85, 0, 0, 0, 0, 1], [0x30, 0xff]) },
      { weight: 1, arbitrary: fc.constantFrom([0x30, 0x84, 0xff, 0xff, 0xff, 0xff], [0x30, 0x82, 1, 44]) },
      {
        weight: 2,
        arbitrary: fc.constantFrom([0x30, 0x84, 0, 0, 0, 1, 7], [0x30, 0x83, 0, 0, 0], [0x30, 0]),
      },
    ),
    { maxLength: 12 },
  )
  .map((parts) => Buffer.concat(parts.map((part) => Buffer.from(part as Uint8Array))));

function split(bytes: Buffer, at: readonly number[]): Buffer[] {
  const cuts = [0, ...at.map((n) => n % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return cuts.slice(1).map((to, n) => Buffer.from(bytes.subarray(cuts[n], to)));
}

function messages(chunks: readonly Buffer[], watch = (_: Framer) => {}): string[] {
  const framer = new Framer(LIMIT);
  const seen: string[] = [];
  for (const chunk of chunks) {
    framer.push(chunk);
    for (let next = framer.next(); next !== undefined; next = framer.next()) {
      seen.push(typeof next === 'string' ? next : next.toString('hex'));
      if (typeof next === 'string') break;
    }
    watch(framer);
    if (seen.at(-1) === 'malformed' || seen.at(-1) === 'too-large') break;
  }
  return seen;
}

test('any split of the bytes gives the same messages, and holds no more than one may have', () => {
  const ends = new Set<string>();
  fc.assert(
    fc.property(stream, fc.array(fc.nat()), (bytes, cuts) => {
      const whole = messages([bytes]);
      expect(messages(split(bytes, cuts))).toEqual(whole);
      const octets = Array.from(bytes, (octet) => Buffer.of(octet));
      const seen = messages(octets, ({ unread }) => expect(unread).toBeLessThan(LIMIT));
      expect(seen).toEqual(whole);
      ends.add(/^[a-z-]+$/.exec(whole.at(-1) ?? '30')?.[0] ?? 'message');
    }),
    { numRuns: 2000 },
  );
  expect([...ends].sort()).toEqual(['malformed', 'message', 'too-large']);
});

test('messages come out as they went in', () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 20 }), fc.array(fc.nat()), (all, cuts) => {
      const seen = messages(split(Buffer.concat(all), cuts));
      expect(seen).toEqual(all.map((each) => each.toString('hex')));
    }),
  );
});

test('a message that lies in one chunk is not copied', () => {
  const chunk = Buffer.concat([encode(0x30, 'one'), encode(0x30, 'two')]);
  const framer = new Framer();
  framer.push(chunk);
  for (const at of [0, 5]) {
    const next = framer.next() as Buffer;
    expect(next.buffer).toBe(chunk.buffer);
    expect(next.byteOffset).toBe(chunk.byteOffset + at);
  }
  expect(framer.unread).toBe(0);
});

test.each([
  ['4 GB', [0x30, 0x84, 0xff, 0xff, 0xff, 0xff], 'too-large'],
  ['one octet more than may be', [0x30, 0x83, 0x03, 0xff, 0xfc], 'too-large'],
  ['an indefinite length', [0x30, 0x80], 'malformed'],
  ['a length of five octets', [0x30, 0x85], 'malformed'],
  ['a length of 127 octets', [0x30, 0xff], 'malformed'],
  ['no SEQUENCE', [0x31], 'malformed'],
  ['a TLS record', [0x16, 0x03, 0x01], 'malformed'],
  ['HTTP', [...Buffer.from('GET / HTTP/1.1\r\n')], 'malformed'],
] as const)('%s ends it, and nothing is read after that', (_, bytes, error) => {
  const framer = new Framer(262_144);
  framer.push(Buffer.from(bytes));
  expect(framer.next()).toBe(error);
  framer.push(encode(0x30, 'good'));
  expect(framer.next()).toBe(error);
  expect(framer.unread).toBe(0);
});

test('4 MB in chunks of any size take no noticeable time', () => {
  const size = 4_000_000;
  const whole = encode(0x30, Buffer.alloc(size));
  for (const step of [1, 7, 1000, 65_536, whole.length]) {
    const framer = new Framer(5_000_000);
    // Of this process alone: the machine has other work, too.
    const start = process.cpuUsage();
    let found: Buffer | string | undefined;
    for (let at = 0; at < whole.length; at += step) {
      framer.push(whole.subarray(at, at + step));
      found = framer.next();
    }
    expect(process.cpuUsage(start).user / 1000).toBeLessThan(4000);
    expect((found as Buffer).length).toBe(whole.length);
  }
});

test('the head of a message is the same for any number of its bytes from which it can be told', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        stream,
        fc.uint8Array({ maxLength: 30 }).map((b) => Buffer.from(b)),
      ),
      (bytes) => {
        let before: ReturnType<typeof readHead>;
        for (let end = 0; end <= bytes.length; end++) {
          const head = readHead(bytes, 0, end);
          expect(readHead(Buffer.from(bytes.subarray(0, end)), 0)).toEqual(head);
          if (before !== undefined) expect(head).toEqual(before);
          before = head;
        }
        if (bytes.length >= 17) expect(before).toBeDefined();
      },
    ),
    { numRuns: 2000 },
  );
});
