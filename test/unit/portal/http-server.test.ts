// How long a connection to the portal may take: over whatever a client leaves undone.

import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, test } from 'vitest';
import { httpServer } from '../../../src/portal/http-server.ts';

const DEADLINES = { headers: 150, request: 300, keepAlive: 200, idle: 400, check: 20 };

const started: ReturnType<typeof httpServer>[] = [];
afterEach(() => {
  for (const server of started.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function start(listener: RequestListener): Promise<number> {
  const server = httpServer({ certificate: null }, { portalRejected: () => {} }, () => false, DEADLINES);
  started.push(server.on('request', listener) as typeof server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const reading: RequestListener = async (request, response) => {
  // Hung up on in the middle: there is nobody to answer.
  await text(request).catch(() => '');
  response.end('done');
};

describe('a connection ends', () => {
  test.each([
    ['nothing is sent', '', /^HTTP\/1\.1 408 /],
    ['a header has no end', 'GET / HTTP/1.1\r\nHost: x\r\n', /^HTTP\/1\.1 408 /],
    ['a body has no end', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n1', /^HTTP\/1\.1 408 /],
    ['nothing comes after an answer', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', /^HTTP\/1\.1 200 /],
  ])('when %s', async (_, bytes, expected) => {
    const socket = connect(await start(reading), '127.0.0.1');
    let heard = '';
    socket.on('data', (chunk) => {
      heard += chunk.toString('latin1');
    });
    socket.write(bytes);
    await once(socket, 'close');
    expect(heard).toMatch(expected);
  });

  test('when a body comes a byte at a time', async () => {
    const socket = connect(await start(reading), '127.0.0.1');
    socket.on('error', () => {}).resume();
    socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n');
    const drip = setInterval(() => socket.write('x'), 30);
    await once(socket, 'close');
    clearInterval(drip);
    expect(socket.bytesWritten).toBeLessThan(10_000);
  });

  test('when an answer is not read', async () => {
    // More than the buffers of both ends take.
    const port = await start((_request, response) => response.end(Buffer.alloc(32_000_000)));
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {}).pause();
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    const [server] = started;
    if (server === undefined) throw new Error('no server was started');
    await once(server, 'connection');
    await expect
      .poll(() => server && new Promise<number>((resolve) => server.getConnections((_, n) => resolve(n))))
      .toBe(0);
    socket.destroy();
  });
});
