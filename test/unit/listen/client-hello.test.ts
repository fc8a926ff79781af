// When a ClientHello has come whole.

import { once } from 'node:events';
import { createServer } from 'node:net';
import { connect } from 'node:tls';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { helloIn, MOST_HELLO, MOST_RECORDS } from '../../../src/listen/client-hello.ts';

/** What Node's client says first. */
async function realHello(): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const client = connect({ port, host: '127.0.0.1', servername: 'mail.example.com' }).on('error', () => {});
  const [socket] = await once(server, 'connection');
  const [hello] = await once(socket, 'data');
  client.destroy();
  server.close();
  return hello as Buffer;
}

const record = (fragment: Buffer, type = 0x16) =>
  Buffer.concat([Buffer.from([type, 3, 1, fragment.length >> 8, fragment.length & 0xff]), fragment]);
const handshake = (octets: number, type = 1) =>
  Buffer.concat([
    Buffer.from([type, octets >> 16, (octets >> 8) & 0xff, octets & 0xff]),
    Buffer.alloc(octets, 7),
  ]);

test('a real one is whole with its last octet, and not before', async () => {
  const hello = await realHello();
  for (let n = 1; n < hello.length; n++) expect(helloIn(hello.subarray(0, n))).toBe('more');
  expect(helloIn(hello)).toBe('whole');
  expect(helloIn(Buffer.concat([hello, Buffer.from('early data')]))).toBe('whole');
});

describe('in several records', () => {
  test.each([1, 2, 3, 5, 100, 399])('of %d octets', (size) => {
    const message = handshake(400);
    const records: Buffer[] = [];
    for (let at = 0; at < message.length; at += size) records.push(record(message.subarray(at, at + size)));
    const all = Buffer.concat(records);
    expect(helloIn(all.subarray(0, -1))).toBe('more');
    expect(helloIn(all)).toBe('whole');
  });

  test('which are not gone through without end: at one more than may be it is none, whatever follows', () => {
    const message = handshake(MOST_RECORDS);
    const records = Array.from(message, (octet) => record(Buffer.from([octet])));
    const most = Buffer.concat(records.slice(0, MOST_RECORDS));
    expect(helloIn(most)).toBe('more');
    expect(helloIn(Buffer.concat([most, Buffer.from([0x16])]))).toBe('none');
    expect(helloIn(Buffer.concat(records))).toBe('none');
  });
});

test.each([
  ['another message', record(handshake(10, 2))],
  ['another record', record(handshake(10), 0x17)],
  ['a record of another version', Buffer.from([0x16, 2, 0, 0, 5])],
  ['an empty record', Buffer.from([0x16, 3, 1, 0, 0])],
  ['SSLv2', Buffer.from([0x80, 0x2e, 1, 0, 2])],
  ['text', Buffer.from('a NOOP\r\n')],
  ['more than anybody has to say', record(handshake(MOST_HELLO)).subarray(0, 9)],
  ['records without end', Buffer.concat(Array.from({ length: 4000 }, () => record(Buffer.from([1]))))],
])('%s is none', (_, bytes) => {
  expect(helloIn(bytes)).toBe('none');
});

test('whatever comes, nothing throws, and what is decided stays so', () => {
  const start = fc.constantFrom(
    Buffer.alloc(0),
    Buffer.from([0x16, 3, 1]),
    record(handshake(30)).subarray(0, 20),
  );
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 80 }), fc.nat(100), (head, tail, cut) => {
      const bytes = Buffer.concat([head, tail]);
      const early = helloIn(bytes.subarray(0, cut));
      if (early !== 'more' && cut > 0) expect(helloIn(bytes)).toBe(early);
    }),
  );
});
