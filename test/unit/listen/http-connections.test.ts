// Who gives way where an HTTP server has as many connections as it may.

import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, test } from 'vitest';
import { limitConnections } from '../../../src/listen/http-connections.ts';

const REQUEST = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

async function start(listener: RequestListener, limits = { most: 100, perNetwork: 20 }) {
  const server = createServer();
  let rejected = 0;
  limitConnections(server, { ...limits, onRejected: () => rejected++ });
  server.on('request', listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  ends.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const open = async (localAddress: string, bytes: string): Promise<Socket> => {
    const socket = connect({ port, host: '127.0.0.1', localAddress }).on('error', () => {});
    ends.push(() => socket.destroy());
    socket.resume();
    await once(socket, 'connect');
    socket.write(bytes);
    return socket;
  };
  /** The status; undefined: it was closed without one. */
  const ask = async (localAddress: string): Promise<string | undefined> => {
    const socket = connect({ port, host: '127.0.0.1', localAddress }).on('error', () => {});
    ends.push(() => socket.destroy());
    let heard = '';
    socket.on('data', (chunk) => {
      heard += chunk.toString('latin1');
    });
    socket.write(REQUEST);
    await new Promise((resolve) => socket.once('close', resolve));
    return /^HTTP\/1\.1 (\d+)/.exec(heard)?.[1];
  };
  return { open, ask, rejected: () => rejected, port };
}

const reading: RequestListener = async (request, response) => {
  await text(request).catch(() => '');
  response.end('done');
};

describe('connections that are as many as may be, from five networks, keep out no request from elsewhere', () => {
  test.each([
    ['that say nothing', ''],
    ['whose header has no end', 'GET / HTTP/1.1\r\nHost: x\r\n'],
    ['whose body has no end', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n1'],
    ['that rest between requests', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'],
  ])('%s', async (_, bytes) => {
    const { open, ask, rejected } = await start(reading);
    for (let n = 0; n < 110; n++) await open(`127.${20 + (n % 5)}.0.1`, bytes);
    const answers: unknown[] = [];
    for (let n = 0; n < 30; n++) answers.push(await ask(`127.${40 + n}.0.1`));
    expect(answers).toEqual(Array.from({ length: 30 }, () => '200'));
    expect(rejected()).toBeGreaterThan(0);
  });

  test('that do not read their answers', async () => {
    const { open, ask } = await start((_, response) => response.end(Buffer.alloc(8_000_000)));
    for (let n = 0; n < 100; n++) {
      const socket = await open(`127.${20 + (n % 5)}.0.1`, '');
      socket.pause();
      socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    }
    for (let n = 0; n < 3; n++) expect(await ask(`127.${40 + n}.0.1`)).toBe('200');
  });
});

test('who waits for an answer never gives way: the one who is one too many is closed', async () => {
  const answers: (() => void)[] = [];
  const { open, ask, rejected } = await start(
    (_, response) => {
      answers.push(() => response.end('done'));
    },
    { most: 3, perNetwork: 3 },
  );
  const waiting = [1, 2, 3].map((n) => ask(`127.20.0.${n}`));
  await expect.poll(() => answers.length).toBe(3);
  expect(await ask('127.30.0.1')).toBeUndefined();
  expect(rejected()).toBe(1);
  for (const answer of answers) answer();
  expect(await Promise.all(waiting)).toEqual(['200', '200', '200']);
  await open('127.30.0.1', '');
});

test('one network has as many as it may, and its silent ones give way first', async () => {
  const { open, ask } = await start(reading, { most: 50, perNetwork: 2 });
  for (let n = 0; n < 5; n++) await open('127.20.0.1', 'GET / HTTP/1.1\r\n');
  expect(await ask('127.20.0.1')).toBe('200');
});
