// Several sockets on one address, and yet one owner of it.

import { once } from 'node:events';
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
