// Frames pulled from a socket: the order of what came and what ended it, and how much may lie unread.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FrameReader } from '../../../../src/protocols/imap/frame-reader.ts';
import { Framer } from '../../../../src/protocols/imap/framer.ts';

let peer: Socket;
let socket: Socket;
let reader: FrameReader;
beforeEach(async () => {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  peer = connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => {});
  [socket] = (await once(server, 'connection')) as [Socket];
  socket.on('error', () => {});
  server.close();
  reader = new FrameReader(socket, new Framer('announced'));
});
afterEach(() => {
  peer.destroy();
  socket.destroy();
});

const line = async () => {
  const frame = await reader.command();
  return frame.kind === 'complete' ? frame.bytes.toString() : frame;
};

test('frames that came before the end are given before it', async () => {
  peer.end('a\r\nb\r\nhalf');
  expect(await line()).toBe('a');
  expect(await line()).toBe('b');
  expect(await line()).toEqual({ kind: 'ended', why: 'closed' });
  expect(await line()).toEqual({ kind: 'ended', why: 'closed' });
});

test('a reset is the end, also for whoever waits already', async () => {
  const waiting = line();
  peer.resetAndDestroy();
  expect(await waiting).toEqual({ kind: 'ended', why: 'closed' });
});

test('a deadline is heard before what else has come, and the first word counts', async () => {
  peer.write('a\r\nb\r\n');
  expect(await line()).toBe('a');
  reader.interrupt('deadline');
  reader.interrupt('shutdown');
  expect(await line()).toEqual({ kind: 'ended', why: 'deadline' });
});

test('a peer that sends more than is read has to wait', async () => {
  const flood = Buffer.alloc(65_535, 'a\r\n');
  let sent = 0;
  const pump = () => {
    do sent += flood.length;
    while (peer.write(flood) && sent < 100_000_000);
  };
  peer.on('drain', pump);
  pump();
  await expect.poll(() => socket.isPaused()).toBe(true);
  await new Promise((resolve) => setTimeout(resolve, 100));
  const before = sent;
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(sent).toBe(before);
  for (let n = 0; n < 100_000; n++) expect(await line()).toBe('a');
  peer.off('drain', pump);
  const rest = reader.detach().toString();
  expect(rest.length).toBeLessThan(200_000);
  expect('a\r\n'.repeat(rest.length)).toContain(rest);
  expect(socket.isPaused()).toBe(true);
});

test('once detached, it hears nothing, and its socket keeps what comes', async () => {
  peer.write('a\r\nrest');
  expect(await line()).toBe('a');
  await expect.poll(() => reader.detach().toString()).toBe('rest');
  peer.write('later');
  await new Promise((resolve) => setTimeout(resolve, 30));
  const [chunk] = await Promise.all([once(socket, 'data'), socket.resume()]);
  expect(chunk.toString()).toBe('later');
});
