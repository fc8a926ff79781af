// Reading a PROXY header from a socket: what a balancer can do while it should be sending one.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { readProxyHeader } from '../../../src/listen/proxy-header.ts';
import { until } from '../../support/patience.ts';

const HEADER = 'PROXY TCP4 192.0.2.7 198.51.100.1 51234 993\r\n';
const ALICE = {
  kind: 'proxied',
  source: { address: '192.0.2.7', port: 51_234 },
  destination: { address: '198.51.100.1', port: 993 },
};
const closing: (() => void)[] = [];

afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** A balancer's end and our end of one connection. */
async function pair(): Promise<{ balancer: Socket; socket: Socket }> {
  const server = createServer({ allowHalfOpen: true, noDelay: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const balancer = connect({
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    noDelay: true,
  });
  balancer.on('error', () => {});
  const [socket] = (await once(server, 'connection')) as [Socket];
  socket.on('error', () => {});
  closing.push(() => {
    balancer.destroy();
    socket.destroy();
    server.close();
  });
  return { balancer, socket };
}

const MINUTE = 60_000;

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function readAll(socket: Socket, count: number): Promise<string> {
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  socket.resume();
  await until(`${count} characters have come`, () => text.length >= count);
  return text;
}

describe('what came behind the header is still to be read', () => {
  test.each([
    ['in one piece', [`${HEADER}a1 NOOP\r\n`]],
    ['in its own piece', [HEADER, 'a1 NOOP\r\n']],
    ['octet by octet', [...`${HEADER}a1 NOOP\r\n`]],
  ])('%s', async (_, pieces) => {
    const { balancer, socket } = await pair();
    const header = readProxyHeader(socket, MINUTE);
    for (const piece of pieces) {
      balancer.write(piece);
      await pause(1);
    }
    expect(await header).toEqual(ALICE);
    expect(socket.isPaused()).toBe(true);
    expect(await readAll(socket, 9)).toBe('a1 NOOP\r\n');
  });
});

describe('no header comes', () => {
  test('in time, if nothing does', async () => {
    const { socket } = await pair();
    expect(await readProxyHeader(socket, 50)).toBe('late');
  });

  test('in time, if an octet comes now and then: that extends nothing', async () => {
    const { balancer, socket } = await pair();
    const header = readProxyHeader(socket, 150);
    // Octets without end, each well within the time that one alone would have.
    const trickle = setInterval(() => balancer.write('x'.repeat(++sent)), 20);
    let sent = 0;
    balancer.write('PROXY UNKNOWN ');
    expect(await header).toBe('late');
    clearInterval(trickle);
    expect(sent).toBeGreaterThan(0);
  });

  test.each([
    ['a reset', (balancer: Socket) => balancer.resetAndDestroy()],
    ['an end', (balancer: Socket) => balancer.end()],
  ])('before %s within it', async (_, close) => {
    const { balancer, socket } = await pair();
    const header = readProxyHeader(socket, MINUTE);
    balancer.write(HEADER.slice(0, 20));
    await pause(20);
    close(balancer);
    expect(await header).toBe('closed');
  });

  test.each([
    ['a reset', (balancer: Socket) => balancer.resetAndDestroy()],
    ['an end', (balancer: Socket) => balancer.end()],
  ])('before %s without a word, as of a plain health check', async (_, close) => {
    const { balancer, socket } = await pair();
    const header = readProxyHeader(socket, MINUTE);
    close(balancer);
    expect(await header).toBe('closed_silently');
  });

  test('from a socket that is closed already', async () => {
    const { socket } = await pair();
    socket.destroy();
    await once(socket, 'close');
    expect(await readProxyHeader(socket, MINUTE)).toBe('closed_silently');
  });

  test('if something else does', async () => {
    const { balancer, socket } = await pair();
    const header = readProxyHeader(socket, MINUTE);
    balancer.write('\x16\x03\x01');
    expect(await header).toBe('missing');
  });
});
