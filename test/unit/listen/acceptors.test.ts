// Several sockets on one address, and yet one owner of it.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { Acceptors } from '../../../src/listen/acceptors.ts';

const HOST = '127.0.0.1';
const opened: { close(): void }[] = [];
afterEach(() => {
  for (const each of opened.splice(0)) each.close();
});

function acceptors(onConnection: (socket: Socket) => void = (socket) => socket.destroy()): Acceptors {
  const made = new Acceptors(onConnection, () => {});
  opened.push(made);
  return made;
}

test('a port that another has is an error, also if that other is one of us', async () => {
  const port = await acceptors().listen({ host: HOST, port: 0 });
  await expect(acceptors().listen({ host: HOST, port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  await expect(acceptors().listen({ host: '0.0.0.0', port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  const other = createServer().listen({ host: HOST, port: 0 });
  opened.push(other);
  await once(other, 'listening');
  const { port: taken } = other.address() as { port: number };
  await expect(acceptors().listen({ host: HOST, port: taken })).rejects.toMatchObject({ code: 'EADDRINUSE' });
});

test('an address that this machine does not have is an error', async () => {
  await expect(acceptors().listen({ host: '192.0.2.1', port: 0 })).rejects.toMatchObject({
    code: 'EADDRNOTAVAIL',
  });
});

describe('once it listens', () => {
  test('every connection is taken, several in a turn of the event loop', async () => {
    let turn = 0;
    let spinning = true;
    const spin = () => {
      turn++;
      if (spinning) setImmediate(spin);
    };
    const inTurn = new Map<number, number>();
    const port = await acceptors((socket) => {
      inTurn.set(turn, (inTurn.get(turn) ?? 0) + 1);
      socket.destroy();
    }).listen({ host: HOST, port: 0 });
    spin();
    const clients = Array.from({ length: 200 }, () => connect(port, HOST).resume());
    await Promise.all(clients.map((client) => once(client, 'close')));
    spinning = false;
    expect([...inTurn.values()].reduce((sum, count) => sum + count, 0)).toBe(200);
    expect(Math.max(...inTurn.values())).toBeGreaterThan(1);
  });

  test('closed, it takes none, and the port is free', async () => {
    const first = acceptors();
    const port = await first.listen({ host: HOST, port: 0 });
    first.close();
    const refused = connect(port, HOST);
    await expect(once(refused, 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(await acceptors().listen({ host: HOST, port })).toBe(port);
  });
});

/** proc(5), /proc/net/tcp: seconds until the keepalive of the server's side of a connection is due; undefined: there is none. */
function keepAliveIn(serverPort: number, clientPort: number): number | undefined {
  const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, '0');
  const line = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((text) => text.trim().split(/\s+/))
    .find(
      ([, local = '', remote = '']) =>
        local.endsWith(`:${hex(serverPort)}`) && remote.endsWith(`:${hex(clientPort)}`),
    );
  const [kind, when] = line?.[5]?.split(':') ?? [];
  // 2: a timer other than retransmission. USER_HZ is 100.
  return kind === '02' ? Number.parseInt(when as string, 16) / 100 : undefined;
}

test('a client that is gone without a word is found out within minutes: sessions of a phone behind a NAT do not pile up', async () => {
  const accepted: Socket[] = [];
  const port = await acceptors((socket) => accepted.push(socket)).listen({ host: HOST, port: 0 });
  const client = connect(port, HOST);
  try {
    await once(client, 'connect');
    await expect.poll(() => accepted.length).toBe(1);
    // The kernel's own default is two hours. Not too soon, either: each one wakes a phone.
    const due = () => keepAliveIn(port, client.localPort as number);
    await expect.poll(due).toBeGreaterThan(60);
    expect(due()).toBeLessThanOrEqual(120);
  } finally {
    client.destroy();
    for (const socket of accepted) socket.destroy();
  }
});
