// Lines and data pulled from a socket: the order of what came and what ended it, and how much may lie unread. Three worst
// things: a line without end; a client that sends while nobody reads; an end in the middle of a line.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LineReader } from '../../../../src/protocols/smtp/line-reader.ts';

let peer: Socket;
let socket: Socket;
let reader: LineReader<'deadline'>;
beforeEach(async () => {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  peer = connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => {});
  [socket] = (await once(server, 'connection')) as [Socket];
  socket.on('error', () => {});
  server.close();
  reader = new LineReader(socket, 20);
});
afterEach(() => {
  peer.destroy();
  socket.destroy();
});

const line = async () => {
  const next = await reader.line();
  return next.kind === 'line' ? next.bytes.toString() : next.kind === 'ended' ? next.why : next.kind;
};

test('lines that came before the end are given before it; half a line is none', async () => {
  peer.end('a\r\nb\n\r\nhalf');
  expect([await line(), await line(), await line(), await line(), await line()]).toEqual([
    'a',
    'b',
    '',
    'closed',
    'closed',
  ]);
});

test('a deadline does not wait for the lines that are there', async () => {
  peer.write('a\r\nb\r\n');
  expect(await line()).toBe('a');
  reader.interrupt('deadline');
  expect([await line(), await line()]).toEqual(['deadline', 'deadline']);
});

test('whoever waits is woken by the end', async () => {
  const waiting = line();
  reader.interrupt('deadline');
  expect(await waiting).toBe('deadline');
});

test('20 octets are a line; 21 are skipped up to its end; 65,536 are too many to be skipped', async () => {
  peer.write(`${'x'.repeat(20)}\r\n${'y'.repeat(21)}\r\n${'z'.repeat(60_000)}`);
  expect([await line(), await line()]).toEqual(['x'.repeat(20), 'too long']);
  peer.write('\r\nnext\r\n');
  expect([await line(), await line()]).toEqual(['too long', 'next']);
  peer.write('z'.repeat(70_000));
  expect(await line()).toBe('endless');
});

test('whether the next line is there', async () => {
  peer.write('a\r\nb\r\nc');
  await line();
  expect(reader.hasLine()).toBe(true);
  await line();
  expect(reader.hasLine()).toBe(false);
});

test('data come as they come, and what is put back is read again', async () => {
  peer.write('a\r\nMESSAGE.QUIT\r\n');
  await line();
  const got = await reader.data();
  expect(got).toMatchObject({ kind: 'data' });
  if (got.kind === 'data') reader.putBack(got.bytes.subarray(8));
  expect(await line()).toBe('QUIT');
});

test('a peer that sends while nobody reads has to wait', async () => {
  peer.write(Buffer.alloc(10_000_000, 'x\r\n'));
  await expect.poll(() => socket.isPaused()).toBe(true);
  expect(await line()).toBe('x');
});

test('in any pieces the lines are the same', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom('a', 'bc', '\r', '\n', '\r\n', 'x'.repeat(15)), { maxLength: 25 }),
      async (pieces) => {
        const lines = async (parts: readonly string[]) => {
          const fake = new (await import('node:stream')).PassThrough() as unknown as Socket;
          const of = new LineReader<'deadline'>(fake, 20);
          const found: string[] = [];
          for (const part of parts) fake.emit('data', Buffer.from(part));
          fake.emit('end');
          for (;;) {
            const next = await of.line();
            if (next.kind === 'ended') return found;
            found.push(next.kind === 'line' ? next.bytes.toString() : next.kind);
          }
        };
        const text = pieces.join('');
        expect(await lines([...text])).toEqual(await lines(text === '' ? [] : [text]));
      },
    ),
    { numRuns: 300 },
  );
});
